"""Log files that wait for their curator to confirm how they are to be read."""

from django.conf import settings
from django.db import models


class LogUpload(models.Model):
    """A stored log file that nobody has started yet. What is not confirmed within a day is removed."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="log_uploads")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    name = models.CharField(max_length=255)
    stored_path = models.CharField(max_length=200, help_text="Below QUARRY_HOME.")
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    shape = models.JSONField(default=dict, help_text="How it would be read, as the curator last chose (LogShape).")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name
