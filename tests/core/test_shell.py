"""The frame around everything: login and its bound, theme, headers, error pages, who sees what."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from core import throttle
from core.models import Project, User
from tests.factories import UserFactory, member

pytestmark = pytest.mark.django_db
PASSWORD = "five small stones"
PROJECT_PAGES = ["core:project", "core:project_settings", "core:members", "core:jobs"]
PERSONAL_PAGES = ["core:home", "core:account", "core:password", "core:new_project", "core:api_docs"]


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


def person_with_password(name: str = "anna", **columns: object) -> User:
    user = UserFactory(username=name, **columns)
    user.set_password(PASSWORD)
    user.save()
    return user


def log_in(client: Client, name: str = "anna", password: str = PASSWORD, **extra: str):
    return client.post(reverse("core:login"), {"username": name, "password": password, **extra})


# --- log in ---------------------------------------------------------------------------------------
def test_the_right_password_opens_the_projects(client: Client) -> None:
    person_with_password()
    assert log_in(client).headers["Location"] == reverse("core:home")


def test_a_sixth_try_after_five_failures_is_refused_even_with_the_right_password(client: Client) -> None:
    person_with_password()
    for _ in range(throttle.PER_NAME.tries):
        assert log_in(client, password="wrong").status_code == 200
    answer = log_in(client)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "300"
    assert "Too many failed logins" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_failures_of_one_name_do_not_lock_out_another(client: Client) -> None:
    person_with_password()
    for _ in range(throttle.PER_NAME.tries + 1):
        log_in(client, name="somebody", password="wrong")
    assert log_in(client).status_code == 302


def test_a_right_password_forgives_earlier_slips(client: Client) -> None:
    person_with_password()
    for _ in range(throttle.PER_NAME.tries - 1):
        log_in(client, password="wrong")
    log_in(client)
    client.logout()
    assert log_in(client, password="wrong").status_code == 200
    assert log_in(client).status_code == 302


def test_one_address_trying_many_names_is_refused_in_the_end(client: Client) -> None:
    for number in range(throttle.PER_ADDRESS.tries):
        throttle.record_failure(f"name{number}", "127.0.0.1")
    assert log_in(client, name="nobody", password="x").status_code == 429


def test_the_administration_has_no_door_of_its_own(client: Client) -> None:
    """The login page is the one place with bounds and a second factor."""
    person_with_password(is_staff=True, is_superuser=True)
    answer = client.get("/admin/login/", {"next": "/admin/core/"})
    assert answer.headers["Location"] == f"{reverse('core:login')}?next=%2Fadmin%2Fcore%2F"
    assert client.post("/admin/login/", {"username": "anna", "password": PASSWORD}).status_code == 405
    assert client.get("/admin/").status_code == 302


def test_who_may_not_administrate_is_told_so_and_not_sent_in_circles(annotator_client: Client) -> None:
    answer = annotator_client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert len(answer.redirect_chain) == 1


def test_nobody_logs_in_as_the_rater_of_imported_votes(client: Client) -> None:
    person_with_password(is_placeholder=True)
    assert "imported votes" in log_in(client).content.decode()


def test_there_is_no_way_to_sign_up(client: Client) -> None:
    assert {client.post(f"/{name}/").status_code for name in ("signup", "register", "accounts/signup")} == {404}


def test_default_passwords_open_nothing(client: Client) -> None:
    UserFactory(username="admin", is_superuser=True, is_staff=True)
    for password in ("admin", "password", "12345678", "quarry"):
        assert log_in(client, name="admin", password=password).status_code == 200


def test_login_leads_only_to_pages_of_this_server(client: Client) -> None:
    person_with_password()
    assert log_in(client, next="https://elsewhere.example/").headers["Location"] == reverse("core:home")


def test_a_password_made_by_somebody_else_is_replaced_at_the_first_login(client: Client) -> None:
    person_with_password(must_change_password=True)
    answer = log_in(client, next="/account/")
    assert answer.headers["Location"] == reverse("core:password")
    new = {"old_password": PASSWORD, "new_password1": "granite-and-slate", "new_password2": "granite-and-slate"}
    assert client.post(reverse("core:password"), new).status_code == 302
    client.logout()
    assert log_in(client, password="granite-and-slate").headers["Location"] == reverse("core:home")


def test_logging_out_needs_a_post(curator_client: Client) -> None:
    assert curator_client.get(reverse("core:logout")).status_code == 405
    assert curator_client.post(reverse("core:logout")).status_code == 302


# --- who sees what -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*PERSONAL_PAGES, *PROJECT_PAGES])
def test_strangers_are_led_to_the_login(name: str, project: Project, client: Client) -> None:
    address = reverse(name, args=[project.slug] if name in PROJECT_PAGES else [])
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{reverse('core:login')}?next={address}"


@pytest.mark.parametrize("name", PROJECT_PAGES)
def test_a_foreign_project_does_not_exist(name: str, project: Project, stranger_client: Client) -> None:
    answer = stranger_client.get(reverse(name, args=[project.slug]))
    assert answer.status_code == 404
    assert project.title.encode() not in answer.content


@pytest.mark.parametrize("name", ["core:project_settings", "core:members"])
@pytest.mark.parametrize("role", ["annotator", "adjudicator", "reader"])
def test_settings_and_members_are_the_curators(name: str, role: str, project: Project, client: Client) -> None:
    client.force_login(member(project, role, username="anna"))
    answer = client.get(reverse(name, args=[project.slug]))
    assert answer.status_code == 403
    assert "role curator" in answer.content.decode()


def test_an_annotator_sees_the_work_and_not_the_workshop(project: Project, annotator_client: Client) -> None:
    page = annotator_client.get(reverse("core:project", args=[project.slug])).content.decode()
    assert reverse("core:members", args=[project.slug]) not in page
    assert "Search logs" not in page
    assert "From log line to release" not in page


def test_a_curator_sees_every_section(project: Project, curator_client: Client) -> None:
    page = curator_client.get(reverse("core:project", args=[project.slug])).content.decode()
    assert "From log line to release" in page
    assert reverse("core:members", args=[project.slug]) in page


def test_home_shows_only_own_projects_and_the_next_step(project: Project, curator_client: Client) -> None:
    from tests.factories import ProjectFactory

    ProjectFactory(slug="secret-one", title="Somebody else's")
    page = curator_client.get(reverse("core:home")).content.decode()
    assert project.title in page
    assert "Bring a search log in" in page
    assert "Somebody else" not in page


def test_home_tells_a_person_without_projects_what_to_do(stranger_client: Client) -> None:
    page = stranger_client.get(reverse("core:home")).content.decode()
    assert "Ask a curator to add you" in page


# --- theme, headers, errors ------------------------------------------------------------------------
def test_the_theme_is_kept_in_a_cookie_and_forgotten_on_demand(client: Client) -> None:
    address = reverse("core:set-theme")
    client.post(address, {"theme": "dark", "next": "/login/"})
    assert 'data-theme="dark"' in client.get("/login/").content.decode()
    client.post(address, {"theme": "", "next": "/login/"})
    assert "data-theme" not in client.get("/login/").content.decode()


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_the_theme_switch_leads_nowhere_else(target: str, client: Client) -> None:
    answer = client.post(reverse("core:set-theme"), {"theme": "dark", "next": target})
    assert answer.headers["Location"] == "/"


def test_a_theme_that_does_not_exist_is_not_kept(client: Client) -> None:
    client.cookies["theme"] = '"><script>'
    assert "<script>" not in client.get("/login/").content.decode().split("</head>")[0].split("<html")[1].split(">")[0]


@pytest.mark.parametrize("address", ["/login/", "/", "/p/demo/", "/p/demo/members/", "/nothing/"])
def test_every_page_carries_the_security_headers(address: str, curator_client: Client) -> None:
    headers = curator_client.get(address).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "address", ["/", "/p/demo/", "/p/demo/members/", "/p/demo/settings/", "/account/", "/nothing/"]
)
def test_no_page_holds_inline_script_or_style(address: str, curator_client: Client) -> None:
    page = curator_client.get(address).content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert " onclick=" not in page
    assert all("src=" in tag.split(">")[0] for tag in page.split("<script")[1:])


def test_a_missing_page_says_so_inside_the_frame(curator_client: Client) -> None:
    answer = curator_client.get("/nothing/")
    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.content.decode()


def test_a_forged_form_is_refused_in_plain_words(curator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(curator)
    answer = client.post(reverse("core:account"), {"email": "x@example.org"})
    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()


def test_the_session_cookie_is_out_of_reach_for_scripts(client: Client) -> None:
    person_with_password()
    cookie = log_in(client).cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_the_api_has_a_description_and_a_browser_without_foreign_hosts(curator_client: Client) -> None:
    schema = curator_client.get(reverse("core:api_schema"))
    assert schema.status_code == 200
    assert b"/api/v1/projects/" in schema.content
    page = curator_client.get(reverse("core:api_docs")).content.decode()
    assert "https://" not in page.replace("https://127.0.0.1", "")
