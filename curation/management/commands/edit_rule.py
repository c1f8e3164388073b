"""manage.py edit_rule: add, change or remove a rule of a draft, or only say what that would do."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from curation.intent import RuleKind, read_rule
from curation.models import RuleSet
from curation.rule_text import KINDS_HELP, RuleEdit, rule_data
from curation.services.rule_preview import Preview, preview_edit
from curation.services.rule_sets import edit_rule, find_rule_set, profile_of


class Command(QuarryCommand):
    help = "Add, change (--change FORM) or remove (--remove FORM) a rule of a draft; --preview saves nothing."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("draft", metavar="NAME[@VERSION]")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--change", default="", metavar="FORM", help="The rule to change; none: add a rule.")
        parser.add_argument("--remove", default="", metavar="FORM", help="The rule to remove.")
        parser.add_argument("--form", help="The keyword as it is printed.")
        kinds = "; ".join(f"{name}: {text}" for name, text in KINDS_HELP.items())
        parser.add_argument("--kind", choices=[kind.value for kind in RuleKind], help=kinds)
        parser.add_argument("--category")
        parser.add_argument("--note")
        parser.add_argument("--digits", action="store_true", default=None, help="exact: digits may follow")
        parser.add_argument("--stem", action="store_true", default=None, help="gap: the first part may go on")
        parser.add_argument("--preview", action="store_true", help="Say what it would do; save nothing.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        draft = find_rule_set(project, options["draft"], drafts=True)
        edit = _edit(draft, options)
        if options["preview"]:
            return _shown(preview_edit(project=project, profile=profile_of(draft), edit=edit, seed=draft.pk))
        draft = edit_rule(draft=draft, edit=edit)
        what = f"{edit.rule.form} saved" if edit.rule else f"{edit.old} removed"
        rule = rule_data(edit.rule) if edit.rule else None
        data = {"rule_set": draft.pk, "old": edit.old, "rule": rule, "content_hash": draft.content_hash}
        return Report(title=f"Rule {what} in {draft}", data=data)


def _edit(draft: RuleSet, options: dict[str, Any]) -> RuleEdit:
    if options["remove"]:
        return RuleEdit(options["remove"])
    names = ("form", "kind", "category", "note", "digits", "stem")
    given = {name: options[name] for name in names if options[name] is not None}
    old = next((rule for rule in profile_of(draft).rules if rule.form == options["change"]), None)
    if options["change"] and old is None:
        raise BadInputError(problem=f"There is no rule {options['change']!r} in {draft}.")
    return RuleEdit(options["change"], read_rule({**(rule_data(old) if old else {}), **given}))


def _shown(preview: Preview) -> Report:
    lines = [
        ("queries", preview.queries),
        ("newly rejected", preview.removed.text),
        ("brought back", preview.brought_back.text),
        ("hit, but rejected by other rules anyway", preview.rejected_anyway.text),
    ]
    way = "counted" if preview.is_exact else f"estimated from {preview.share:.2%} of the queries, 95 % margins"
    notes = [f"  - {text}" for _, text, _ in preview.removed_examples]
    notes += [f"  + {text}" for _, text, _ in preview.brought_back_examples]
    return Report(title=f"What it would do ({way}); nothing is saved", data=preview.as_data(), lines=lines, notes=notes)
