"""Forms about oneself: name and address, consent, an invitation, the way back to a lost account."""

from typing import Any

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm, PasswordResetForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from core import throttle
from core.models import Role, User
from core.services.consent import MAX_YEARS
from core.services.invitations import MAX_DAYS, MAX_USES


class AccountForm(forms.ModelForm):
    """What people may change about themselves; consent has a page of its own."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email"]
        labels = {"first_name": _("First name"), "last_name": _("Last name"), "email": _("E-mail address")}
        help_texts = {"email": _("Only administrators see it. A lost password can be replaced through it.")}


class ConsentForm(forms.Form):
    """The decision on the consent text."""

    agrees = forms.BooleanField(
        required=False,
        label=_("I have read this and agree that it is stored and used so"),
    )
    publishes = forms.TypedChoiceField(
        label=_("May your single votes be published under a pseudonym?"),
        choices=[("yes", _("Yes, under a pseudonym")), ("no", _("No"))],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    years = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_YEARS,
        label=_("Years of programming experience"),
        help_text=_("Curators see it. It is never published."),
    )


class InvitationForm(forms.Form):
    """A new invitation."""

    roles = forms.MultipleChoiceField(
        choices=Role.choices, widget=forms.CheckboxSelectMultiple, label="Roles", initial=[Role.ANNOTATOR]
    )
    max_uses = forms.IntegerField(
        min_value=1, max_value=MAX_USES, initial=1, label="Uses", help_text="How many people can come in by the link."
    )
    days = forms.IntegerField(
        min_value=1, max_value=MAX_DAYS, initial=7, label="Days", help_text="After so many days it ends by itself."
    )
    note = forms.CharField(
        max_length=200,
        required=False,
        label="Note",
        help_text="For whom it is, or where you post it. Only curators see it.",
    )


class SignUpForm(BaseUserCreationForm):
    """The account of somebody who came by an invitation."""

    class Meta:
        model = User
        fields = ["username"]
        labels = {"username": _("User name")}
        help_texts = {"username": _("Curators see it. It need not be your real name.")}


class ResetForm(PasswordResetForm):
    """Asks for a mail with a link; the answer is the same whether the address is known or not."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)

    def __init__(self, *args: Any, address: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.address = address

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not throttle.may_ask_for_reset(self.address):
            raise ValidationError(_("Too many requests from here. Wait an hour, then try again."), code="throttled")
        return cleaned
