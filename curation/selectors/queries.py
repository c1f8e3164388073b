"""Reads of search logs, queries, verdicts and rule sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from core.errors import QuarryError
from core.models import Project
from curation.intent import LANGUAGE_CATEGORY, default_rule_set, missing_language_form
from curation.models import Adoption, LogImport, Query, QueryUser, RuleSet, Verdict
from curation.privacy import mask
from curation.services.rule_counts import current_counts
from curation.services.rule_sets import install_shipped_rule_sets, profile_of

ORDERS = {"popular": "-n_seen", "newest": "-id"}
VERDICTS = ("accepted", "rejected", "unjudged", "quarantined")
MAX_SEARCH_CHARS = 200


class BadFilterError(QuarryError):
    """A filter that does not exist, or a value that it does not take."""

    code, status = "bad_filter", 400
    template = "The filter {name} does not take {value!r}. {known}"


@dataclass(frozen=True)
class QueryFilter:
    """What a list of queries is narrowed to; empty fields ask nothing."""

    verdict: str = ""
    rule: str = ""
    category: str = ""
    reason: str = ""
    text: str = ""
    log: int | None = None
    new_in: int | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> "QueryFilter":
        """Reads the known filters; raises BadFilterError for a value that makes no sense."""
        given = {one.name: str(params.get(one.name, "")).strip() for one in fields(cls)}
        if given["verdict"] and given["verdict"] not in VERDICTS:
            raise BadFilterError(name="verdict", value=given["verdict"][:60], known=f"It takes {', '.join(VERDICTS)}.")
        if "\0" in "".join(given.values()) or len(given["text"]) > MAX_SEARCH_CHARS:
            raise BadFilterError(name="text", value="that text", known=f"At most {MAX_SEARCH_CHARS} characters.")
        numbers = {name: _import_number(name, given.pop(name)) for name in ("log", "new_in")}
        return cls(**given, **numbers)  # type: ignore[arg-type]

    def as_params(self) -> dict[str, str]:
        """The filters in use, as parameters of an address."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: str(value) for name, value in values.items() if value}


def _import_number(name: str, given: str) -> int | None:
    if given and not (given.isascii() and given.isdigit() and len(given) < 19):
        raise BadFilterError(name=name, value=given[:60], known="It takes the number of an import.")
    return int(given) if given else None


def current_rule_set(project: Project) -> RuleSet:
    """The rule set that the project adopted last, else the shipped one that suits its language keyword."""
    adopted = Adoption.objects.filter(project=project, adopted_at__isnull=False).order_by("-adopted_at", "-id")
    latest = adopted.select_related("rule_set").first()
    if latest is not None:
        return latest.rule_set
    wanted = default_rule_set(project.language)
    return next(found for found in install_shipped_rule_sets() if found.name == wanted)


def rule_sets(project: Project) -> QuerySet[RuleSet]:
    """The rule sets a project may use: the shipped ones and its own, newest version first."""
    install_shipped_rule_sets()
    return RuleSet.objects.filter(Q(project=None) | Q(project=project)).order_by("name", "-version")


def proposable_queries(project: Project, rule_set: RuleSet | None = None) -> QuerySet[Query]:
    """Queries that may become pairs: accepted by the rule set, not quarantined, asked by enough people."""
    verdicts = Verdict.objects.filter(
        query=OuterRef("pk"), rule_set=rule_set or current_rule_set(project), has_intent=True
    )
    rows = Query.objects.filter(Exists(verdicts), project=project, quarantine_reason="")
    return _asked_by_enough(rows, project.k_anonymity).order_by("content_hash")


def judgeable_queries(project: Project) -> QuerySet[Query]:
    """Queries that people may be shown, whatever the rules say of them: not quarantined, asked by enough people, and
    not left out by hand."""
    rows = Query.objects.filter(project=project, quarantine_reason="", is_left_out=False)
    return _asked_by_enough(rows, project.k_anonymity)


def withheld_count(project: Project, rule_set: RuleSet) -> int:
    """Accepted queries that too few people asked (k-anonymity)."""
    accepted = project.queries.filter(quarantine_reason="", verdicts__rule_set=rule_set, verdicts__has_intent=True)
    return accepted.count() - proposable_queries(project, rule_set).count()


