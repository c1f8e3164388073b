"""Reads of the people at work in a project, and of what the curator asks of them."""

from annotation.models import AnnotationSettings, Annotator
from annotation.models.people import Standing
from core.models import Project, User
from core.prepared import Prepared

_settings = Prepared(lambda project: AnnotationSettings.objects.filter(project=project))
_annotator = Prepared(lambda project, person: Annotator.objects.filter(project=project, person=person))


def annotation_settings(project: Project) -> AnnotationSettings:
    """The project's settings; unsaved defaults where the curator has changed nothing yet."""
    known = _settings.first(project=project.pk)
    return known or AnnotationSettings(project=project)


def annotator_of(project: Project, person: User) -> Annotator:
    """The person's row in the project; an unsaved one where they have claimed nothing yet."""
    known = _annotator.first(project=project.pk, person=person.pk)
    return known or Annotator(project=project, person=person)


def poor_standings(project: Project) -> dict[int, str]:
    """Who is warned or paused: person id -> the word for it."""
    rows = Annotator.objects.filter(project=project).exclude(standing=Standing.ACTIVE)
    return dict(rows.values_list("person_id", "standing"))
