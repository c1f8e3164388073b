"""Second factor, forced passwords, links for lost ones, ended sessions, single sign-on."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from core import throttle
from core.errors import ConflictError, NotAllowedError
from core.models import AuditEntry, Membership, Project, User
from core.services.invitations import make_invitation
from core.services.people import end_sessions, make_password_link, may_reset_password, set_active
from tests.factories import ProjectFactory, UserFactory, member

pytestmark = pytest.mark.django_db
PASSWORD = "five small stones"
NEW = "granite-and-slate"
SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def with_password(person: User) -> User:
    person.set_password(PASSWORD)
    person.save()
    return person


def log_in(client: Client, name: str, password: str = PASSWORD, **extra: str):
    return client.post(reverse("core:login"), {"username": name, "password": password, **extra})


def is_in(client: Client) -> bool:
    return client.get(reverse("core:password")).status_code == 200


def code_now() -> str:
    return format_hotp_value(hotp_value(SECRET, next(iter(yield_hotp_counters_from_time()))))


@pytest.fixture
def guarded(curator: User) -> User:
    """A curator with a second factor and recovery codes."""
    with_password(curator)
    TOTP.activate(curator, SECRET)
    RecoveryCodes.activate(curator)
    curator.refresh_from_db()
    return curator


# --- the second factor ----------------------------------------------------------------------------------
def test_the_password_alone_opens_nothing_once_there_is_a_second_factor(guarded: User, client: Client) -> None:
    answer = log_in(client, "cora", next="/account/")
    assert answer.headers["Location"] == reverse("mfa_authenticate")
    assert not is_in(client)
    answer = client.post(reverse("mfa_authenticate"), {"code": code_now()})
    assert answer.headers["Location"] == "/account/"
    assert is_in(client)


def test_a_recovery_code_opens_once(guarded: User, client: Client) -> None:
    code = Authenticator.objects.get(user=guarded, type="recovery_codes").wrap().get_unused_codes()[0]
    log_in(client, "cora")
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert is_in(client)
    other = Client()
    log_in(other, "cora")
    other.post(reverse("mfa_authenticate"), {"code": code})
    assert not is_in(other)


def test_guessing_codes_is_bounded_even_for_the_right_one(guarded: User, client: Client) -> None:
    log_in(client, "cora")
    for _ in range(6):
        client.post(reverse("mfa_authenticate"), {"code": "000000"})
    page = client.post(reverse("mfa_authenticate"), {"code": code_now()})
    assert "Too many" in page.content.decode()
    assert not is_in(client)


def test_the_code_page_is_shut_to_who_gave_no_password(client: Client) -> None:
    assert client.get(reverse("mfa_authenticate")).headers["Location"] == reverse("core:login")


def test_setting_it_up_asks_for_the_password_and_gives_recovery_codes(annotator: User, annotator_client) -> None:
    with_password(annotator)
    client = Client()
    log_in(client, "anna")
    setup = reverse("mfa_activate_totp")
    asked = client.get(setup)
    assert asked.headers["Location"].startswith(reverse("account_reauthenticate"))
    client.post(asked.headers["Location"], {"password": PASSWORD, "next": setup})
    page = client.get(setup).content.decode()
    secret = re.search(r'class="secret">([A-Z2-7]+)<', page)[1]
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    answer = client.post(setup, {"code": code})
    assert answer.headers["Location"] == reverse("mfa_view_recovery_codes")
    assert client.get(reverse("mfa_view_recovery_codes")).content.decode().count("<li><code>") == 10
    annotator.refresh_from_db()
    assert annotator.has_two_factor
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored  # encrypted at rest
    client.post(reverse("mfa_deactivate_totp"))
    annotator.refresh_from_db()
    assert not annotator.has_two_factor
    assert not Authenticator.objects.exists()


def test_a_changed_secret_key_locks_nobody_out(guarded: User, client: Client, settings) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key that is long enough to be one of ours"
    log_in(client, "cora")
    client.post(reverse("mfa_authenticate"), {"code": code_now()})
    assert is_in(client)


@pytest.mark.parametrize(
    ("who", "is_held"), [("curator", True), ("annotator", False), ("reader", False), ("administrator", True)]
)
def test_curators_and_administrators_can_be_made_to_have_one(who: str, is_held: bool, project, settings) -> None:
    settings.REQUIRE_2FA = True
    person = (
        UserFactory(username="p", is_superuser=True) if who == "administrator" else member(project, who, username="p")
    )
    client = Client()
    client.force_login(person)
    for address in ("/p/demo/", "/admin/" if who == "administrator" else "/account/"):
        answer = client.get(address)
        assert (answer.headers.get("Location", "").startswith(reverse("mfa_activate_totp"))) == is_held
    asked = client.get("/api/v1/projects/demo/")
    assert (asked.status_code == 403 and asked.json()["code"] == "two_factor_needed") == is_held
    TOTP.activate(person, SECRET)
    assert client.get("/p/demo/").status_code == 200


def test_no_secret_stands_in_the_administration(guarded: User, admin_client: Client) -> None:
    row = Authenticator.objects.get(user=guarded, type="totp")
    page = admin_client.get(f"/admin/mfa/authenticator/{row.pk}/change/").content.decode()
    assert row.data["secret"] not in page
    admin_client.post(f"/admin/mfa/authenticator/{row.pk}/delete/", {"post": "yes"})
    guarded.refresh_from_db()
    assert not guarded.has_two_factor


# --- passwords ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["/", "/account/", "/p/demo/", "/api/docs/", "/account/two-factor/"])
def test_a_password_made_by_somebody_else_holds_on_every_page(address: str, project, client) -> None:
    person = with_password(member(project, "curator", username="nora"))
    User.objects.filter(pk=person.pk).update(must_change_password=True, must_consent=True)
    log_in(client, "nora")
    assert client.get(address).headers["Location"].startswith(reverse("core:password"))
    assert client.get("/api/v1/projects/").json()["code"] == "password_change_needed"
    new = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post(reverse("core:password"), new).headers["Location"] == "/"
    assert client.get("/").headers["Location"].startswith(reverse("core:consent"))  # the next step


def test_a_link_gives_a_new_password_once(project, annotator: User, curator: User, client: Client) -> None:
    with_password(annotator)
    link = make_password_link(person=annotator, user=curator)
    page = client.get(link, follow=True)
    answer = client.post(page.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW})
    assert answer.headers["Location"] == reverse("core:login")
    assert not is_in(client)
    log_in(client, "anna", NEW)
    assert is_in(client)
    assert "no longer works" in Client().get(link, follow=True).content.decode()
    assert AuditEntry.objects.filter(act="core.make_password_link", actor=curator, person=annotator).count() == 1


def test_a_link_does_not_pass_the_second_factor(guarded: User, client: Client) -> None:
    root = UserFactory(username="root", is_superuser=True)
    page = client.get(make_password_link(person=guarded, user=root), follow=True)
    client.post(page.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW})
    assert log_in(client, "cora", NEW).headers["Location"] == reverse("mfa_authenticate")
    assert not is_in(client)


def test_a_curator_makes_links_for_nobody_above_or_beside_them(project: Project, curator: User) -> None:
    plain = member(project, "annotator", username="anna")
    both = member(project, "annotator", username="both")
    Membership.objects.create(project=ProjectFactory(slug="other"), user=both, role="annotator")
    staff = member(project, "annotator", username="staff")
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    staff.refresh_from_db()
    outsider, closed = UserFactory(username="out"), member(project, "annotator", username="closed")
    User.objects.filter(pk=closed.pk).update(is_active=False)
    closed.refresh_from_db()
    allowed = {p.username: may_reset_password(curator, p) for p in (plain, both, staff, outsider, closed)}
    assert allowed == {"anna": True, "both": False, "staff": False, "out": False, "closed": False}
    assert not may_reset_password(plain, both)
    with pytest.raises(NotAllowedError):
        make_password_link(person=staff, user=curator)


def test_the_members_page_makes_the_link_and_shows_it_once(project, annotator, curator_client, client) -> None:
    page = curator_client.get(reverse("core:members", args=["demo"])).content.decode()
    assert "Password link for anna" in page
    answer = curator_client.post(reverse("core:password_link", args=["demo", "anna"])).content.decode()
    link = re.search(r"http://testserver(/login/new-password/[^<]+)<", answer)[1]
    assert "Choose a new password" in client.get(link, follow=True).content.decode()
    client.force_login(annotator)
    assert client.post(reverse("core:password_link", args=["demo", "anna"])).status_code == 403


def test_without_mail_the_page_says_whom_to_ask(client: Client, settings) -> None:
    settings.MAIL_IS_CONFIGURED = False
    assert "Ask a curator" in client.get(reverse("core:forgotten")).content.decode()
    UserFactory(username="anna", email="anna@example.org")
    client.post(reverse("core:forgotten"), {"email": "anna@example.org"})
    assert mail.outbox == []


def test_with_mail_a_link_is_sent_and_nothing_told(client: Client, settings) -> None:
    settings.MAIL_IS_CONFIGURED = True
    with_password(UserFactory(username="anna", email="anna@example.org"))
    known = client.post(reverse("core:forgotten"), {"email": "anna@example.org"}, follow=True)
    unknown = client.post(reverse("core:forgotten"), {"email": "nobody@example.org"}, follow=True)
    assert known.content.split(b"<main")[1] == unknown.content.split(b"<main")[1]
    assert [one.to for one in mail.outbox] == [["anna@example.org"]]
    assert "for the account anna" in mail.outbox[0].body
    link = re.search(r"http://testserver(\S+)", mail.outbox[0].body)[1]
    assert "Choose a new password" in client.get(link, follow=True).content.decode()


def test_mails_from_one_address_are_bounded(client: Client, settings) -> None:
    settings.MAIL_IS_CONFIGURED = True
    with_password(UserFactory(username="anna", email="anna@example.org"))
    for _ in range(throttle.PER_RESET.tries + 2):
        page = client.post(reverse("core:forgotten"), {"email": "anna@example.org"})
    assert "Too many requests" in page.content.decode()
    assert len(mail.outbox) == throttle.PER_RESET.tries


# --- sessions -------------------------------------------------------------------------------------------
def test_ended_sessions_are_over_everywhere(annotator: User) -> None:
    one, two = Client(), Client()
    one.force_login(annotator)
    two.force_login(annotator)
    end_sessions(person=annotator)
    assert not is_in(one)
    assert not is_in(two)


def test_logging_out_elsewhere_keeps_this_browser(annotator: User, annotator_client: Client) -> None:
    other = Client()
    other.force_login(annotator)
    annotator_client.post(reverse("core:log_out_elsewhere"))
    assert is_in(annotator_client)
    assert not is_in(other)


def test_a_deactivated_person_is_out_at_once_and_stays_out_of_old_sessions(annotator: User, annotator_client) -> None:
    root = UserFactory(username="root", is_superuser=True)
    assert is_in(annotator_client)
    set_active(person=annotator, is_active=False, user=root, reason="left")
    assert not is_in(annotator_client)
    set_active(person=annotator, is_active=True, user=root)
    assert not is_in(annotator_client)  # a new login is needed
    changes = AuditEntry.objects.filter(act="core.set_active", person=annotator).order_by("id")
    assert [(one.before, one.after, one.reason) for one in changes] == [
        ({"is_active": True}, {"is_active": False}, "left"),
        ({"is_active": False}, {"is_active": True}, ""),
    ]


def test_only_administrators_deactivate_and_nobody_themselves(annotator: User, curator: User) -> None:
    with pytest.raises(NotAllowedError):
        set_active(person=annotator, is_active=False, user=curator)
    root = UserFactory(username="root", is_superuser=True)
    with pytest.raises(ConflictError):
        set_active(person=root, is_active=False, user=root)


def test_presence_is_noted_at_most_once_in_ten_minutes(annotator: User, annotator_client: Client) -> None:
    User.objects.filter(pk=annotator.pk).update(last_seen_at=None)
    annotator_client.get("/")
    annotator.refresh_from_db()
    first = annotator.last_seen_at
    assert first is not None
    annotator_client.get("/")
    annotator.refresh_from_db()
    assert annotator.last_seen_at == first


# --- single sign-on -------------------------------------------------------------------------------------
ISSUER = "https://login.example.org"


class FakeProvider:
    """The answers of an OpenID Connect provider, without a network."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {"sub": "u-1", "preferred_username": "sso-nora", "email": "nora@example.org"}
        self.asked: list[str] = []

    def request(self, session: requests.Session, method: str, url: str, **given: Any) -> requests.Response:
        self.asked.append(f"{method.upper()} {url}")
        path = urlsplit(url).path
        answers = {
            "/.well-known/openid-configuration": {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "userinfo_endpoint": f"{ISSUER}/userinfo",
                "jwks_uri": f"{ISSUER}/keys",
            },
            "/token": {"access_token": "t", "token_type": "Bearer", "id_token": self.id_token()},
            "/userinfo": self.person,
        }
        response = requests.Response()
        response.status_code = 200
        response.headers["Content-Type"] = "application/json"
        response.json = lambda **_: answers[path]  # type: ignore[method-assign]
        return response

    def id_token(self) -> str:
        claims = {"iss": ISSUER, "aud": "quarry", "exp": 2**33, "iat": 1, **self.person}
        return jwt.encode(claims, "k" * 32, algorithm="HS256")


