"""Counts from which agreement is read, kept in step with the votes, and the keep rule that a project has chosen."""

from django.conf import settings
from django.db import models


class TallyMark(models.Model):
    """An item whose counted votes have changed since it was counted; written in the transaction of the change.

    One row an act, without constraints to check: it must cost a vote next to nothing.
    """

    project = models.ForeignKey(
        "core.Project", on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    item = models.ForeignKey(
        "annotation.Item", on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        indexes = [models.Index(fields=["project", "id"], name="tally_mark_of_project")]


class ItemTally(models.Model):
    """What counted of an item's votes when it was last counted; no row where nothing did.

    `state` is annotation.tallies.ItemState as text, so that it can be taken out of the counts again.
    """

    item = models.OneToOneField("annotation.Item", on_delete=models.CASCADE, related_name="counted")
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="+", db_index=False)
    batch = models.ForeignKey("annotation.Batch", on_delete=models.CASCADE, related_name="+")
    is_pilot = models.BooleanField(default=False)
    n_yes = models.PositiveSmallIntegerField(default=0)
    n_no = models.PositiveSmallIntegerField(default=0)
    n_unclear = models.PositiveSmallIntegerField(default=0)
    n_one = models.PositiveSmallIntegerField(default=0)
    n_zero = models.PositiveSmallIntegerField(default=0)
    pool_yes = models.PositiveIntegerField(default=0, help_text="On all counted pairs of the query.")
    pool_no = models.PositiveIntegerField(default=0)
    answer_disagreement = models.FloatField(
        null=True, help_text="Share of pairs of answers that differ; empty with fewer than two answers."
    )
    intent_disagreement = models.FloatField(null=True, help_text="The same for the intent.")
    state = models.TextField()

    class Meta:
        verbose_name_plural = "item tallies"
        indexes = [
            models.Index(fields=["project", "-answer_disagreement", "-id"], name="tally_by_answer"),
            models.Index(fields=["project", "-intent_disagreement", "-id"], name="tally_by_intent"),
            models.Index(fields=["project", "n_one", "n_zero", "n_no"], name="tally_by_pattern"),
        ]

    @property
    def cannot_judge(self) -> int:
        """Votes that could not judge the query or the code."""
        return self.n_unclear + self.n_yes - self.n_one - self.n_zero


class AgreementCount(models.Model):
    """How often a key of annotation.tallies occurs in a project."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=10)
    key = models.CharField(max_length=160)
    n = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "kind", "key"], name="agreement_count_once")]


class AgreementState(models.Model):
    """One row a project: whoever counts holds it, and `version` grows with every change of the counts."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="+")
    version = models.PositiveBigIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)


class ChosenKeepRule(models.Model):
    """The keep rule that a curator has chosen for the project's releases."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="chosen_keep_rule")
    rule = models.JSONField(help_text="annotation.consensus.KeepRule as JSON.")
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    chosen_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"keep rule of {self.project}"
