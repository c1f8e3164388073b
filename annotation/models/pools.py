"""Test pools: for chosen queries, what several systems would answer, judged together."""

from django.conf import settings
from django.db import models


class Pool(models.Model):
    """The union of the top k of several systems for chosen queries, opened as one batch."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="pools")
    name = models.CharField(max_length=100)
    systems = models.JSONField(help_text="[{name, kind, fingerprint, view}]: bm25, encoders, checkpoints.")
    k = models.PositiveSmallIntegerField(help_text="Depth: the best k codes of each system for each query.")
    options = models.JSONField(default=dict, help_text="How the queries were chosen, seed, overlap, text view.")
    query_hashes = models.JSONField(default=list, help_text="Content hashes of the queries, sorted.")
    n_pairs = models.PositiveIntegerField(default=0, help_text="Distinct pairs in the union.")
    batch = models.OneToOneField(
        "annotation.Batch", null=True, blank=True, on_delete=models.SET_NULL, related_name="pool"
    )
    is_complete = models.BooleanField(default=False)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="pool_name_once")]

    def __str__(self) -> str:
        return self.name


class PoolEntry(models.Model):
    """A pair that a system ranked among its best k. Never shown to annotators."""

    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="entries")
    pair = models.ForeignKey("curation.Pair", on_delete=models.PROTECT, related_name="+")
    system = models.PositiveSmallIntegerField(help_text="Place in the pool's list of systems.")
    rank = models.PositiveSmallIntegerField(help_text="From 1.")
    score = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "system", "pair"], name="pool_entry_once")]