@pytest.fixture
def provider(settings, monkeypatch) -> FakeProvider:
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "APPS": [
                {
                    "provider_id": "sso",
                    "name": "Example login",
                    "client_id": "quarry",
                    "secret": "s",
                    "settings": {"server_url": ISSUER, "oauth_pkce_enabled": True},
                }
            ]
        }
    }
    fake = FakeProvider()
    monkeypatch.setattr(requests.Session, "request", lambda *given, **named: fake.request(*given, **named))
    return fake


def come_back(client: Client, **form: str) -> Any:
    """Presses the button, "logs in" at the provider, and comes back with its code."""
    away = client.post("/login/with/sso/login/", {"process": "login", **form})
    assert away.status_code == 302, away.content
    asked = parse_qs(urlsplit(away.headers["Location"]).query)
    assert away.headers["Location"].startswith(f"{ISSUER}/authorize?")
    assert asked["code_challenge_method"] == ["S256"]
    return client.get("/login/with/sso/login/callback/", {"code": "c", "state": asked["state"][0]})


def test_the_login_page_offers_it_only_where_it_is_configured(client: Client) -> None:
    assert "/login/with/" not in client.get("/login/").content.decode()


def test_a_known_person_comes_in_by_single_sign_on(provider: FakeProvider, annotator: User, client: Client) -> None:
    assert "Log in with Example login" in client.get("/login/").content.decode()
    from allauth.socialaccount.models import SocialAccount

    SocialAccount.objects.create(user=annotator, provider="sso", uid="u-1")
    assert come_back(client, next="/account/").headers["Location"] == "/account/"
    assert client.get("/account/").status_code == 200


