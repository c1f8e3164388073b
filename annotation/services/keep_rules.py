"""Choosing the keep rule that a project's releases start from."""

from annotation.consensus import KeepRule
from annotation.models import ChosenKeepRule
from annotation.selectors.agreement import chosen_rule
from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.models import Project, User


@retry_when_busy()
def choose_keep_rule(*, project: Project, rule: KeepRule, user: User | None = None) -> ChosenKeepRule:
    """Makes `rule` the one that releases of the project start from. Releases that are there already stay as they are.

    The same rule again changes nothing.
    """
    with write_transaction():
        before = ChosenKeepRule.objects.filter(project=project).first()
        if before is not None and before.rule == rule.to_dict():
            return before
        was = chosen_rule(project).to_dict()
        chosen, _ = ChosenKeepRule.objects.update_or_create(
            project=project, defaults={"rule": rule.to_dict(), "chosen_by": user}
        )
        record(
            "annotation.choose_keep_rule",
            project=project,
            actor=user,
            subject=chosen,
            before={"rule": was},
            after={"rule": rule.to_dict()},
        )
        return chosen
