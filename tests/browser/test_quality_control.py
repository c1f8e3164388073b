"""Quality control in a real browser: a newcomer's way to live pairs, a pause and its end, the curator's pages."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import (
    AnnotationSettings,
    Annotator,
    GoldAnswer,
    Item,
    QualificationAttempt,
    SetAside,
    Slot,
    SlotState,
    Vote,
)
from annotation.services.standing import set_standing
from annotation.services.training import open_known
from core.jobs import run_inline
from core.models import Job
from tests.annotation.conftest import YES_1, make_batch, vote
from tests.annotation.test_standing import gold_items, judge_golds
from tests.annotation.test_training import known
from tests.browser.conftest import axe_violations, overflow_of
from tests.browser.judging import judge_one, open_page, wait_for_votes, wait_until
from tests.factories import member

pytestmark = pytest.mark.django_db(transaction=True)


def address(name: str, *args: Any) -> str:
    return reverse(f"annotation:{name}", args=["demo", *args])


def on_screen(person) -> Item:
    """The item that the person has on screen."""
    return Slot.objects.select_related("item").get(person=person, state=SlotState.LEASED, lane=0).item


def right_keys(person) -> list[str]:
    """The keys that give the right answer to what is on screen."""
    known_answer = GoldAnswer.objects.get(item=on_screen(person))
    return ["n"] if known_answer.intent == "no" else ["y", str(known_answer.answer)]


def test_a_newcomer_is_trained_and_qualified_and_gets_live_pairs(project, annotator, new_page):
    make_batch(project, 5, overlap=1, max_extra=0, name="live")
    open_known(project=project, kind="training", known=known(project, 2, answers=(1,)))
    open_known(project=project, kind="qualification", known=known(project, 2))
    AnnotationSettings.objects.create(project=project, qualification_size=2, qualification_bar=1)
    page = new_page(user=annotator)
    open_page(page, project)
    for keys, heading in ((["y", "1"], "Right"), (["n"], "Not as expected")):
        for key in keys:
            page.keyboard.press(key)
        expect(page.locator("#feedback-title")).to_have_text(heading)
        expect(page.locator("#feedback-why")).to_contain_text("because")
        assert axe_violations(page) == []
        page.keyboard.press("Enter")
        expect(page.locator("#stage .query")).to_be_visible()
        page.wait_for_timeout(500)
    assert Annotator.objects.get(person=annotator).trained_at is not None
    for n in (1, 2):
        assert on_screen(annotator).purpose == "qualification"
        for key in right_keys(annotator):
            page.keyboard.press(key)
        wait_until(lambda n=n: Vote.objects.filter(item__purpose="qualification").count() == n, f"{n} votes")
        page.wait_for_timeout(500)
    assert QualificationAttempt.objects.get().is_passed
    open_page(page, project)
    assert on_screen(annotator).purpose == "live"
    judge_one(page, "n")
    wait_for_votes(5)
    assert page.trouble == []


def test_a_pause_is_told_plainly_and_ends_when_the_curator_says_so(project, annotator, curator, new_page):
    make_batch(project, 5, overlap=1, max_extra=0, name="live")
    judging = new_page(user=annotator)
    open_page(judging, project)
    judge_one(judging, "n")
    deciding = new_page(user=curator)
    deciding.goto(address("person", annotator.username))
    deciding.locator("#reason-standing").fill("Read the code first")
    deciding.get_by_role("button", name="Pause").click()
    expect(deciding.locator("main")).to_contain_text("is paused")
    open_page_of(judging)
    expect(judging.locator("main")).to_contain_text("Read the code first")
    assert axe_violations(judging) == []
    deciding.locator("#reason-aside").fill("Not read")
    deciding.get_by_role("button", name="Set the votes aside").click()
    expect(deciding.locator("main")).to_contain_text("being set aside")
    run_inline(Job.objects.get(kind="annotation.set_aside_votes"))
    deciding.reload()
    deciding.locator(f"#reason-back-{SetAside.objects.get().pk}").fill("It was read after all")
    deciding.get_by_role("button", name="Count them again").click()
    expect(deciding.locator("main")).to_contain_text("being counted again")
    run_inline(Job.objects.get(kind="annotation.restore_votes"))
    assert Vote.objects.get().set_aside_at is None
    deciding.locator("#reason-standing").fill("We talked")
    deciding.get_by_role("button", name="Reinstate").click()
    expect(deciding.locator("main")).to_contain_text("is active")
    open_page(judging, project)
    judge_one(judging, "n")
    wait_for_votes(2)
    deciding.goto(address("audit"))
    for words in ("Pause", "Reinstate", "Set aside votes", "Restore votes", "We talked"):
        expect(deciding.locator("main")).to_contain_text(words)
    assert judging.trouble == []
    assert deciding.trouble == []


def open_page_of(page: Any) -> None:
    page.goto(address("judge"))
    page.wait_for_load_state("networkidle")


@pytest.fixture
def controlled(project, curator):
    """A project in which something of everything has happened."""
    batch = make_batch(project, 4, name="live")
    anna, bea = (member(project, "annotator", username=name) for name in ("anna", "bea"))
    for person in (anna, bea):
        for _ in range(3):
            vote(project, person, YES_1)
        Slot.objects.filter(person=person, state=SlotState.LEASED).update(
            state=SlotState.FREE, person=None, lane=None, token=None, leased_at=None, expires_at=None
        )
    judge_golds(project, anna, gold_items(project, batch, 4), "1010")
    open_known(project=project, kind="training", known=known(project, 3, answers=(1, 0, None)))
    open_known(project=project, kind="qualification", known=known(project, 3), spare_present=False)
    set_standing(project=project, person=bea, standing="paused", reason="Two seconds for each pair", user=curator)
    from annotation.services.standing import start_set_aside

    run_inline(start_set_aside(project=project, person=bea, reason="Not read", user=curator, inline=True))
    QualificationAttempt.objects.create(
        project=project, person=anna, number=1, size=3, bar=0.8, n_right=1, is_passed=False
    )
    return project


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")])
def test_the_curators_pages_are_whole_and_pass_axe(controlled, curator, new_page, width, theme):
    page = new_page(user=curator, width=width, theme=theme)
    batch = controlled.batches.get(kind="training")
    pages = [("people",), ("person", "anna"), ("person", "bea"), ("training",), ("training-batch", batch.pk)]
    for name, *args in [*pages, ("settings",), ("audit",)]:
        page.goto(address(name, *args))
        page.wait_for_load_state("networkidle")
        if shots := os.environ.get("QUARRY_SHOTS"):
            Path(shots).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{shots}/{name}{'-'.join(map(str, args))}-{width}-{theme}.png", full_page=True)
        assert axe_violations(page) == [], name
        assert overflow_of(page) == [], name
    assert page.trouble == []
