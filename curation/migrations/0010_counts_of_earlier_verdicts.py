"""Projects go on with the rule sets that judged their queries: those are marked to be counted on first use."""

from django.db import migrations


def mark_judged(apps, schema_editor):
    RuleSet = apps.get_model("curation", "RuleSet")
    Project = apps.get_model("core", "Project")
    Verdict = apps.get_model("curation", "Verdict")
    VerdictCount = apps.get_model("curation", "VerdictCount")
    for rule_set in RuleSet.objects.all():
        for project in Project.objects.all():
            if Verdict.objects.filter(rule_set=rule_set, query__project=project).exists():
                VerdictCount.objects.get_or_create(
                    project=project, rule_set=rule_set, defaults={"is_stale": True, "language": project.language}
                )


class Migration(migrations.Migration):

    dependencies = [
        ("curation", "0009_best_match_indexes"),
    ]

    operations = [migrations.RunPython(mark_judged, migrations.RunPython.noop)]
