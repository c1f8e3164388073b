"""Adjudication by keyboard, a question that becomes guideline, and every page of both in both themes and widths."""

import pytest
from playwright.sync_api import expect

from annotation.models import Adjudication, GuidelineExample, GuidelineQuestion, Item
from annotation.services.adjudication import adjudicate, recheck_contested
from annotation.services.consensus import start_compute_consensus
from annotation.services.discussion import answer_question, ask_question
from annotation.services.guidelines import add_example, current_guideline, publish_guideline
from annotation.services.leases import fill_lanes
from annotation.services.votes import add_comment
from core.jobs import run_inline
from tests.annotation.conftest import make_batch
from tests.annotation.judged import judged_project
from tests.browser.conftest import axe_violations, overflow_of
from tests.factories import member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def items(project) -> list[Item]:
    """Three split pairs and one that all agree on."""
    made = judged_project(project, ["110", "001", "10", "111"])
    recheck_contested(project)
    return made


def test_three_pairs_are_decided_by_keyboard_alone(new_page, project, items):
    page = new_page(user=member(project, "adjudicator", username="ada"))
    page.goto("/p/demo/adjudication/?show=split")
    page.get_by_role("link", name="Start deciding").focus()
    page.keyboard.press("Enter")
    for key, item in zip("10n", items, strict=False):
        expect(page.get_by_role("heading", level=1)).to_have_text(item.query.text)
        page.wait_for_load_state()  # the keys are there once the page's script has run
        page.keyboard.press(key)
        expect(page.locator("#id_reason")).to_be_focused()
        page.keyboard.type("x1n0 says the body")  # keys of the page are plain letters here
        page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**/items/{items[2].pk}/")
    made = Adjudication.objects.order_by("item_id")
    assert [one.decision for one in made] == ["one", "zero", "no_intent"]
    assert {one.reason for one in made} == {"x1n0 says the body"}
    assert page.trouble == []


def test_s_leaves_a_pair_for_later_and_a_held_key_does_nothing_twice(new_page, project, items):
    page = new_page(user=member(project, "adjudicator", username="ada"))
    page.goto(f"/p/demo/adjudication/{items[0].pk}/?show=split")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", level=1)).to_have_text(items[1].query.text)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(items[1].query.text)
    assert not Adjudication.objects.exists(), "nothing was chosen"


def test_without_script_the_form_decides_too(browser, live_server, project, items):
    from tests.browser.conftest import log_in

    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    log_in(context, live_server.url, member(project, "curator", username="cora"))
    page = context.new_page()
    page.goto(f"/p/demo/adjudication/{items[0].pk}/")
    page.get_by_label("Answers (1)").check()
    page.get_by_label("Reason").fill("All of it.")
    page.get_by_label("Show it as an example beside the guideline").check()
    page.get_by_role("button", name="Decide and next").click()
    expect(page.get_by_text("example of the guideline from version 2")).to_be_visible()
    assert (Adjudication.objects.get().decision, GuidelineExample.objects.get().why) == ("one", "All of it.")
    context.close()


def test_a_question_from_the_judge_page_is_answered_and_becomes_guideline(new_page, project, curator, annotator):
    make_batch(project, 3)
    current_guideline(project)
    asking = new_page(user=annotator)
    asking.goto("/p/demo/judge/")
    asking.keyboard.press("c")
    asking.locator("#comment").fill("Does a print count?")
    asking.get_by_role("button", name="Ask the curators about the guideline").click()
    expect(asking.locator("#note, #say").get_by_text("Your question is with the curators").first).to_be_visible()
    question = GuidelineQuestion.objects.get()
    assert question.item_id is not None
    page = new_page(user=curator)
    page.goto("/p/demo/discussion/questions/")
    page.get_by_role("textbox", name="Answer").fill("Yes, it does.")
    page.get_by_role("button", name="Answer it").click()
    page.get_by_role("link", name="Word it first").click()
    expect(page.get_by_label("Text")).to_have_value(current_guideline(project).text.rstrip("\n") + EXPECTED_ENTRY)
    page.get_by_role("button", name="Show what changes").click()
    expect(page.locator("#changes ins").first).to_be_visible()
    page.get_by_role("button", name="Put it in force").click()
    expect(page.get_by_text("Version 2 is in force")).to_be_visible()
    question.refresh_from_db()
    assert question.adopted is not None
    assert (asking.trouble, page.trouble) == ([], [])


EXPECTED_ENTRY = "\n\n## Questions and answers\n\n- **Does a print count?** Yes, it does.\n"


# --- every page --------------------------------------------------------------------------------------------------
@pytest.fixture
def talked(project, curator, annotator, items):
    """A project with something on every page: decisions, an example, flags, questions, versions, a consensus."""
    _, job = start_compute_consensus(project=project, restarts=2, inline=True)
    run_inline(job)
    made = adjudicate(project=project, item_id=items[3].pk, person=curator, decision="zero", reason="It sorts keys.")
    add_example(project=project, item=items[3], intent=made.intent, answer=made.label, why=made.reason, user=curator)
    text = current_guideline(project).text.replace("Two questions", "Three questions")
    publish_guideline(project=project, text=text, author=curator, note="Three")
    make_batch(project, 1, name="open")
    slot = fill_lanes(project=project, person=annotator)[0]
    for is_flag in (True, False):
        add_comment(project=project, person=annotator, item_id=slot.item_id, text="Two languages.", is_flag=is_flag)
    for answer in ("", "Yes."):
        question = ask_question(project=project, person=annotator, text="Does print count?", item_id=slot.item_id)
        if answer:
            answer_question(project=project, question_id=question.pk, answer=answer, user=curator)
    return slot.item_id


CURATORS = [
    "/p/demo/adjudication/",
    "/p/demo/adjudication/?show=decided",
    "/p/demo/adjudication/{split}/",
    "/p/demo/adjudication/{decided}/",
    "/p/demo/items/{decided}/",
    "/p/demo/consensus/?show=all",
    "/p/demo/discussion/",
    "/p/demo/items/{open}/discussion/",
    "/p/demo/discussion/flags/",
    "/p/demo/discussion/questions/",
    "/p/demo/guideline/",
    "/p/demo/guideline/edit/",
    "/p/demo/guideline/changes/?from=1",
]
ANNOTATORS = [
    "/p/demo/discussion/",
    "/p/demo/items/{open}/discussion/",
    "/p/demo/discussion/questions/",
    "/p/demo/guideline/",
    "/p/demo/guideline/changes/?from=1",
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_is_accessible_and_fits(new_page, curator, annotator, items, talked, theme, width):
    ids = {"split": items[0].pk, "decided": items[3].pk, "open": talked}
    for person, addresses in ((curator, CURATORS), (annotator, ANNOTATORS)):
        page = new_page(width=width, theme=theme, user=person)
        for address in addresses:
            page.goto(address.format(**ids))
            assert axe_violations(page) == [], address
            assert overflow_of(page) == [], address
        assert page.trouble == []
