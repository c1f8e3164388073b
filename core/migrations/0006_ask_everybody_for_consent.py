"""People who worked before there was a consent text are asked at their next login, as newcomers are."""

from django.db import migrations


def ask(apps, schema_editor):
    user = apps.get_model("core", "User")
    user.objects.filter(is_simulated=False, is_placeholder=False, is_active=True).update(must_consent=True)


class Migration(migrations.Migration):
    dependencies = [("core", "0005_consent_and_invitations")]

    operations = [migrations.RunPython(ask, migrations.RunPython.noop, elidable=True)]
