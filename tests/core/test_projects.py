"""Projects and their members: page, command and API over the same services."""

import json
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from core.errors import BadInputError, ConflictError, NotAllowedError
from core.funnel import is_linear, segments_of
from core.models import Membership, Project, Role, User
from core.overview import Stage
from core.services.members import add_member, set_roles
from core.services.projects import create_project
from tests.factories import ProjectFactory, QueryFactory, UserFactory, member

pytestmark = pytest.mark.django_db


def roles_of(project: Project, user: User) -> set[str]:
    return set(Membership.objects.filter(project=project, user=user).values_list("role", flat=True))


# --- projects -------------------------------------------------------------------------------------
def test_the_maker_of_a_project_becomes_its_curator(curator: User) -> None:
    project = create_project(slug="fresh", title="Fresh", user=curator)
    assert roles_of(project, curator) == {Role.CURATOR}
    assert project.language == "python"


def test_an_annotator_may_not_make_projects(annotator: User) -> None:
    with pytest.raises(NotAllowedError):
        create_project(slug="fresh", user=annotator)


def test_a_taken_short_name_is_a_conflict(project: Project) -> None:
    with pytest.raises(ConflictError, match="There is a project demo already"):
        create_project(slug="demo")


@pytest.mark.parametrize(
    ("given", "field"),
    [({"slug": "Has Spaces"}, "slug"), ({"slug": ""}, "slug"), ({"slug": "ok", "language": "two words"}, "language")],
)
def test_what_cannot_be_used_is_named(given: dict[str, str], field: str) -> None:
    with pytest.raises(BadInputError) as caught:
        create_project(**given)
    assert caught.value.fields["field"] == field


def test_the_page_makes_a_project_and_says_what_is_wrong_beside_the_field(curator_client: Client) -> None:
    address = reverse("core:new_project")
    taken = curator_client.post(address, {"slug": "demo", "title": "Again", "language": "python"})
    assert "There is a project demo already" in taken.content.decode()
    made = curator_client.post(address, {"slug": "fresh", "title": "Fresh", "language": ""})
    assert made.headers["Location"] == reverse("core:project", args=["fresh"])
    assert Project.objects.get(slug="fresh").language == ""


def test_the_command_makes_a_project_once() -> None:
    out = StringIO()
    call_command("create_project", "fresh", "--language", "java", "--json", stdout=out)
    assert json.loads(out.getvalue())["language"] == "java"
    with pytest.raises(SystemExit) as caught:
        call_command("create_project", "fresh", stdout=StringIO(), stderr=StringIO())
    assert caught.value.code == 2


def test_the_command_names_a_curator(curator: User) -> None:
    call_command("create_project", "fresh", "--curator", "cora", stdout=StringIO())
    assert roles_of(Project.objects.get(slug="fresh"), curator) == {Role.CURATOR}


def test_the_api_makes_lists_and_shows_projects(project: Project, curator_client: Client) -> None:
    ProjectFactory(slug="foreign")
    made = curator_client.post("/api/v1/projects/", {"slug": "fresh"}, content_type="application/json")
    assert made.status_code == 201
    listed = curator_client.get("/api/v1/projects/").json()
    assert [row["slug"] for row in listed["results"]] == ["fresh", "demo"]
    QueryFactory(project=project)
    shown = curator_client.get("/api/v1/projects/demo/").json()
    assert shown["roles"] == ["curator"]
    assert {stage["key"]: stage["value"] for stage in shown["stages"]}["queries"] == 1
    assert "secret" not in shown


