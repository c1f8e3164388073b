"""Reads of search logs, queries, verdicts and rule sets."""

from dataclasses import dataclass, field, fields
from typing import Any

from django.db.models import BigIntegerField, Case, Count, Exists, F, OuterRef, Q, QuerySet, When

from core.models import Project
from curation.intent import LANGUAGE_CATEGORY, default_rule_set
from curation.log_phases import phase_rows
from curation.models import Adoption, LogImport, Query, RuleSet, Verdict
from curation.privacy import find_private, mask
from curation.selectors.query_filter import (
    ORDERS,
    VERDICTS,
    BadFilterError,
    QueryFilter,
    filtered_queries,
    forms_of_category,
)
from curation.services.rule_counts import current_counts
from curation.services.rule_sets import install_shipped_rule_sets, profile_of

__all__ = [
    "ORDERS",
    "VERDICTS",
    "BadFilterError",
    "QueryFilter",
    "RuleCounts",
    "current_rule_set",
    "filtered_queries",
    "forms_of_category",
    "import_report",
    "judgeable_queries",
    "left_out_count",
    "proposable_count",
    "proposable_queries",
    "quarantine_counts",
    "rule_counts",
    "rule_sets",
    "second_import_report",
    "shown_text",
    "withheld_count",
    "withheld_preview",
]
PREVIEWED_K = (1, 2, 3, 5, 10)
_AT_ONCE = 5000


def current_rule_set(project: Project) -> RuleSet:
    """The rule set that the project adopted last, else the shipped one that suits its language keyword.

    Of a shipped one, the version that judged the project's queries: a person adopts a newer one, never an upgrade.
    """
    adopted = Adoption.objects.filter(project=project, adopted_at__isnull=False).order_by("-adopted_at", "-id")
    latest = adopted.select_related("rule_set").first()
    if latest is not None:
        return latest.rule_set
    wanted = default_rule_set(project.language)
    has_judged = Q(counts__accepted__gt=0) | Q(counts__rejected__gt=0) | Q(counts__is_stale=True)
    used = RuleSet.objects.filter(has_judged, project=None, name=wanted, counts__project=project)
    return used.order_by("-version").first() or next(
        found for found in install_shipped_rule_sets() if found.name == wanted
    )


def rule_sets(project: Project) -> QuerySet[RuleSet]:
    """The rule sets a project may use: the shipped ones and its own, newest version first."""
    install_shipped_rule_sets()
    return RuleSet.objects.filter(Q(project=None) | Q(project=project)).order_by("name", "-version")


def proposable_queries(project: Project, rule_set: RuleSet | None = None) -> QuerySet[Query]:
    """Queries that may become pairs: accepted by the rule set, asked by enough people, neither quarantined nor left
    out by a curator."""
    rows = _accepted(project, rule_set or current_rule_set(project))
    return _asked_by_enough(rows, project.k_anonymity).order_by("content_hash")


def left_out_count(project: Project, rule_set: RuleSet) -> int:
    """Accepted queries that a curator left out: few, so they are looked up one by one in the verdicts."""
    # The reason is looked at here: in the filter it would draw the planner to an index of all queries.
    left_out = Query.objects.filter(project=project, is_left_out=True).order_by("id")
    ids = [pk for pk, reason in left_out.values_list("pk", "quarantine_reason") if not reason]
    starts = range(0, len(ids), _AT_ONCE)
    parts = (Verdict.objects.filter(query__in=ids[start : start + _AT_ONCE]) for start in starts)
    return sum(part.filter(rule_set=rule_set, has_intent=True).count() for part in parts)


def proposable_count(project: Project) -> int:
    """How many queries may be proposed. Without k-anonymity from kept counts; with it they are counted, which takes a
    second on a large project."""
    if project.k_anonymity > 1:
        return proposable_queries(project).count()
    rule_set = current_rule_set(project)
    return current_counts(project, rule_set).accepted - left_out_count(project, rule_set)


def _accepted(project: Project, rule_set: RuleSet) -> QuerySet[Query]:
    verdicts = Verdict.objects.filter(query=OuterRef("pk"), rule_set=rule_set, has_intent=True)
    return Query.objects.filter(Exists(verdicts), project=project, quarantine_reason="", is_left_out=False)


def judgeable_queries(project: Project) -> QuerySet[Query]:
    """Queries that people may be shown, whatever the rules say of them: not quarantined, asked by enough people, and
    not left out by hand."""
    rows = Query.objects.filter(project=project, quarantine_reason="", is_left_out=False)
    return _asked_by_enough(rows, project.k_anonymity)


def withheld_count(project: Project, rule_set: RuleSet) -> int:
    """Accepted queries that too few people asked (k-anonymity)."""
    return withheld_preview(project, rule_set, (project.k_anonymity,))[project.k_anonymity]


