"""What curators decided about private text, and the filters they keep."""

from django.conf import settings
from django.db import models


class TextKind(models.TextChoices):
    QUERY = "query", "Query"
    CODE = "code", "Code"


class PrivacyAct(models.TextChoices):
    RELEASE = "release", "Released"
    QUARANTINE = "quarantine", "Quarantined by hand"
    REVEAL = "reveal", "Looked at"


class PrivacyDecision(models.Model):
    """One act of a person on a text, never changed or removed. The latest release or quarantine of a text holds.

    It is bound to the content hash, so that it outlives the row: the same text, come again, is decided already.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="privacy_decisions")
    kind = models.CharField(max_length=10, choices=TextKind.choices)
    content_hash = models.CharField(max_length=32)
    act = models.CharField(max_length=12, choices=PrivacyAct.choices)
    reason = models.CharField(max_length=60, help_text="Why the text was, or is now, held back.")
    note = models.CharField(max_length=300, blank=True, help_text="Why the person did it, in their words.")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["project", "kind", "content_hash", "id"], name="privacy_decision_of_text")]

    def __str__(self) -> str:
        return f"{self.get_act_display()}: {self.kind} {self.content_hash}"


class SavedFilter(models.Model):
    """A named filter of the query list, shared by the curators of a project."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=80)
    params = models.JSONField(help_text="Filter and order, as the address of the list holds them.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="saved_filter_once_per_project")]

    def __str__(self) -> str:
        return self.name
