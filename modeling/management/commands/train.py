"""`manage.py train`: train a recipe on a release or on files.

With `--files` it is `python -m modeling.ml train`: no database, no job. With `--release` the run stands in the project:
a job with progress, curves on its page, figures before and after; the finished run is copied to `--out`.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from modeling.ml.recipes import RECIPES, parse_overrides


class Command(QuarryCommand):
    help = "Train a matching model: --release in the project, --files without a database."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--recipe", required=True, metavar="NAME", help=f"One of {', '.join(RECIPES)}.")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--release", metavar="SLUG/NAME", help="A release of a project.")
        source.add_argument("--files", nargs="+", metavar="FILE", help="Judged pairs in CoSQA's shape.")
        parser.add_argument("--out", required=True, metavar="FOLDER", help="Where checkpoint and curves go.")
        parser.add_argument("--dev", metavar="FILE", help="With --files: pairs to choose the epoch on.")
        parser.add_argument(
            "--without-connected-to",
            action="append",
            default=[],
            metavar="FILE",
            help="With --files: leave out pairs that share a query or code, also through others, with this test file.",
        )
        parser.add_argument(
            "--encoder", default="", metavar="NAME", help="Encoder to start from; default: the recipe's."
        )
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="Seed (0).")
        parser.add_argument("--name", default="", help="With --release: the run's name in the project.")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="Change a setting of the recipe."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Files go to the library's own command line; it prints the report and says how it ended."""
        if options["release"]:
            super().handle(*args, **options)
        elif status := _train_on_files(options):
            sys.exit(status)

    def report(self, **options: Any) -> Report:
        from core.jobs import run_inline
        from modeling.selectors import find_release
        from modeling.services.runs import start_training

        slug, slash, name = options["release"].partition("/")
        if not slash:
            raise BadInputError(problem=f"Write the release as SLUG/NAME, not {options['release']}.")
        project = self.project(slug)
        job = start_training(
            project=project,
            release=find_release(project, name),
            recipe=options["recipe"],
            encoder=options["encoder"],
            seed=options["seed"],
            overrides=parse_overrides(options["set"]),
            name=options["name"],
            copy_to=str(_new_folder(options["out"])),
        )
        if not options["detach"]:
            run_inline(job, on_progress=self._show_progress)
        return _report(project.training_runs.get(job=job), options["out"])


def _train_on_files(options: dict[str, Any]) -> int:
    if options["detach"] or options["name"]:
        sys.stderr.write("error: --detach and --name go with --release; --files trains here and now.\n")
        return 2
    from modeling.ml.__main__ import main

    return main(
        [
            *["train", "--recipe", options["recipe"], "--out", options["out"], "--seed", str(options["seed"])],
            *["--files", *options["files"]],
            *(["--json"] if options["as_json"] else []),
            *(["--encoder", options["encoder"]] if options["encoder"] else []),
            *(["--dev", options["dev"]] if options["dev"] else []),
            *(part for path in options["without_connected_to"] for part in ("--without-connected-to", path)),
            *(part for pair in options["set"] for part in ("--set", pair)),
        ]
    )


def _new_folder(out: str) -> Path:
    """The folder, made; refused where it holds a checkpoint already or cannot be made."""
    folder = Path(out).expanduser().resolve()
    if (folder / "checkpoint").exists():
        raise BadInputError(problem=f"The folder {folder} holds a checkpoint already; choose another one.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(problem=f"The folder {folder} cannot be made: {error.strerror}.") from error
    return folder


def _report(run: Any, out: str) -> Report:
    from modeling.comparisons import comparisons

    rows = comparisons(run)
    lines: list[tuple[str, Any]] = [(f"{row.label}, {row.split}", _before_after(row)) for row in rows]
    data = {
        "run": run.name,
        "release": str(run.release),
        "recipe": run.recipe,
        "state": run.job.state,
        "job": run.job.pk,
        "config": run.config,
        "metrics": run.metrics,
        "checkpoint": str(Path(out) / "checkpoint"),
        "evaluations": [
            {"kind": row.kind, "split": row.split, "before": row.before, "after": row.after, "n": row.size}
            | {"standard_error": row.standard_error}
            for row in rows
        ],
    }
    facts = [("checkpoint", data["checkpoint"]), ("page", f"/p/{run.project.slug}/runs/{run.name}/")]
    state = "" if run.job.state == "done" else f" (job {run.job.pk} is {run.job.state})"
    return Report(f"Training run {run.name} on {run.release}{state}", data, [*lines, *facts])


def _before_after(row: Any) -> str:
    before, after = (f"{100 * value:.1f}" if value is not None else "-" for value in (row.before, row.after))
    return f"{before} -> {after} (n = {row.size}) {row.reading}"
