"""Planned batches: from a budget and a mix to the pairs that are opened, with the plan kept beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from annotation.budget import Estimate, Terms, estimate
from annotation.criteria import read_fraction
from annotation.models import Batch, BatchPlan, GoldAnswer, Purpose
from annotation.planning import BANDS, MIXES, ORDERS, Chosen, Selection, Wishes, check_wishes, choose
from annotation.selectors.plans import (
    CandidateRows,
    annotators_of,
    asked_queries,
    candidate_rows,
    measured_pace,
    runs_to_plan,
)
from annotation.services import gold as golden
from annotation.services.batches import Opening, check_numbers, fill_batch, new_batch
from annotation.services.opening import OPEN_WITHOUT_JOB, start_fill_batch
from core.db import run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import Job, Project, User
from curation.models import CandidateRun, Pair

DEFAULT_MIX = {"bands": "50", "near": "20", "low": "15", "diverse": "15", "random": "0", "top": "0"}
MAX_SEED = 2**31 - 1
N_EXAMPLES = 20
N_GROUPS = 50
PAIRS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Everything that a curator chooses. Shares are fractions; what is None or empty takes the project's default."""

    runs: tuple[int, ...] = ()
    budget: Fraction | None = None
    pairs: int | None = None
    overlap: int = 3
    max_extra: int = 2
    seconds: Fraction = Fraction(30)
    extra: Fraction = Fraction(1, 4)
    wage: Fraction = Fraction(15)
    people: int = 3
    hours: Fraction = Fraction(4)
    mix: Mapping[str, Fraction] = field(default_factory=dict)
    bands: Mapping[str, Fraction] = field(default_factory=dict)
    order: str = "mixed"
    group_near: bool = True
    per_query: int = 1
    near_score: float | None = None
    gold_share: Fraction = Fraction(0)
    gold_source: str = golden.JUDGED
    seed: int = 0
    name: str = ""
    is_pilot: bool = False

    @property
    def terms(self) -> Terms:
        return Terms(
            overlap=self.overlap,
            max_extra=self.max_extra,
            extra=self.extra,
            seconds=self.seconds,
            wage=self.wage,
            people=self.people,
            hours=self.hours,
            gold_share=self.gold_share,
            budget=self.budget,
            pairs=self.pairs,
        )

    def wishes(self, n: int) -> Wishes:
        return Wishes(
            n=n,
            mix=self.mix,
            bands=self.bands,
            order=self.order,
            group_near=self.group_near,
            per_query=self.per_query,
            seed=self.seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON, exactly: fractions as text."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {name: str(share) for name, share in value.items()}
    return list(value) if isinstance(value, tuple) else value


def default_settings(project: Project) -> dict[str, Any]:
    """What the form starts with, in its own words (shares in per cent)."""
    pace = measured_pace(project)
    run = runs_to_plan(project).exclude(origin="import").first() or runs_to_plan(project).first()
    return {
        "runs": [run.pk] if run else [],
        "pairs": 200,
        "overlap": project.overlap,
        "max_extra": project.max_extra_votes,
        "seconds": pace.seconds,
        "extra": pace.extra,
        "wage": "15",
        "people": max(annotators_of(project).count(), project.overlap),
        "hours": "4",
        **{f"mix_{name}": share for name, share in DEFAULT_MIX.items()},
        "order": "mixed",
        "group_near": True,
        "per_query": 1,
        "gold_share": "0",
        "gold_source": golden.JUDGED,
        "seed": 0,
    }


# --- reading what was given -----------------------------------------------------------------------------------------
def read_settings(project: Project, given: Mapping[str, Any]) -> PlanSettings:
    """Settings from a form, a request or a command line; what is missing takes its default.

    Shares are per cent: `mix_low=20`, `band_head=30`, `gold_share=5`. Raises BadInputError that names the field.
    """
    start = default_settings(project)
    if not any(_is_given(given.get(f"mix_{name}")) for name in MIXES):
        given = {**given, **{f"mix_{name}": start[f"mix_{name}"] for name in MIXES}}
    if _is_given(given.get("budget")) or "pairs" in given:  # left empty on purpose
        start["pairs"] = None
    values = {**start, **{name: value for name, value in given.items() if _is_given(value)}}
    if not _is_given(given.get("extra")):
        values["extra"] = min(start["extra"], float(_whole(values["max_extra"], "max_extra") or 0))
    settings = PlanSettings(
        runs=tuple(int(pk) for pk in values["runs"]),
        budget=_number(values.get("budget"), "budget"),
        pairs=_whole(values.get("pairs"), "pairs"),
        overlap=_whole(values["overlap"], "overlap") or 0,
        max_extra=_whole(values["max_extra"], "max_extra") or 0,
        seconds=_number(values["seconds"], "seconds") or Fraction(0),
        extra=_number(values["extra"], "extra") or Fraction(0),
        wage=_number(values["wage"], "wage") or Fraction(0),
        people=_whole(values["people"], "people") or 0,
        hours=_number(values["hours"], "hours") or Fraction(0),
        mix=_shares(given, "mix_", MIXES),
        bands=_shares(given, "band_", BANDS),
        order=str(values["order"]),
        group_near=bool(given.get("group_near", True)),
        per_query=_whole(values["per_query"], "per_query") or 0,
        near_score=_score(values.get("near_score")),
        gold_share=_share(values["gold_share"], "gold_share"),
        gold_source=str(values["gold_source"]),
        seed=_whole(values["seed"], "seed") or 0,
        name=str(values.get("name", "")),
        is_pilot=bool(given.get("is_pilot")),
    )
    check_numbers(settings.overlap, settings.max_extra)
    if (settings.gold_share * golden.TURNS).denominator != 1:
        raise BadInputError(problem="The share of gold is a whole number of per cent.", field="gold_share")
    if not 0 <= settings.seed <= MAX_SEED:
        raise BadInputError(problem=f"The seed is a whole number from 0 to {MAX_SEED:,}.", field="seed")
    if settings.order not in ORDERS:
        raise BadInputError(problem=f"There is no order {settings.order}: {', '.join(ORDERS)}.", field="order")
    check_wishes(settings.wishes(1))
    return settings


def _is_given(value: Any) -> bool:
    return value is not None and value != "" and value != []


def _number(value: Any, name: str) -> Fraction | None:
    if not _is_given(value):
        return None
    text = str(value).strip().replace(",", "")
    try:
        number = Fraction(Decimal(text))
    except (ArithmeticError, ValueError) as error:
        raise BadInputError(problem=f"{name} is a number such as 12.50, not {text[:40]}.", field=name) from error
    if abs(number) >= 10**12:
        raise BadInputError(problem=f"{name} is out of bounds.", field=name)
    return number


def _whole(value: Any, name: str) -> int | None:
    number = _number(value, name)
    if number is not None and number.denominator != 1:
        raise BadInputError(problem=f"{name} is a whole number, not {value}.", field=name)
    return None if number is None else int(number)


def _score(value: Any) -> float | None:
    number = _number(value, "near_score")
    return None if number is None else float(number)


def _share(value: Any, name: str) -> Fraction:
    """Per cent as a share."""
    return read_fraction(str(value).strip().removesuffix("%") or "0", name) / 100


def _shares(given: Mapping[str, Any], prefix: str, known: Mapping[str, str]) -> dict[str, Fraction]:
    found = {name: given.get(f"{prefix}{name}") for name in known}
    shares = {name: _share(value, f"{prefix}{name}") for name, value in found.items() if _is_given(value)}
    return {name: share for name, share in shares.items() if share}


# --- the plan ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Plan:
    """What opening the batch would do. `estimate` is of the pairs asked for, `cost_of_chosen` of those found."""

    settings: PlanSettings
    estimate: Estimate
    selection: Selection
    cost_of_chosen: Estimate
    gold: list[golden.GoldPair]
    notes: list[str]
    pair_of: dict[tuple[int, int], int]
    runs: list[CandidateRun]

    def examples(self, n: int = N_EXAMPLES) -> list[Chosen]:
        """Evenly spaced among the chosen pairs, sorted by score, so that all kinds are seen."""
        ranked = sorted(self.selection.chosen, key=lambda one: (-one.row.score, one.row.pair))
        step = max(1, len(ranked) / n)
        return [ranked[int(place * step)] for place in range(min(n, len(ranked)))]

    def to_dict(self) -> dict[str, Any]:
        """As the API and the command show it."""
        return {
            "settings": self.settings.to_dict(),
            "estimate": self.estimate.to_dict(),
            "cost_of_chosen": self.cost_of_chosen.to_dict(),
            "chosen": len(self.selection.chosen),
            "strata": [asdict(stratum) for stratum in self.selection.strata],
            "funnel": [list(line) for line in self.selection.funnel],
            "bands": {band: list(bounds) for band, bounds in self.selection.band_bounds.items()},
            "near_groups": [[query.text for query in group] for group in self.selection.groups[:N_GROUPS]],
            "n_near_groups": len(self.selection.groups),
            "gold_pairs": len(self.gold),
            "notes": self.notes,
            "sha256": self.selection.sha256(),
            "examples": [
                {"query": one.row.text, "score": one.row.score, "mix": one.mix, "band": one.band, "code": one.row.code}
                for one in self.examples()
            ],
        }


def make_plan(*, project: Project, settings: PlanSettings) -> Plan:
    """Chooses the pairs and prices them; writes nothing. Raises BadInputError that says what to change."""
    wanted = estimate(settings.terms)
    runs = _runs(project, settings.runs)
    found = candidate_rows(project, runs, near_score=settings.near_score)
    asked = asked_queries(project) if settings.group_near else []
    selection = choose(found.rows, settings.wishes(wanted.pairs), asked=asked)
    n_chosen = len(selection.chosen)
    made = replace(settings, pairs=max(n_chosen, 1), budget=None)
    gold, notes = _gold(project, settings, selection, found)
    if n_chosen < wanted.pairs:
        notes.insert(0, f"Only {n_chosen:,} of the {wanted.pairs:,} pairs that were asked for can be opened.")
    return Plan(settings, wanted, selection, estimate(made.terms), gold, notes, found.pair_of, runs)


def _runs(project: Project, wanted: Sequence[int]) -> list[CandidateRun]:
    """The chosen runs in the order of their numbers."""
    runs = list(runs_to_plan(project).filter(pk__in=wanted).order_by("pk"))
    if missing := set(wanted) - {run.pk for run in runs}:
        raise NotFoundError(what=f"complete candidate run in {project.slug}", name=min(missing))
    if not runs:
        raise BadInputError(problem="Choose a candidate run to take pairs from; there must be one first.", field="runs")
    return runs


def _gold(
    project: Project, settings: PlanSettings, selection: Selection, found: CandidateRows
) -> tuple[list[golden.GoldPair], list[str]]:
    """Gold pairs to plant, in an order of chance, and what the curator should know of them."""
    if not settings.gold_share:
        return [], []
    chosen = {found.pair_of.get(one.row.ids) for one in selection.chosen}
    known = [pair for pair in golden.known_pairs(project, settings.gold_source) if pair.pair not in chosen]
    if not known:
        raise BadInputError(
            problem="No pair can serve as gold: that takes pairs judged alike by at least three people, or an imported "
            "labelled file. Choose the other source, or set the share of gold to 0.",
            field="gold_share",
        )
    n = golden.gold_needed(
        len(selection.chosen), overlap=settings.overlap, people=settings.people, share=float(settings.gold_share)
    )
    gold = golden.spread_answers(golden.in_order_of_chance(known, settings.seed), n)
    new = golden.least_new_to_anyone([pair.pair for pair in gold], list(annotators_of(project)))
    needed = -(-n // golden.SPARE)
    notes = []
    if new < needed:
        notes.append(
            f"An annotator is to get about {needed:,} gold pairs, and {new:,} are new to all of them: gold runs out "
            "before the batch does."
        )
    if new < len(gold):
        notes.append(
            f"{len(gold):,} pairs can serve as gold; {new:,} of them are new to every annotator: nobody gets as gold a "
            "pair that they have judged."
        )
    if len({(pair.intent, pair.answer) for pair in gold}) == 1:
        notes.append("All gold pairs have the same answer; gold says more when the answers differ.")
    return gold, notes


class PlanChangedError(ConflictError):
    """The plan would open other pairs than those that were looked at."""

    code = "plan_changed"


def plan_batch(*, project: Project, settings: PlanSettings, user: User | None = None, expected: str = "") -> Batch:
    """Opens the batch of a plan and keeps the plan with it.

    expected: SHA-256 of the pairs that a preview showed. Raises PlanChangedError when the plan would open others now,
    BadInputError where nothing is left to open, ConflictError for a name in use.
    """
    return _open_plan(project, _plan_to_open(project, settings, expected), user)


def _open_plan(project: Project, plan: Plan, user: User | None) -> Batch:
    pairs = _pair_ids(project, plan)
    batch = _new_planned_batch(project, plan, user)
    live = [Opening(pairs[one.row.ids], one.row.ids[0], one.stratum) for one in plan.selection.chosen]
    planted = [Opening(pair.pair, pair.query, purpose=Purpose.GOLD) for pair in plan.gold]
    items = fill_batch(batch, live, gold=planted, seed=plan.settings.seed)
    answers = [
        GoldAnswer(item=item, intent=pair.intent, answer=pair.answer, origin=pair.origin)
        for item, pair in zip(items, plan.gold, strict=True)
    ]
    run_in_chunks(answers, GoldAnswer.objects.bulk_create)
    return batch


def start_plan_batch(
    *,
    project: Project,
    settings: PlanSettings,
    user: User | None = None,
    expected: str = "",
    inline: bool = False,
    max_without_job: int = OPEN_WITHOUT_JOB,
) -> tuple[Batch, Job | None]:
    """As plan_batch; more than `max_without_job` pairs are opened by a job, which is returned with the batch.

    The pairs are chosen at once, so that the batch holds what the preview showed, and written down for the job.
    """
    plan = _plan_to_open(project, settings, expected)
    if len(plan.selection.chosen) <= max_without_job:
        return _open_plan(project, plan, user), None
    batch = _new_planned_batch(project, plan, user)
    job = start_fill_batch(
        batch=batch,
        live=[(*one.row.ids, plan.runs[one.row.run].text_view, one.stratum) for one in plan.selection.chosen],
        gold=[(pair.pair, pair.query, pair.intent, pair.answer, pair.origin) for pair in plan.gold],
        seed=settings.seed,
        user=user,
        inline=inline,
    )
    return batch, job


def _plan_to_open(project: Project, settings: PlanSettings, expected: str) -> Plan:
    """The plan, checked against what a preview showed."""
    plan = make_plan(project=project, settings=settings)
    if expected and plan.selection.chosen and plan.selection.sha256() != expected:
        raise PlanChangedError(
            problem="Settings or candidates have changed since the preview, and other pairs would be opened. "
            "Nothing is opened yet: look at the new preview."
        )
    if not plan.selection.chosen:
        raise BadInputError(problem="There is no pair left to open. " + funnel_text(plan.selection.funnel))
    return plan


def _new_planned_batch(project: Project, plan: Plan, user: User | None) -> Batch:
    settings = plan.settings
    batch = new_batch(
        project,
        settings.name,
        settings.overlap,
        settings.max_extra,
        settings.is_pilot,
        gold_share=float(settings.gold_share),
    )
    _keep_plan(batch, plan, user)
    return batch


def funnel_text(funnel: Sequence[tuple[str, int]]) -> str:
    """The funnel in one line."""
    return "; ".join(f"{what}: {n:+,}" if n < 0 else f"{what}: {n:,}" for what, n in funnel) + "."


def _keep_plan(batch: Batch, plan: Plan, user: User | None) -> None:
    with write_transaction():
        BatchPlan.objects.create(
            batch=batch,
            options=plan.settings.to_dict(),
            estimate=plan.cost_of_chosen.to_dict(),
            strata=[asdict(stratum) for stratum in plan.selection.strata],
            funnel=[list(line) for line in plan.selection.funnel],
            chosen_sha256=plan.selection.sha256(),
            created_by=user if user is not None and user.is_authenticated else None,
        )


def _pair_ids(project: Project, plan: Plan) -> dict[tuple[int, int], int]:
    """(query id, code id) -> pair id of the chosen; rows below a threshold become pairs here."""
    known = dict(plan.pair_of)
    missing = [one.row for one in plan.selection.chosen if one.row.ids not in known]

    def make(chunk: list[Any]) -> None:
        Pair.objects.bulk_create(
            [
                Pair(
                    project=project,
                    query_id=row.ids[0],
                    code_id=row.ids[1],
                    text_view=plan.runs[row.run].text_view,
                )
                for row in chunk
            ],
            ignore_conflicts=True,
        )
        found = Pair.objects.filter(project=project, query__in=[row.ids[0] for row in chunk])
        known.update({(query, code): pk for pk, query, code in found.values_list("pk", "query_id", "code_id")})

    run_in_chunks(missing, make, max_rows=PAIRS_AT_ONCE)
    return known
