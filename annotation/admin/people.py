"""People of the annotation stage in the admin; the services keep these rows."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import AnnotationSettings, Annotator, BatchMember


@admin.register(Annotator)
class AnnotatorAdmin(ReadOnlyAdmin):
    list_display = ["project", "person", "standing", "standing_since", "trained_at", "qualified_at"]
    list_filter = ["standing"]
    list_select_related = ["project", "person"]


@admin.register(BatchMember)
class BatchMemberAdmin(ReadOnlyAdmin):
    list_display = ["batch", "person", "created_at"]
    list_select_related = ["batch", "person"]


@admin.register(AnnotationSettings)
class AnnotationSettingsAdmin(ReadOnlyAdmin):
    list_display = ["project", "reasons", "qualification_bar", "gold_act", "gold_bar", "repeat_share"]
