"""Quality control in the admin; the services keep these rows."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import QualificationAttempt, SetAside


@admin.register(SetAside)
class SetAsideAdmin(ReadOnlyAdmin):
    list_display = ["project", "person", "n_votes", "is_complete", "created_by", "created_at", "taken_back_at"]
    list_select_related = ["project", "person", "created_by"]


@admin.register(QualificationAttempt)
class QualificationAttemptAdmin(ReadOnlyAdmin):
    list_display = ["project", "person", "number", "size", "n_right", "is_passed", "ended_at"]
    list_filter = ["is_passed"]
    list_select_related = ["project", "person"]
