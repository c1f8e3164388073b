"""Administration of people, projects and jobs."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from core.access import person_of
from core.masking import masked
from core.models import (
    AuditEntry,
    ConsentDecision,
    ConsentText,
    Invitation,
    InvitationUse,
    Job,
    Membership,
    Project,
    Shard,
    ShardStage,
    User,
    WorkerBeat,
)
from core.services.people import set_active

admin.site.site_header = "Quarry administration"
admin.site.site_title = "Quarry administration"
admin.site.index_title = "Everything in the database"

# allauth's rows: addresses and tokens are not used, providers come from the environment, secrets are shown to nobody.
admin.site.unregister([EmailAddress, SocialApp, SocialToken, SocialAccount, Authenticator])


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
        (
            "Quarry",
            {
                "fields": [
                    *("is_simulated", "is_placeholder", "must_change_password", "must_consent", "language"),
                    *("publishes_votes", "has_two_factor", "last_seen_at"),
                ]
            },
        ),
    )
    # The decision on publication is the person's own, kept with its history by core/services/consent.py.
    readonly_fields = ["publishes_votes", "has_two_factor", "last_seen_at"]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """A new person is asked for consent; an account that is switched off or on is so by the service."""
        if not change:
            obj.must_consent = not (obj.is_simulated or obj.is_placeholder)
        elif "is_active" in form.changed_data and obj.pk != request.user.pk and not obj.is_placeholder:
            wanted, obj.is_active = obj.is_active, not obj.is_active
            super().save_model(request, obj, form, change)
            set_active(person=obj, is_active=wanted, user=person_of(request), reason="by the administration")
            return
        super().save_model(request, obj, form, change)


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


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Second factors. Deleting one is how an administrator helps somebody who lost phone and recovery codes."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    exclude = ["data"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(SocialAccount)
class SocialAccountAdmin(ReadOnlyAdmin):
    list_display = ["user", "provider", "date_joined", "last_login"]
    list_select_related = ["user"]
    exclude = ["extra_data"]


@admin.register(ConsentText)
class ConsentTextAdmin(ReadOnlyAdmin):
    """Published by `manage.py publish_consent`, never changed."""

    list_display = ["version", "published_by", "created_at"]


@admin.register(ConsentDecision)
class ConsentDecisionAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "person", "act", "publishes", "text"]
    list_filter = ["act", "publishes"]
    list_select_related = ["person", "text"]


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "note", "n_uses", "max_uses", "expires_at", "revoked_at", "created_by"]
    list_select_related = ["project", "created_by"]


@admin.register(InvitationUse)
class InvitationUseAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "invitation", "person"]
    list_select_related = ["invitation__project", "person"]
