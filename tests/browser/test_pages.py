"""Every page, both themes, desktop and phone: nothing overflows, axe finds nothing, the console stays silent."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from core.models import Job, JobState, Project, User
from tests.browser.conftest import axe_violations, overflow_of
from tests.factories import CodeFactory, PairFactory, QueryFactory, UserFactory, member

pytestmark = pytest.mark.django_db(transaction=True)
FORMS = [(width, theme) for width in (1280, 360) for theme in ("light", "dark")]
NOT_PAGES = {
    "core:api_schema",
    "core:api_docs",  # Swagger's own page
    "core:health",
    "core:worker_banner",
    "core:set-theme",
    "core:logout",
    "core:login",
}


def project_pages() -> list[str]:
    """Names of all pages that need a project's short name and nothing else."""
    found: list[str] = []
    for resolver in get_resolver().url_patterns:
        if not isinstance(resolver, URLResolver) or resolver.app_name not in {
            "core",
            "curation",
            "annotation",
            "modeling",
        }:
            continue
        for pattern in resolver.url_patterns:
            if isinstance(pattern, URLPattern) and pattern.name:
                name = f"{resolver.app_name}:{pattern.name}"
                if set(pattern.pattern.regex.groupindex) <= {"slug"} and name not in NOT_PAGES:
                    found.append(name)
    return found


def address_of(name: str, project: Project) -> str:
    try:
        return reverse(name, args=[project.slug])
    except NoReverseMatch:  # a page that belongs to no project
        return reverse(name)


def is_page(client: Any, address: str) -> bool:
    """Pages answer GET with HTML; acts, downloads and fragments do not count."""
    answer = client.get(address)
    html = answer.get("Content-Type", "").startswith("text/html")
    return answer.status_code == 200 and html and b"<html" in b"".join(answer)[:200]


@pytest.fixture
def busy_project(project: Project) -> Project:
    """Some rows of the first stages, and jobs in every state."""
    queries = QueryFactory.create_batch(3, project=project)
    QueryFactory(project=project, text="mail to anna@example.com", quarantine_reason="email")
    code = CodeFactory(project=project)
    PairFactory(project=project, query=queries[0], code=code)
    for state in JobState.values:
        Job.objects.create(project=project, kind="core.test", title=f"A job that is {state}", state=state)
    return project


@pytest.fixture
def chief(project: Project) -> User:
    """Curator and administrator: sees everything."""
    person = member(project, "curator", username="chief")
    person.is_staff = person.is_superuser = True
    person.save()
    return person


@pytest.mark.parametrize(("width", "theme"), FORMS)
def test_every_page_fits_its_window_satisfies_axe_and_stays_silent(
    width: int, theme: str, busy_project: Project, chief: User, client: Any, new_page: Callable[..., Any]
) -> None:
    client.force_login(chief)
    page = new_page(width=width, theme=theme, user=chief)
    troubles: dict[str, list[str]] = {}
    seen = 0
    for name in project_pages():
        address = address_of(name, busy_project)
        if not is_page(client, address):
            continue
        page.goto(address)
        seen += 1
        found = [*axe_violations(page), *overflow_of(page), *page.trouble]
        page.trouble.clear()
        if found:
            troubles[name] = found
    assert seen >= 8, "the walk over the addresses found hardly any page"
    assert not troubles, "\n".join(f"{name}: {line}" for name, lines in troubles.items() for line in lines)


@pytest.mark.parametrize(("width", "theme"), FORMS)
@pytest.mark.urls("tests.browser.components")
def test_every_component_fits_satisfies_axe_and_stays_silent(
    width: int, theme: str, chief: User, new_page: Callable[..., Any]
) -> None:
    page = new_page(width=width, theme=theme, user=chief)
    page.goto("/components/")
    page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
    assert axe_violations(page) == []
    assert overflow_of(page) == []
    # The jobs on that page are not rows, so what htmx asks about them is not found; nothing else may go wrong.
    assert [line for line in page.trouble if "404" not in line] == []


@pytest.mark.parametrize(("width", "theme"), FORMS)
@pytest.mark.parametrize("address", ["/login/", "/nothing/here/"])
def test_pages_for_strangers_fit_satisfy_axe_and_stay_silent(
    address: str, width: int, theme: str, db: None, new_page: Callable[..., Any]
) -> None:
    page = new_page(width=width, theme=theme)
    page.goto(address)
    assert axe_violations(page) == []
    assert overflow_of(page) == []
    assert [line for line in page.trouble if "404" not in line] == []


def test_somebody_logs_in_by_keyboard_and_lands_on_their_projects(project: Project, page: Any) -> None:
    person = member(project, "annotator", username="anna")
    person.set_password("five small stones")
    person.save()
    page.goto("/login/")
    page.get_by_label("Username").fill("anna")
    page.keyboard.press("Tab")
    page.keyboard.type("five small stones")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"//[^/]+/$"))
    assert page.get_by_role("heading", level=1).inner_text() == "Projects"
    assert page.get_by_role("link", name=str(project)).first.is_visible()
    assert page.trouble == []


def test_the_theme_follows_the_system_until_one_is_chosen(page: Any, db: None) -> None:
    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.goto("/login/")
    light = background()
    page.emulate_media(color_scheme="dark")
    dark = background()
    assert light != dark
    panel = page.locator("details", has=page.locator(".theme-switch")).last
    panel.locator("summary").click()
    page.get_by_role("button", name="Light").click()
    page.wait_for_load_state()
    assert background() == light, "the choice wins over the system"
    panel.locator("summary").click()
    page.get_by_role("button", name="System").click()
    page.wait_for_load_state()
    assert background() == dark


def test_the_skip_link_comes_first_and_leads_to_the_content(page: Any, db: None) -> None:
    page.goto("/nothing/here/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "page"


def test_the_account_menu_closes_on_escape_and_gives_the_focus_back(
    project: Project, new_page: Callable[..., Any]
) -> None:
    page = new_page(user=UserFactory(username="rita"))
    page.goto("/")
    page.locator("details.drop > summary").click()
    assert axe_violations(page) == []
    assert page.get_by_role("button", name="Log out").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("button", name="Log out").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_a_phone_reaches_every_section_through_the_menu(
    busy_project: Project, chief: User, new_page: Callable[..., Any]
) -> None:
    page = new_page(width=360, height=740, user=chief)
    page.goto(f"/p/{busy_project.slug}/")
    page.locator("details.menu-narrow > summary").click()
    page.locator("details.menu-narrow").get_by_role("link", name="Members").click()
    page.wait_for_load_state()
    assert page.get_by_role("heading", level=1).inner_text() == "Members"


def test_pages_work_without_javascript(browser: Any, live_server: Any, project: Project) -> None:
    from tests.browser.conftest import log_in

    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    log_in(context, live_server.url, member(project, "curator", username="cora"))
    page = context.new_page()
    page.goto(f"/p/{project.slug}/members/")
    page.get_by_label("User name").fill("newcomer")
    page.get_by_role("button", name="Add").click()
    assert "one-time password" in page.locator(".notice-ok").inner_text()
    context.close()
