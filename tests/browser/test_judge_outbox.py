"""Nothing that was pressed or written is lost: network away, page reloaded, browser crashed, two tabs at once."""

import contextlib

import pytest
from django.urls import reverse
from playwright.sync_api import Error, expect

from annotation.models import Comment, Skip, Vote
from tests.browser.judging import (
    judge_all,
    judge_one,
    open_page,
    query_of,
    stored,
    wait_for_votes,
    wait_until,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_unsent_votes_survive_a_crash_and_are_sent_in_order_with_the_same_key(judge_page, project):
    page = judge_page()
    context = page.context
    context.set_offline(True)
    judge_one(page, "n")
    judge_all(page, ["y1"], 300)
    again = context.new_page()
    with contextlib.suppress(Error):
        page.goto("chrome://crash")
    page.close()
    context.set_offline(False)
    open_page(again, project)
    assert stored(wait_for_votes(2)) == [("no", None), ("yes", 1)]
    expect(again.locator("#mine")).to_have_text("2")
    assert again.evaluate("() => Object.keys(localStorage).filter((name) => name.startsWith('quarry-act')).length") == 0


def test_a_vote_that_arrived_while_its_answer_was_lost_counts_once(judge_page):
    page = judge_page()
    n_lost = []

    def lose_first(route):
        if n_lost:
            return route.continue_()
        n_lost.append(1)
        route.fetch()  # the server has it
        return route.abort()

    page.route("**/votes/", lose_first)
    judge_one(page, "n")
    judge_one(page, "y", "1")
    assert stored(wait_for_votes(2)) == [("no", None), ("yes", 1)]
    expect(page.locator("#trouble")).to_be_hidden()
    expect(page.locator("#mine")).to_have_text("2")
    assert Vote.objects.count() == 2


def test_the_history_shows_what_is_kept_and_sends_it(judge_page, project):
    page = judge_page()
    page.route("**/votes/", lambda route: route.abort())
    page.keyboard.press("n")
    page.wait_for_timeout(200)
    page.goto(reverse("annotation:history", args=[project.slug]))
    kept = page.locator("#kept")
    expect(kept).to_be_visible()
    expect(kept).to_contain_text("the query does not look for code")
    assert not Vote.objects.exists()
    page.unroute("**/votes/")
    page.reload()
    expect(page.locator("table")).to_contain_text("no intent")
    expect(kept).to_be_hidden()
    assert len(wait_for_votes(1)) == 1


def test_the_page_says_how_many_are_unsent(judge_page):
    page = judge_page()
    page.context.set_offline(True)
    page.keyboard.press("n")
    expect(page.locator("#unsent")).to_have_text("1 unsent")
    page.context.set_offline(False)
    expect(page.locator("#unsent")).to_be_hidden()


def test_two_tabs_that_lost_the_network_together_send_everything_once(judge_page, project):
    here = judge_page()
    there = here.context.new_page()
    open_page(there, project)
    here.context.set_offline(True)
    here.keyboard.press("n")
    here.wait_for_timeout(200)
    there.keyboard.press("y")
    there.keyboard.press("0")  # the same pair: only the first can count
    there.wait_for_timeout(200)
    here.context.set_offline(False)
    wait_until(lambda: Vote.objects.exists(), "a vote")
    for page in (here, there):
        expect(page.locator("#trouble")).to_be_hidden(timeout=20_000)
        expect(page.locator("#judge")).not_to_have_class("judge is-live is-waiting")
    assert [vote.intent for vote in Vote.objects.all()] == ["no"]
    assert query_of(here) == query_of(there)


def test_skips_and_undos_wait_for_the_network_in_their_place(judge_page):
    page = judge_page()
    page.context.set_offline(True)
    skipped = query_of(page)
    judge_one(page, "s")
    judge_all(page, ["n"], 300)
    page.context.set_offline(False)
    votes = wait_for_votes(1)
    assert [vote.item.query.text == skipped for vote in votes] == [False]
    wait_until(lambda: Skip.objects.count() == 1, "the skip")


def test_a_begun_comment_survives_a_reload_and_stays_with_its_pair(judge_page, project):
    page = judge_page()
    first = query_of(page)
    page.keyboard.press("c")
    page.locator("#comment").press_sequentially("needs a second look")
    open_page(page, project)
    expect(page.locator("#comment")).to_have_value("needs a second look")
    page.locator("#question").focus()
    judge_one(page, "n")
    expect(page.locator("#comment-about")).to_contain_text(first)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#note")).to_have_text("Comment kept.")
    comment = Comment.objects.select_related("item__query").get()
    assert (comment.text, comment.item.query.text) == ("needs a second look", first)
    expect(page.locator("#comment-about")).to_be_hidden()
    open_page(page, project)
    expect(page.locator("#comment")).to_have_value("")


def test_a_logged_out_person_is_told_and_nothing_is_lost(judge_page, project, annotator):
    page = judge_page()
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("n")
    expect(page.locator("#trouble")).to_contain_text("You are logged out")
    expect(page.locator("#trouble a")).to_have_attribute("href", f"/login/?next=%2Fp%2F{project.slug}%2Fjudge%2F")
    page.context.add_cookies(cookies)
    open_page(page, project)
    assert stored(wait_for_votes(1)) == [("no", None)]
