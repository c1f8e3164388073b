"""Where people stand in the queue, and batches that are being opened."""

from django.conf import settings
from django.db import models


class QueuePlace(models.Model):
    """How far down a batch a person has come: the claim looks from there on, however much lies before it.

    The slot is one that the claim has handed to them; it is written now and then, not with every claim.
    """

    batch = models.ForeignKey("annotation.Batch", on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    priority = models.IntegerField(help_text="Of the slot, within its batch.")
    slot = models.BigIntegerField(help_text="Its number; the slot may be gone.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "person"], name="queue_place_once")]

    def __str__(self) -> str:
        return f"slot {self.slot} of batch {self.batch_id}"


class BatchOpening(models.Model):
    """A batch whose pairs a job opens. What was chosen is written down first, so that a killed job goes on with it."""

    batch = models.OneToOneField("annotation.Batch", on_delete=models.CASCADE, related_name="opening")
    n = models.PositiveIntegerField(help_text="Pairs to open, gold left out.")
    seed = models.PositiveIntegerField(default=0, help_text="Of the order of its items' numbers.")
    source = models.JSONField(
        default=dict, help_text="{run, limit}: the best pairs that may be opened, of a run or of all."
    )
    chosen = models.JSONField(
        default=dict,
        help_text="What a plan chose: live [[query, code, text view, stratum]] and gold [[pair, query, intent, answer, "
        "origin]]; emptied when all are open.",
    )
    is_complete = models.BooleanField(default=False)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"opening of {self.batch}"
