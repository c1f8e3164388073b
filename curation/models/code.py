"""Code sources and code functions."""

import re
from urllib.parse import quote

from django.db import models

from curation.code_filters import KEPT

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_GITHUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*\Z", re.ASCII)


class CodeSource(models.Model):
    """Where functions were extracted from, with counts of what was kept and why the rest was not."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="code_sources")
    kind = models.CharField(max_length=20, help_text="A key of curation.code_sources.KINDS, or import.")
    name = models.CharField(max_length=300)
    version = models.CharField(max_length=100, blank=True, help_text="Commit, package version or file hash.")
    licence = models.CharField(max_length=100, blank=True)
    remote = models.CharField(max_length=300, blank=True, help_text="Where people can see it; never with credentials.")
    n_functions = models.PositiveIntegerField(default=0, help_text="Functions seen in the source.")
    n_new = models.PositiveIntegerField(default=0, help_text="Distinct codes that the project did not have.")
    counts = models.JSONField(default=dict, help_text="Reason -> number of functions; 'kept' among them.")
    lengths = models.JSONField(default=list, help_text="[lines, functions of so many lines], in order of lines.")
    problems = models.JSONField(default=list, help_text="Files not read, or not wholly: [path, reason].")
    n_problems = models.PositiveIntegerField(default=0, help_text="All of them; the list is cut.")
    state = models.JSONField(default=dict, help_text="How far a reading has come that is not over; empty when it is.")
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "name", "version"], name="code_source_once_per_project")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def n_kept(self) -> int:
        """Functions of the source that passed every filter."""
        return int(self.counts.get(KEPT, 0))


class Code(models.Model):
    """A distinct code function of a project; its content is its identity, occurrences hang on it."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="codes")
    content_hash = models.CharField(max_length=32)
    text = models.TextField(help_text="Exact source of the function.")
    language = models.CharField(max_length=20, default="python")
    name = models.CharField(max_length=300, help_text="Qualified name of the first occurrence.")
    header = models.TextField(blank=True)
    docstring = models.TextField(blank=True)
    body = models.TextField(blank=True)
    is_paired = models.BooleanField(
        default=True, help_text="Passed every filter, so it may be proposed; else kept for training only."
    )
    filter_reason = models.CharField(max_length=60, blank=True, help_text="Why it is unpaired; empty when paired.")
    quarantine_reason = models.CharField(max_length=60, blank=True)
    n_lines = models.PositiveIntegerField(default=0)
    comments = models.JSONField(
        default=list, help_text="In-line comments (METHODS 8.2): [first line, last line, text]."
    )
    n_comments = models.PositiveSmallIntegerField(default=0)
    near_duplicate_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="near_duplicates"
    )
    near_duplicate_score = models.FloatField(null=True, blank=True, help_text="Jaccard similarity to the kept code.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "content_hash"], name="code_once_per_project")]
        indexes = [
            models.Index(fields=["project", "is_paired", "id"], name="code_browse"),
            models.Index(fields=["project", "quarantine_reason", "id"], name="code_by_quarantine"),
            models.Index(fields=["project", "language", "id"], name="code_by_language"),
        ]

    def __str__(self) -> str:
        return self.name


class CodeOccurrence(models.Model):
    """A place where a code stands."""

    code = models.ForeignKey(Code, on_delete=models.CASCADE, related_name="occurrences")
    source = models.ForeignKey(CodeSource, on_delete=models.CASCADE, related_name="occurrences")
    repository = models.CharField(max_length=300, blank=True)
    path = models.CharField(max_length=500, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    start_line = models.PositiveIntegerField(default=0)
    end_line = models.PositiveIntegerField(default=0)
    qualified_name = models.CharField(max_length=300)
    licence = models.CharField(max_length=100, blank=True)
    filter_reason = models.CharField(
        max_length=60, blank=True, help_text="Why this occurrence was not kept; empty when it was."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "source", "path", "start_line"], name="code_occurrence_once")
        ]
        indexes = [
            models.Index(fields=["source", "filter_reason", "code"], name="occurrence_by_reason"),
            models.Index(fields=["source", "licence", "code"], name="occurrence_by_licence"),
        ]

    @property
    def address(self) -> str:
        """Where people can see these lines at this commit; '' where nothing says so, or the file was changed."""
        lines = f"#L{self.start_line}-L{self.end_line}" if self.start_line else ""
        base = self.source.remote
        if not base and self.source.kind == "codesearchnet" and _GITHUB_NAME.match(self.repository):
            base = f"https://github.com/{self.repository}"
        if not base or not self.path or not _COMMIT.match(self.commit):
            return ""
        return f"{base}/blob/{self.commit}/{quote(self.path)}{lines}"


class CodeSettings(models.Model):
    """What a project leaves out of its code before anything is proposed."""

    project = models.OneToOneField("core.Project", on_delete=models.CASCADE, related_name="code_settings")
    left_out_licences = models.JSONField(
        default=list, help_text="Licences whose code is not proposed; '' stands for places that state none."
    )
    near_duplicate_threshold = models.FloatField(
        null=True, blank=True, help_text="Jaccard similarity from which code counts as there already; empty: 0.8."
    )

    def __str__(self) -> str:
        return f"Code settings of {self.project}"
