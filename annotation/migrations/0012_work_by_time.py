from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0011_adjudication_and_discussion'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='boardstate',
            name='vote_mark',
        ),
        migrations.AddField(
            model_name='boardstate',
            name='counted_to',
            field=models.DateTimeField(blank=True, help_text='Votes given before this time are counted.', null=True),
        ),
    ]
