"""manage.py plan_batch: what a batch costs, which pairs it takes, and opening it."""

from argparse import ArgumentParser
from typing import Any

from annotation.planning import BANDS, MIXES, ORDERS
from annotation.services.plans import Plan, make_plan, read_settings, start_plan_batch
from core.commands import QuarryCommand, Report
from core.errors import BadInputError

NUMBERS = {
    "budget": "Money for the batch; without --pairs it decides how many.",
    "pairs": "Pairs at most (200 without a budget).",
    "overlap": "Votes per pair; default: the project's.",
    "max_extra": "Extra votes at most; default: the project's.",
    "seconds": "Seconds per vote; default: measured, or 30.",
    "extra": "Extra votes expected per pair; default: measured, or 0.25.",
    "wage": "Wage per hour (15).",
    "people": "Annotators; default: the project's.",
    "hours": "Hours of judging per person and day (4).",
    "per_query": "Pairs per query at most (1).",
    "near_score": "What `near` is measured from; default: each run's threshold.",
    "gold_share": "Per cent of gold in what each person gets (0).",
    "seed": "The same plan and seed give the same pairs (0).",
}


class Command(QuarryCommand):
    help = "Plan a batch: price it, choose its pairs, and open it. --dry-run only shows it."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--run", type=int, action="append", metavar="ID", help="Candidate run; may be repeated.")
        for name, text in NUMBERS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=text)
        parser.add_argument("--mix", metavar="NAME=PERCENT,...", help=f"Of: {', '.join(MIXES)}; 100 in all.")
        parser.add_argument("--bands", metavar="NAME=PERCENT,...", help=f"Of: {', '.join(BANDS)}; 100 in all.")
        parser.add_argument("--order", choices=list(ORDERS), help="Order in which pairs come up (mixed).")
        parser.add_argument("--keep-near", action="store_true", help="Ask near-duplicate queries as well.")
        parser.add_argument("--gold-source", metavar="SOURCE", help="judged (default), imported, or imported:NAME.")
        parser.add_argument("--name", default="", help="Name of the batch; default: a number.")
        parser.add_argument("--pilot", action="store_true", help="Leave its votes out of releases by default.")
        parser.add_argument("--dry-run", action="store_true", help="Show the plan, open nothing.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        given = {name: options[name] for name in [*NUMBERS, "order", "gold_source", "name"] if options[name]}
        given |= _shares(options["mix"], "mix") | _shares(options["bands"], "band")
        given |= {"runs": options["run"] or [], "group_near": not options["keep_near"], "is_pilot": options["pilot"]}
        settings = read_settings(project, given)
        plan = make_plan(project=project, settings=settings)
        data = plan.to_dict()
        if options["dry_run"]:
            return Report(f"A plan for {project.slug}; nothing is opened", data, _lines(plan), plan.notes)
        batch, job = start_plan_batch(project=project, settings=settings, inline=not options["detach"])
        if job is not None:
            self.follow(job, detach=options["detach"])
        return Report(f"{batch.name} is open in {project.slug}", {**data, "batch": batch.pk}, _lines(plan), plan.notes)


def _shares(text: str | None, prefix: str) -> dict[str, str]:
    """low=20,bands=80 as read_settings takes it."""
    known = MIXES if prefix == "mix" else BANDS
    shares = {}
    for part in (text or "").split(","):
        name, _, share = part.partition("=")
        if not part:
            continue
        if name.strip() not in known or not share.strip():
            raise BadInputError(problem=f"{part[:60]!r} is not NAME=PERCENT, with a name of: {', '.join(known)}.")
        shares[f"{prefix}_{name.strip()}"] = share.strip()
    return shares


def _lines(plan: Plan) -> list[tuple[str, Any]]:
    cost = plan.cost_of_chosen.to_dict()
    lines: list[tuple[str, Any]] = [(what, n) for what, n in plan.selection.funnel]
    lines += [(f"{one.mix}, {one.band}", f"{one.chosen:,} of {one.wanted:,}") for one in plan.selection.strata]
    lines += [("votes expected", cost["votes"]), ("cost", cost["cost"]), ("person-hours", cost["person_hours"])]
    return [*lines, ("days", cost["days"]), ("gold pairs", len(plan.gold))]
