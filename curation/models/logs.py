"""Search logs and the distinct queries in them."""

from django.db import models


class LogImport(models.Model):
    """One search-log file of a project, known by the SHA-256 of its bytes: a second import adds nothing."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="log_imports")
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    format = models.CharField(max_length=20)
    column = models.CharField(max_length=100, blank=True)
    count_column = models.CharField(max_length=100, blank=True)
    user_column = models.CharField(max_length=100, blank=True)
    url_column = models.CharField(max_length=100, blank=True)
    shape = models.JSONField(default=dict, help_text="How the file is read: LogShape.as_data.")
    stored_path = models.CharField(
        max_length=200, blank=True, help_text="Below QUARRY_HOME, until the import is complete."
    )
    size_bytes = models.BigIntegerField(default=0)
    n_read = models.BigIntegerField(default=0, help_text="Rows read: new + known + bad.")
    n_new = models.BigIntegerField(default=0, help_text="Rows that brought a query the project did not have.")
    n_known = models.BigIntegerField(default=0, help_text="Rows whose query the project (or the file) already had.")
    n_bad = models.BigIntegerField(default=0, help_text="Rows that could not be used; each is in the error report.")
    bad_reasons = models.JSONField(default=dict, help_text="Reason -> number of bad rows.")
    is_complete = models.BooleanField(default=False)
    position = models.CharField(
        max_length=32, blank=True, help_text="Content hash of the last query written; they come in the order of hashes."
    )
    phases = models.JSONField(default=dict, help_text="Phase -> done, total and seconds (curation/log_phases.py).")
    is_being_undone = models.BooleanField(default=False)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="log_file_once_per_project")]

    def __str__(self) -> str:
        return self.name


class Query(models.Model):
    """A distinct query of a project."""

    # No index of its own: every index below begins with the project.
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="queries", db_index=False)
    content_hash = models.CharField(max_length=32)
    text = models.TextField(help_text="As shown: NFKC, straight quotes, single spaces.")
    n_seen = models.BigIntegerField(default=0, help_text="Sum of its counts over all imports (derived).")
    n_people = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Distinct people who asked, over all imports that name people, counted up to 1,000; 0: none does.",
    )
    quarantine_reason = models.CharField(
        max_length=60, blank=True, help_text="Why privacy holds it back; empty: it may be shown."
    )
    first_import = models.ForeignKey(
        LogImport,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="new_queries",
        db_index=False,  # what an import brought is among what it counted
        help_text="The import that brought it; empty when it came with pairs.",
    )
    is_left_out = models.BooleanField(
        default=False, db_default=False, help_text="A curator took it out: it stays in the list and is never proposed."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "queries"
        constraints = [models.UniqueConstraint(fields=["project", "content_hash"], name="query_once_per_project")]
        indexes = [
            models.Index(fields=["project", "quarantine_reason", "id"], name="query_by_quarantine"),
            models.Index(fields=["project", "-n_seen", "-id"], name="query_by_popularity"),
            models.Index(fields=["project", "quarantine_reason", "-n_seen", "-id"], name="query_quarantine_popular"),
            models.Index(fields=["project", "id"], name="query_newest"),
            models.Index(fields=["project", "id"], name="query_left_out", condition=models.Q(is_left_out=True)),
        ]

    def __str__(self) -> str:
        return self.text if not self.quarantine_reason else f"[quarantined: {self.quarantine_reason}]"


MAX_ASKERS = 1000
ASKER_BYTES = 16


class QueryCount(models.Model):
    """How often one import saw a query, and who asked.

    `askers` holds the salted hashes of the distinct people, 16 bytes each, ascending; of more than MAX_ASKERS people
    only the smallest hashes. A row for each of them would be most of the database and was only ever counted.
    """

    query = models.ForeignKey(Query, on_delete=models.CASCADE, related_name="counts", db_index=False)
    log_import = models.ForeignKey(LogImport, on_delete=models.CASCADE, related_name="counts")
    n = models.BigIntegerField()
    askers = models.BinaryField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["query", "log_import"], name="query_count_once_per_import")]


class QueryClick(models.Model):
    """A URL that people clicked after a query, and how often in one import; kept only where its column was chosen."""

    query = models.ForeignKey(Query, on_delete=models.CASCADE, related_name="clicks")
    log_import = models.ForeignKey(LogImport, on_delete=models.CASCADE, related_name="clicks", db_index=False)
    url = models.CharField(max_length=2000)
    n = models.BigIntegerField()

    class Meta:
        ordering = ["-n", "url"]

    def __str__(self) -> str:
        return self.url


class BadRow(models.Model):
    """A row of a log that could not be used: its number, the reason, and a masked excerpt."""

    log_import = models.ForeignKey(LogImport, on_delete=models.CASCADE, related_name="bad_rows")
    line = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    excerpt = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["line"]
