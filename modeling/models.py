"""Training runs and evaluations."""

from django.db import models


class TrainingRun(models.Model):
    """One training of one recipe; its curves and checkpoint stand in its folder below QUARRY_HOME/checkpoints."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="training_runs")
    release = models.ForeignKey(
        "annotation.Release", null=True, blank=True, on_delete=models.PROTECT, related_name="training_runs"
    )
    name = models.CharField(max_length=100)
    recipe = models.CharField(max_length=60)
    encoder = models.CharField(max_length=300)
    seed = models.PositiveIntegerField(default=0)
    config = models.JSONField(default=dict, help_text="The recipe's settings after all overrides.")
    left_out = models.JSONField(
        default=list,
        help_text="Test files whose queries and codes, and all that is connected, were kept out of training.",
    )
    data_sha256 = models.CharField(max_length=64, blank=True)
    path = models.CharField(max_length=300, blank=True, help_text="Folder, relative to QUARRY_HOME.")
    metrics = models.JSONField(default=dict, help_text="Last value of every named metric.")
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="training_run_name_once")]

    def __str__(self) -> str:
        return self.name


class Evaluation(models.Model):
    """A measurement of a checkpoint (or an untrained encoder) on given data."""

    class Kind(models.TextChoices):
        SEARCH = "search", "Code search"
        QA = "qa", "Code QA"

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="evaluations")
    run = models.ForeignKey(TrainingRun, null=True, blank=True, on_delete=models.CASCADE, related_name="evaluations")
    release = models.ForeignKey(
        "annotation.Release", null=True, blank=True, on_delete=models.PROTECT, related_name="evaluations"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    checkpoint = models.CharField(max_length=300)
    split = models.CharField(max_length=20, default="test")
    params = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.checkpoint}"


class CodeIndex(models.Model):
    """The vectors of a project's code base for one checkpoint, ready to be searched (QUARRY_HOME/indexes)."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="code_indexes")
    checkpoint = models.CharField(max_length=300, help_text="Encoder name, or run:NAME.")
    path = models.CharField(max_length=300, blank=True, help_text="Folder, relative to QUARRY_HOME; empty: not built.")
    n_codes = models.PositiveIntegerField(default=0)
    last_code_id = models.BigIntegerField(default=0, help_text="Largest code id in it; with n_codes tells its age.")
    built_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name_plural = "code indexes"
        constraints = [models.UniqueConstraint(fields=["project", "checkpoint"], name="code_index_once")]

    def __str__(self) -> str:
        return f"index of {self.project} for {self.checkpoint}"
