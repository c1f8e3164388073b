"""Administration of people, projects and jobs."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from core.forms import ThrottledAdminLogin
from core.masking import masked
from core.models import AuditEntry, Job, Membership, Project, Shard, ShardStage, User, WorkerBeat

admin.site.site_header = "Quarry administration"
admin.site.site_title = "Quarry administration"
admin.site.index_title = "Everything in the database"
admin.site.login_form = ThrottledAdminLogin


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that the services keep: to be looked at, never edited by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Django's own page for people, with Quarry's three flags."""

    list_display = ["username", "email", "is_staff", "is_active", "is_simulated", "is_placeholder", "last_login"]
    list_filter = ["is_staff", "is_active", "is_simulated", "is_placeholder"]
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Quarry", {"fields": ["is_simulated", "is_placeholder", "must_change_password", "publishes_votes"]}),
    )


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 1
    autocomplete_fields = ["user"]


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):
    list_display = ["slug", "title", "language", "overlap", "k_anonymity", "created_at"]
    search_fields = ["slug", "title"]
    inlines = [MembershipInline]


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ["project", "user", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["project", "user"]
    search_fields = ["project__slug", "user__username"]
    autocomplete_fields = ["project", "user"]


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["id", "title", "kind", "project", "state", "attempt", "created_at", "finished_at"]
    list_filter = ["state", "queue", "kind"]
    list_select_related = ["project"]
    search_fields = ["title", "kind"]
    exclude = ["owner_token", "params"]
    readonly_fields = ["masked_params"]

    @admin.display(description="parameters")
    def masked_params(self, job: Job) -> str:
        """What the job was asked to do; a path or a name in it may be private."""
        return masked(str(job.params))


@admin.register(WorkerBeat)
class WorkerBeatAdmin(ReadOnlyAdmin):
    list_display = ["name", "queues", "beat_at"]


@admin.register(ShardStage)
class ShardStageAdmin(ReadOnlyAdmin):
    list_display = ["id", "work", "name", "function"]
    exclude = ["params"]  # the secret that user ids are hashed with is among them


@admin.register(Shard)
class ShardAdmin(ReadOnlyAdmin):
    list_display = ["id", "stage", "number", "is_done", "claimed_at"]
    list_select_related = ["stage"]
    exclude = ["owner_token"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "project", "act", "actor", "person", "subject_kind", "subject_id", "reason"]
    list_filter = ["act"]
    list_select_related = ["project", "actor", "person"]
