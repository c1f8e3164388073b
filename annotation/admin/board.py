"""Counted work in the admin; the services keep these rows."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import BoardState, ExpiredLeases, WorkDay, WorkHour


@admin.register(WorkHour)
class WorkHourAdmin(ReadOnlyAdmin):
    list_display = ["project", "hour", "person", "n_votes", "active_s"]
    list_select_related = ["project", "person"]


@admin.register(WorkDay)
class WorkDayAdmin(ReadOnlyAdmin):
    list_display = ["project", "day", "n_people", "n_votes", "active_s"]
    list_select_related = ["project"]


@admin.register(BoardState)
class BoardStateAdmin(ReadOnlyAdmin):
    list_display = ["project", "version", "counted_at", "counters_at", "watched_at"]
    list_select_related = ["project"]


@admin.register(ExpiredLeases)
class ExpiredLeasesAdmin(ReadOnlyAdmin):
    list_display = ["project", "day", "n"]
    list_select_related = ["project"]
