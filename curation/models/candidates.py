"""Candidate runs and the pairs they propose."""

from django.db import models


class CandidateRun(models.Model):
    """One proposal of pairs: encoder, threshold, cap, and what came of it. An import of pairs is a run too."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="candidate_runs")
    origin = models.CharField(max_length=20, default="encoder", help_text="encoder, import or sample")
    encoder = models.CharField(max_length=300, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    rule_set = models.ForeignKey("curation.RuleSet", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    threshold = models.FloatField(default=0.5)
    cap = models.PositiveIntegerField(default=10)
    text_view = models.CharField(max_length=40, default="full")
    params = models.JSONField(default=dict)
    n_queries = models.PositiveIntegerField(default=0)
    n_codes = models.PositiveIntegerField(default=0)
    n_kept = models.PositiveIntegerField(default=0)
    n_below_threshold = models.PositiveIntegerField(default=0)
    n_over_cap = models.PositiveIntegerField(default=0)
    histogram = models.JSONField(default=dict, help_text="Best cosines: {'edges': [...], 'counts': [...]}.")
    warnings = models.JSONField(default=list)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"candidate run {self.pk} ({self.encoder or self.origin})"


class Pair(models.Model):
    """A query with one code, to be judged as shown in `text_view`."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="pairs")
    query = models.ForeignKey("curation.Query", on_delete=models.CASCADE, related_name="pairs")
    code = models.ForeignKey("curation.Code", on_delete=models.CASCADE, related_name="pairs")
    text_view = models.CharField(max_length=40, default="full")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "query", "code"], name="pair_once_per_project")]


class Candidate(models.Model):
    """A run's claim that a pair is worth judging."""

    run = models.ForeignKey(CandidateRun, on_delete=models.CASCADE, related_name="candidates")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="candidates")
    score = models.FloatField(null=True, blank=True)
    rank = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "pair"], name="candidate_once_per_run")]
        indexes = [models.Index(fields=["run", "-score", "id"], name="candidate_by_score")]
