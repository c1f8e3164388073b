"""Consensus of the votes by several methods, and what adjudicators decided where people differ."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Decision(models.TextChoices):
    """What an adjudicator makes of a pair."""

    ONE = "one", "Answers (1)"
    ZERO = "zero", "Does not answer (0)"
    NO_INTENT = "no_intent", "No code-search intent"
    UNUSABLE = "unusable", "Cannot be judged: leave it out"


class Cause(models.TextChoices):
    """Why people differed, as the adjudicator sees it."""

    GUIDELINE = "guideline", "The guideline leaves it open"
    QUERY = "query", "The query can be read in two ways"
    CODE = "code", "The code is hard to judge"
    SLIP = "slip", "A slip: somebody misread the pair"
    OTHER = "other", "Something else"


class Adjudication(models.Model):
    """A decision on a pair. It stands until another one replaces it or it is taken back; none is ever deleted."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="adjudications")
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="adjudications")
    decision = models.CharField(max_length=9, choices=Decision.choices)
    reason = models.TextField(help_text="Why; private text in it is masked.")
    cause = models.CharField(max_length=9, choices=Cause.choices, blank=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    had_voted = models.BooleanField(default=False, help_text="The adjudicator's own vote was among those decided on.")
    votes = models.JSONField(default=dict, help_text="Counted votes when it was decided: yes, no, unclear, one, zero.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it was replaced or taken back.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["item"], condition=Q(ended_at__isnull=True), name="adjudication_one_stands")
        ]
        indexes = [
            models.Index(fields=["project", "-id"], condition=Q(ended_at__isnull=True), name="adjudication_of_project")
        ]

    def __str__(self) -> str:
        return f"{self.get_decision_display()} for item {self.item_id}"

    @property
    def intent(self) -> str:
        """yes, no, or unclear for a pair that cannot be judged."""
        return {Decision.NO_INTENT: "no", Decision.UNUSABLE: "unclear"}.get(Decision(self.decision), "yes")

    @property
    def label(self) -> int | None:
        """1, 0, or None where the pair has no label."""
        return {Decision.ONE: 1, Decision.ZERO: 0}.get(Decision(self.decision))


class ConsensusRun(models.Model):
    """A computation of the consensus of every judged pair by majority, Dawid-Skene and MACE."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="consensus_runs")
    seed = models.PositiveIntegerField(default=0)
    restarts = models.PositiveSmallIntegerField(default=10)
    report = models.JSONField(default=dict, help_text="Counts, how each method converged, how they agree.")
    is_current = models.BooleanField(default=False, help_text="Its rows are kept; those of earlier runs are removed.")
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project"], condition=Q(is_current=True), name="consensus_one_current_run")
        ]

    def __str__(self) -> str:
        return f"consensus {self.pk} of {self.project}"


class ConsensusLabel(models.TextChoices):
    """The three labels over which consensus is sought; empty where a method gives none."""

    ONE = "1", "Answers (1)"
    ZERO = "0", "Does not answer (0)"
    NO_INTENT = "no", "No intent"
    NONE = "", "No majority"


class Consensus(models.Model):
    """What each method makes of the votes on one pair: a label, and how sure the method is of it (0 to 1)."""

    run = models.ForeignKey(ConsensusRun, on_delete=models.CASCADE, related_name="rows")
    item = models.ForeignKey("annotation.Item", on_delete=models.CASCADE, related_name="consensus")
    n_votes = models.PositiveSmallIntegerField(help_text="Votes that say something of the pair.")
    majority = models.CharField(max_length=2, choices=ConsensusLabel.choices, blank=True)
    majority_share = models.FloatField(null=True, blank=True, help_text="Share of the votes that carry the majority.")
    dawid_skene = models.CharField(max_length=2, choices=ConsensusLabel.choices)
    dawid_skene_share = models.FloatField()
    mace = models.CharField(max_length=2, choices=ConsensusLabel.choices)
    mace_share = models.FloatField()
    differs = models.BooleanField(default=False, help_text="The methods do not all give the same label.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "item"], name="consensus_once")]
        indexes = [models.Index(fields=["run", "id"], condition=Q(differs=True), name="consensus_differs")]

    def __str__(self) -> str:
        return f"consensus of item {self.item_id}"


class RaterCompetence(models.Model):
    """How far a method trusts a person: found together with the labels, not measured against known answers."""

    run = models.ForeignKey(ConsensusRun, on_delete=models.CASCADE, related_name="raters")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    n_votes = models.PositiveIntegerField()
    dawid_skene = models.FloatField(help_text="Expected share of right labels, over the labels as often as they are.")
    mace = models.FloatField(help_text="Probability that the person judges rather than guesses.")

    class Meta:
        ordering = ["-mace"]
        constraints = [models.UniqueConstraint(fields=["run", "person"], name="rater_competence_once")]

    def __str__(self) -> str:
        return f"competence of {self.person}"
