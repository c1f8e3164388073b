"""Whoever leaves hands their pairs back at once (logout, deactivation, end of a membership); new guidelines show."""

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.core.cache import cache
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from annotation.models import Guideline
from annotation.selectors.shown import guideline_version_key
from annotation.services.leases import release_leases, release_on_commit
from core.models import Membership, User


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
