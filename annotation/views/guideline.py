"""The guideline: reading it, and writing its next version."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from annotation.models import Guideline
from annotation.services.guidelines import MAX_CHARS, current_guideline, publish_guideline
from core.access import project_for, roles_in
from core.errors import NotFoundError
from core.models import Project, Role


# --- the guideline -----------------------------------------------------------------------------------------
class GuidelineForm(forms.Form):
    text = forms.CharField(
        label="Text",
        max_length=MAX_CHARS,
        help_text="Markdown. Sections headed “Step 1…” and “Step 2…” are marked while the step is at hand.",
        widget=forms.Textarea(attrs={"rows": 30, "spellcheck": "true"}),
    )


@login_required
@require_GET
def guideline(request: HttpRequest, slug: str) -> HttpResponse:
    """The guideline to read: the newest version, or the one of ?version=."""
    project = project_for(request.user, slug)
    newest = current_guideline(project)
    wanted = request.GET.get("version", "")
    shown = project.guidelines.filter(version=wanted).first() if wanted.isdecimal() else newest
    if shown is None:
        raise NotFoundError(what="version of the guideline", name=wanted)
    context = {
        "project": project,
        "section": "guideline",
        "guideline": shown,
        "newest": newest,
        "versions": project.guidelines.all(),
        "is_curator": Role.CURATOR in roles_in(request.user, project),
    }
    return render(request, "annotation/guideline.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def edit_guideline(request: HttpRequest, slug: str) -> HttpResponse:
    """Writes the next version."""
    project = project_for(request.user, slug, Role.CURATOR)
    newest = current_guideline(project)
    form = GuidelineForm(request.POST or None, initial={"text": newest.text})
    if request.method == "POST" and form.is_valid():
        return _publish(request, project, newest, form.cleaned_data["text"])
    return render(
        request,
        "annotation/guideline_edit.html",
        {"project": project, "section": "guideline", "form": form, "newest": newest},
    )


def _publish(request: HttpRequest, project: Project, newest: Guideline, text: str) -> HttpResponseRedirect:
    published = publish_guideline(project=project, text=text)
    if published == newest:
        messages.info(request, "The text is the same; there is no new version.")
    else:
        messages.success(request, f"Version {published.version} is in force. Votes from now on are stamped with it.")
    return redirect("annotation:guideline", project.slug)
