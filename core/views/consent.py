"""The consent text, the decision on it, and its withdrawal."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.access import person_of
from core.account_forms import ConsentForm
from core.errors import QuarryError
from core.models import ConsentDecision, User
from core.services.consent import current_text, decision_of, give_consent, text_in_language, withdraw_consent
from core.views.projects import show_refusal


@login_required
@require_http_methods(["GET", "POST"])
def consent(request: HttpRequest) -> HttpResponse:
    """What is stored and what may be published; the decision leads to where the person was going."""
    person = person_of(request)
    last = decision_of(person)
    form = ConsentForm(request.POST or None, initial=_known(last, person))
    if request.method == "POST" and form.is_valid():
        try:
            give_consent(person=person, **form.cleaned_data)
        except QuarryError as error:
            show_refusal(form, error)
        else:
            messages.success(request, _("Your decision is kept. You can change it in your account at any time."))
            return redirect(_target(request))
    text = current_text()
    markdown, language = text_in_language(text)
    context = {
        "form": form,
        "text": markdown,
        "text_language": language,
        "version": text.version,
        "last": last,
        "is_new_version": last is not None and last.text.version != text.version,
        "next": _target(request, default=""),
    }
    return render(request, "core/consent.html", context)


def _known(last: ConsentDecision | None, person: User) -> dict[str, Any]:
    """What the form shows of the last decision; the box of a new text is empty."""
    if last is None:
        return {}
    return {"publishes": "yes" if last.publishes else "no", "years": last.years, "agrees": not person.must_consent}


def _target(request: HttpRequest, default: str = "/") -> str:
    """Where the person was going, if it is a page of this server."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if is_ours else default


@login_required
@require_POST
def withdraw(request: HttpRequest) -> HttpResponse:
    """Ends the consent; the next page is the consent page again."""
    withdraw_consent(person=person_of(request))
    messages.success(
        request,
        _("Your consent is withdrawn. Releases to come hold no single vote of yours, and you judge no more pairs."),
    )
    return redirect("core:consent")
