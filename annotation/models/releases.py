"""Releases, and labels that came without their raters."""

from django.conf import settings
from django.db import models


class ImportedLabel(models.Model):
    """A single label of a pair from elsewhere, raters unknown: released under a rule of its own, never in alpha."""

    pair = models.ForeignKey("curation.Pair", on_delete=models.CASCADE, related_name="imported_labels")
    source = models.CharField(max_length=200)
    label = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pair", "source"], name="imported_label_once")]


class ReleaseState(models.TextChoices):
    FREEZING = "freezing", "Being frozen"
    DRAFT = "draft", "Draft"
    PUBLISHED = "published", "Published"
    WITHDRAWN = "withdrawn", "Withdrawn"


class Release(models.Model):
    """An immutable dataset version, addressed PROJECT/NAME; its files stand in QUARRY_HOME/releases."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="releases")
    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    state = models.CharField(max_length=10, choices=ReleaseState.choices, default=ReleaseState.FREEZING)
    criteria = models.JSONField(default=dict)
    content_sha256 = models.CharField(max_length=64, blank=True)
    path = models.CharField(max_length=300, blank=True, help_text="Folder, relative to QUARRY_HOME.")
    stats = models.JSONField(default=dict)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.TextField(blank=True, help_text="Stays on the tombstone, with the hashes of the files.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="release_name_once")]

    def __str__(self) -> str:
        return f"{self.project.slug}/{self.name}"

    @property
    def has_files(self) -> bool:
        return self.state in {ReleaseState.DRAFT, ReleaseState.PUBLISHED}


class ReleaseFile(models.Model):
    """A file of a release with its hash."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=300, help_text="Relative to the release's folder.")
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["release", "path"], name="release_file_once")]
