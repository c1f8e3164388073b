"""Reads of what rules and adoptions of rule sets did to queries."""

from django.db.models import Exists, F, OuterRef, QuerySet

from core.errors import BadInputError
from core.models import Project
from curation.models import Adoption, Query, RuleHit, RuleSet, Verdict

SIDES = ("newly_rejected", "newly_accepted")


def changed_queries(adoption: Adoption, *, side: str, rule: str = "") -> QuerySet[Query]:
    """Queries whose verdict under the adopted rule set differs from the one before, as both are stored now.

    `rule` narrows to those that it hits now (newly rejected) or hit before (newly accepted).
    """
    if side not in SIDES:
        raise BadInputError(problem=f"There is no side {side[:40]}. There are: {', '.join(SIDES)}.")
    mine = Query.objects.filter(project=adoption.project_id, quarantine_reason="")
    if adoption.previous_id is None:
        return mine.none()
    rejected = side == "newly_rejected"
    verdicts = Verdict.objects.filter(query=OuterRef("pk"))
    before = verdicts.filter(rule_set=adoption.previous_id, has_intent=rejected)
    after = verdicts.filter(rule_set=adoption.rule_set_id, has_intent=not rejected)
    if rule:
        if rejected:
            after = after.filter(hits__rule=rule)
        else:
            before = before.filter(hits__rule=rule)
    return mine.filter(Exists(before), Exists(after))


def hits_alone(project: Project, rule_set: RuleSet, rule: str) -> QuerySet[RuleHit]:
    """Hits of a rule on queries that no other rule hits: what would be accepted without it."""
    others = RuleHit.objects.filter(verdict=OuterRef("verdict")).exclude(rule=rule)
    hits = RuleHit.objects.filter(rule=rule, verdict__rule_set=rule_set, verdict__query__project=project)
    open_hits = hits.filter(~Exists(others), verdict__query__quarantine_reason="")
    return open_hits.annotate(query_id=F("verdict__query_id")).select_related("verdict__query")