def withheld_preview(project: Project, rule_set: RuleSet, sizes: tuple[int, ...] = PREVIEWED_K) -> dict[int, int]:
    """k -> how many accepted queries would be withheld with that k. Reads every accepted query's askers once."""
    accepted = _accepted(project, rule_set)
    wanted = sorted({k for k in sizes if k > 1})
    cases = {f"below_{k}": Count("pk", filter=Q(crowd__lt=k)) for k in wanted}
    if not cases:
        return dict.fromkeys(sizes, 0)
    counts = accepted.annotate(crowd=_crowd()).aggregate(**cases)
    return {k: counts.get(f"below_{k}", 0) for k in sizes}


def _crowd() -> Any:
    """Distinct people who asked; where no log names people, the number of times."""
    return Case(When(n_people__gt=0, then=F("n_people")), default=F("n_seen"), output_field=BigIntegerField())


def _asked_by_enough(rows: QuerySet[Query], k: int) -> QuerySet[Query]:
    """k-anonymity: distinct people where the log names people, else the number of times."""
    return rows if k <= 1 else rows.filter(Q(n_people__gte=k) | Q(n_people=0, n_seen__gte=k))


def shown_text(query: Query) -> str:
    """The text as anyone may see it: private parts of a quarantined query are masked.

    Where the detectors do not find what it is held back for (a person did, or an older version), all of it is masked.
    """
    if not query.quarantine_reason:
        return query.text
    found = {finding.reason for finding in find_private(query.text)}
    return mask(query.text) if query.quarantine_reason in found else f"[{query.quarantine_reason}]"


@dataclass(frozen=True)
class RuleCounts:
    """How a project's queries stand under a rule set. quarantined + accepted + rejected + unjudged = queries."""

    queries: int
    quarantined: int
    accepted: int
    rejected: int
    unjudged: int
    withheld: int
    by_rule: dict[str, int] = field(default_factory=dict)
    by_category: dict[str, int] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}


def rule_counts(
    project: Project, rule_set: RuleSet, *, with_rules: bool = True, with_withheld: bool = True
) -> RuleCounts:
    """How many queries stand where; `withheld` are among the accepted. The counts are kept, not counted here; only
    what k-anonymity withholds is counted, which takes a second on a large project."""
    queries = project.queries.count()
    quarantined = project.queries.filter(quarantine_reason__gt="").count()
    counts = current_counts(project, rule_set)
    most = sorted(counts.by_rule.items(), key=lambda item: (-item[1], item[0]))
    categories = (*profile_of(rule_set).categories, LANGUAGE_CATEGORY)
    return RuleCounts(
        queries=queries,
        quarantined=quarantined,
        accepted=counts.accepted,
        rejected=counts.rejected,
        unjudged=queries - quarantined - counts.accepted - counts.rejected,
        withheld=withheld_count(project, rule_set) if with_withheld and project.k_anonymity > 1 else 0,
        by_rule=dict(most) if with_rules else {},
        by_category={name: counts.by_category.get(name, 0) for name in categories} if with_rules else {},
    )


def quarantine_counts(project: Project) -> dict[str, int]:
    """Distinct queries held back by privacy, by reason."""
    rows = project.queries.exclude(quarantine_reason="").values_list("quarantine_reason")
    return dict(rows.annotate(n=Count("id")).order_by("-n", "quarantine_reason"))


def import_report(log_import: LogImport) -> dict[str, Any]:
    """The numbers of an import: read = new + known + bad."""
    # Few are quarantined, so they are asked for by their own index.
    held = Query.objects.filter(
        project=log_import.project_id, quarantine_reason__gt="", counts__log_import=log_import
    ).count()
    return {
        "log_import": log_import.pk,
        "name": log_import.name,
        "format": log_import.format,
        "column": log_import.column,
        "count_column": log_import.count_column,
        "user_column": log_import.user_column,
        "url_column": log_import.url_column,
        "sha256": log_import.sha256,
        "complete": log_import.is_complete,
        "already_imported": False,
        "read": log_import.n_read,
        "new": log_import.n_new,
        "known": log_import.n_known,
        "bad": log_import.n_bad,
        "bad_reasons": log_import.bad_reasons,
        "distinct": log_import.counts.count(),
        "quarantined": held,
        "phases": phase_rows(log_import.phases),
        "being_undone": log_import.is_being_undone,
    }


def second_import_report(log_import: LogImport) -> dict[str, Any]:
    """The numbers of a second import of the same file: it adds nothing."""
    known = log_import.n_new + log_import.n_known
    return {**import_report(log_import), "already_imported": True, "new": 0, "known": known}
