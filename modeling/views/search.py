"""The search page, and building the index it needs."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from core.access import project_for
from core.errors import NotFoundError, QuarryError
from core.menu import section_address
from core.models import Role
from modeling import selectors
from modeling.services import search as services
from modeling.views.runs import WATCHERS, base_context

PAGE_SIZE = 10


@login_required
@require_GET
def search(request: HttpRequest, slug: str) -> HttpResponse:
    """Ranked functions for ?q= with ?checkpoint=; the address is the permalink."""
    project = project_for(request.user, slug, *WATCHERS)
    query = request.GET.get("q", "").strip()[: services.MAX_QUERY_CHARS]
    known = [one for one in selectors.checkpoints(project) if one.has_vectors]
    context = base_context(request, project, "search") | {"query": query, "checkpoints": known, "problem": ""}
    status = 200
    try:
        checkpoint = selectors.find_checkpoint(project, request.GET.get("checkpoint", ""))
    except NotFoundError as error:
        checkpoint, query, status, context["problem"] = known[0], "", 404, str(error)
    state = selectors.index_state(project, checkpoint)
    if query and state.is_built:
        try:
            context["answer"] = services.search(project=project, query=query, checkpoint=checkpoint, top=PAGE_SIZE)
        except QuarryError as error:
            context["problem"], status = str(error), error.status
    code_href = section_address("curation:code", project)
    context |= {"checkpoint": checkpoint, "state": state, "code_href": code_href}
    return render(request, "modeling/search.html", context, status=status)


@login_required
@require_POST
def index_build(request: HttpRequest, slug: str) -> HttpResponse:
    """Queues the index of a checkpoint and goes back to the search."""
    project = project_for(request.user, slug, Role.CURATOR)
    checkpoint = selectors.find_checkpoint(project, request.POST.get("checkpoint", ""))
    services.start_index(project=project, checkpoint=checkpoint, user=request.user)
    back = {"checkpoint": checkpoint.key, "q": request.POST.get("q", "")}
    return redirect(f"{reverse('modeling:search', args=[slug])}?{urlencode({k: v for k, v in back.items() if v})}")
