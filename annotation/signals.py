"""Whoever leaves hands their pairs back at once (logout, deactivation, end of a membership); new guidelines show;
changed votes are marked for counting."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.core.cache import cache
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from annotation.models import Batch, Guideline, Item, ItemTally, Vote
from annotation.selectors.shown import guideline_version_key
from annotation.services.leases import release_leases, release_on_commit
from annotation.services.tallies import mark_batch, mark_item, mark_texts
from core.models import Membership, User
from curation.models import TextKind
from curation.signals import quarantine_changed


@receiver(user_logged_out)
def release_at_logout(sender: Any, user: User | None, **kwargs: Any) -> None:
    """A session that ends normally keeps no pair."""
    if user is not None:
        release_leases(person=user)


@receiver(post_save, sender=User)
def release_at_deactivation(sender: Any, instance: User, created: bool, **kwargs: Any) -> None:
    """A person who may no longer log in keeps no pair."""
    if not created and not instance.is_active:
        release_on_commit(instance)


@receiver(post_delete, sender=Membership)
def release_when_leaving(sender: Any, instance: Membership, **kwargs: Any) -> None:
    """A person who leaves a project (or loses a role in it) keeps no pair of it; with another role they claim anew."""
    release_leases(person=instance.user, project=instance.project)


@receiver(post_save, sender=Guideline)
def forget_guideline_version(sender: Any, instance: Guideline, **kwargs: Any) -> None:
    """The judge page of this process knows of a new version at once, that of another one within seconds."""
    cache.delete(guideline_version_key(instance.project_id))


@receiver(post_save, sender=Vote)
def mark_voted_item(sender: Any, instance: Vote, **kwargs: Any) -> None:
    """A new, corrected or retracted vote changes what agreement counts of its item."""
    mark_item(instance.project_id, instance.item_id)


@receiver(post_save, sender=Item)
def mark_item_set_aside(
    sender: Any, instance: Item, created: bool, update_fields: frozenset[str] | None = None, **kwargs: Any
) -> None:
    """An item that was set aside, or is open again, leaves or enters what keep rules count."""
    if not created and (update_fields is None or "is_set_aside" in update_fields):
        mark_item(instance.project_id, instance.pk)


@receiver(post_save, sender=Batch)
def mark_pilot(sender: Any, instance: Batch, created: bool, **kwargs: Any) -> None:
    """A batch that becomes a pilot takes its votes out of the project's figures; one that ceases to be brings them."""
    if not created and ItemTally.objects.filter(batch=instance).exclude(is_pilot=instance.is_pilot).exists():
        mark_batch(instance.project_id, instance.pk)


@receiver(quarantine_changed)
def mark_held_back(sender: Any, project_id: int, kind: TextKind, ids: list[int], **kwargs: Any) -> None:
    """What privacy holds back counts nowhere."""
    mark_texts(project_id, **{"queries" if kind == TextKind.QUERY else "codes": ids})
