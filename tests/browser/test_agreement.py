"""The agreement pages in a browser: both themes, wide and narrow; the keep rule changes what stands beside it."""

import random
from typing import Any

import pytest

from annotation.models import Reason, Vote
from annotation.selectors.agreement import chosen_rule
from core.models import Project
from tests.annotation.judged import judged_project
from tests.browser.conftest import axe_violations, overflow_of
from tests.factories import ProjectFactory, member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = [
    "agreement/",
    "agreement/?scheme=combined",
    "agreement/rule/",
    "agreement/rule/?keep=alpha-u&min_votes=3&min_share=3%2F4&min_alpha_u=0.2",
    "agreement/rule/?keep=majority&min_votes=x&min_share=3%2F4",
    "agreement/annotators/",
    "agreement/cases/",
    "agreement/pairs/",
    "agreement/pairs/?differing=0-1",
    "agreement/pairs/?reason=half&stratum=none",
]


def judged(project: Project) -> Project:
    """Some forty pairs that six people judged, one of them badly."""
    chance = random.Random(3)
    patterns = []
    for _ in range(40):
        truth = chance.choice("1100n")
        votes = [truth if chance.random() < 0.85 else chance.choice("10nc") for _ in range(5)]
        patterns.append("".join(votes) + chance.choice("10n"))
    judged_project(project, patterns)
    for vote in Vote.objects.filter(answer__isnull=False):
        vote.reason = chance.choice([Reason.FULL, Reason.HALF, Reason.SLIGHT, ""])
        vote.save(update_fields=["reason"])
    return project


@pytest.fixture
def demo(db: None) -> Project:
    return judged(ProjectFactory(slug="demo"))


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_pages_are_whole_and_pass_axe(demo: Project, new_page: Any, width: int, theme: str) -> None:
    page = new_page(width=width, theme=theme, user=member(demo, "curator", username="cora"))
    for address in PAGES:
        page.goto(f"/p/demo/{address}")
        assert axe_violations(page) == [], address
        assert overflow_of(page) == [], address
    assert page.trouble == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_without_votes_pass_axe(db: None, new_page: Any, theme: str) -> None:
    project = ProjectFactory(slug="demo")
    page = new_page(theme=theme, user=member(project, "curator", username="cora"))
    for address in PAGES:
        page.goto(f"/p/demo/{address}")
        assert axe_violations(page) == [], address
    assert page.trouble == []


def test_another_rule_shows_at_once_and_can_be_chosen(demo: Project, new_page: Any) -> None:
    page = new_page(user=member(demo, "curator", username="cora"))
    page.goto("/p/demo/agreement/rule/")
    page.get_by_role("heading", name="At least 3 valid votes, and a majority of at least 3/4 of the answers").wait_for()
    page.get_by_label("Rule", exact=True).select_option("unanimous")
    page.get_by_role("heading", name="At least 3 valid votes, all the same").wait_for()
    page.get_by_label("Valid votes").fill("many")
    page.get_by_text("min_votes is a whole number").wait_for()
    page.get_by_label("Valid votes").fill("4")
    page.get_by_role("heading", name="At least 4 valid votes, all the same").wait_for()
    page.get_by_role("button", name="Let releases start from this rule").click()
    page.get_by_text("Releases of this project start from this rule now.").wait_for()
    assert chosen_rule(demo).to_dict() == {"keep": "unanimous", "min_votes": 4}
    assert page.trouble == []


def test_from_what_is_confused_to_the_pair(demo: Project, new_page: Any) -> None:
    page = new_page(user=member(demo, "curator", username="cora"))
    page.goto("/p/demo/agreement/cases/")
    page.get_by_role("link", name="0 and 1").click()
    page.get_by_label("Given side by side").wait_for()
    assert page.get_by_label("Given side by side").input_value() == "0-1"
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_role("heading", level=1).wait_for()
    assert "/items/" in page.url
    assert page.trouble == []
