"""The frame around everything: home, theme, API browser."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.permissions import IsAuthenticated

from core.access import may_create_projects, roles_in
from core.language import YEAR_S, choose_language, keep_language
from core.menu import WATCHERS
from core.models import Project
from core.overview import overview_of, personal_numbers
from core.paging import keyset_page

THEMES = {"light", "dark"}
CARDS_PER_PAGE = 12


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The projects of the person, each with where it stands and what comes next."""
    page = keyset_page(Project.objects.for_user(request.user), request, size=CARDS_PER_PAGE)
    cards = [_card(project, request.user) for project in page]
    context = {"page": page, "cards": cards, "may_create": may_create_projects(request.user)}
    return render(request, "core/home.html", context)


def _card(project: Project, user: Any) -> dict[str, Any]:
    held = roles_in(user, project)
    return {
        "project": project,
        "overview": overview_of(project) if held & WATCHERS else None,
        "roles": [gettext("administrator")] if user.is_superuser else sorted(role.in_sentence for role in held),
        "personal": personal_numbers(project, user),
    }


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keeps the chosen theme in a cookie; an empty choice follows the system again."""
    response = redirect(page_to_return_to(request))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR_S, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE)
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Keeps the chosen language with the person and in a cookie; an empty choice follows the browser again."""
    language = request.POST.get("language", "")
    choose_language(request.user, language)
    response = redirect(page_to_return_to(request))
    keep_language(response, language)
    return response


def page_to_return_to(request: HttpRequest) -> str:
    """The posted `next` if it is a page of this server, else the first page."""
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return "/"


class SchemaView(SpectacularAPIView):
    """The OpenAPI description of the API."""

    permission_classes = [IsAuthenticated]


api_docs = login_required(SpectacularSwaggerView.as_view(url_name="core:api_schema"))
