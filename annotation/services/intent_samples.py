"""Samples of queries opened for judging their intent alone: planned, drawn and opened by a job."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import IntegrityError
from django.db.models import Case, Count, FilteredRelation, IntegerField, Q, QuerySet, Value, When

from annotation.intent_samples import (
    ACCEPTED,
    AGREES,
    DEFAULT_BANDS,
    DEFAULT_MINIMUM,
    DEFAULT_N,
    DEFAULT_SECONDS,
    DIFFERS,
    EVEN_CHANCE,
    MAX_N,
    NOT_SCORED,
    REJECTED,
    Framed,
    Stratum,
    StratumKey,
    allocate,
    band_of,
    check_bands,
    draw,
    strata_of,
)
from annotation.models import Batch, BatchKind, IntentClassifier, IntentSample, Item, Purpose, SampledQuery, Slot
from annotation.services.batches import MAX_OVERLAP
from core.db import retry_when_busy, run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from curation.models import Query, RuleSet
from curation.selectors import current_rule_set, judgeable_queries

SAMPLE_INTENT = "annotation.sample_intent"
OPEN_AT_ONCE = 200
FIRST = -100  # priority of the batch: lower comes first
READ_AT_ONCE = 5000
PROGRESS_EVERY = 20_000


@dataclass(frozen=True)
class SampleSettings:
    """What is to be drawn. `rejected_share` None takes the log's own share; `overlap` and `max_extra` None are the
    project's. `comes_first`: before whatever else is open in the queue."""

    n: int = DEFAULT_N
    rejected_share: float | None = None
    minimum: int = DEFAULT_MINIMUM
    bands: tuple[int, ...] = DEFAULT_BANDS
    seed: int = 0
    overlap: int | None = None
    max_extra: int | None = None
    comes_first: bool = True

    def checked(self, project: Project) -> "SampleSettings":
        """With the project's numbers where none is given; BadInputError for one that is out of bounds."""
        overlap = project.overlap if self.overlap is None else self.overlap
        extra = project.max_extra_votes if self.max_extra is None else self.max_extra
        for value, low, high, what in (
            (self.n, 1, MAX_N, "number of queries"),
            (self.minimum, 0, MAX_N, "minimum per stratum"),
            (self.seed, 0, 2**31 - 1, "seed"),
            (overlap, 1, MAX_OVERLAP, "number of votes per query"),
            (extra, 0, MAX_OVERLAP, "number of extra votes"),
        ):
            if not low <= value <= high:
                raise BadInputError(problem=f"The {what} is from {low:,} to {high:,}, not {value:,}.")
        return replace(self, bands=check_bands(self.bands), overlap=overlap, max_extra=extra)

    def as_data(self) -> dict[str, Any]:
        return {
            "rejected_share": self.rejected_share,
            "minimum": self.minimum,
            "bands": list(self.bands),
            "priority": FIRST if self.comes_first else 0,
        }


@dataclass(frozen=True)
class SamplePlan:
    """What would be opened, before anything is."""

    settings: SampleSettings
    rule_set: RuleSet
    strata: list[Stratum] = field(default_factory=list)
    seconds: float = DEFAULT_SECONDS

    @property
    def n(self) -> int:
        return sum(stratum.drawn for stratum in self.strata)

    @property
    def frame_size(self) -> int:
        return sum(stratum.size for stratum in self.strata)

    @property
    def votes(self) -> int:
        """Votes wanted, extra votes for ties and unclear queries not counted."""
        return self.n * (self.settings.overlap or 0)

    @property
    def hours(self) -> float:
        """Hours of people's time in all, at `seconds` per vote."""
        return self.votes * self.seconds / 3600

    def as_data(self) -> dict[str, Any]:
        return {
            "rule_set": str(self.rule_set),
            "n": self.n,
            "frame": self.frame_size,
            "votes": self.votes,
            "seconds_per_query": self.seconds,
            "hours": round(self.hours, 2),
            "strata": [stratum.as_data() for stratum in self.strata],
        }


# --- planning ---------------------------------------------------------------------------------------------
def plan_intent_sample(
    *,
    project: Project,
    settings: SampleSettings | None = None,
    rule_set: RuleSet | None = None,
    classifier: IntentClassifier | None = None,
    seconds: float = DEFAULT_SECONDS,
) -> SamplePlan:
    """What a sample would hold: per stratum how many of how many, the votes and the hours. Changes nothing.

    Raises ConflictError when the rules have not been applied to any query yet.
    """
    chosen = (settings or SampleSettings()).checked(project)
    rules = rule_set or current_rule_set(project)
    sizes = stratum_sizes(project, rules, chosen.bands, classifier)
    _refuse_empty(sizes, rules)
    drawn = allocate(sizes, chosen.n, rejected_share=chosen.rejected_share, minimum=chosen.minimum)
    return SamplePlan(chosen, rules, list(strata_of(sizes, drawn, chosen.bands)), seconds)


