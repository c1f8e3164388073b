"""The audit log: every change of a judgement or of a person's standing, with before and after."""

from typing import Any

from django.db.models import Model

from core.models import AuditEntry, Project, User


def record(
    act: str,
    *,
    project: Project | None = None,
    actor: User | None = None,
    person: User | None = None,
    subject: Model | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Writes an entry; call it in the transaction of the change, so that neither stands without the other.

    act: `app.verb`. actor: who did it; None: the software, by a rule that the curator set. person: whose judgement or
    standing it is. before, after: JSON with the changed fields only; no private text.
    """
    return AuditEntry.objects.create(
        act=act,
        project=project,
        actor=actor,
        person=person,
        subject_kind=subject._meta.label_lower if subject is not None else "",
        subject_id=subject.pk if subject is not None else None,
        before=before or {},
        after=after or {},
        reason=reason,
    )
