"""Votes and releases in the admin: votes are shown only; a release can be exported, never edited."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from annotation.admin.queue import ReadOnlyAdmin
from annotation.exporters import FORMAT_NAMES
from annotation.models import ImportedLabel, Release, ReleaseFile, Vote, VoteRevision
from annotation.services.releases import start_export_release
from core.errors import QuarryError


@admin.register(Vote)
class VoteAdmin(ReadOnlyAdmin):
    list_display = ["id", "item_id", "person", "intent", "answer", "code_unclear", "rater_kind", "created_at"]
    list_filter = ["project", "rater_kind", "intent"]
    list_select_related = ["person"]
    search_fields = ["person__username"]


@admin.register(VoteRevision)
class VoteRevisionAdmin(ReadOnlyAdmin):
    list_display = ["id", "vote_id", "act", "intent", "answer", "code_unclear", "created_at"]
    list_filter = ["act"]


@admin.register(ImportedLabel)
class ImportedLabelAdmin(ReadOnlyAdmin):
    list_display = ["id", "pair_id", "label", "source", "created_at"]
    list_filter = ["pair__project", "label"]
    search_fields = ["source"]


class ExportActionForm(ActionForm):
    """Asks for the format beside the choice of action."""

    format = forms.ChoiceField(choices=[(name, name) for name in FORMAT_NAMES], required=False, label="Format")


@admin.register(Release)
class ReleaseAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "state", "n_pairs", "content_sha256", "created_by", "created_at"]
    list_filter = ["project", "state"]
    list_select_related = ["project", "created_by"]
    search_fields = ["name"]
    action_form = ExportActionForm
    actions = ["export_dataset"]

    @admin.display(description="pairs")
    def n_pairs(self, release: Release) -> int | None:
        return release.stats.get("pairs")

    @admin.action(description="Export dataset")
    def export_dataset(self, request: HttpRequest, queryset: "QuerySet[Release]") -> None:
        """Starts the export job of each chosen release, into the data folder."""
        for release in queryset.select_related("project"):
            try:
                job = start_export_release(
                    release=release,
                    format=request.POST.get("format") or "jsonl",
                    user=request.user,  # type: ignore[arg-type]
                )
            except QuarryError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"{job.title}: job {job.pk} is queued.", messages.SUCCESS)


@admin.register(ReleaseFile)
class ReleaseFileAdmin(ReadOnlyAdmin):
    list_display = ["release", "path", "size_bytes", "sha256"]
    list_filter = ["release__project"]
    list_select_related = ["release__project"]
