"""What a person has to do before any other page opens: an own password, a second factor, a decision on consent."""

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.two_factor import lacks_two_factor

# Login, logout and what the frame of a page needs; none of them shows anything of a project.
ALWAYS_OPEN = frozenset(
    {"core:login", "core:logout", "core:set-theme", "core:set-language", "core:health", "core:worker_banner"}
)


@dataclass(frozen=True)
class Step:
    """`view` is its page, `views` all pages that are open meanwhile, `code` and `text` what the API says."""

    view: str
    views: frozenset[str]
    code: str
    text: str | Promise


PASSWORD = Step(
    "core:password",
    frozenset({"core:password"}),
    "password_change_needed",
    _("Your password was made by somebody else. Choose an own one first."),
)
TWO_FACTOR = Step(
    "mfa_activate_totp",
    frozenset(
        {
            "core:password",
            "account_reauthenticate",
            "mfa_activate_totp",
            "mfa_index",
            "mfa_reauthenticate",
            "mfa_view_recovery_codes",
            "mfa_download_recovery_codes",
        }
    ),
    "two_factor_needed",
    _("Curators and administrators need a second factor here. Set it up first."),
)
CONSENT = Step(
    "core:consent",
    frozenset({"core:consent"}),
    "consent_needed",
    _("Read what is stored of your work, and decide, first."),
)


def open_step(user: Any) -> Step | None:
    """The first step that this person has not done; None for nobody and for most. Reads no row for annotators."""
    if not user.is_authenticated:
        return None
    if user.must_change_password:
        return PASSWORD
    if lacks_two_factor(user):
        return TWO_FACTOR
    return CONSENT if user.must_consent else None
