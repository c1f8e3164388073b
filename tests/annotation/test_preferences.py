"""Keys and display of the judge page: what clashes, what is kept, whom it concerns."""

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from annotation.judge_keys import ACTS, Key, as_key, clashes_in, keys_of, own_keys
from annotation.models import JudgePreferences, Reason
from annotation.selectors.preferences import preferences_of, shown_keys
from annotation.services.preferences import KeysClashError, change_preferences, reset_preferences
from core.errors import BadInputError

DEFAULTS = {name: act.key for name, act in ACTS.items()}
SOME_KEYS = st.sampled_from(["", "y", "n", "1", "0", "j", "k", "Backspace", "d"])


# --- keys ---------------------------------------------------------------------------------------------------------
def test_the_keys_that_come_with_quarry_do_not_clash():
    assert clashes_in(DEFAULTS) == {}
    assert all(as_key(key) == key for key in DEFAULTS.values())


def test_every_reason_has_an_act():
    assert set(Reason.values) <= set(ACTS)


def test_the_two_steps_may_share_keys_but_always_shares_none():
    both = {**DEFAULTS, "yes": "j", "one": "j"}
    assert clashes_in(both) == {}
    assert clashes_in({**DEFAULTS, "yes": "s"}) == {"yes": ["skip"], "skip": ["yes"]}
    assert clashes_in({**DEFAULTS, "one": "o"}) == {"one": ["other"], "other": ["one"]}


def test_acts_without_a_key_never_clash():
    assert clashes_in(dict.fromkeys(DEFAULTS, "")) == {}


@pytest.mark.parametrize(
    ("text", "key"),
    [("Y", "y"), (" y ", "y"), ("", ""), (" ", ""), ("backspace", "Backspace"), ("ARROWLEFT", "ArrowLeft"), ("ü", "ü")],
    ids=["large", "spaces", "none", "space", "named", "loud name", "umlaut"],
)
def test_a_key_is_read_as_people_write_it(text, key):
    assert as_key(text) == key


@pytest.mark.parametrize("text", ["yy", "Enter", "Tab", "Escape", "\x00", "ArrowUp"])
def test_what_belongs_to_the_browser_is_no_key(text):
    assert as_key(text) is None


def test_a_default_gives_way_to_an_own_key():
    assert keys_of({"comment": "f"})["flag"] == ""
    assert keys_of({"yes": "1"})["one"] == "1", "they are never meant at once"
    assert keys_of({"gone act": "y"}) == DEFAULTS


@given(st.dictionaries(st.sampled_from(sorted(ACTS)), SOME_KEYS, max_size=6))
def test_keys_that_were_kept_without_a_clash_come_back_without_one(own):
    keys = keys_of(own)
    if not clashes_in(own):
        assert clashes_in(keys) == {}
    assert {**DEFAULTS, **own_keys(keys)} == keys


def test_a_sign_that_prints_nothing_has_its_name_said():
    assert (Key("Backspace").sign, Key("Backspace").is_named) == ("⌫", True)
    assert (Key("y").sign, Key("y").is_named) == ("y", False)


# --- the service --------------------------------------------------------------------------------------------------
def test_only_what_differs_is_kept_and_the_rest_stays(annotator):
    change_preferences(person=annotator, keys={"yes": "J", "no": "k", "knowledge": ""})
    change_preferences(person=annotator, text_size="large")
    kept = preferences_of(annotator)
    assert (kept.keys, kept.text_size) == ({"yes": "j", "no": "k", "knowledge": ""}, "large")
    assert shown_keys(kept)["yes"].sign == "j"
    change_preferences(person=annotator, keys={"yes": "y"})
    assert preferences_of(annotator).keys == {"no": "k", "knowledge": ""}


def test_a_clash_names_both_acts_and_changes_nothing(annotator):
    with pytest.raises(KeysClashError) as refusal:
        change_preferences(person=annotator, keys={"yes": "n"}, text_size="huge")
    assert set(refusal.value.acts) == {"yes", "no"}
    assert not JudgePreferences.objects.exists()


def test_what_is_no_key_no_act_or_no_size_is_refused(annotator):
    with pytest.raises(KeysClashError):
        change_preferences(person=annotator, keys={"yes": "Enter"})
    with pytest.raises(BadInputError):
        change_preferences(person=annotator, keys={"dance": "y"})
    with pytest.raises(BadInputError):
        change_preferences(person=annotator, text_size="gigantic")


def test_reset_brings_everything_back(annotator):
    change_preferences(person=annotator, keys={"yes": "j"}, wraps_code=True)
    reset_preferences(person=annotator)
    assert keys_of(preferences_of(annotator).keys) == DEFAULTS
    assert not preferences_of(annotator).wraps_code


# --- the page and the API -----------------------------------------------------------------------------------------
def address(project):
    return reverse("annotation:preferences", args=[project.slug])


def test_the_page_saves_keys_and_display(annotator_client, project, annotator):
    posted = {f"key-{name}": key for name, key in DEFAULTS.items()} | {"key-yes": "j", "text_size": "large"}
    answer = annotator_client.post(address(project), posted | {"wraps_code": "1"})
    assert answer.status_code == 302
    kept = preferences_of(annotator)
    assert (kept.keys, kept.wraps_code, kept.text_size) == ({"yes": "j"}, True, "large")
    assert 'value="j"' in annotator_client.get(address(project)).content.decode()


def test_the_page_marks_a_clash_and_keeps_what_was_typed(annotator_client, project):
    answer = annotator_client.post(address(project), {"key-yes": "s", "text_size": "huge"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert page.count('aria-invalid="true"') == 2
    assert '<option value="huge" selected>' in page
    assert not JudgePreferences.objects.exists()


def test_the_page_resets(annotator_client, project, annotator):
    change_preferences(person=annotator, keys={"yes": "j"})
    annotator_client.post(address(project), {"act": "reset"})
    assert not JudgePreferences.objects.exists()


def test_the_api_reads_changes_and_resets(annotator_client):
    address = reverse("api-judge-preferences")
    assert annotator_client.get(address).json()["keys"] == DEFAULTS
    changed = annotator_client.patch(address, {"keys": {"yes": "j"}, "wraps_code": True}, "application/json").json()
    assert (changed["keys"]["yes"], changed["wraps_code"], changed["text_size"]) == ("j", True, "normal")
    clash = annotator_client.patch(address, {"keys": {"yes": "s"}}, "application/json")
    assert (clash.status_code, clash.json()["code"]) == (422, "keys_clash")
    assert annotator_client.delete(address).status_code == 204
    assert annotator_client.get(address).json()["keys"] == DEFAULTS


def test_strangers_see_nothing(stranger_client, project, client):
    assert stranger_client.get(address(project)).status_code == 404
    assert client.get(address(project)).status_code == 302
    assert client.get(reverse("api-judge-preferences")).status_code == 403
