"""The agreement and release pages in a browser: both themes, wide and narrow, nothing broken, nothing wider than it."""

from typing import Any

import pytest

from annotation.criteria import read_criteria
from annotation.services.releases import start_freeze_release
from core.jobs import run_inline
from core.models import Project
from tests.annotation.judged import judged_project
from tests.browser.conftest import axe_violations, overflow_of
from tests.factories import ProjectFactory, member

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = [
    "agreement/?keep=alpha-u&min_votes=3&min_share=3%2F4&min_alpha_u=0.2",
    "agreement/pairs/",
    "releases/",
    "releases/v1/",
]


@pytest.fixture
def judged(db: None, settings: Any, tmp_path: Any) -> Project:
    """A project with votes and a frozen release."""
    settings.QUARRY_HOME = tmp_path
    project = ProjectFactory(slug="demo")
    judged_project(project, ["111", "000", "110", "1110", "n1n", "11c1", "10q"] * 6, codes_shared_by=2)
    _, job = start_freeze_release(project=project, name="v1", criteria=read_criteria(), inline=True)
    run_inline(job)
    return project


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_pages_are_whole_and_pass_axe(judged: Project, new_page: Any, width: int, theme: str) -> None:
    page = new_page(width=width, theme=theme, user=member(judged, "curator", username="cora"))
    for address in PAGES:
        page.goto(f"/p/demo/{address}")
        assert axe_violations(page) == [], address
        assert overflow_of(page) == [], address
    assert page.trouble == []


def test_a_file_is_saved_and_not_shown(judged: Project, new_page: Any) -> None:
    page = new_page(user=member(judged, "curator", username="cora"))
    page.goto("/p/demo/releases/v1/")
    with page.expect_download() as started:
        page.get_by_role("link", name="pairs.jsonl").click()
    assert started.value.suggested_filename == "demo-v1-pairs.jsonl"


def test_a_release_is_published_and_withdrawn_from_its_page(judged: Project, new_page: Any) -> None:
    page = new_page(user=member(judged, "curator", username="cora"))
    page.goto("/p/demo/releases/v1/")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("Withdraw this release").click()
    page.get_by_label("Reason").fill("A mistake in the guideline.")
    page.get_by_role("button", name="Withdraw v1").click()
    page.get_by_text("A mistake in the guideline.").wait_for()
    assert page.get_by_role("link", name="pairs.jsonl").count() == 0
