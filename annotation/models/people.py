"""People at work in a project: how they stand, and what the curator asks of them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _


class Standing(models.TextChoices):
    ACTIVE = "active", "Active"
    WARNED = "warned", "Warned"
    PAUSED = "paused", "Paused"


class Annotator(models.Model):
    """A person as an annotator of one project. Made with their first claim; only services write it.

    The claim reads this one row to know whether the person gets training, qualification or live items, or nothing.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="annotators")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="annotators")
    standing = models.CharField(max_length=8, choices=Standing.choices, default=Standing.ACTIVE)
    reason = models.TextField(blank=True, help_text="Why warned or paused; the person reads it.")
    evidence = models.JSONField(default=dict, help_text="The figures behind the reason.")
    standing_since = models.DateTimeField(null=True, blank=True)
    trained_at = models.DateTimeField(null=True, blank=True, help_text="When the training items were done.")
    qualified_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="When the qualification bar was missed.")
    guideline_seen = models.PositiveIntegerField(default=0, help_text="Newest guideline version they were shown.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "person"], name="annotator_once")]

    def __str__(self) -> str:
        return f"{self.person} in {self.project}"

    @property
    def told_reason(self) -> str:
        """The reason as the person reads it: what the software found, in their language; else the curator's words."""
        wrong, right = self.evidence.get("wrong"), self.evidence.get("right")
        if wrong is None or right is None:
            return self.reason
        words = _("%(wrong)s of the last %(n)s check pairs, whose answer is known, were judged otherwise.")
        return words % {"wrong": wrong, "n": wrong + right}


class BatchMember(models.Model):
    """A person invited to a batch that not every annotator of the project may judge."""

    batch = models.ForeignKey("annotation.Batch", on_delete=models.CASCADE, related_name="members")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "person"], name="batch_member_once")]


class Asked(models.TextChoices):
    OFF = "off", "Not asked for"
    OPTIONAL = "optional", "Asked for, never needed"
    REQUIRED = "required", "Needed with every vote"


class GoldAct(models.TextChoices):
    NOTHING = "nothing", "Only show it to the curator"
    WARN = "warn", "Warn the person"
    PAUSE = "pause", "Warn, then pause the person"


class AnnotationSettings(models.Model):
    """What the curator asks of annotators in a project; made with its defaults when first needed."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="annotation_settings")
    reasons = models.CharField(
        max_length=8,
        choices=Asked.choices,
        default=Asked.OPTIONAL,
        help_text="Reason categories of votes. Optional ones never cost a key to those who do not want them.",
    )
    search_url = models.CharField(
        max_length=200,
        default="https://duckduckgo.com/?q={query}",
        blank=True,
        help_text="Where the link on the judge page searches the web; {query} is replaced. Empty: no link.",
    )
    qualification_bar = models.FloatField(
        default=0.8, help_text="Share of qualification items that must be right before live pairs are handed out."
    )
    qualification_size = models.PositiveSmallIntegerField(
        default=10, help_text="Qualification items of one attempt; fewer where fewer are there."
    )
    qualification_attempts = models.PositiveSmallIntegerField(
        default=2, help_text="Attempts a person has, each on items that are new to them."
    )
    gold_act = models.CharField(max_length=8, choices=GoldAct.choices, default=GoldAct.WARN)
    gold_bar = models.FloatField(default=0.7, help_text="Share of the last gold items that must be right.")
    gold_window = models.PositiveSmallIntegerField(default=10, help_text="How many of the last gold items count.")
    gold_min_failures = models.PositiveSmallIntegerField(
        default=2, help_text="Wrong gold items before anything happens; at least two."
    )
    repeat_share = models.FloatField(
        default=0,
        help_text="Share of pairs shown to the same person again, to measure agreement with oneself.",
    )
    repeat_after_days = models.PositiveSmallIntegerField(default=7)

    class Meta:
        verbose_name_plural = "annotation settings"
        constraints = [
            models.CheckConstraint(condition=Q(gold_min_failures__gte=2), name="gold_two_failures_at_least"),
            models.CheckConstraint(
                condition=Q(qualification_bar__gte=0, qualification_bar__lte=1, gold_bar__gte=0, gold_bar__lte=1),
                name="annotation_bars_are_shares",
            ),
            models.CheckConstraint(
                condition=Q(qualification_size__gte=1, qualification_attempts__gte=1), name="qualification_takes_one"
            ),
            models.CheckConstraint(
                condition=Q(repeat_share__gte=0, repeat_share__lte=0.5), name="annotation_repeats_at_most_half"
            ),
        ]

    def __str__(self) -> str:
        return f"annotation settings of {self.project}"
