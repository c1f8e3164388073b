"""Forms of the shell: log in, projects, members."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from core import throttle
from core.models import Project, Role, User
from core.services.projects import LANGUAGE


class ThrottledLogin(AuthenticationForm):
    """Log in with name and password; too many failures ask for patience before the password is looked at."""

    is_throttled = False
    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("This name and password do not fit together. Both are case-sensitive."),
        "throttled": _("Too many failed logins. Wait %(minutes)s minutes, then try again."),
        "placeholder": _("This account stands for a rater of imported votes. Nobody can log in with it."),
    }

    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username", "")
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        wait = throttle.wait_s(name, address)
        if wait:
            self.is_throttled = True
            raise ValidationError(
                self.error_messages["throttled"], code="throttled", params={"minutes": max(1, wait // 60)}
            )
        try:
            cleaned = super().clean()
        except ValidationError:
            throttle.record_failure(name, address)
            raise
        throttle.record_success(name, address)
        return cleaned

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if user.is_placeholder:
            raise ValidationError(self.error_messages["placeholder"], code="placeholder")


class ProjectForm(forms.Form):
    """A new project."""

    title = forms.CharField(
        max_length=200, label="Title", help_text="As people will read it, e.g. Python questions 2026."
    )
    slug = forms.SlugField(
        max_length=60,
        label="Short name",
        help_text="Stands in addresses and commands: small letters, digits, - and _. It cannot be changed later.",
    )
    language = forms.CharField(
        max_length=20,
        required=False,
        initial="python",
        label="Language keyword",
        help_text="A query must contain this word to be kept. Empty asks for none. Chooses the first intent rules too.",
    )


class ProjectSettingsForm(forms.ModelForm):
    """What a curator may change in a project."""

    class Meta:
        model = Project
        fields = ["title", "description", "language", "overlap", "max_extra_votes", "k_anonymity", "encoder"]
        labels = {
            "language": "Language keyword",
            "overlap": "Overlap",
            "max_extra_votes": "Extra votes",
            "k_anonymity": "k-anonymity",
        }
        help_texts = {
            "title": "As people read it; the short name in addresses stays.",
            "description": "A sentence or two for the people who work here.",
            "language": "A query must contain this word (python, python3, python 3.11) to be kept. Empty: none.",
            "overlap": "Votes wanted per pair, each from a different person. Holds for batches opened from now on.",
            "max_extra_votes": "Further votes opened for a pair whose answers stay split. Holds for new batches.",
            "k_anonymity": (
                "A query that one person alone asked can tell who that is. A query asked by fewer people than this is "
                "withheld from annotators and releases. Where the log names no users, the number of times it was asked "
                "counts. 1 withholds nothing; below stands what each number would withhold."
            ),
            "encoder": (
                "Turns queries and code into vectors to propose pairs. A packaged name (minilm), the folder of a "
                "model or checkpoint, or a hub name. Empty: the default of this installation."
            ),
        }
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    def clean_language(self) -> str:
        language: str = self.cleaned_data["language"]
        if not LANGUAGE.fullmatch(language):
            raise ValidationError("The language keyword is one word, such as python or c++.")
        return language

    def clean_overlap(self) -> int:
        overlap: int = self.cleaned_data["overlap"]
        if not 1 <= overlap <= 25:
            raise ValidationError("The overlap is a number from 1 to 25.")
        return overlap

    def clean_max_extra_votes(self) -> int:
        extra: int = self.cleaned_data["max_extra_votes"]
        if extra > 25:
            raise ValidationError("At most 25 extra votes.")
        return extra

    def clean_k_anonymity(self) -> int:
        k: int = self.cleaned_data["k_anonymity"]
        if k < 1:
            raise ValidationError("k is at least 1, which withholds nothing.")
        return k


class MemberForm(forms.Form):
    """Adds a person to a project: by name, made when nobody has that name."""

    username = forms.CharField(
        max_length=150,
        label="User name",
        help_text="Somebody who has an account, or a new name: then an account is made, with a one-time password.",
        validators=[User.username_validator],
    )
    roles = forms.MultipleChoiceField(
        choices=Role.choices, widget=forms.CheckboxSelectMultiple, label="Roles", initial=[Role.ANNOTATOR]
    )


class RolesForm(forms.Form):
    """The roles that a member holds; none takes the person out of the project."""

    roles = forms.MultipleChoiceField(
        choices=Role.choices, widget=forms.CheckboxSelectMultiple, label="Roles", required=False
    )
