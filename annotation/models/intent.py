"""Samples of queries whose intent people judge alone, and the classifier that learns from them."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class IntentSample(models.Model):
    """Queries drawn at random by stratum and opened as one intent-only batch.

    `strata` holds what was drawn from what: [{"key", "side", "band", "opinion", "size", "drawn"}]. The inclusion
    probability of a query is drawn / size of its stratum, so that what the sample says can be weighted to the log.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="intent_samples")
    batch = models.OneToOneField("annotation.Batch", on_delete=models.PROTECT, related_name="intent_sample")
    rule_set = models.ForeignKey("curation.RuleSet", on_delete=models.PROTECT, related_name="+")
    classifier = models.ForeignKey(
        "annotation.IntentClassifier", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    n = models.PositiveIntegerField(help_text="Queries asked for.")
    seed = models.PositiveIntegerField(default=0)
    plan = models.JSONField(default=dict, help_text="Share of rejected, minimum per stratum, popularity bands.")
    strata = models.JSONField(default=list)
    is_complete = models.BooleanField(default=False, help_text="All its queries are open for judging.")
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.batch.name

    @property
    def frame_size(self) -> int:
        """Queries of the log that could have been drawn."""
        return sum(stratum["size"] for stratum in self.strata)


class SampledQuery(models.Model):
    """A query of a sample. Its item may be an older sample's: nobody judges a query's intent twice."""

    sample = models.ForeignKey(IntentSample, on_delete=models.CASCADE, related_name="queries")
    query = models.ForeignKey("curation.Query", on_delete=models.PROTECT, related_name="+")
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="sampled")
    stratum = models.CharField(max_length=60)
    probability = models.FloatField(help_text="Chance of the query to be drawn: drawn / size of its stratum.")

    class Meta:
        verbose_name_plural = "sampled queries"
        constraints = [
            models.UniqueConstraint(fields=["sample", "query"], name="sampled_once"),
            models.CheckConstraint(
                condition=Q(probability__gt=0) & Q(probability__lte=1), name="sampled_with_a_probability"
            ),
        ]


class IntentClassifier(models.Model):
    """A second opinion on intent, trained from judged queries: only numbers and words, never code.

    `parameters` is what scoring needs (weights, vocabulary, calibration), `report` the honest figures: out of fold,
    calibrated, beside the rules on the same queries.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="intent_classifiers")
    encoder = models.CharField(max_length=300)
    fingerprint = models.CharField(max_length=200, blank=True)
    rule_set = models.ForeignKey("curation.RuleSet", on_delete=models.PROTECT, related_name="+")
    training = models.JSONField(default=dict, help_text="Samples, labelled file, seed, folds.")
    parameters = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    n_scored = models.PositiveIntegerField(default=0)
    scored_at = models.DateTimeField(null=True, blank=True, help_text="When all queries had their score.")
    is_complete = models.BooleanField(default=False)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"second opinion {self.pk}"


class IntentScore(models.Model):
    """What a classifier thinks of a query: the calibrated chance that it has code-search intent."""

    goes_with_its_query = True  # nobody's work: undoing an import may remove it
    classifier = models.ForeignKey(IntentClassifier, on_delete=models.CASCADE, related_name="scores")
    query = models.ForeignKey("curation.Query", on_delete=models.CASCADE, related_name="intent_scores")
    chance = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["classifier", "query"], name="intent_score_once")]
        indexes = [models.Index(fields=["classifier", "chance", "id"], name="intent_score_browse")]