def test_the_api_refuses_in_problem_shape(annotator_client: Client) -> None:
    answer = annotator_client.post("/api/v1/projects/", {"slug": "fresh"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert annotator_client.get("/api/v1/projects/foreign/").status_code == 404
    bad = annotator_client.post("/api/v1/projects/", {"slug": "two words"}, content_type="application/json")
    assert (bad.status_code, list(bad.json()["fields"])) == (400, ["slug"])


def test_settings_are_saved_and_bounds_are_kept(project: Project, curator_client: Client) -> None:
    address = reverse("core:project_settings", args=[project.slug])
    given = {"title": "New", "overlap": 5, "max_extra_votes": 0, "k_anonymity": 3, "language": "python", "encoder": ""}
    assert curator_client.post(address, given).status_code == 302
    project.refresh_from_db()
    assert (project.title, project.overlap, project.k_anonymity) == ("New", 5, 3)
    refused = curator_client.post(address, {**given, "overlap": 0, "title": "Broken"})
    assert "from 1 to 25" in refused.content.decode()
    project.refresh_from_db()
    assert (project.title, project.overlap) == ("New", 5)


# --- members --------------------------------------------------------------------------------------
def test_a_new_name_gets_an_account_whose_password_is_shown_once(project: Project, curator_client: Client) -> None:
    address = reverse("core:members", args=[project.slug])
    page = curator_client.post(address, {"username": "newcomer", "roles": ["annotator"]}).content.decode()
    password = page.split('class="secret">')[1].split("<")[0]
    person = authenticate(username="newcomer", password=password)
    assert person is not None
    assert person.must_change_password
    assert password not in curator_client.get(address).content.decode()


def test_somebody_known_is_added_without_a_new_password(project: Project) -> None:
    known = UserFactory(username="known")
    added = add_member(project=project, username="known", roles=["reader", "annotator"])
    assert (added.user, added.password) == (known, "")
    assert roles_of(project, known) == {"reader", "annotator"}


def test_a_rater_of_imported_votes_cannot_become_a_member(project: Project) -> None:
    UserFactory(username="rater-1", is_placeholder=True)
    with pytest.raises(ConflictError, match="imported votes"):
        add_member(project=project, username="rater-1", roles=["annotator"])


@pytest.mark.parametrize("name", ["two words", "slash/name", ""])
def test_a_name_that_cannot_be_used_is_refused(name: str, project: Project) -> None:
    with pytest.raises(BadInputError):
        add_member(project=project, username=name, roles=["annotator"])
    assert not User.objects.filter(username=name).exists()


def test_the_last_curator_cannot_leave(project: Project, curator: User) -> None:
    with pytest.raises(ConflictError, match="only curator"):
        set_roles(project=project, user=curator, roles=["reader"])
    member(project, "curator", username="second")
    assert set_roles(project=project, user=curator, roles=[]) == set()
    assert roles_of(project, curator) == set()


def test_a_curator_removes_and_readds_a_member(project: Project, annotator: User, curator_client: Client) -> None:
    curator_client.post(reverse("core:remove_member", args=[project.slug, "anna"]))
    assert roles_of(project, annotator) == set()
    curator_client.post(reverse("core:members", args=[project.slug]), {"username": "anna", "roles": ["reader"]})
    assert roles_of(project, annotator) == {"reader"}


def test_nobody_but_a_curator_changes_roles(project: Project, annotator_client: Client) -> None:
    own = reverse("core:member", args=[project.slug, "anna"])
    assert annotator_client.post(own, {"roles": ["curator"]}).status_code == 403
    assert annotator_client.post(reverse("core:remove_member", args=[project.slug, "anna"])).status_code == 403
    assert roles_of(project, User.objects.get(username="anna")) == {"annotator"}


def test_a_person_of_another_project_is_not_found(project: Project, curator_client: Client) -> None:
    UserFactory(username="outsider")
    assert curator_client.get(reverse("core:member", args=[project.slug, "outsider"])).status_code == 404


def test_fields_that_the_account_page_does_not_show_cannot_be_set(annotator: User, annotator_client: Client) -> None:
    annotator_client.post(reverse("core:account"), {"email": "a@example.org", "is_staff": "on", "is_superuser": "on"})
    annotator.refresh_from_db()
    assert annotator.email == "a@example.org"
    assert not annotator.is_staff
    assert not annotator.is_superuser


# --- the funnel -----------------------------------------------------------------------------------
def test_stages_are_drawn_to_scale_when_they_can_be_seen() -> None:
    close = [Stage("a", "A", 100), Stage("b", "B", 50), Stage("c", "C", 0)]
    assert is_linear(close)
    assert segments_of(close)[0].across.split() == [
        "0.0,0.0", "55.0,0.0", "100.0,25.0", "100.0,75.0", "55.0,100.0", "0.0,100.0"
    ]  # fmt: skip
    assert segments_of(close)[2].across == ""
    assert not is_linear([Stage("a", "A", 10_000), Stage("b", "B", 100)])


def test_an_empty_project_has_an_empty_funnel_and_a_first_step(project: Project, curator_client: Client) -> None:
    from core.overview import overview_of

    overview = overview_of(project)
    assert [stage.key for stage in overview.stages] == ["lines", "queries", "intent", "pairs", "judged", "released"]
    assert {stage.value for stage in overview.stages} == {0}
    assert overview.next_step is not None
    assert overview.next_step.title == "Bring a search log in"
    assert segments_of([]) == []


def test_the_overview_costs_few_queries(
    project: Project, curator_client: Client, django_assert_max_num_queries
) -> None:
    with django_assert_max_num_queries(60):
        curator_client.get(reverse("core:project", args=[project.slug]))
