"""Plans of batches, and gold items: pairs with a known answer that measure the people who judge them."""

from typing import Any

from django.conf import settings
from django.db import models


class BatchPlan(models.Model):
    """How the pairs of a batch were chosen: the same settings and seed over the same candidates give the same pairs.

    Which pair came for which reason stands in `Item.stratum`.
    """

    batch = models.OneToOneField("annotation.Batch", on_delete=models.CASCADE, related_name="plan")
    options = models.JSONField(help_text="Everything the curator chose, the seed and the candidate runs among it.")
    estimate = models.JSONField(help_text="Pairs, votes, cost, person-hours and days as planned, with the assumptions.")
    strata = models.JSONField(help_text="[{mix, band, wanted, available, chosen}].")
    funnel = models.JSONField(help_text="[[what, pairs]]: from all candidates to the chosen ones; it adds up.")
    chosen_sha256 = models.CharField(max_length=64, help_text="Of the chosen pairs' content hashes, in order.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)


class GoldAnswer(models.Model):
    """The answer that is known of a gold, training or qualification item, and from where."""

    item = models.OneToOneField("annotation.Item", on_delete=models.CASCADE, related_name="gold")
    intent = models.CharField(max_length=8, help_text="yes or no")
    answer = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 or 0; empty when intent is no.")
    origin = models.CharField(
        max_length=12,
        help_text="judged: unanimous votes of people; imported: a labelled file; adjudicated, curator: one person.",
    )
    why = models.TextField(blank=True, help_text="The explanation that a training item shows after the vote.")

    def is_met_by(self, vote: Any) -> bool:
        """Whether a vote says the same; one that could not judge does not."""
        return not vote.code_unclear and (vote.intent, vote.answer) == (self.intent, self.answer)


class GoldTurn(models.Model):
    """How many pairs of a batch with gold a person was handed: says whether the next one is gold."""

    batch = models.ForeignKey("annotation.Batch", on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    n_given = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "person"], name="gold_turn_once")]
