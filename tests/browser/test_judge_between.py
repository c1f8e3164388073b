"""What comes between pairs: a changed guideline, training answers, a warning; and a session by keyboard alone."""

import pytest
from playwright.sync_api import expect

from annotation.models import Annotator, Skip, Standing, Vote
from annotation.services.gold import GoldPair
from annotation.services.guidelines import current_guideline, publish_guideline
from annotation.services.training import open_known
from tests.annotation.conftest import make_batch
from tests.browser.conftest import axe_violations, log_in, overflow_of
from tests.browser.judging import judge_one, open_page, query_of, stored, wait_for_votes, wait_until
from tests.factories import PairFactory

pytestmark = pytest.mark.django_db(transaction=True)


def change_guideline(project, old: str, new: str, note: str = "") -> None:
    text = current_guideline(project).text
    assert old in text
    publish_guideline(project=project, text=text.replace(old, new), note=note)


# --- a session ---------------------------------------------------------------------------------------------------
def test_twenty_pairs_by_keyboard_alone_with_tab_and_enter_too(judge_page):
    page = judge_page(20)
    plan = (["n"], ["y", "1"], ["y", "0"], ["d"], ["y", "h"])
    for place in range(19):
        judge_one(page, *plan[place % len(plan)])
    page.locator("#question").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.dataset.act") == "no"
    page.keyboard.press("Enter")
    page.wait_for_selector("#queue-empty")
    meanings = [("no", None), ("yes", 1), ("yes", 0), ("no", None), ("yes", 0)]
    wanted = [meanings[place % 5] for place in range(19)] + [("no", None)]
    assert stored(wait_for_votes(20)) == wanted
    assert page.trouble == []


def test_backspace_takes_a_skip_back(judge_page):
    page = judge_page()
    first = query_of(page)
    judge_one(page, "s")
    wait_until(lambda: Skip.objects.exists(), "the skip")
    page.keyboard.press("Backspace")
    expect(page.locator("#stage .query")).to_have_text(first)
    expect(page.locator("#note")).to_have_text("Taken back: judge it again.")
    page.wait_for_timeout(200)
    judge_one(page, "n")
    assert [vote.item.query.text for vote in wait_for_votes(1)] == [first]
    assert not Skip.objects.exists()


# --- the guideline changes ------------------------------------------------------------------------------------------
def test_a_changed_guideline_is_read_before_the_next_pair(judge_page, project, annotator):
    page = judge_page()
    assert Annotator.objects.get(person=annotator).guideline_seen == 1
    change_guideline(project, "Ten to twenty seconds is usual.", "Twenty seconds is usual.", note="Take your time")
    page.keyboard.press("n")
    expect(page.locator("h1")).to_have_text("The guideline has changed")
    assert page.locator("del").first.inner_text() == "Ten to twenty"
    assert "Take your time" in page.locator(".change-note").inner_text()
    assert axe_violations(page) == []
    page.keyboard.press("Enter")
    page.wait_for_selector("#judge.is-live")
    assert Annotator.objects.get(person=annotator).guideline_seen == 2
    page.wait_for_load_state("networkidle")
    judge_one(page, "n")
    votes = wait_for_votes(2)
    assert [vote.guideline.version for vote in votes] == [1, 2]
    open_page(page, project)
    assert page.locator("#judge").count() == 1, "shown once"


def test_a_newcomer_is_shown_the_guideline_and_no_changes(judge_page, project, annotator):
    current_guideline(project)
    change_guideline(project, "Ten to twenty seconds is usual.", "Twenty seconds is usual.")
    judge_page()
    assert Annotator.objects.get(person=annotator).guideline_seen == 2


# --- training -----------------------------------------------------------------------------------------------------
@pytest.fixture
def training(project):
    """Two training pairs (0, then no intent, in either order) and live pairs after them."""
    make_batch(project, 3, overlap=1)
    pairs = PairFactory.create_batch(2, project=project)
    known = [
        GoldPair(pairs[0].pk, pairs[0].query_id, "yes", 0, "curator", "It only sorts."),
        GoldPair(pairs[1].pk, pairs[1].query_id, "no", None, "curator", "Nobody asks for code here."),
    ]
    return open_known(project=project, kind="training", known=known)


def test_a_training_answer_is_shown_before_the_next_pair(training, new_page, project, annotator):
    page = new_page(user=annotator)
    open_page(page, project)
    expect(page.locator(".stage-tag:visible")).to_contain_text("Training")
    first = query_of(page)
    page.keyboard.press("u")
    expect(page.locator("#feedback-title")).to_have_text("Not as expected")
    assert page.locator("#feedback-why").inner_text() in {"It only sorts.", "Nobody asks for code here."}
    assert axe_violations(page) == []
    assert overflow_of(page) == []
    page.keyboard.press("n")  # nothing counts while the answer is read
    page.wait_for_timeout(200)
    assert Vote.objects.count() == 1
    page.keyboard.press("Enter")
    expect(page.locator("#stage .query")).to_be_visible()
    assert query_of(page) != first
    page.wait_for_timeout(200)
    page.keyboard.press("u")
    expect(page.locator("#feedback-title")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#stage .query")).to_be_visible()
    expect(page.locator(".stage-tag:visible")).to_have_count(0)
    page.wait_for_timeout(200)
    judge_one(page, "n")
    wait_for_votes(3)
    assert page.trouble == []


def test_a_training_answer_is_shown_without_javascript(training, browser, live_server, project, annotator):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    log_in(context, live_server.url, annotator)
    page = context.new_page()
    page.goto(f"/p/{project.slug}/judge/")
    page.get_by_label("I cannot judge the query").check()
    page.get_by_role("button", name="Save and next").click()
    assert page.locator("h1").inner_text() == "Not as expected"
    page.get_by_role("link", name="Go on").click()
    assert page.get_by_role("button", name="Save and next").is_visible()
    context.close()


# --- standing -----------------------------------------------------------------------------------------------------
def test_a_warning_stands_on_the_page_with_its_reason(new_page, project, annotator):
    make_batch(project, 3)
    Annotator.objects.create(
        project=project, person=annotator, standing=Standing.WARNED, reason="Three gold pairs missed."
    )
    page = new_page(user=annotator)
    open_page(page, project)
    expect(page.locator("#standing")).to_contain_text("Three gold pairs missed.")
    assert axe_violations(page) == []


def test_who_is_paused_reads_why(new_page, project, annotator):
    make_batch(project, 3)
    Annotator.objects.create(
        project=project, person=annotator, standing=Standing.PAUSED, reason="Six gold pairs missed."
    )
    page = new_page(user=annotator)
    page.goto(f"/p/{project.slug}/judge/")
    expect(page.locator("#queue-empty")).to_contain_text("Six gold pairs missed.")
    assert axe_violations(page) == []
