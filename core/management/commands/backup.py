"""`manage.py backup FILE`: every table and every file in one file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.backup.services import check_backup, make_backup
from core.commands import QuarryCommand, Report


class Command(QuarryCommand):
    help = "Writes everything into one file: all tables, and the files of QUARRY_HOME. Work may go on meanwhile."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="Where to; it must not exist yet.")
        parser.add_argument("--without-vectors", action="store_true", help="Leave out what can be computed again.")
        parser.add_argument("--check", action="store_true", help="Write nothing: read an existing backup to its end.")

    def report(self, **options: Any) -> Report:
        tell = self.stderr.write if options["verbosity"] > 1 else lambda text: None
        if options["check"]:
            made = check_backup(path=options["file"], tell=tell)
            title = f"{made.path.name} is whole."
        else:
            made = make_backup(path=options["file"], with_vectors=not options["without_vectors"], tell=tell)
            title = f"{made.path.name} is written ({made.path.stat().st_size / 1e6:,.1f} MB)."
        lines = [("tables with rows", len(made.rows)), ("rows", made.n_rows), ("files", made.n_files)]
        notes = [] if options["check"] else ["The secret key is not in it: keep a copy of it in a safe place."]
        data = {"file": str(made.path), "rows": made.rows, "files": made.n_files, "engine": made.engine}
        return Report(title, data, lines, notes)