def _refuse_empty(sizes: dict[StratumKey, int], rule_set: RuleSet) -> None:
    if not sizes:
        raise ConflictError(
            problem=f"No query can be drawn: apply the rule set {rule_set} to the queries of a search log first. "
            "Quarantined and withheld queries are never drawn."
        )


def stratum_sizes(
    project: Project, rule_set: RuleSet, bands: Sequence[int], classifier: IntentClassifier | None = None
) -> dict[StratumKey, int]:
    """How many queries of `frame` each stratum holds, counted by the database."""
    edges = [When(n_seen__gte=edge, then=Value(number)) for number, edge in enumerate(bands, start=1)]
    rows = judgeable_queries(project).filter(verdicts__rule_set=rule_set)
    rows = rows.annotate(band=Case(*reversed(edges), default=Value(0), output_field=IntegerField()))
    columns = ["verdicts__has_intent", "band"]
    if classifier is not None:
        likes = Q(opinion__chance__gte=EVEN_CHANCE)
        agrees = Q(likes, verdicts__has_intent=True) | Q(~likes, verdicts__has_intent=False)
        rows = rows.annotate(opinion=_scores_of(classifier)).annotate(
            says=Case(
                When(opinion__chance=None, then=Value(NOT_SCORED)),
                When(agrees, then=Value(AGREES)),
                default=Value(DIFFERS),
            )
        )
        columns.append("says")
    return {
        StratumKey(ACCEPTED if has_intent else REJECTED, band, *says): n
        for has_intent, band, *says, n in rows.values_list(*columns).annotate(n=Count("pk")).order_by()
    }


def _scores_of(classifier: IntentClassifier) -> FilteredRelation:
    return FilteredRelation("intent_scores", condition=Q(intent_scores__classifier=classifier))


def frame(
    project: Project, rule_set: RuleSet, bands: Sequence[int], classifier: IntentClassifier | None = None
) -> Iterator[Framed]:
    """The queries that can be drawn, one after the other: with a verdict, not quarantined, not withheld."""
    columns = ["pk", "content_hash", "n_seen", "verdicts__has_intent"]
    rows: QuerySet[Query] = judgeable_queries(project).filter(verdicts__rule_set=rule_set)
    if classifier is not None:
        rows = rows.annotate(opinion=_scores_of(classifier))
        columns.append("opinion__chance")
    for pk, content_hash, n_seen, has_intent, *chance in rows.values_list(*columns).iterator(chunk_size=READ_AT_ONCE):
        opinion = _opinion(has_intent, *chance) if classifier is not None else ""
        side = ACCEPTED if has_intent else REJECTED
        yield Framed(pk, content_hash, StratumKey(side, band_of(n_seen, bands), opinion))


def _opinion(has_intent: bool, chance: float | None) -> str:
    if chance is None:
        return NOT_SCORED
    return AGREES if has_intent == (chance >= EVEN_CHANCE) else DIFFERS


# --- drawing and opening ------------------------------------------------------------------------------------
def start_sample_intent(
    *,
    project: Project,
    settings: SampleSettings | None = None,
    rule_set: RuleSet | None = None,
    classifier: IntentClassifier | None = None,
    name: str = "",
    user: User | None = None,
    inline: bool = False,
) -> tuple[IntentSample, Job]:
    """Checks that a sample can be drawn and queues it; its batch exists at once and fills when the job runs."""
    plan = plan_intent_sample(project=project, settings=settings, rule_set=rule_set, classifier=classifier)
    chosen = plan.settings
    with write_transaction():
        sample = IntentSample.objects.create(
            project=project,
            batch=_new_batch(project, name, chosen),
            rule_set=plan.rule_set,
            classifier=classifier,
            n=chosen.n,
            seed=chosen.seed,
            plan=chosen.as_data(),
            created_by=user if user is not None and user.is_authenticated else None,
        )
        sample.job = create_job(
            kind=SAMPLE_INTENT,
            title=f"Draw {plan.n:,} queries for {sample.batch.name}",
            params={"sample_id": sample.pk},
            project=project,
            user=user,
            inline=inline,
        )
        sample.save(update_fields=["job"])
    return sample, sample.job


def _new_batch(project: Project, name: str, settings: SampleSettings) -> Batch:
    name = " ".join(name.split())[:100] or _next_name(project)
    try:
        with write_transaction():
            return Batch.objects.create(
                kind=BatchKind.INTENT_ONLY,
                project=project,
                name=name,
                priority=settings.as_data()["priority"],
                overlap=settings.overlap or project.overlap,
                max_extra_votes=settings.max_extra if settings.max_extra is not None else project.max_extra_votes,
            )
    except IntegrityError as error:
        raise ConflictError(problem=f"The project already has a batch called {name}; choose another name.") from error


def _next_name(project: Project) -> str:
    taken = set(project.batches.values_list("name", flat=True))
    number = 1
    while (name := f"Intent sample {number}") in taken:
        number += 1
    return name


