"""What people say about pairs beside their votes: flags that were dealt with, questions to the guideline."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class FlagResolution(models.Model):
    """What the curator did about a flag. Taking it back removes the row; the audit log keeps both."""

    comment = models.OneToOneField("annotation.Comment", on_delete=models.CASCADE, related_name="resolution")
    note = models.TextField(help_text="What was done; whoever raised the flag reads it.")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"resolution of flag {self.comment_id}"


class GuidelineQuestion(models.Model):
    """A question that the guideline leaves open, asked by an annotator and answered by a curator.

    The asker and curators see it at once, everybody once it is answered; `adopted` is the guideline version that
    took the answer in.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="guideline_questions")
    item = models.ForeignKey(
        "annotation.Item", null=True, blank=True, on_delete=models.SET_NULL, related_name="questions"
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    guideline = models.ForeignKey(
        "annotation.Guideline", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    adopted = models.ForeignKey(
        "annotation.Guideline", null=True, blank=True, on_delete=models.PROTECT, related_name="questions_adopted"
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["project", "-id"], name="question_of_project"),
            models.Index(fields=["project", "id"], condition=Q(answered_at__isnull=True), name="question_open"),
        ]

    def __str__(self) -> str:
        return f"question {self.pk} to the guideline of {self.project}"
