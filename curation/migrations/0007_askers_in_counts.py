"""People who asked a query: from a row each to one sorted run of hashes for each count, and their number on the query."""

from django.db import migrations, models


def pack_askers(apps, schema_editor):
    """Rows of a query that no import was named for go to its first import."""
    query_user, query_count, query = (
        apps.get_model("curation", name) for name in ("QueryUser", "QueryCount", "Query")
    )
    rows = query_user.objects.order_by("query_id").values_list("query_id", "log_import_id", "user_hash")
    held: list[tuple[int | None, str]] = []
    current = 0
    for query_id, import_id, user in rows.iterator(chunk_size=10_000):
        if query_id != current:
            keep(query_count, query, current, held)
            current, held = query_id, []
        held.append((import_id, user))
    keep(query_count, query, current, held)


def keep(query_count, query, query_id, held):
    if not held:
        return
    first = query_count.objects.filter(query_id=query_id).order_by("log_import_id").values_list("log_import_id", flat=True).first()
    for import_id in {import_id or first for import_id, _ in held}:
        users = sorted({user for owner, user in held if (owner or first) == import_id})[:1000]
        query_count.objects.filter(query_id=query_id, log_import_id=import_id).update(askers=bytes.fromhex("".join(users)))
    query.objects.filter(pk=query_id).update(n_people=min(1000, len({user for _, user in held})))


class Migration(migrations.Migration):

    dependencies = [
        ('curation', '0006_code_depth'),
    ]

    operations = [
        migrations.AddField(
            model_name='query',
            name='n_people',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Distinct people who asked, over all imports that name people, counted up to 1,000; 0: none does.'),
        ),
        migrations.AddField(
            model_name='querycount',
            name='askers',
            field=models.BinaryField(blank=True, null=True),
        ),
        migrations.RunPython(pack_askers, migrations.RunPython.noop),
        migrations.DeleteModel(
            name='QueryUser',
        ),
    ]
