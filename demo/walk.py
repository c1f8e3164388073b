"""The whole road on the sample data, unattended; the votes come from simulated annotators and are called so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annotation.card import describe_alpha
from annotation.criteria import read_criteria
from annotation.selectors.agreement import agreement_report
from annotation.services.batches import open_batch
from annotation.services.releases import start_freeze_release
from core.jobs import run_inline
from core.models import Job, Project
from core.services.projects import create_project
from curation.selectors import current_rule_set, pairs_to_open
from curation.services.candidates import start_propose_pairs
from curation.services.code import start_ingest_code
from curation.services.rules import start_apply_rules
from demo.road import Road
from demo.sample import ingest_sample_log
from demo.simulate import EXTRA, PANEL
from demo.votes import simulate_votes
from modeling.comparisons import comparisons
from modeling.models import TrainingRun
from modeling.services.runs import start_training

OnProgress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Walk:
    """How a demo run is made: everything that happens at random hangs on `seed`."""

    road: Road
    on_progress: OnProgress
    seed: int = 0
    encoder: str = "minilm"
    model: str = "minilm"  # what the training starts from
    code: str = "stdlib"
    recipe: str = "coclr-iba-switch"
    settings: tuple[tuple[str, str], ...] = ()

    def finish(self, job: Job) -> dict[str, Any]:
        """Runs a job here, with its progress shown; its report."""
        result: dict[str, Any] = run_inline(job, on_progress=self.on_progress).result
        return result


def free_slug(wanted: str) -> str:
    """`wanted`, or `wanted-2`, `wanted-3` ... where there are such projects: a demo never touches another one."""
    taken = set(Project.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    return next(name for n in range(1, len(taken) + 2) if (name := wanted if n == 1 else f"{wanted}-{n}") not in taken)


def walk_sample(walk: Walk) -> Project:
    """Log, rules, code, candidates, simulated votes, agreement, release, training, figures before and after."""
    project = create_project(slug=free_slug("demo"), title="Demo: simulated annotators")
    walk.road.say(f"Project {project.slug}; its annotators are simulated.")
    _ingest(walk, project)
    filter_queries(walk, project)
    read_code(walk, project, walk.code)
    propose(walk, project)
    _judge(walk, project)
    _agree(walk, project)
    _release(walk, project)
    _train(walk, project)
    return project


def _ingest(walk: Walk, project: Project) -> None:
    with walk.road.step("Ingest the search log", look=f"/p/{project.slug}/logs/") as step:
        log = ingest_sample_log(project, walk.on_progress)
        private = project.queries.exclude(quarantine_reason="").count()
        step.numbers = {"read": log.n_read, "new": log.n_new, "known": log.n_known, "bad": log.n_bad}
        step.numbers["quarantined"] = private
        step.text = "{read:,} rows: {new:,} new, {known:,} known, {bad:,} bad; {quarantined:,} quarantined".format(
            **step.numbers
        )


def filter_queries(walk: Walk, project: Project) -> None:
    """Applies the project's intent rules to all its queries."""
    with walk.road.step("Filter by intent rules", look=f"/p/{project.slug}/queries/") as step:
        counts = walk.finish(start_apply_rules(project=project, rule_set=current_rule_set(project), inline=True))
        step.numbers = {name: counts[name] for name in ("accepted", "rejected")}
        step.text = "{accepted:,} queries accepted, {rejected:,} without code-search intent".format(**step.numbers)


def read_code(walk: Walk, project: Project, spec: str) -> None:
    """Extracts the functions of a code source."""
    with walk.road.step("Extract functions", look=f"/p/{project.slug}/code/") as step:
        source, job = start_ingest_code(project=project, spec=spec, inline=True)
        walk.finish(job)
        source.refresh_from_db()
        paired = project.codes.filter(is_paired=True).count()
        step.numbers = {"functions": source.n_functions, "distinct": source.n_new, "paired": paired}
        step.text = "{functions:,} functions, {distinct:,} distinct, {paired:,} may be proposed".format(**step.numbers)


def propose(walk: Walk, project: Project) -> None:
    """Proposes the best function of every accepted query."""
    with walk.road.step("Propose pairs", look=f"/p/{project.slug}/candidates/") as step:
        _, job = start_propose_pairs(project=project, encoder=walk.encoder, inline=True)
        found = walk.finish(job)
        step.numbers = {name: found[name] for name in ("kept", "below_threshold", "over_cap", "codes_used")}
        step.text = (
            "{kept:,} pairs kept, {below_threshold:,} below 0.5, {over_cap:,} over the cap; {codes_used:,} functions"
        ).format(**step.numbers)
        for warning in found["warnings"]:
            walk.road.say(f"   warning: {warning}")


def _judge(walk: Walk, project: Project) -> None:
    with walk.road.step("Judge pairs (simulated)", look=f"/p/{project.slug}/batches/") as step:
        batch = open_batch(project=project, pairs=pairs_to_open(project), name="Simulated")
        expected = batch.items.count() * batch.overlap

        def note(cast: int) -> None:
            walk.on_progress(cast, max(expected, cast), "simulated votes")

        first = simulate_votes(batch, PANEL, seed=walk.seed, on_vote=note)
        extra = simulate_votes(batch, EXTRA, seed=walk.seed, on_vote=lambda cast: note(first + cast))
        step.numbers = {"pairs": batch.items.count(), "votes": first, "extra_votes": extra}
        step.text = "{pairs:,} pairs, {votes:,} votes of 3 simulated annotators, {extra_votes:,} extra votes".format(
            **step.numbers
        )


def _agree(walk: Walk, project: Project) -> None:
    with walk.road.step("Agreement", look=f"/p/{project.slug}/agreement/") as step:
        report = agreement_report(project)
        step.numbers = {"intent": report["intent"], "answer": report["answer"]}
        step.text = f"all votes: intent {describe_alpha(report['intent'])}; answer {describe_alpha(report['answer'])}"


def _release(walk: Walk, project: Project) -> None:
    with walk.road.step("Freeze a release", look=f"/p/{project.slug}/releases/v1/") as step:
        _, job = start_freeze_release(project=project, name="v1", criteria=read_criteria(), inline=True)
        made = walk.finish(job)
        removed = sum(made["removed"].values())
        step.numbers = {"kept": made["pairs"], "ones": made["ones"], "removed": made["removed"]}
        step.numbers["answer_kept"] = made["agreement"]["answer_kept"]
        step.text = (
            f"{made['pairs']:,} pairs kept ({made['ones']:,} with label 1), {removed:,} removed; "
            f"alpha of the kept (selected) {describe_alpha(made['agreement']['answer_kept'])}"
        )


def _train(walk: Walk, project: Project) -> None:
    with walk.road.step("Train and measure", look=f"/p/{project.slug}/runs/") as step:
        job = start_training(
            project=project,
            release=project.releases.get(name="v1"),
            recipe=walk.recipe,
            encoder=walk.model,
            seed=walk.seed,
            overrides=dict(walk.settings),
        )
        name = walk.finish(job)["training_run"]
        rows = [row for row in comparisons(TrainingRun.objects.get(project=project, name=name)) if row.split == "test"]
        step.numbers = {
            row.label: {"before": row.before, "after": row.after, "standard_error": row.standard_error} for row in rows
        }
        step.text = "; ".join(f"{row.label} {_figure(row.before)} -> {_figure(row.after)}" for row in rows)
        if walk.model == walk.encoder:
            step.text += ". The encoder proposed these pairs itself, so its search starts near 100 by construction"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