def test_an_unknown_person_is_kept_out(provider: FakeProvider, client: Client) -> None:
    page = come_back(client)
    assert "nobody has invited you" in page.content.decode()
    assert not User.objects.filter(username="sso-nora").exists()


def test_an_invited_person_gets_an_account_and_joins(provider: FakeProvider, project, curator, client) -> None:
    link = reverse("core:invited", args=[make_invitation(project=project, roles=["annotator"], user=curator).secret])
    assert "Log in with Example login" in client.get(link).content.decode()
    assert come_back(client, next=link).headers["Location"] == link
    person = User.objects.get(username="sso-nora")
    assert person.must_consent
    assert not person.has_usable_password()
    assert client.get(link).headers["Location"].startswith(reverse("core:consent"))
    client.post(reverse("core:consent"), {"agrees": "on", "publishes": "no"})
    assert "Join as sso-nora" in client.get(link).content.decode()
    client.post(link)
    assert Membership.objects.filter(project=project, user=person, role="annotator").exists()


def test_everybody_of_the_provider_can_be_welcome(provider: FakeProvider, client: Client, settings) -> None:
    settings.SSO_SIGNUP = True
    come_back(client)
    assert User.objects.filter(username="sso-nora").exists()
    assert Membership.objects.count() == 0


def test_an_address_of_the_provider_takes_over_no_account(provider: FakeProvider, client: Client, settings) -> None:
    settings.SSO_SIGNUP = True
    UserFactory(username="root", email="nora@example.org", is_superuser=True)
    UserFactory(username="sso-nora")
    come_back(client)
    page = client.get(reverse("core:consent")).content.decode()
    assert "root" not in page
    assert User.objects.get(username="root").socialaccount_set.count() == 0
    assert User.objects.get(username="sso-nora").socialaccount_set.count() == 0


def test_single_sign_on_does_not_pass_the_second_factor(provider: FakeProvider, guarded: User, client) -> None:
    from allauth.socialaccount.models import SocialAccount

    SocialAccount.objects.create(user=guarded, provider="sso", uid="u-1")
    assert come_back(client).headers["Location"] == reverse("mfa_authenticate")
    assert not is_in(client)


def test_a_deactivated_person_does_not_come_in_by_it(provider: FakeProvider, annotator: User, client) -> None:
    from allauth.socialaccount.models import SocialAccount

    SocialAccount.objects.create(user=annotator, provider="sso", uid="u-1")
    User.objects.filter(pk=annotator.pk).update(is_active=False)
    assert come_back(client).headers["Location"] == reverse("account_inactive")
    assert not is_in(client)


def test_a_forged_answer_is_refused(provider: FakeProvider, client: Client) -> None:
    page = client.get("/login/with/sso/login/callback/", {"code": "c", "state": "made-up"})
    assert "did not work" in page.content.decode()
    assert not is_in(client)


def test_sign_up_addresses_of_the_library_do_not_exist(client: Client) -> None:
    for path in ("/signup/", "/accounts/signup/", "/account/single-sign-on/signup/", "/account/email/"):
        assert client.get(path).status_code == 404
