"""The queue in the admin. Slots and items are shown, not edited: the services keep them in step with the votes."""

from django.contrib import admin
from django.http import HttpRequest

from annotation.models import (
    Batch,
    BatchOpening,
    Comment,
    Guideline,
    Item,
    LateSubmission,
    QueuePlace,
    Skip,
    Slot,
)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows; nothing can be added, changed or deleted."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Guideline)
class GuidelineAdmin(ReadOnlyAdmin):
    list_display = ["project", "version", "created_at"]
    list_filter = ["project"]


@admin.register(Batch)
class BatchAdmin(admin.ModelAdmin):
    list_display = ["name", "project", "overlap", "max_extra_votes", "is_pilot", "is_paused", "is_closed", "created_at"]
    list_filter = ["project", "is_pilot", "is_paused", "is_closed"]
    search_fields = ["name"]
    readonly_fields = ["project", "overlap", "max_extra_votes", "is_paused", "is_closed", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Item)
class ItemAdmin(ReadOnlyAdmin):
    list_display = ["id", "batch", "query", "purpose", "done", "target", "n_extra", "is_set_aside"]
    list_filter = ["purpose", "is_set_aside", "project"]
    list_select_related = ["batch", "query"]


@admin.register(Slot)
class SlotAdmin(ReadOnlyAdmin):
    list_display = ["id", "item_id", "number", "batch", "state", "is_open", "person", "lane", "expires_at"]
    list_filter = ["state", "is_open", "project"]
    list_select_related = ["batch", "person"]


@admin.register(Skip)
class SkipAdmin(ReadOnlyAdmin):
    list_display = ["item_id", "person", "created_at"]
    list_select_related = ["person"]


@admin.register(LateSubmission)
class LateSubmissionAdmin(ReadOnlyAdmin):
    list_display = ["item_id", "person", "payload", "created_at"]
    list_select_related = ["person"]


@admin.register(Comment)
class CommentAdmin(ReadOnlyAdmin):
    list_display = ["item_id", "person", "is_flag", "text", "created_at"]
    list_filter = ["is_flag"]
    list_select_related = ["person"]


@admin.register(QueuePlace)
class QueuePlaceAdmin(ReadOnlyAdmin):
    list_display = ["batch", "person", "priority", "slot"]
    list_select_related = ["batch", "person"]


@admin.register(BatchOpening)
class BatchOpeningAdmin(ReadOnlyAdmin):
    list_display = ["batch", "n", "is_complete", "job", "created_by", "created_at"]
    list_filter = ["is_complete"]
    list_select_related = ["batch", "job", "created_by"]
