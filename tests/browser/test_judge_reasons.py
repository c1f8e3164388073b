"""Reason categories in their three modes, and keys of one's own."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from annotation.models import AnnotationSettings, JudgePreferences, Vote
from annotation.services.preferences import change_preferences
from tests.annotation.conftest import make_batch
from tests.browser.conftest import axe_violations, overflow_of
from tests.browser.judging import judge_one, open_page, query_of, wait_for_votes

pytestmark = pytest.mark.django_db(transaction=True)


def ask_for_reasons(project, asked: str) -> None:
    AnnotationSettings.objects.update_or_create(project=project, defaults={"reasons": asked})


def judged() -> list[tuple[str, int | None, str]]:
    return [(vote.intent, vote.answer, vote.reason) for vote in Vote.objects.order_by("id")]


# --- reasons ----------------------------------------------------------------------------------------------------
def test_optional_reasons_cost_no_key_and_a_reason_says_the_answer_too(judge_page):
    page = judge_page()
    judge_one(page, "n")
    judge_one(page, "d")
    judge_one(page, "y", "1")
    judge_one(page, "y", "a")
    judge_one(page, "y", "l")
    wait_for_votes(5)
    assert judged() == [
        ("no", None, ""),
        ("no", None, "debugging"),
        ("yes", 1, ""),
        ("yes", 1, "full"),
        ("yes", 0, "slight"),
    ]


def test_a_reason_of_the_other_step_is_refused_in_words(judge_page):
    page = judge_page()
    page.keyboard.press("a")
    expect(page.locator("#note")).to_contain_text("does not go with this answer")
    page.wait_for_timeout(300)
    page.keyboard.press("y")
    page.keyboard.press("d")
    expect(page.locator("#note")).to_contain_text("does not go with this answer")
    page.wait_for_timeout(300)
    page.keyboard.press("o")
    expect(page.locator("#note")).to_contain_text("does not go with this answer")  # of which answer?
    assert not Vote.objects.exists()


def test_required_reasons_ask_for_one_more_press_and_can_be_pressed_at_once(judge_page, project):
    ask_for_reasons(project, "required")
    page = judge_page()
    page.keyboard.press("n")
    expect(page.locator("#question-text")).to_have_text("Why does it not look for code?")
    assert axe_violations(page) == []
    page.keyboard.press("y")
    expect(page.locator("#note")).to_contain_text("choose the reason")
    page.wait_for_timeout(300)
    judge_one(page, "v")
    judge_one(page, "y", "1", "o")
    judge_one(page, "y", "x")
    judge_one(page, "u")  # who cannot judge has no reason to give
    wait_for_votes(4)
    assert judged() == [("no", None, "vague"), ("yes", 1, "other"), ("yes", 1, "exceeds"), ("unclear", None, "")]
    assert page.trouble == []


def test_backspace_leaves_the_choice_of_a_reason_and_a_reload_keeps_it(judge_page, project):
    ask_for_reasons(project, "required")
    page = judge_page()
    page.keyboard.press("y")
    page.keyboard.press("0")
    open_page(page, project)
    expect(page.locator("#question-text")).to_have_text("How far does the code fall short?")
    expect(page.locator("[data-act=full]")).to_be_disabled()
    page.wait_for_timeout(150)
    page.keyboard.press("Backspace")
    expect(page.locator("#question-text")).to_have_text("Does the code answer the query?")
    judge_one(page, "1", "m")
    wait_for_votes(1)
    assert judged() == [("yes", 1, "category")]


def test_where_reasons_are_off_there_is_no_trace_of_them(judge_page, project):
    ask_for_reasons(project, "off")
    page = judge_page()
    first = query_of(page)
    assert page.locator(".why").count() == 0
    page.keyboard.press("d")
    page.wait_for_timeout(300)
    assert query_of(page) == first
    page.keyboard.press("?")
    assert "No: debugging" not in page.locator("#help").inner_text()
    assert not Vote.objects.exists()


def test_on_a_phone_the_reasons_open_with_a_press_and_are_big_enough(judge_page):
    page = judge_page(width=360, height=740)
    assert page.locator(".why:visible").count() == 0
    page.get_by_role("button", name="Reason").click()
    boxes = [button.bounding_box() for button in page.locator(".why:visible").all()]
    assert len(boxes) == 6
    assert all(box["height"] >= 44 and box["width"] >= 44 for box in boxes)
    assert overflow_of(page) == []
    assert axe_violations(page) == []
    before = query_of(page)
    page.get_by_role("button", name="Debugging").click()
    expect(page.locator("#stage .query")).not_to_have_text(before)
    wait_for_votes(1)
    assert judged() == [("no", None, "debugging")]


# --- keys and display ----------------------------------------------------------------------------------------------
def test_own_keys_judge_and_stand_on_the_buttons(new_page, project, annotator):
    make_batch(project, 6, overlap=1)
    change_preferences(person=annotator, keys={"yes": "j", "no": "f", "flag": "n", "one": "j", "zero": "f"})
    page = new_page(user=annotator)
    open_page(page, project)
    assert page.locator("[data-act=yes] kbd").inner_text() == "j"
    judge_one(page, "j", "j")  # the steps may share keys
    judge_one(page, "f")
    page.keyboard.press("n")
    expect(page.locator("#note")).to_have_text("Flagged for the curator.")
    page.keyboard.press("?")
    expect(page.locator("#help .key-line").nth(1)).to_contain_text("j")
    wait_for_votes(2)
    assert judged() == [("yes", 1, ""), ("no", None, "")]


def test_the_keys_page_takes_a_pressed_key_and_shows_a_clash_at_once(new_page, project, annotator):
    page = new_page(user=annotator)
    page.goto(reverse("annotation:preferences", args=[project.slug]))
    field = page.locator("#key-yes")
    field.focus()
    page.keyboard.press("s")
    expect(page.locator("#complaint-yes")).to_contain_text("Skip")
    expect(page.locator("#complaint-skip")).to_contain_text("the query looks for code")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    assert axe_violations(page) == []
    page.keyboard.press("ArrowRight")
    expect(field).to_have_value("ArrowRight")
    page.locator("#key-flag").focus()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messages")).to_contain_text("Saved.")
    assert JudgePreferences.objects.get().keys == {"yes": "ArrowRight", "flag": ""}
    page.get_by_role("button", name="Back to the keys").click()
    expect(page.locator("#key-yes")).to_have_value("y")


def test_without_javascript_a_clash_is_found_by_the_server(browser, live_server, project, annotator):
    from tests.browser.conftest import log_in

    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    log_in(context, live_server.url, annotator)
    page = context.new_page()
    page.goto(reverse("annotation:preferences", args=[project.slug]))
    page.locator("#key-yes").fill("s")
    page.get_by_role("button", name="Save").click()
    assert "also stands for" in page.locator("#complaint-yes").inner_text()
    page.locator("#key-yes").fill("Backspace")
    page.locator("#key-undo").fill("b")
    page.get_by_role("button", name="Save").click()
    assert JudgePreferences.objects.get().keys == {"yes": "Backspace", "undo": "b"}
    context.close()


def test_wrap_and_text_size_act_at_once_and_are_kept(judge_page, project, annotator):
    page = judge_page()
    part = page.locator(".pair-code .part").first
    before = part.evaluate("(node) => parseFloat(getComputedStyle(node).fontSize)")
    page.keyboard.press("z")
    page.keyboard.press("+")
    assert part.evaluate("(node) => getComputedStyle(node).whiteSpace") == "pre-wrap"
    assert part.evaluate("(node) => parseFloat(getComputedStyle(node).fontSize)") > before
    page.wait_for_load_state("networkidle")
    open_page(page, project)
    assert page.locator("#judge").get_attribute("data-wrap") == "on"
    kept = JudgePreferences.objects.get()
    assert (kept.wraps_code, kept.text_size) == (True, "large")


def test_the_web_is_searched_for_the_query_on_screen_in_a_new_tab(judge_page, project):
    AnnotationSettings.objects.create(project=project, search_url="https://search.example/?q={query}")
    page = judge_page()
    link = page.locator("#web")
    judge_one(page, "n")
    address = link.get_attribute("href")
    assert address == "https://search.example/?q=" + query_of(page).replace(" ", "%20")
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noreferrer noopener")
    page.context.route("https://search.example/**", lambda route: route.fulfill(body="found"))
    with page.context.expect_page() as opened:
        page.keyboard.press("w")
    assert opened.value.url == address


def test_the_code_is_copied_as_it_stands(judge_page):
    page = judge_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("p")
    expect(page.locator("#note")).to_have_text("The code is copied.")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("def sort_")
    assert "    items.sort()\n    return items" in copied
