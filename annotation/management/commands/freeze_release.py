"""manage.py freeze_release: an immutable, judged dataset out of a project's votes."""

from argparse import ArgumentParser
from typing import Any

from annotation.card import describe_alpha, describe_removal
from annotation.consensus import Keep
from annotation.criteria import read_criteria
from annotation.selectors.agreement import with_chosen_rule
from annotation.services.releases import start_freeze_release
from core.commands import QuarryCommand, Report
from core.jobs import run_inline


class Command(QuarryCommand):
    help = "Freeze the judged pairs that pass the keep rule into a release."
    runs_job = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--name", required=True, metavar="NAME")
        parser.add_argument(
            "--keep",
            metavar="RULE",
            help=f"One of: {', '.join(Keep)}. What is left out comes from the rule chosen for the project.",
        )
        parser.add_argument("--min-votes", metavar="N", help="Valid votes a pair needs (3 unless chosen otherwise).")
        parser.add_argument(
            "--min-share", metavar="SHARE", help="Majority of the answers (3/4 unless chosen otherwise)."
        )
        parser.add_argument("--min-alpha-u", metavar="X", help="Threshold of the rule alpha-u.")
        parser.add_argument(
            "--votes-only", action="store_true", help="Leave out imported single labels, whose raters are unknown."
        )
        parser.add_argument("--dev", default="1/10", metavar="SIZE", help="Pairs (604) or a share (10%%) of them.")
        parser.add_argument("--test", default="1/10", metavar="SIZE", help="Pairs or a share of them.")
        parser.add_argument(
            "--split-by",
            default="group",
            metavar="KEY",
            help="group keeps pairs that share a query or code together; code keeps codes together and drops the rest.",
        )
        parser.add_argument("--seed", default="0", metavar="N", help="Seed of the split.")
        parser.add_argument(
            "--leave-out-licence",
            action="append",
            default=[],
            dest="left_out_licences",
            metavar="LICENCE",
            help="Leave out code that stands under this licence alone; may be repeated, '' means none is stated.",
        )

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        names = (
            "keep",
            "min_votes",
            "min_share",
            "min_alpha_u",
            "dev",
            "test",
            "split_by",
            "seed",
            "left_out_licences",
        )
        criteria = read_criteria(
            **with_chosen_rule(project, {name: options[name] for name in names}),
            include_imported=not options["votes_only"],
        )
        release, job = start_freeze_release(
            project=project, name=options["name"], criteria=criteria, inline=not options["detach"]
        )
        if options["detach"]:
            return Report(f"Job {job.pk} is queued.", {"job": job.pk, "release": str(release)})
        data = run_inline(job, on_progress=self._show_progress).result
        agreement = data["agreement"]
        lines: list[tuple[str, Any]] = [("pairs kept", data["pairs"]), ("label 1", data["ones"])]
        lines += [(f"removed: {describe_removal(reason)}", n) for reason, n in data["removed"].items()]
        lines += [
            (split, f"{of['pairs']:,} pairs, {of['ones']:,} with label 1") for split, of in data["splits"].items()
        ]
        lines += [
            ("alpha of intent, all votes", describe_alpha(agreement["intent"])),
            ("alpha of answer, all votes", describe_alpha(agreement["answer"])),
            ("alpha of answer, kept (selected)", describe_alpha(agreement["answer_kept"])),
            ("votes published", data["votes_published"]),
            ("content SHA-256", data["content_sha256"]),
            ("folder", data["folder"]),
        ]
        return Report(f"Release {data['release']}", data, lines)
