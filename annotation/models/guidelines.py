"""Examples of the guideline: judged pairs that are shown beside it, each in force from one version to another."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation.models.votes import Intent


class GuidelineExample(models.Model):
    """A pair with its right judgement and why, shown to annotators from version `since` on and before `until`."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="guideline_examples")
    pair = models.ForeignKey("curation.Pair", on_delete=models.PROTECT, related_name="+")
    intent = models.CharField(max_length=8, choices=Intent.choices)
    answer = models.PositiveSmallIntegerField(null=True, blank=True)
    why = models.TextField(help_text="What the example teaches.")
    since = models.ForeignKey("annotation.Guideline", on_delete=models.PROTECT, related_name="examples_added")
    until = models.ForeignKey(
        "annotation.Guideline", null=True, blank=True, on_delete=models.PROTECT, related_name="examples_removed"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "pair"], condition=Q(until__isnull=True), name="guideline_example_once"
            ),
            models.CheckConstraint(
                name="guideline_example_judgement",
                condition=Q(intent="yes", answer__in=[0, 1]) | Q(intent="no", answer__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"example {self.pk} of {self.project}"
