"""Counting the leases that ran out: the one figure of the queue that no row tells afterwards."""

from collections import Counter

from django.db import connection
from django.utils import timezone

_ADD = """
    INSERT INTO annotation_expiredleases (project_id, day, n) VALUES (%s, %s, %s)
    ON CONFLICT (project_id, day) DO UPDATE SET n = annotation_expiredleases.n + excluded.n
"""


def note_expired(by_project: Counter[int]) -> None:
    """Adds freed leases to today's count of their projects. Call in the transaction that frees them."""
    today = timezone.now().date()
    with connection.cursor() as cursor:
        for project_id, n in sorted(by_project.items()):
            cursor.execute(_ADD, [project_id, today, n])
