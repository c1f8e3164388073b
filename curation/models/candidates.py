"""Candidate runs and the pairs they propose."""

from django.db import models


class CandidateRun(models.Model):
    """One proposal of pairs: encoder, threshold, cap, and what came of it. An import of pairs is a run too."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="candidate_runs")
    origin = models.CharField(max_length=20, default="encoder", help_text="encoder, clicked, import or sample")
    name = models.CharField(max_length=200, blank=True, help_text="Name of an import or sample, else empty.")
    retriever = models.CharField(
        max_length=12, default="dense", help_text="dense, bm25, hybrid_sum, hybrid_rank or clicked"
    )
    top_k = models.PositiveIntegerField(default=1, help_text="Codes wanted per query; the paper takes 1.")
    policy = models.CharField(max_length=12, default="default", help_text="default, cascade or first_come")
    encoder = models.CharField(max_length=300, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    rule_set = models.ForeignKey("curation.RuleSet", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    threshold = models.FloatField(default=0.5)
    cap = models.PositiveIntegerField(default=10)
    text_view = models.CharField(max_length=40, default="full")
    params = models.JSONField(default=dict, help_text="The rest of what is needed to repeat and to judge the run.")
    n_queries = models.PositiveIntegerField(default=0)
    n_codes = models.PositiveIntegerField(default=0)
    n_kept = models.PositiveIntegerField(default=0, help_text="Pairs: at most top_k per query.")
    n_below_threshold = models.PositiveIntegerField(default=0, help_text="Queries whose best code is below it.")
    n_over_cap = models.PositiveIntegerField(default=0, help_text="Queries whose codes were all used up by others.")
    n_not_searched = models.PositiveIntegerField(default=0, help_text="Queries for which there was nothing to score.")
    histogram = models.JSONField(
        default=dict, help_text="Best score of every query: {'edges': [...], 'counts': [...]}."
    )
    code_frequency = models.JSONField(
        default=dict, help_text="How often a code was used -> number of codes used that often."
    )
    warnings = models.JSONField(default=list)
    is_complete = models.BooleanField(default=False, help_text="The run ended; its rows never change again.")
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

        constraints = [
            models.UniqueConstraint(
                fields=["project", "origin", "name"], condition=~models.Q(name=""), name="named_run_once_per_project"
            )
        ]

    def __str__(self) -> str:
        return f"candidate run {self.pk} ({self.name or self.encoder or self.origin})"

    @property
    def is_searched(self) -> bool:
        """Whether a search or clicks proposed the pairs, so that thresholds and outcomes mean something."""
        return self.origin in {"encoder", "clicked"}

    @property
    def n_queries_kept(self) -> int:
        """Queries with at least one pair: the rest of the funnel."""
        return self.n_queries - self.n_below_threshold - self.n_over_cap - self.n_not_searched


class Pair(models.Model):
    """A query with one code, to be judged as shown in `text_view`."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="pairs")
    query = models.ForeignKey("curation.Query", on_delete=models.CASCADE, related_name="pairs")
    code = models.ForeignKey("curation.Code", on_delete=models.CASCADE, related_name="pairs")
    text_view = models.CharField(max_length=40, default="full")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "query", "code"], name="pair_once_per_project")]


class Outcome(models.TextChoices):
    """What became of a match in a candidate run."""

    KEPT = "kept", "Kept"
    BELOW = "below", "Below the threshold"
    OVER_CAP = "over_cap", "Over the cap"


class BestMatch(models.Model):
    """One of the best codes of a query in a candidate run, and whether it became a candidate.

    A query has min(top_k, codes) slots: first its kept codes by rank, then those that were not kept. So the row in
    slot 1 says what became of the query itself.
    """

    run = models.ForeignKey(CandidateRun, on_delete=models.CASCADE, related_name="best_matches")
    query = models.ForeignKey("curation.Query", on_delete=models.CASCADE, related_name="best_matches")
    code = models.ForeignKey("curation.Code", on_delete=models.CASCADE, related_name="best_matches")
    slot = models.PositiveIntegerField(default=1)
    rank = models.PositiveIntegerField(default=1, help_text="Place among the codes of the query: 1 is the best.")
    score = models.FloatField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices)

    class Meta:
        verbose_name_plural = "best matches"
        constraints = [models.UniqueConstraint(fields=["run", "query", "slot"], name="best_match_slot_once_per_run")]
        indexes = [
            models.Index(fields=["run", "outcome", "-score", "-id"], name="best_match_browse"),
            models.Index(fields=["run", "slot", "outcome", "-score", "-id"], name="best_match_by_slot"),
            models.Index(fields=["run", "slot", "-score", "-id"], name="best_match_by_query"),
            models.Index(fields=["run", "rank", "-score", "-id"], name="best_match_by_rank"),
        ]


class Candidate(models.Model):
    """A run's claim that a pair is worth judging."""

    run = models.ForeignKey(CandidateRun, on_delete=models.CASCADE, related_name="candidates")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="candidates")
    score = models.FloatField(null=True, blank=True)
    rank = models.PositiveIntegerField(default=1, help_text="Place among the query's codes before any cap.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "pair"], name="candidate_once_per_run")]
        indexes = [models.Index(fields=["run", "-score", "id"], name="candidate_by_score")]