def sample_intent(*, run: RunningJob, sample: IntentSample) -> dict[str, Any]:
    """Draws the queries and opens them; run again it opens what a killed attempt left unopened, of the same draw."""
    if not sample.is_complete:
        if "chosen" not in sample.plan:
            _draw(run, sample)
        open_intent_batch(sample=sample, chosen=[(pk, key) for pk, key in sample.plan["chosen"]], run=run)
        _complete(sample)
    return {"sample": sample.pk, "batch": sample.batch_id, "queries": sample.queries.count(), "strata": sample.strata}


def _draw(run: RunningJob, sample: IntentSample) -> None:
    """Chooses the queries and writes the choice down before anything is opened."""
    bands, rejected_share = tuple(sample.plan["bands"]), sample.plan["rejected_share"]
    drawn = draw(
        _reported(run, frame(sample.project, sample.rule_set, bands, sample.classifier)),
        seed=sample.seed,
        at_most=sample.n,
    )
    _refuse_empty(drawn.sizes, sample.rule_set)
    wanted = allocate(drawn.sizes, sample.n, rejected_share=rejected_share, minimum=sample.plan["minimum"])
    sample.strata = [stratum.as_data() for stratum in strata_of(drawn.sizes, wanted, bands)]
    sample.plan = {**sample.plan, "chosen": [[pk, key.text] for pk, key in drawn.take(wanted)]}
    sample.save(update_fields=["strata", "plan"])


def _reported(run: RunningJob, rows: Iterator[Framed]) -> Iterator[Framed]:
    for number, row in enumerate(rows):
        if number % PROGRESS_EVERY == 0:
            run.progress(0, 0, f"{number:,} queries looked at")
        yield row


def open_intent_batch(
    *, sample: IntentSample, chosen: Sequence[tuple[int, str]], run: RunningJob | None = None
) -> Batch:
    """Opens the chosen queries (id, stratum) in the sample's batch, in short commits and in a mixed order.

    A query whose intent an older sample already asks for keeps that item: its votes count for both.
    """
    chances = {stratum["key"]: stratum["drawn"] / stratum["size"] for stratum in sample.strata}
    known = set(sample.queries.values_list("query_id", flat=True))
    todo = [(pk, key) for pk, key in _mixed(sample, chosen) if pk not in known]

    def report(done: int) -> None:
        if run is not None:
            run.progress(len(known) + done, len(chosen), "opening queries")

    run_in_chunks(todo, lambda part: _open(sample, part, chances), max_rows=OPEN_AT_ONCE, on_chunk=report)
    return sample.batch


def _mixed(sample: IntentSample, chosen: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """In the order of a second draw, so that nobody can tell the stratum from the place in the queue."""
    mixed = sorted(chosen)
    random.Random(sample.seed).shuffle(mixed)
    return mixed


def _open(sample: IntentSample, part: list[tuple[int, str]], chances: dict[str, float]) -> None:
    may_be_shown = Query.objects.filter(pk__in=[pk for pk, _ in part], quarantine_reason="")
    shown = set(may_be_shown.values_list("pk", flat=True))
    part = [(pk, key) for pk, key in part if pk in shown]
    items = _items_of(sample.project_id, [pk for pk, _ in part])
    new = Item.objects.bulk_create(
        Item(
            project_id=sample.project_id,
            batch=sample.batch,
            query_id=pk,
            purpose=Purpose.INTENT_ONLY,
            target=sample.batch.overlap,
        )
        for pk, _ in part
        if pk not in items
    )
    Slot.objects.bulk_create(
        Slot(item=item, project_id=item.project_id, batch=sample.batch, number=number, priority=item.priority)
        for item in new
        for number in range(sample.batch.overlap)
    )
    items |= {item.query_id: item.pk for item in new}
    SampledQuery.objects.bulk_create(
        SampledQuery(sample=sample, query_id=pk, item_id=items[pk], stratum=key, probability=chances[key])
        for pk, key in part
    )


def _items_of(project_id: int, query_ids: list[int]) -> dict[int, int]:
    """Query id -> its intent-only item, where one is open already."""
    rows = Item.objects.filter(project=project_id, query__in=query_ids, purpose=Purpose.INTENT_ONLY)
    return dict(rows.values_list("query_id", "pk"))


@retry_when_busy()
def _complete(sample: IntentSample) -> None:
    with write_transaction():
        sample.is_complete = True
        sample.plan = {name: value for name, value in sample.plan.items() if name != "chosen"}
        sample.save(update_fields=["is_complete", "plan"])


def find_sample(project: Project, pk: int | None = None) -> IntentSample:
    """The sample of this number, or the newest; NotFoundError otherwise."""
    samples = project.intent_samples.select_related("batch", "rule_set", "classifier")
    found = samples.filter(pk=pk).first() if pk is not None else samples.first()
    if found is None:
        raise NotFoundError(what=f"intent sample in {project.slug}", name=pk if pk is not None else "any")
    return found
