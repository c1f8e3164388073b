"""Administration of search logs, queries and rules. The text of a quarantined query is shown masked here too."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from curation.admin.code import LongListAdmin
from curation.models import (
    Adoption,
    BadRow,
    LogImport,
    LogUpload,
    PrivacyDecision,
    Query,
    QueryClick,
    QueryCount,
    RuleHit,
    RuleSet,
    SavedFilter,
    Verdict,
    VerdictCount,
)
from curation.selectors.queries import shown_text


class ReadOnlyAdmin(LongListAdmin):
    """Rows that services write and people only look at."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LogImport)
class LogImportAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "name", "format", "n_read", "n_new", "n_known", "n_bad", "is_complete")
    list_filter = ("is_complete", "project")
    list_select_related = ("project",)


@admin.register(Query)
class QueryAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "masked", "n_seen", "quarantine_reason")
    list_filter = ("quarantine_reason", "project")
    list_select_related = ("project",)
    fields = ("project", "masked", "content_hash", "n_seen", "quarantine_reason", "created_at")
    search_fields = ("content_hash",)  # never the text: a search would find its way into quarantined queries

    @admin.display(description="text")
    def masked(self, query: Query) -> str:
        """The text with private parts masked."""
        return shown_text(query)


@admin.register(RuleSet)
class RuleSetAdmin(ReadOnlyAdmin):
    list_display = ("id", "name", "version", "project", "is_draft")
    list_filter = ("name",)
    list_select_related = ("project",)


@admin.register(Adoption)
class AdoptionAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "rule_set", "previous", "language", "adopted_by", "adopted_at")
    list_select_related = ("project", "rule_set", "previous", "adopted_by")


@admin.register(VerdictCount)
class VerdictCountAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "rule_set", "accepted", "rejected", "is_stale")
    list_select_related = ("project", "rule_set")


@admin.register(QueryCount)
class QueryCountAdmin(ReadOnlyAdmin):
    list_display = ("id", "query", "log_import", "n")
    exclude = ("askers",)
    list_select_related = ("query", "log_import")


@admin.register(BadRow)
class BadRowAdmin(ReadOnlyAdmin):
    list_display = ("id", "log_import", "line", "reason", "excerpt")
    list_select_related = ("log_import",)


@admin.register(Verdict)
class VerdictAdmin(ReadOnlyAdmin):
    list_display = ("id", "query", "rule_set", "has_intent")
    list_filter = ("has_intent", "rule_set")
    list_select_related = ("query", "rule_set")


@admin.register(RuleHit)
class RuleHitAdmin(ReadOnlyAdmin):
    list_display = ("id", "verdict_id", "rule")


@admin.register(PrivacyDecision)
class PrivacyDecisionAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "kind", "content_hash", "act", "reason", "person", "created_at")
    list_filter = ("act", "kind", "project")
    list_select_related = ("project", "person")


@admin.register(SavedFilter)
class SavedFilterAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "name", "created_by", "created_at")
    list_select_related = ("project", "created_by")


@admin.register(QueryClick)
class QueryClickAdmin(ReadOnlyAdmin):
    list_display = ("id", "query_id", "log_import", "n")
    list_select_related = ("log_import",)
    fields = ("query_id", "log_import", "n")  # a URL clicked after a quarantined query may tell of it
    readonly_fields = ("query_id",)


@admin.register(LogUpload)
class LogUploadAdmin(ReadOnlyAdmin):
    list_display = ("id", "project", "name", "size_bytes", "user", "created_at")
    list_select_related = ("project", "user")
