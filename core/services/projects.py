"""Making projects."""

import re

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from core.access import may_create_projects
from core.errors import BadInputError, ConflictError, NotAllowedError
from core.models import Membership, Project, Role, User

LANGUAGE = re.compile(r"[\w+#.\-]*")


def create_project(*, slug: str, title: str = "", language: str = "python", user: User | None = None) -> Project:
    """Makes a project with `user` as its curator; without a user (the command line) only administrators see it.

    Raises ConflictError when the short name is taken, BadInputError when a value cannot be used, NotAllowedError when
    the person may not make projects.
    """
    if user is not None and not may_create_projects(user):
        raise NotAllowedError(needed="curator (of any project) or administrator", project=slug)
    if not LANGUAGE.fullmatch(language):
        raise BadInputError(problem=f"The language keyword {language!r} is not one word.", field="language")
    project = Project(slug=slug, title=title, language=language)
    try:
        project.full_clean(validate_unique=False)
    except ValidationError as error:
        name, problems = next(iter(error.message_dict.items()))
        raise BadInputError(problem=f"The project's {name} cannot be used: {problems[0]}", field=name) from error
    try:
        with transaction.atomic():
            project.save()
            if user is not None:
                Membership.objects.create(project=project, user=user, role=Role.CURATOR)
    except IntegrityError as error:
        problem = f"There is a project {slug} already. Choose another short name."
        raise ConflictError(problem=problem, field="slug") from error
    return project
