"""Administration of code sources, codes and candidate runs. Long lists are never counted or drawn as menus."""

from django.contrib import admin
from django.http import HttpRequest

from curation.models import BestMatch, Candidate, CandidateRun, Code, CodeOccurrence, CodeSettings, CodeSource, Pair

PRIVATE_COLUMNS = ("text", "header", "docstring", "body", "comments")


class LongListAdmin(admin.ModelAdmin):
    """A list that may be long: no second count, related rows by number."""

    show_full_result_count = False
    list_per_page = 50


@admin.register(CodeSource)
class CodeSourceAdmin(LongListAdmin):
    list_display = ("id", "project", "kind", "name", "version", "n_functions", "n_new", "created_at")
    list_filter = ("kind", "project")
    raw_id_fields = ("job",)


@admin.register(Code)
class CodeAdmin(LongListAdmin):
    list_display = ("id", "project", "name", "language", "is_paired", "filter_reason", "quarantine_reason")
    list_filter = ("is_paired", "language", "project")
    search_fields = ("name", "content_hash")
    raw_id_fields = ("project", "near_duplicate_of")

    def get_exclude(self, request: HttpRequest, obj: Code | None = None) -> tuple[str, ...]:
        """The text of a quarantined code, and what was cut from it, is shown nowhere but behind its own button."""
        return PRIVATE_COLUMNS if obj is not None and obj.quarantine_reason else ()


@admin.register(CodeOccurrence)
class CodeOccurrenceAdmin(LongListAdmin):
    list_display = ("id", "source", "path", "start_line", "qualified_name", "licence", "filter_reason")
    list_select_related = ("source",)
    raw_id_fields = ("code", "source")


@admin.register(CodeSettings)
class CodeSettingsAdmin(admin.ModelAdmin):
    list_display = ("project", "left_out_licences", "near_duplicate_threshold")


@admin.register(CandidateRun)
class CandidateRunAdmin(LongListAdmin):
    list_display = ("id", "project", "origin", "name", "encoder", "threshold", "cap", "n_kept", "is_complete")
    list_filter = ("origin", "project")
    raw_id_fields = ("job",)


@admin.register(Pair)
class PairAdmin(LongListAdmin):
    list_display = ("id", "project", "query", "code", "text_view")
    list_select_related = ("project", "query", "code")
    raw_id_fields = ("project", "query", "code")


@admin.register(Candidate)
class CandidateAdmin(LongListAdmin):
    list_display = ("id", "run", "pair_id", "score", "rank")
    list_select_related = ("run",)
    raw_id_fields = ("run", "pair")


@admin.register(BestMatch)
class BestMatchAdmin(LongListAdmin):
    list_display = ("id", "run", "query", "code", "score", "outcome")
    list_filter = ("outcome",)
    list_select_related = ("run", "query", "code")
    raw_id_fields = ("run", "query", "code")
