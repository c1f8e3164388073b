"""Writing the annotation guideline: every change is a new version, and votes remember which one was in force."""

from pathlib import Path

from django.db import IntegrityError

from annotation.models import Guideline
from core.db import write_transaction
from core.errors import BadInputError
from core.models import Project

DEFAULT_TEXT = Path(__file__).resolve().parent.parent / "guidelines" / "default.md"
MAX_CHARS = 60_000


def current_guideline(project: Project) -> Guideline:
    """The newest version; the shipped text becomes version 1 of a project that has none."""
    newest = project.guidelines.order_by("-version").first()
    if newest is not None:
        return newest
    try:
        with write_transaction():
            return Guideline.objects.create(project=project, text=DEFAULT_TEXT.read_text(encoding="utf-8"))
    except IntegrityError:  # somebody else was first
        return project.guidelines.latest("version")


def publish_guideline(*, project: Project, text: str) -> Guideline:
    """Makes `text` the next version. The same text again changes nothing; an empty or huge one is refused."""
    text = text.replace("\r\n", "\n").strip() + "\n"
    if not text.strip():
        raise BadInputError(problem="The guideline is empty. Annotators need at least the two questions explained.")
    if len(text) > MAX_CHARS:
        raise BadInputError(problem=f"The guideline has {len(text):,} characters; at most {MAX_CHARS:,} fit.")
    current = current_guideline(project)
    if current.text == text:
        return current
    with write_transaction():
        return Guideline.objects.create(project=project, version=current.version + 1, text=text)
