"""manage.py build_pool: the union of the top k of several systems, opened as one batch."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.services.pools import start_build_pool
from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.text_views import VIEWS


class Command(QuarryCommand):
    help = "Build a test pool: for chosen queries the best k codes of several systems, opened to be judged."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--system", action="append", required=True, metavar="NAME", help="bm25 or an encoder; at least twice."
        )
        parser.add_argument("-k", "--depth", type=int, default=10, metavar="K", help="Codes per system and query (10).")
        parser.add_argument("--queries", type=int, default=50, metavar="N", help="Drawn by chance (50); 0: all.")
        parser.add_argument("--text", default="", help="Only queries that contain this.")
        parser.add_argument("--query-file", type=Path, metavar="FILE", help="Exactly these queries, one a line.")
        parser.add_argument("--text-view", choices=list(VIEWS), default="full", help="Text of the code (full).")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--overlap", type=int, help="Votes per pair; default: the project's.")
        parser.add_argument("--name", default="", help="Name of the pool and its batch.")

    def report(self, **options: Any) -> Report:
        pool, job = start_build_pool(
            project=self.project(options["project"]),
            name=options["name"],
            systems=options["system"],
            k=options["depth"],
            n_queries=options["queries"] or None,
            text=options["text"],
            queries=_lines(options["query_file"]),
            seed=options["seed"],
            overlap=options["overlap"],
            text_view=options["text_view"],
            inline=not options["detach"],
        )
        job = self.follow(job, detach=options["detach"])
        if options["detach"]:
            return Report(f"Job {job.pk} is queued.", {"job": job.pk, "pool": pool.pk})
        data = job.result
        lines = [("queries", data["queries"]), ("depth", data["depth"]), ("pairs", data["pairs"])]
        lines += [("opened in its batch", data["opened"]), ("judged already", data["labelled"])]
        lines += [(f"found by {one['name']}", f"{one['pairs']:,}, {one['only']:,} alone") for one in data["systems"]]
        return Report(f"Pool {pool.name} ({pool.pk})", data, lines)


def _lines(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(problem=f"{path} cannot be read as UTF-8 text: {error}.") from error
