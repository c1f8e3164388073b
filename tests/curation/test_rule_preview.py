"""What a change of rules would do: exact against judging everything, bounded on big projects, never hanging."""

import random

import pytest

from core.text import query_hash
from curation.intent import (
    MAX_RULES,
    Rule,
    RuleKind,
    RuleProfile,
    RuleSetError,
    check_rule,
    read_rule_set,
    shipped_rule_set_text,
)
from curation.models import Query
from curation.rule_text import RuleEdit, edited
from curation.services import rule_preview
from curation.services.rule_preview import preview_edit, preview_rule_set

pytestmark = pytest.mark.django_db
WORDS = [
    "python",
    "java",
    "what is",
    "how",
    "works",
    "import",
    "imports",
    "list",
    "a-b",
    "x:y",
    "vs",
    "İp",
    "get",
    "ip",
]


@pytest.fixture
def texts(project):
    rng = random.Random(5)
    made = sorted({" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in range(600)})
    made += ["python secret list anna@example.org"]
    Query.objects.bulk_create(
        Query(
            project=project, text=text, content_hash=query_hash(text), quarantine_reason="e-mail" if "@" in text else ""
        )
        for text in made
    )
    return made[:-1]


@pytest.fixture
def strict():
    return read_rule_set(shipped_rule_set_text("cosqa-strict"))


def sides(texts, before, after, language="python"):
    """Numbers newly removed and brought back, by judging all texts plainly."""
    pairs = [
        (before.judge_plainly(text, language=language), after.judge_plainly(text, language=language)) for text in texts
    ]
    removed = sum(old.has_intent and not new.has_intent for old, new in pairs)
    return removed, sum(new.has_intent and not old.has_intent for old, new in pairs)


EDITS = [
    RuleEdit("", Rule("Others", "list", RuleKind.EXACT)),
    RuleEdit("", Rule("Others", "ip", RuleKind.EXACT)),
    RuleEdit("", Rule("Others", "get ... list", RuleKind.GAP)),
    RuleEdit("", Rule("Others", "get ... list/ip", RuleKind.GAP_ALTERNATIVE)),
    RuleEdit("", Rule("Others", "i\u0307p", RuleKind.SYMBOL)),
    RuleEdit("", Rule("Others", "yth", RuleKind.SUBSTRING)),
    RuleEdit("what is"),
    RuleEdit("-"),
    RuleEdit("import", Rule("Others", "import", RuleKind.EXACT)),
    RuleEdit("import", Rule("Others", "list", RuleKind.PHRASE)),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: f"{edit.old}>{edit.rule.form if edit.rule else ''}")
def test_a_preview_counts_what_judging_everything_counts(project, texts, strict, edit):
    found = preview_edit(project=project, profile=strict, edit=edit)
    assert found.is_exact
    assert (found.removed.n, found.brought_back.n) == sides(texts, strict, edited(strict, edit))
    assert found.removed.margin == found.brought_back.margin == 0
    assert not any("@" in text for _, text, _ in found.removed_examples + found.rejected_anyway_examples)


@pytest.mark.parametrize("language", ["java", ""])
def test_a_preview_asks_for_the_projects_language(project, texts, strict, language):
    project.language = language
    edit = RuleEdit("", Rule("Others", "list", RuleKind.EXACT))
    found = preview_edit(project=project, profile=strict, edit=edit)
    assert (found.removed.n, found.brought_back.n) == sides(texts, strict, edited(strict, edit), language)


def test_two_rule_sets_are_compared_as_adopting_would(project, texts, strict):
    broad = read_rule_set(shipped_rule_set_text("cosqa-broad"))
    found = preview_rule_set(project=project, before=strict, after=broad)
    assert (found.removed.n, found.brought_back.n) == sides(texts, strict, broad)
    same = preview_rule_set(project=project, before=strict, after=strict)
    assert (same.removed.n, same.looked_at, same.is_exact) == (0, 0, True)


def test_examples_are_random_but_the_same_for_the_same_seed(project, texts, strict):
    one, again, other = (
        preview_edit(project=project, profile=strict, edit=EDITS[0], seed=seed).rejected_anyway_examples
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other
    assert all("list" in text for _, text, _ in one)


def test_a_big_project_is_estimated_within_its_stated_margin(project, texts, strict, monkeypatch):
    monkeypatch.setattr(rule_preview, "MAX_SEARCHED", 300)
    monkeypatch.setattr(rule_preview, "MAX_JUDGED", 60)
    monkeypatch.setattr(rule_preview, "PROBE", 0.5)
    edit = EDITS[0]
    truth, _ = sides(texts, strict, edited(strict, edit))
    inside = 0
    for seed in range(40):
        found = preview_edit(project=project, profile=strict, edit=edit, seed=seed)
        assert not found.is_exact
        assert found.looked_at <= 121
        inside += abs(found.removed.n - truth) <= found.removed.margin
    assert inside >= 34  # of 40, for margins of 95 %


def test_a_project_without_queries_has_nothing_to_change(project, strict):
    found = preview_edit(project=project, profile=strict, edit=EDITS[0])
    assert (found.queries, found.removed.n, found.is_exact) == (0, 0, True)


# --- nobody can make the server hang --------------------------------------------------------------------------------

NASTY = [
    ("a ... a", RuleKind.GAP),
    ("a ... b", RuleKind.GAP),
    ("a a a a ... a a a a b", RuleKind.GAP),
    ("a ... " + "/".join("abcdefghijklmnopqrstuvwxyz"), RuleKind.GAP_ALTERNATIVE),
    ("a ... " + "/".join(["a"] * 32), RuleKind.GAP_ALTERNATIVE),
    ("a " * 34 + "a", RuleKind.PHRASE),
    ("a" * 70, RuleKind.STEM),
    ("a" * 70, RuleKind.SUBSTRING),
    ("(a+)+$", RuleKind.SYMBOL),
    ("a(a|a)*b", RuleKind.STEM),
    ("a.*.*.*.*", RuleKind.EXACT),
    ("\\", RuleKind.SYMBOL),
    ("a ... (((((", RuleKind.GAP),
    ("a{1000000}", RuleKind.PHRASE),
]
TEXTS = [
    "a" * 1000,
    "a " * 500,
    "a-" * 500,
    "a" + " b" * 499,
    "aaaa " * 200,
    "(a" * 500,
    "a\u00e9" * 500,
    "a.a-a a" * 140,
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("form", "kind"), NASTY)
def test_the_nastiest_forms_cost_little_per_query(form, kind):
    """The steps of a rule over a text are bounded: the longest queries pass; one that hangs meets the time limit."""
    rule = Rule("A", form, kind)
    check_rule(rule)
    profile = RuleProfile("own", (rule,))
    expected = [profile.judge_plainly(text, language="").hits for text in TEXTS]
    assert profile.judge_all(TEXTS * 10, language="") == expected * 10


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", [RuleKind.GAP, RuleKind.SUBSTRING, RuleKind.STEM, RuleKind.SYMBOL])
def test_as_many_rules_as_there_may_be_on_the_longest_queries_end_in_time(project, kind):
    """The largest rule set on queries made for it: the preview stops by its budget, whatever the kind."""
    forms = [f"a{'' if kind is RuleKind.SUBSTRING else ' ... ('}{number}" for number in range(MAX_RULES - 1)]
    profile = RuleProfile("own", tuple(Rule("A", form, kind) for form in forms))
    texts = [f"a{number} " + "(a" * 490 for number in range(60)]
    Query.objects.bulk_create(Query(project=project, text=text, content_hash=query_hash(text)) for text in texts)
    found = preview_edit(project=project, profile=profile, edit=RuleEdit("", Rule("A", "a", RuleKind.STEM)))
    assert found.looked_at >= rule_preview._FIRST_BLOCK


@pytest.mark.parametrize(
    ("form", "kind"),
    [("...", RuleKind.GAP), ("a ...", RuleKind.GAP), ("a ... b ... c", RuleKind.GAP), (" ", RuleKind.SYMBOL)],
)
def test_forms_that_mean_nothing_are_refused(form, kind):
    from curation.intent import read_rule

    with pytest.raises(RuleSetError):
        read_rule({"category": "A", "form": form, "kind": kind.value})


def test_a_preview_that_takes_too_long_stops_and_says_so(project, texts, strict, monkeypatch):
    monkeypatch.setattr(rule_preview, "BUDGET_S", 0.0)
    found = preview_edit(project=project, profile=strict, edit=EDITS[0])
    assert found.looked_at == rule_preview._FIRST_BLOCK
    assert not found.is_exact
    assert found.removed.margin > 0