def _asked_by_enough(rows: QuerySet[Query], k: int) -> QuerySet[Query]:
    """k-anonymity: distinct people where the log names people, else the number of times."""
    if k <= 1:
        return rows
    crowded = QueryUser.objects.values("query").annotate(people=Count("id")).filter(people__gte=k).values("query")
    any_asker = QueryUser.objects.filter(query=OuterRef("pk"))
    return rows.filter(Q(pk__in=crowded) | (Q(n_seen__gte=k) & ~Exists(any_asker)))


def filtered_queries(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> QuerySet[Query]:
    """The project's queries under a filter. A text search never looks into quarantined queries."""
    rows = Query.objects.filter(project=project)
    verdicts = Verdict.objects.filter(query=OuterRef("pk"), rule_set=rule_set)
    if wanted.verdict == "quarantined":
        rows = rows.exclude(quarantine_reason="")
    elif wanted.verdict:
        rows = rows.filter(quarantine_reason="")
        judged = Exists(verdicts.filter(has_intent=wanted.verdict == "accepted"))
        rows = rows.filter(~Exists(verdicts) if wanted.verdict == "unjudged" else judged)
    if wanted.reason:
        rows = rows.filter(quarantine_reason=wanted.reason)
    if wanted.rule or wanted.category:
        forms = [wanted.rule] if wanted.rule else forms_of_category(project, rule_set, wanted.category)
        rows = rows.filter(Exists(verdicts.filter(hits__rule__in=forms)), quarantine_reason="")
    if wanted.text:
        rows = rows.filter(text__icontains=wanted.text, quarantine_reason="")
    if wanted.log is not None:
        rows = rows.filter(counts__log_import_id=wanted.log)
    if wanted.new_in is not None:
        rows = rows.filter(first_import_id=wanted.new_in)
    return rows


def forms_of_category(project: Project, rule_set: RuleSet, category: str) -> list[str]:
    """Printed forms of the rules of a category."""
    if category == LANGUAGE_CATEGORY:
        return [missing_language_form(project.language)]
    return [rule.form for rule in profile_of(rule_set).rules if rule.category == category]


def shown_text(query: Query) -> str:
    """The text as anyone may see it: private parts of a quarantined query are masked."""
    return mask(query.text) if query.quarantine_reason else query.text


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


def rule_counts(project: Project, rule_set: RuleSet, *, with_rules: bool = True) -> RuleCounts:
    """How many queries stand where; `withheld` are among the accepted. The counts are kept, not counted here."""
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
        withheld=withheld_count(project, rule_set) if project.k_anonymity > 1 else 0,
        by_rule=dict(most) if with_rules else {},
        by_category={name: counts.by_category.get(name, 0) for name in categories} if with_rules else {},
    )


def only_rule_counts(project: Project, rule_set: RuleSet) -> dict[str, int]:
    """Queries that a rule rejects alone: what would be accepted without it."""
    return dict(current_counts(project, rule_set).alone)


def quarantine_counts(project: Project) -> dict[str, int]:
    """Distinct queries held back by privacy, by reason."""
    rows = project.queries.exclude(quarantine_reason="").values_list("quarantine_reason")
    return dict(rows.annotate(n=Count("id")).order_by("-n", "quarantine_reason"))


def import_report(log_import: LogImport) -> dict[str, Any]:
    """The numbers of an import: read = new + known + bad."""
    in_log = Query.objects.filter(counts__log_import=log_import)
    return {
        "log_import": log_import.pk,
        "name": log_import.name,
        "format": log_import.format,
        "column": log_import.column,
        "count_column": log_import.count_column,
        "user_column": log_import.user_column,
        "sha256": log_import.sha256,
        "complete": log_import.is_complete,
        "already_imported": False,
        "read": log_import.n_read,
        "new": log_import.n_new,
        "known": log_import.n_known,
        "bad": log_import.n_bad,
        "bad_reasons": log_import.bad_reasons,
        "distinct": in_log.count(),
        "quarantined": in_log.exclude(quarantine_reason="").count(),
    }


def second_import_report(log_import: LogImport) -> dict[str, Any]:
    """The numbers of a second import of the same file: it adds nothing."""
    known = log_import.n_new + log_import.n_known
    return {**import_report(log_import), "already_imported": True, "new": 0, "known": known}
