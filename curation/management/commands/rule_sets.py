"""manage.py rule_sets: the rule sets that a project may use, which is in use, and its adoptions."""

from argparse import ArgumentParser
from typing import Any

from core.commands import QuarryCommand, Report
from curation.selectors.queries import current_rule_set, rule_sets
from curation.services.rule_sets import profile_of


class Command(QuarryCommand):
    help = "List the rule sets of a project: shipped ones, versions, drafts, and what was adopted when."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, metavar="SLUG")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"])
        current = current_rule_set(project)
        known = [
            {
                "id": one.pk,
                "name": one.name,
                "version": one.version,
                "state": "draft" if one.is_draft else "in use" if one == current else "version",
                "shipped": one.project_id is None,
                "rules": len(profile_of(one).rules),
            }
            for one in rule_sets(project)
        ]
        adoptions = [
            {
                "rule_set": str(one.rule_set),
                "previous": str(one.previous or ""),
                "adopted_at": f"{one.adopted_at:%Y-%m-%d %H:%M}",
                "newly_rejected": one.report["newly_rejected"]["n"],
                "newly_accepted": one.report["newly_accepted"]["n"],
            }
            for one in project.adoptions.filter(adopted_at__isnull=False).select_related("rule_set", "previous")
        ]
        lines = [(f"{one['name']}@{one['version']}", f"{one['rules']} rules, {_origin(one)}") for one in known]
        notes = [
            f"{one['adopted_at']} {one['rule_set']} in place of {one['previous']}: "
            f"{one['newly_rejected']:,} newly rejected, {one['newly_accepted']:,} newly accepted"
            for one in adoptions
        ]
        return Report(
            title=f"Rule sets of project {project.slug}; in use: {current}",
            data={"current": current.pk, "rule_sets": known, "adoptions": adoptions},
            lines=lines,
            notes=notes or ["Nothing was adopted yet: the project's language keyword chose the rule set in use."],
        )


def _origin(one: dict[str, Any]) -> str:
    return f"{'shipped' if one['shipped'] else 'own'}, {one['state']}"
