"""Queries judged alone in a real browser: one press, the category never costs one, pages that fit and stay silent."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from annotation.models import IntentSample, Vote
from annotation.services.intent_classifier import start_score_intent, start_train_intent_classifier
from core.jobs import run_inline
from core.models import Project, User
from tests.annotation.conftest import make_batch
from tests.annotation.intent import judge_intent, log, sample_of
from tests.annotation.test_intent_classifier import BAD, GOOD
from tests.browser.conftest import axe_violations, overflow_of
from tests.browser.test_judge import open_page, query_of, wait_for_votes

pytestmark = pytest.mark.django_db(transaction=True)
QUERIES = [f"python {verb} a file" for verb in ("read", "write", "copy", "move", "lock", "close", "watch", "sort")]


@pytest.fixture
def sample(project: Project) -> IntentSample:
    log(project, QUERIES)
    return sample_of(project, overlap=1)


def press(page: Any, key: str) -> None:
    """A key, and then the next query on screen."""
    before = query_of(page)
    page.keyboard.press(key)
    page.wait_for_function("before => document.querySelector('#stage .query').textContent !== before", arg=before)
    page.wait_for_timeout(250)


def test_one_press_ends_a_query_with_or_without_a_category(
    new_page: Callable[..., Any], project: Project, annotator: User, sample: IntentSample
) -> None:
    page = new_page(user=annotator)
    open_page(page, project)
    for key in "ynvud":
        press(page, key)
    votes = sorted(wait_for_votes(5), key=lambda vote: vote.pk)
    assert [(vote.intent, vote.answer, vote.reason) for vote in votes] == [
        ("yes", None, ""),
        ("no", None, ""),
        ("no", None, "vague"),
        ("unclear", None, ""),
        ("no", None, "debugging"),
    ]
    assert page.trouble == []


def test_the_keys_of_step_2_do_nothing_and_say_so(
    new_page: Callable[..., Any], project: Project, annotator: User, sample: IntentSample
) -> None:
    page = new_page(user=annotator)
    open_page(page, project)
    first = query_of(page)
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    assert "no code to judge" in page.locator("#note").inner_text()
    assert query_of(page) == first
    assert not Vote.objects.exists()


def test_undo_brings_the_query_back(
    new_page: Callable[..., Any], project: Project, annotator: User, sample: IntentSample
) -> None:
    page = new_page(user=annotator)
    open_page(page, project)
    first = query_of(page)
    press(page, "n")
    press(page, "Backspace")
    assert query_of(page) == first
    press(page, "y")
    assert [(vote.intent, vote.item.query.text) for vote in wait_for_votes(1)] == [("yes", first)]


def test_a_pair_after_a_query_is_a_pair(new_page: Callable[..., Any], project: Project, annotator: User) -> None:
    log(project, QUERIES[:1])
    sample_of(project, overlap=1)
    make_batch(project, 2, overlap=1)
    page = new_page(user=annotator)
    open_page(page, project)
    press(page, "y")
    assert page.locator("#judge").get_attribute("data-kind") == "pair"
    page.keyboard.press("y")
    page.keyboard.press("v")
    page.wait_for_timeout(300)
    assert Vote.objects.count() == 1, "a reason for no intent does not go with step 2"
    press(page, "0")
    votes = sorted(wait_for_votes(2), key=lambda vote: vote.pk)
    assert [(vote.intent, vote.answer) for vote in votes] == [("yes", None), ("yes", 0)]


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_of_a_query_fits_and_satisfies_axe(
    new_page: Callable[..., Any], project: Project, annotator: User, sample: IntentSample, width: int, theme: str
) -> None:
    page = new_page(width=width, theme=theme, user=annotator)
    open_page(page, project)
    assert axe_violations(page) == []
    assert overflow_of(page) == []
    if width == 360:
        boxes = [button.bounding_box() for button in page.locator(".because .why:visible, .answer:visible").all()]
        assert all(box and box["height"] >= 44 for box in boxes)
    assert page.trouble == []


def test_the_measuring_pages_fit_and_satisfy_axe(new_page: Callable[..., Any], project: Project, curator: User) -> None:
    project.encoder = "hashing"
    project.save()
    log(project, [*GOOD, *BAD])
    sample = sample_of(project)
    judge_intent(sample, dict.fromkeys(GOOD, "yyn") | dict.fromkeys(BAD, "nvy"))
    classifier, job = start_train_intent_classifier(project=project, inline=True)
    run_inline(job)
    classifier.refresh_from_db()
    run_inline(start_score_intent(project=project, classifier=classifier, inline=True))
    names = [("intent",), ("intent-wizard",), ("intent-opinion",), ("intent-opinions",)]
    names += [(name, sample.pk) for name in ("intent-sample", "intent-queries", "intent-keywords")]
    for width, theme in ((1280, "light"), (360, "dark")):
        page = new_page(width=width, theme=theme, user=curator)
        for name, *args in names:
            page.goto(reverse(f"annotation:{name}", args=[project.slug, *args]))
            assert axe_violations(page) == [], name
            assert overflow_of(page) == [], name
        assert page.trouble == []
