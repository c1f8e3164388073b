"""Object graphs for tests, consistent by construction."""

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from core.models import Membership, Project, User
from core.text import code_hash, query_hash


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        django_get_or_create = ("username",)
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    email = factory.LazyAttribute(lambda o: f"{o.username}@example.org")
    last_seen_at = factory.LazyFunction(timezone.now)  # else the first request of every test would write it


class ProjectFactory(DjangoModelFactory):
    class Meta:
        model = Project

    slug = factory.Sequence(lambda n: f"project{n}")
    title = factory.LazyAttribute(lambda o: o.slug.title())


class QueryFactory(DjangoModelFactory):
    class Meta:
        model = "curation.Query"

    project = factory.SubFactory(ProjectFactory)
    text = factory.Sequence(lambda n: f"python sort list number {n}")
    content_hash = factory.LazyAttribute(lambda o: query_hash(o.text))
    n_seen = 1


class CodeFactory(DjangoModelFactory):
    class Meta:
        model = "curation.Code"

    project = factory.SubFactory(ProjectFactory)
    name = factory.Sequence(lambda n: f"sort_{n}")
    header = factory.LazyAttribute(lambda o: f"def {o.name}(items):")
    docstring = "Sort the items in place."
    body = "    items.sort()\n    return items"
    text = factory.LazyAttribute(lambda o: f'{o.header}\n    """{o.docstring}"""\n{o.body}\n')
    content_hash = factory.LazyAttribute(lambda o: code_hash(o.text))


class PairFactory(DjangoModelFactory):
    class Meta:
        model = "curation.Pair"

    project = factory.SubFactory(ProjectFactory)
    query = factory.SubFactory(QueryFactory, project=factory.SelfAttribute("..project"))
    code = factory.SubFactory(CodeFactory, project=factory.SelfAttribute("..project"))


def member(project: Project, role: str, *, username: str) -> User:
    """A person with one role in the project."""
    user = UserFactory(username=username)
    Membership.objects.get_or_create(project=project, user=user, role=role)
    return user
