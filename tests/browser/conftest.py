"""A browser for the tests: Chromium through Playwright, a live server, axe.

Skipped with one line where there is no Chromium. QUARRY_CHROMIUM names the program; else /usr/bin/chromium, else the
first `chromium` on the path.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from core.models import Project, User

CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
AXE_OPTIONS = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


def chromium() -> str | None:
    """Path of the browser, or None."""
    for program in (os.environ.get("QUARRY_CHROMIUM"), "/usr/bin/chromium", shutil.which("chromium")):
        if program and Path(program).is_file():
            return program
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser, and is skipped where there is none."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if chromium() is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium; QUARRY_CHROMIUM may name one"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file: the live server's threads and the test wait for each other there, in memory they collide."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    from playwright.sync_api import sync_playwright

    # Playwright's sync interface runs an event loop in this thread, in which Django would refuse its database.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        yield running
        running.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


class Trouble(list[str]):
    """What went wrong in a page without anybody looking: console and script errors, refused requests, bad answers."""

    def watch(self, page: Any) -> None:
        page.on("console", lambda message: self._console(message))
        page.on("pageerror", lambda error: self.append(f"script error: {error}"))
        page.on("requestfailed", lambda request: self._failed(request))
        page.on("response", lambda answer: answer.status >= 500 and self.append(f"{answer.status} for {answer.url}"))

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.append(f"console: {message.text}")

    def _failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # leaving a page aborts what it was asking for
            self.append(f"request failed: {request.url} ({request.failure})")


@pytest.fixture
def new_page(browser: Any, live_server: Any) -> Iterator[Callable[..., Any]]:
    """Makes pages: `new_page(width=360, theme="dark", user=person)`; `page.trouble` collects what goes wrong."""
    contexts = []

    def make(*, width: int = 1280, height: int = 800, theme: str = "light", user: User | None = None) -> Any:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": width, "height": height}, color_scheme=theme
        )
        contexts.append(context)
        if user is not None:
            log_in(context, live_server.url, user)
        page = context.new_page()
        page.trouble = Trouble()
        page.trouble.watch(page)
        return page

    yield make
    for context in contexts:
        context.close()


def log_in(context: Any, address: str, user: User) -> None:
    """Puts a session of this person into the browser, without the login form."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": address}])


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """An anonymous page at desktop size."""
    return new_page()


@pytest.fixture
def judge_page(new_page: Callable[..., Any], project: Project, annotator: User) -> Callable[..., Any]:
    """Opens the judge page on a batch of `n` pairs and waits until the next pair is fetched ahead."""
    from tests.annotation.conftest import make_batch
    from tests.browser.judging import open_page

    def make(n: int = 12, **options: Any) -> Any:
        make_batch(project, n, overlap=1, max_extra=0)
        page = new_page(user=annotator, **options)
        open_page(page, project)
        return page

    return make


def axe_violations(page: Any) -> list[str]:
    """Broken rules of axe on this page, one line each with the first nodes."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=AXE_OPTIONS).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): " + "; ".join(node["html"][:160] for node in rule["nodes"][:4])
        for rule in found
    ]


def overflow_of(page: Any) -> list[str]:
    """Elements that make the page wider than its window; none is right."""
    return page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > width + 1)
                .slice(-5)
                .map((one) => one.tagName + "." + one.className + " ends at " + one.getBoundingClientRect().right);
        }"""
    )
