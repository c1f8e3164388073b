"""manage.py import_rule_set: a draft from a TOML file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.services.rule_sets import edit_rule_set_text, find_rule_set, import_rule_set, profile_of


class Command(QuarryCommand):
    help = "Make a draft from a TOML file (as export_rule_set writes it), or replace the text of a draft."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--name", default="", help="Default: the name in the file, else `own`.")
        parser.add_argument("--into", default="", metavar="NAME[@VERSION]", help="A draft whose text it replaces.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        text = _read(Path(options["file"]))
        if options["into"]:
            draft = edit_rule_set_text(draft=find_rule_set(project, options["into"], drafts=True), text=text)
        else:
            draft = import_rule_set(project=project, text=text, name=options["name"])
        n_rules = len(profile_of(draft).rules)
        data = {"rule_set": draft.pk, "name": draft.name, "version": draft.version, "rules": n_rules}
        return Report(title=f"{draft}", data=data, lines=[("rules", n_rules)])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInputError(problem=f"{path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadInputError(problem=f"{path} is no UTF-8 text ({error.reason} at byte {error.start}).") from error
