"""What a list of queries may be narrowed to and sorted by, as read from an address, a form or a stored filter."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from core.errors import QuarryError
from core.models import Project
from curation.intent import LANGUAGE_CATEGORY, missing_language_form
from curation.models import Query, QueryCount, RuleSet, Verdict
from curation.services.rule_sets import profile_of

# Public name -> (field, what people read). Only these can be sorted by.
ORDERS = {"popular": "-n_seen", "rare": "n_seen", "newest": "-id", "oldest": "id"}
ORDER_LABELS = {
    "popular": "Most asked first",
    "rare": "Least asked first",
    "newest": "Newest first",
    "oldest": "Oldest first",
}
VERDICTS = ("accepted", "rejected", "unjudged", "quarantined")
MAX_SEARCH_CHARS = 200
_NUMBERS = ("log", "new_in", "asked_from", "asked_to")
_YES = "yes"


class BadFilterError(QuarryError):
    """A filter that does not exist, or a value that it does not take."""

    code, status = "bad_filter", 400
    template = "The filter {name} does not take {value!r}. {known}"


@dataclass(frozen=True)
class QueryFilter:
    """What a list of queries is narrowed to; empty fields ask nothing.

    `asked_from` and `asked_to` bound how often a query was asked, both inclusive; `log` is an import that holds the
    query, `new_in` the import that brought it; `left_out` is "yes" for what a curator left out, "no" for the rest.
    """

    verdict: str = ""
    rule: str = ""
    category: str = ""
    reason: str = ""
    text: str = ""
    left_out: str = ""
    log: int | None = None
    new_in: int | None = None
    asked_from: int | None = None
    asked_to: int | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> "QueryFilter":
        """Reads the known filters; raises BadFilterError for a value that makes no sense."""
        given = {one.name: str(params.get(one.name, "") or "").strip() for one in fields(cls)}
        if given["verdict"] and given["verdict"] not in VERDICTS:
            raise BadFilterError(name="verdict", value=given["verdict"][:60], known=f"It takes {', '.join(VERDICTS)}.")
        if given["left_out"] not in {"", "yes", "no"}:
            raise BadFilterError(name="left_out", value=given["left_out"][:60], known="It takes yes or no.")
        if "\0" in "".join(given.values()) or len(given["text"]) > MAX_SEARCH_CHARS:
            raise BadFilterError(name="text", value="that text", known=f"At most {MAX_SEARCH_CHARS} characters.")
        numbers = {name: _number(name, given.pop(name)) for name in _NUMBERS}
        return cls(**given, **numbers)  # type: ignore[arg-type]

    def as_params(self) -> dict[str, str]:
        """The filters in use, as parameters of an address."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: str(value) for name, value in values.items() if value not in ("", None)}

    @property
    def asks_for_open_text(self) -> bool:
        """Whether quarantined queries are left out: rules and text searches must not tell what they hold."""
        return bool(self.rule or self.category or self.text) or self.verdict in {"accepted", "rejected", "unjudged"}


def _number(name: str, given: str) -> int | None:
    if given and not (given.isascii() and given.isdigit() and len(given) < 19):
        known = "It takes the number of an import." if name in {"log", "new_in"} else "It takes a whole number."
        raise BadFilterError(name=name, value=given[:60], known=known)
    return int(given) if given else None


def chosen_order(given: str) -> str:
    """The field to sort by; BadFilterError for an order that does not exist."""
    if given and given not in ORDERS:
        raise BadFilterError(name="order", value=given[:40], known=f"It takes {', '.join(ORDERS)}.")
    return ORDERS[given or "popular"]


def filtered_queries(
    project: Project, rule_set: RuleSet, wanted: QueryFilter, *, walked: bool = False
) -> QuerySet[Query]:
    """The project's queries under a filter. A text search never looks into quarantined queries.

    `walked`: the caller reads a stretch of the list in its order, so no part is looked up by an index of its own.
    """
    rows = Query.objects.filter(project=project)
    if wanted.asks_for_open_text:
        rows = rows.filter(quarantine_reason="")
    elif wanted.verdict == "quarantined" and not wanted.reason:
        rows = rows.filter(quarantine_reason__gt="")
    if wanted.reason:
        rows = rows.filter(quarantine_reason=wanted.reason)
    rows = _by_rules(rows, project, rule_set, wanted)
    if wanted.text:
        rows = rows.filter(text__icontains=wanted.text)
    if wanted.left_out:
        rows = rows.filter(is_left_out=wanted.left_out == _YES)
    if wanted.log is not None:
        seen = QueryCount.objects.filter(query=OuterRef("pk"), log_import_id=wanted.log)
        rows = rows.filter(Exists(seen)) if walked else rows.filter(counts__log_import_id=wanted.log)
    if wanted.new_in is not None:
        rows = rows.filter(first_import_id=wanted.new_in)
        if not walked:  # the counts of an import have an index
            rows = rows.filter(counts__log_import_id=wanted.new_in)
    if wanted.asked_from is not None:
        rows = rows.filter(n_seen__gte=wanted.asked_from)
    if wanted.asked_to is not None:
        rows = rows.filter(n_seen__lte=wanted.asked_to)
    return rows


def _by_rules(rows: QuerySet[Query], project: Project, rule_set: RuleSet, wanted: QueryFilter) -> QuerySet[Query]:
    """What the rule set says, found through the query: one verdict each, by a unique index."""
    verdicts = Verdict.objects.filter(query=OuterRef("pk"), rule_set=rule_set)
    if wanted.verdict in {"accepted", "rejected"}:
        rows = rows.filter(Exists(verdicts.filter(has_intent=wanted.verdict == "accepted")))
    elif wanted.verdict == "unjudged":
        rows = rows.filter(~Exists(verdicts))
    if wanted.rule or wanted.category:
        forms = wanted_forms(project, rule_set, wanted)
        rows = rows.filter(Exists(verdicts.filter(hits__rule__in=forms)))
    return rows


def wanted_forms(project: Project, rule_set: RuleSet, wanted: QueryFilter) -> list[str]:
    """Printed forms of the rules that the filter asks for."""
    return [wanted.rule] if wanted.rule else forms_of_category(project, rule_set, wanted.category)


def forms_of_category(project: Project, rule_set: RuleSet, category: str) -> list[str]:
    """Printed forms of the rules of a category."""
    if category == LANGUAGE_CATEGORY:
        return [missing_language_form(project.language)]
    return [rule.form for rule in profile_of(rule_set).rules if rule.category == category]
