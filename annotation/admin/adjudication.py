"""Consensus, adjudications, flags and questions in the admin; the services keep these rows."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import (
    Adjudication,
    Consensus,
    ConsensusRun,
    FlagResolution,
    GuidelineQuestion,
    RaterCompetence,
)


@admin.register(Adjudication)
class AdjudicationAdmin(ReadOnlyAdmin):
    list_display = ["item_id", "project", "decision", "cause", "person", "had_voted", "created_at", "ended_at"]
    list_filter = ["decision", "cause", "project"]
    list_select_related = ["project", "person"]


@admin.register(ConsensusRun)
class ConsensusRunAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "seed", "restarts", "is_current", "created_at", "finished_at"]
    list_filter = ["project"]
    list_select_related = ["project"]


@admin.register(Consensus)
class ConsensusAdmin(ReadOnlyAdmin):
    list_display = ["item_id", "run_id", "n_votes", "majority", "dawid_skene", "mace", "differs"]
    list_filter = ["differs"]


@admin.register(RaterCompetence)
class RaterCompetenceAdmin(ReadOnlyAdmin):
    list_display = ["person", "run_id", "n_votes", "dawid_skene", "mace"]
    list_select_related = ["person"]


@admin.register(FlagResolution)
class FlagResolutionAdmin(ReadOnlyAdmin):
    list_display = ["comment_id", "note", "person", "created_at"]
    list_select_related = ["person"]


@admin.register(GuidelineQuestion)
class GuidelineQuestionAdmin(ReadOnlyAdmin):
    list_display = ["project", "person", "text", "answered_by", "adopted", "created_at"]
    list_filter = ["project"]
    list_select_related = ["project", "person", "answered_by", "adopted"]
