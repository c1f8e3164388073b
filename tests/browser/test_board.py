"""The dashboard and scorecards in a browser: whole in both themes and widths, and fresh without being loaded again."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation.models import Vote
from annotation.services.board import catch_up
from annotation.services.tallies import catch_up as count_agreement
from annotation.services.tallies import mark_items
from core.models import Project
from tests.annotation.judged import judge, judged_project, rater
from tests.browser.conftest import axe_violations, overflow_of
from tests.factories import PairFactory, ProjectFactory, member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def worked(db: None) -> Project:
    """A project on which three people worked for some days."""
    project = ProjectFactory(slug="demo")
    judged_project(project, ["111", "000", "110", "nnn", "11c"] * 8)
    for number, vote in enumerate(Vote.objects.order_by("id")):
        moment = timezone.now() - timedelta(days=number // 12)
        Vote.objects.filter(pk=vote.pk).update(created_at=moment, seconds=8 + number % 9)
    mark_items(project.pk, project.items.values_list("pk", flat=True))
    count_agreement(project, budget_s=30)
    catch_up(project=project)
    return project


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_pages_are_whole_and_pass_axe(worked: Project, new_page: Any, width: int, theme: str) -> None:
    page = new_page(width=width, theme=theme, user=member(worked, "curator", username="cora"))
    for address in ("dashboard/", "scorecards/", "scorecards/of/simulated-0/", "scorecards/pay/?rate=12", "scorecard/"):
        page.goto(f"/p/demo/{address}")
        assert axe_violations(page) == [], address
        assert overflow_of(page) == [], address
    assert page.trouble == []


def test_a_vote_shows_without_loading_the_page_and_what_is_open_stays_open(
    worked: Project, new_page: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("annotation.views.board.REFRESH_EVERY_S", 1)
    page = new_page(user=member(worked, "curator", username="cora"))
    page.goto("/p/demo/dashboard/")
    figures = page.locator("#board .stat-value").first
    assert figures.inner_text() == "120"
    page.get_by_text("All days in figures").click()
    page.locator("h1").click()  # nothing is swapped from under the focus
    judge(worked, PairFactory(project=worked), "111")
    catch_up(project=worked)
    page.get_by_text("123", exact=True).first.wait_for()
    assert page.locator("#board details").last.get_attribute("open") is not None
    assert page.trouble == []


def test_nothing_is_asked_while_nobody_looks(worked: Project, new_page: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("annotation.views.board.REFRESH_EVERY_S", 1)
    page = new_page(user=member(worked, "curator", username="cora"))
    asked: list[str] = []
    page.on("request", lambda request: "dashboard/part" in request.url and asked.append(request.url))
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => window.away ?? false})")
    page.goto("/p/demo/dashboard/")
    page.evaluate("window.away = true")
    page.wait_for_timeout(2500)
    assert asked == []
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(700)
    assert asked


def test_a_server_that_is_gone_is_said(worked: Project, new_page: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("annotation.views.board.REFRESH_EVERY_S", 1)
    page = new_page(user=member(worked, "curator", username="cora"))
    page.goto("/p/demo/dashboard/")
    page.route("**/dashboard/part/**", lambda route: route.abort())
    page.get_by_text("The server does not answer").wait_for()
    page.unroute("**/dashboard/part/**")
    page.get_by_text("The server does not answer").wait_for(state="hidden")


def test_a_heading_sorts_and_a_name_opens_the_card(worked: Project, new_page: Any) -> None:
    page = new_page(user=member(worked, "curator", username="cora"))
    page.goto("/p/demo/scorecards/")
    page.get_by_role("link", name="As the others").click()
    first = page.locator("tbody tr").first.get_by_role("link")
    assert first.inner_text() in {"simulated-0", "simulated-1"}
    page.get_by_role("link", name="As the others").click()
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    page.locator("tbody tr").first.get_by_role("link").click()
    assert page.locator("h1").inner_text() == "simulated-2"
    assert rater(2).username == "simulated-2"
