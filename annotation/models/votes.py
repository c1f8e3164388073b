"""Votes: one annotator's two-step judgement, never overwritten."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Intent(models.TextChoices):
    """Step 1: does the query have code-search intent?"""

    YES = "yes", _("Has code-search intent")
    NO = "no", _("No code-search intent")
    UNCLEAR = "unclear", _("Cannot judge: query unclear")


class CannotJudge(models.TextChoices):
    QUERY = "query", "Cannot judge: query unclear"
    CODE = "code", "Cannot judge: code unclear"


class RaterKind(models.TextChoices):
    HUMAN = "human", "Human"
    SIMULATED = "simulated", "Simulated"
    IMPORTED = "imported", "Imported"


class Reason(models.TextChoices):
    """Optional reason categories: the first five for the answer, the others for no intent."""

    FULL = "full", _("Fully satisfies the demand")
    EXCEEDS = "exceeds", _("Exceeds the demand")
    CATEGORY = "category", _("Satisfies a category of the demand")
    HALF = "half", _("At most half of the demand")
    SLIGHT = "slight", _("Only slightly relevant")
    DEBUGGING = "debugging", _("Debugging")
    CONCEPTUAL = "conceptual", _("Conceptual question")
    TOOLS = "tools", _("Tools usage")
    KNOWLEDGE = "knowledge", _("Programming knowledge")
    VAGUE = "vague", _("Too vague")
    OTHER = "other", _("Other")


NO_INTENT_REASONS = (
    Reason.DEBUGGING,
    Reason.CONCEPTUAL,
    Reason.TOOLS,
    Reason.KNOWLEDGE,
    Reason.VAGUE,
    Reason.OTHER,
)


# What a vote must be to count in agreement, consensus and releases: neither taken back by its person nor set aside by a
# curator. One that is only not taken back *stands*: it keeps its person from judging the item again.
COUNTED = Q(retracted_at__isnull=True, set_aside_at__isnull=True)


class Vote(models.Model):
    """Both steps of one person's judgement. `answer` is NULL unless intent is yes and the code could be judged.

    A slot holds at most one vote that is not retracted; undo retracts, a correction appends a VoteRevision.
    """

    slot = models.ForeignKey("annotation.Slot", on_delete=models.PROTECT, related_name="votes")
    item = models.ForeignKey("annotation.Item", on_delete=models.PROTECT, related_name="votes")
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="votes")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes")
    key = models.UUIDField(unique=True, help_text="Made in the browser when the pair is shown: a repeat is the same.")
    payload_sha256 = models.CharField(max_length=64)
    intent = models.CharField(max_length=8, choices=Intent.choices)
    answer = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 answers, 0 does not.")
    code_unclear = models.BooleanField(default=False, help_text="Intent yes, but the code could not be judged.")
    reason = models.CharField(max_length=12, choices=Reason.choices, blank=True)
    guideline = models.ForeignKey(
        "annotation.Guideline", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    seconds = models.FloatField(default=0)
    rater_kind = models.CharField(max_length=10, choices=RaterKind.choices, default=RaterKind.HUMAN)
    created_at = models.DateTimeField(auto_now_add=True)
    retracted_at = models.DateTimeField(null=True, blank=True)
    set_aside_at = models.DateTimeField(
        null=True, blank=True, help_text="When a curator decided that it no longer counts; it stays as it is."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slot"], condition=Q(retracted_at__isnull=True), name="vote_one_per_slot"),
            models.UniqueConstraint(
                fields=["item", "person"], condition=Q(retracted_at__isnull=True), name="vote_one_per_person"
            ),
            models.CheckConstraint(
                name="vote_answer_only_after_intent",
                condition=Q(intent="yes") | Q(answer__isnull=True, code_unclear=False),
            ),
            models.CheckConstraint(
                name="vote_answer_or_unclear",
                condition=Q(code_unclear=False) | Q(answer__isnull=True),
            ),
            models.CheckConstraint(name="vote_answer_binary", condition=Q(answer__isnull=True) | Q(answer__in=[0, 1])),
        ]
        indexes = [
            models.Index(fields=["project", "id"], condition=Q(retracted_at__isnull=True), name="vote_of_project"),
            models.Index(fields=["person", "project", "-id"], name="vote_of_person"),
            models.Index(fields=["project", "created_at"], name="vote_of_time"),
            models.Index(
                fields=["project", "person", "set_aside_at"],
                condition=Q(set_aside_at__isnull=False),
                name="vote_set_aside",
            ),
        ]


class VoteRevision(models.Model):
    """The old values of a vote before a correction or a retraction."""

    class Act(models.TextChoices):
        CORRECTION = "correction", "Correction"
        RETRACTION = "retraction", "Retraction"

    vote = models.ForeignKey(Vote, on_delete=models.CASCADE, related_name="revisions")
    act = models.CharField(max_length=12, choices=Act.choices)
    intent = models.CharField(max_length=8, choices=Intent.choices)
    answer = models.PositiveSmallIntegerField(null=True, blank=True)
    code_unclear = models.BooleanField(default=False)
    reason = models.CharField(max_length=12, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
