"""Invitations: counted, expiring, revocable, bound to project and roles; the only way in without a curator's hand."""

import json
import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.errors import BadInputError
from core.models import AuditEntry, Invitation, InvitationUse, Membership, Project, User
from core.services.invitations import (
    InvitationGoneError,
    accept_invitation,
    invitation_by,
    make_invitation,
    revoke_invitation,
)
from core.services.members import set_roles
from tests.factories import ProjectFactory, UserFactory

pytestmark = pytest.mark.django_db
SIGN_UP = {"username": "nora", "password1": "granite-and-slate", "password2": "granite-and-slate"}


def made(project: Project, curator: User, **given):
    return make_invitation(project=project, roles=["annotator"], user=curator, **given)


def roles_of(project: Project, name: str) -> set[str]:
    return set(Membership.objects.filter(project=project, user__username=name).values_list("role", flat=True))


# --- coming in ---------------------------------------------------------------------------------------
def test_a_newcomer_makes_an_account_and_lands_on_consent_before_the_judge_page(project, curator, client) -> None:
    link = reverse("core:invited", args=[made(project, curator).secret])
    page = client.get(link).content.decode()
    assert "You are invited to Demo" in page
    assert "annotator" in page
    answer = client.post(link, SIGN_UP)
    assert answer.headers["Location"] == reverse("annotation:judge", args=["demo"])
    assert client.get(answer.headers["Location"]).headers["Location"].startswith("/account/consent/?next=")
    assert roles_of(project, "nora") == {"annotator"}
    person = User.objects.get(username="nora")
    assert person.must_consent
    assert not person.must_change_password
    assert not person.is_staff


def test_somebody_with_an_account_joins_by_one_press(project, curator, stranger_client) -> None:
    link = reverse("core:invited", args=[made(project, curator).secret])
    assert "Join as stranger" in stranger_client.get(link).content.decode()
    assert roles_of(project, "stranger") == set()
    stranger_client.post(link)
    assert roles_of(project, "stranger") == {"annotator"}


def test_whoever_leads_projects_begins_at_the_project(project, curator, client) -> None:
    invitation = make_invitation(project=project, roles=["reader"], user=curator)
    answer = client.post(reverse("core:invited", args=[invitation.secret]), SIGN_UP)
    assert answer.headers["Location"] == reverse("core:project", args=["demo"])


def test_the_link_gives_its_roles_in_its_project_only(project, curator, client) -> None:
    other = ProjectFactory(slug="other")
    client.post(reverse("core:invited", args=[made(project, curator).secret]), {**SIGN_UP, "roles": "curator"})
    assert list(Membership.objects.filter(user__username="nora").values_list("project__slug", "role")) == [
        ("demo", "annotator")
    ]
    assert roles_of(other, "nora") == set()


def test_a_weak_password_or_a_taken_name_uses_nothing_up(project, curator, client) -> None:
    UserFactory(username="nora")
    invitation = made(project, curator)
    link = reverse("core:invited", args=[invitation.secret])
    assert "already exists" in client.post(link, SIGN_UP).content.decode()
    weak = {"username": "nils", "password1": "12345678", "password2": "12345678"}
    assert "too common" in client.post(link, weak).content.decode()
    invitation.invitation.refresh_from_db()
    assert invitation.invitation.n_uses == 0
    assert not User.objects.filter(username="nils").exists()


# --- its end ------------------------------------------------------------------------------------------
def test_a_single_use_is_one_use(project, curator, client) -> None:
    link = reverse("core:invited", args=[made(project, curator).secret])
    client.post(link, SIGN_UP)
    second = Client()
    assert second.get(link).status_code == 410
    refused = second.post(link, {**SIGN_UP, "username": "nils"})
    assert refused.status_code == 410
    assert not User.objects.filter(username="nils").exists()


def test_a_counted_link_lets_so_many_in(project, curator) -> None:
    invitation = made(project, curator, max_uses=2)
    for name in ("nora", "nils"):
        accept_invitation(secret=invitation.secret, user=UserFactory(username=name))
    with pytest.raises(InvitationGoneError):
        accept_invitation(secret=invitation.secret, user=UserFactory(username="nele"))
    assert InvitationUse.objects.count() == 2
    assert roles_of(project, "nele") == set()


@pytest.mark.parametrize("end", ["expired", "revoked", "never there"])
def test_what_ended_opens_nothing(end: str, project, curator, client) -> None:
    invitation = made(project, curator)
    secret = invitation.secret
    if end == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif end == "revoked":
        revoke_invitation(invitation=invitation.invitation, user=curator)
    else:
        secret = "x" * 32
    answer = client.post(reverse("core:invited", args=[secret]), SIGN_UP)
    assert answer.status_code == 410
    assert "no longer holds" in answer.content.decode()
    assert not User.objects.filter(username="nora").exists()


def test_joining_twice_uses_it_up_once(project, curator, annotator) -> None:
    invitation = made(project, curator)
    accept_invitation(secret=invitation.secret, user=annotator)  # holds the role already
    assert invitation_by(invitation.secret).n_uses == 0


def test_who_was_taken_out_does_not_return_by_the_same_link(project, curator) -> None:
    invitation = made(project, curator, max_uses=5)
    person = UserFactory(username="nora")
    accept_invitation(secret=invitation.secret, user=person)
    set_roles(project=project, user=person, roles=[])
    with pytest.raises(InvitationGoneError):
        accept_invitation(secret=invitation.secret, user=person)
    assert roles_of(project, "nora") == set()


