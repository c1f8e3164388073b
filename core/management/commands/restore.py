"""`manage.py restore FILE`: a backup into an empty database and an empty QUARRY_HOME."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.backup.services import restore_backup
from core.commands import QuarryCommand, Report


class Command(QuarryCommand):
    help = (
        "Restores a backup into an empty database (SQLite or PostgreSQL, whatever it was made on) and compares every "
        "table with the backup. A backup of an older version is brought up to date."
    )
    requires_system_checks: list[str] = []

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The backup.")

    def report(self, **options: Any) -> Report:
        tell = self.stderr.write if options["verbosity"] > 1 else lambda text: None
        done = restore_backup(path=options["file"], tell=tell)
        lines = [("tables with rows", len(done.rows)), ("rows", done.n_rows), ("files", done.n_files)]
        notes = [f"Made on {done.engine}. Every table and file has the sum that it had when the backup was made."]
        data = {"file": str(done.path), "rows": done.rows, "files": done.n_files, "engine": done.engine}
        return Report(f"{done.path.name} is restored.", data, lines, notes)
