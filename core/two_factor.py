"""The second factor: allauth's codes, with the secrets encrypted at rest, and who has to have one."""

import base64
import hashlib
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils.encoding import force_bytes

from core.models import Membership, Role, User


class Adapter(DefaultMFAAdapter):
    """allauth's adapter; what it stores is encrypted with the installation's secret key."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode("ascii")).decode()

    def get_totp_label(self, user: Any) -> str:
        name: str = user.get_username()  # not the e-mail address, which the code app would show to bystanders
        return name


def _cipher() -> MultiFernet:
    """The key in use first, then the ones it replaced, so that a change of SECRET_KEY locks nobody out."""
    keys = [force_bytes(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    digests = [hashlib.sha256(b"core.two_factor\0" + key).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def lacks_two_factor(user: User) -> bool:
    """Whether this person has to set up a second factor before going on (QUARRY_REQUIRE_2FA)."""
    if not settings.REQUIRE_2FA or user.has_two_factor:
        return False
    return user.is_staff or user.is_superuser or Membership.objects.filter(user=user, role=Role.CURATOR).exists()


@receiver([post_save, post_delete], sender="mfa.Authenticator")
def note_two_factor(sender: Any, instance: Any, **kwargs: Any) -> None:
    """Keeps `User.has_two_factor`, so that no page has to ask for it."""
    of_person = sender.objects.filter(user_id=instance.user_id, type=sender.Type.TOTP)
    User.objects.filter(pk=instance.user_id).update(has_two_factor=of_person.exists())
