"""manage.py load_sample: the project that a newcomer meets first."""

from typing import Any

from core.commands import QuarryCommand, Report
from demo.sample import load_sample


class Command(QuarryCommand):
    help = "Make the sample project: our own search log, the standard library's functions, and pairs to judge."

    def report(self, **options: Any) -> Report:
        made = load_sample(say=lambda text: self.stderr.write(f"  {text} ..."), on_progress=self._show_progress)
        lines: list[tuple[str, Any]] = [
            ("log rows read", made.log.n_read),
            ("functions read", made.n_functions),
            ("pairs to judge at once", made.n_pairs),
        ]
        proposal = made.proposal.pk if made.proposal else None
        data = {
            "project": made.project.slug,
            "log_rows": made.log.n_read,
            "functions": made.n_functions,
            "pairs": made.n_pairs,
            "proposal_job": proposal,
        }
        notes = [f"  Job {proposal} proposes more pairs as soon as a worker runs (about two minutes of encoding)."]
        return Report(f"Sample project {made.project.slug}", data, lines, notes if proposal else [])