@pytest.mark.django_db(transaction=True)
def test_the_last_use_goes_to_one_of_those_who_press_at_once(project, curator) -> None:
    invitation = made(project, curator)
    people = [UserFactory(username=f"p{number}") for number in range(6)]
    together, got = threading.Barrier(len(people)), []

    def press(person: User) -> None:
        together.wait()
        try:
            accept_invitation(secret=invitation.secret, user=person)
            got.append(person.username)
        except InvitationGoneError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert Membership.objects.filter(project=project, role="annotator").count() == 1


# --- curators --------------------------------------------------------------------------------------------
def test_the_secret_is_shown_once_and_kept_nowhere(project, curator_client) -> None:
    address = reverse("core:invitations", args=["demo"])
    page = curator_client.post(address, {"roles": ["annotator"], "max_uses": 3, "days": 2, "note": "course"})
    secret = page.content.decode().split("/invited/")[1].split("/")[0]
    assert invitation_by(secret).max_uses == 3
    assert secret not in curator_client.get(address).content.decode()
    assert not Invitation.objects.filter(secret_hash=secret).exists()
    assert secret not in str(list(AuditEntry.objects.values()))


def test_the_list_shows_who_came_in_and_ends_links(project, curator, curator_client) -> None:
    invitation = made(project, curator, max_uses=5, note="spring course")
    accept_invitation(secret=invitation.secret, user=UserFactory(username="nora"))
    address = reverse("core:invitations", args=["demo"])
    page = curator_client.get(address).content.decode()
    assert "spring course" in page
    assert "nora" in page
    assert "1 of 5" in page
    curator_client.post(reverse("core:revoke_invitation", args=["demo", invitation.invitation.pk]))
    assert "revoked" in curator_client.get(address).content.decode()
    assert roles_of(project, "nora") == {"annotator"}


@pytest.mark.parametrize("role", ["annotator", "adjudicator", "reader"])
def test_only_curators_invite(role: str, project, client) -> None:
    from tests.factories import member

    client.force_login(member(project, role, username="rita"))
    assert client.get(reverse("core:invitations", args=["demo"])).status_code == 403
    asked = client.post("/api/v1/projects/demo/invitations/", {"roles": ["curator"]}, content_type="application/json")
    assert asked.status_code == 403


def test_an_invitation_of_another_project_cannot_be_revoked(project, curator, curator_client) -> None:
    other = make_invitation(project=ProjectFactory(slug="other"), roles=["reader"], user=curator)
    answer = curator_client.post(reverse("core:revoke_invitation", args=["demo", other.invitation.pk]))
    assert answer.status_code == 404
    other.invitation.refresh_from_db()
    assert other.invitation.revoked_at is None


@pytest.mark.parametrize(
    "given", [{"roles": []}, {"max_uses": 0}, {"max_uses": 1001}, {"days": 0}, {"days": 91}, {"roles": ["curator", ""]}]
)
def test_invitations_have_bounds(given, project, curator) -> None:
    with pytest.raises((BadInputError, ValueError)):
        make_invitation(**{"project": project, "roles": ["annotator"], "user": curator, **given})


def test_everything_about_it_is_on_record(project, curator) -> None:
    invitation = made(project, curator)
    accept_invitation(secret=invitation.secret, user=UserFactory(username="nora"))
    revoke_invitation(invitation=invitation.invitation, user=curator)
    revoke_invitation(invitation=invitation.invitation, user=curator)
    acts = list(AuditEntry.objects.filter(project=project).order_by("id").values_list("act", flat=True))
    assert acts == ["core.make_invitation", "core.accept_invitation", "core.revoke_invitation"]


def test_api_and_command_make_links_too(project, curator_client, client) -> None:
    address = "/api/v1/projects/demo/invitations/"
    answer = curator_client.post(address, {"roles": ["reader"], "max_uses": 2}, content_type="application/json")
    assert answer.status_code == 201
    assert client.get(answer.json()["link"]).status_code == 200
    listed = curator_client.get(address).json()["results"]
    assert [(one["state"], one["max_uses"], "link" in one) for one in listed] == [("open", 2, False)]
    revoked = curator_client.post(f"{address}{listed[0]['id']}/revoke/").json()
    assert revoked["state"] == "revoked"
    assert client.get(answer.json()["link"]).status_code == 410
    out = StringIO()
    call_command("invite", "--project=demo", "--role=reader", "--json", stdout=out)
    assert client.get(json.loads(out.getvalue())["link"].removeprefix("http://127.0.0.1:8000")).status_code == 200


def test_the_api_lists_and_changes_members(project, annotator, curator_client) -> None:
    address = "/api/v1/projects/demo/members/"
    names = {one["username"]: one["roles"] for one in curator_client.get(address).json()}
    assert names == {"anna": ["annotator"], "cora": ["curator"]}
    made_one = curator_client.post(address, {"username": "nils", "roles": ["reader"]}, content_type="application/json")
    assert made_one.status_code == 201
    assert made_one.json()["password"]
    assert "password" not in str(curator_client.get(address).json())
    curator_client.put(f"{address}anna/", {"roles": []}, content_type="application/json")
    assert roles_of(project, "anna") == set()
    changes = AuditEntry.objects.filter(act="core.change_roles", person=annotator)
    assert [(one.before, one.after, one.actor.username) for one in changes] == [
        ({"roles": ["annotator"]}, {"roles": []}, "cora")
    ]
