"""What the tests of the judge page share: opening it, pressing keys, reading what was stored."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import Vote
from core.models import Project

PATIENCE_S = 15.0


def open_page(page: Any, project: Project) -> None:
    """The judge page with the next pair fetched ahead."""
    page.goto(reverse("annotation:judge", args=[project.slug]))
    page.wait_for_selector("#judge.is-live")
    page.wait_for_load_state("networkidle")


def query_of(page: Any) -> str:
    return page.locator("#stage .query").inner_text()


def judge_all(page: Any, plan: list[str], pause_ms: int) -> None:
    """Presses the keys of each pair, then waits."""
    for press in plan:
        for key in press:
            page.keyboard.press(key)
        page.wait_for_timeout(pause_ms)


def judge_one(page: Any, *keys: str) -> None:
    """Presses these keys and waits until another pair is on screen (or the page has gone on) and can be judged."""
    before = query_of(page)
    for key in keys:
        page.keyboard.press(key)
    expect(page.locator("#stage .query")).not_to_have_text(before)
    page.wait_for_timeout(120)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Fails when the condition does not come true."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.05)
    pytest.fail(f"never: {what}")


def wait_for_votes(n: int) -> list[Vote]:
    """The standing votes in the order of their items, once there are n."""
    standing = Vote.objects.filter(retracted_at__isnull=True).select_related("item__query").order_by("item_id")
    wait_until(lambda: standing.count() >= n, f"{n} votes")
    return list(standing.all())


def stored(votes: list[Vote]) -> list[tuple[str, int | None]]:
    return [(vote.intent, vote.answer) for vote in votes]
