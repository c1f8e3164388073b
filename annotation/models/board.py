"""Counted work: what people did, hour by hour and day by day, so that no page has to count a million votes.

Nothing here is a source of anything: `services/board.py` counts touched hours anew from the votes, and a rebuild from
nothing gives the same rows.
"""

from django.conf import settings
from django.db import models


class WorkSums(models.Model):
    """The figures of an hour or a day. Imported votes are nobody's work here and are left out.

    `votes` are those that count, of any purpose; `live` those of them on live items (pilots too), whose labels are
    summed. `times` holds seconds per vote as {band: {bin: votes}} (see `annotation.work`).
    """

    n_votes = models.PositiveIntegerField(default=0)
    n_wanted = models.PositiveIntegerField(default=0, help_text="On live and intent-only items: what batches ask for.")
    n_live = models.PositiveIntegerField(default=0)
    n_yes = models.PositiveIntegerField(default=0)
    n_no = models.PositiveIntegerField(default=0)
    n_unclear = models.PositiveIntegerField(default=0, help_text="The query could not be judged.")
    n_one = models.PositiveIntegerField(default=0)
    n_zero = models.PositiveIntegerField(default=0)
    n_code_unclear = models.PositiveIntegerField(default=0)
    n_retracted = models.PositiveIntegerField(default=0, help_text="Votes taken back by their person.")
    n_set_aside = models.PositiveIntegerField(default=0, help_text="Votes set aside by a curator.")
    n_corrected = models.PositiveIntegerField(default=0, help_text="Votes that were corrected at least once.")
    n_untimed = models.PositiveIntegerField(default=0, help_text="Votes that came without a time.")
    active_s = models.FloatField(default=0, help_text="Time on votes, each at most the idle limit; taken back or not.")
    times = models.JSONField(default=dict)

    class Meta:
        abstract = True


class WorkHour(WorkSums):
    """A person's votes that were given in one hour (UTC)."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="work_hours", db_index=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    hour = models.DateTimeField()

    class Meta:
        ordering = ["hour", "person_id"]
        constraints = [models.UniqueConstraint(fields=["project", "hour", "person"], name="work_hour_once")]

    def __str__(self) -> str:
        return f"{self.person} at {self.hour:%Y-%m-%d %H}"


class WorkDay(WorkSums):
    """Everybody's votes of one day (UTC)."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="work_days", db_index=False)
    day = models.DateField()
    n_people = models.PositiveIntegerField(default=0, help_text="People with a vote that counts.")

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["project", "day"], name="work_day_once")]

    def __str__(self) -> str:
        return f"{self.project} on {self.day}"


class ExpiredLeases(models.Model):
    """How many leases of a project ran out and were freed on a day (UTC): counted as it happens, kept nowhere else."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="expired_leases", db_index=False)
    day = models.DateField()
    n = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["day"]
        verbose_name_plural = "expired leases"
        constraints = [models.UniqueConstraint(fields=["project", "day"], name="expired_leases_once")]

    def __str__(self) -> str:
        return f"{self.n} leases of {self.project} on {self.day}"


class BoardState(models.Model):
    """How far the work of a project is counted, and counters that are not of an hour.

    The marks stay a while behind the newest rows, because a transaction may commit after one that began later.
    """

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="board_state")
    counted_to = models.DateTimeField(null=True, blank=True, help_text="Votes given before this time are counted.")
    revision_mark = models.BigIntegerField(default=0)
    looked_for_set_asides_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0, help_text="Rises whenever a shown figure changes.")
    counted_at = models.DateTimeField(null=True, blank=True, help_text="When everything there was had been counted.")
    share_done = models.FloatField(default=0, help_text="Of the votes there are, those counted so far.")
    counters = models.JSONField(default=dict, help_text="Batches and the health of the queue.")
    counters_at = models.DateTimeField(null=True, blank=True)
    counters_cost_s = models.FloatField(
        default=0, help_text="What counting them took: dear ones are counted less often."
    )
    watched_at = models.DateTimeField(null=True, blank=True, help_text="When somebody last looked at the dashboard.")
    busy_until = models.DateTimeField(null=True, blank=True, help_text="Somebody counts just now.")

    def __str__(self) -> str:
        return f"board of {self.project}"
