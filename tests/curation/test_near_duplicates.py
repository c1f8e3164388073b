"""Near duplicates: the finder against comparing everything with everything, and what it means for a project."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.near_duplicates import MIN_TOKENS, SHINGLE_TOKENS, NearDuplicateFinder, jaccard, tokens_of

WORDS = ["total", "items", "value", "for", "in", "if", "return", "=", "+", "(", ")", ":", "append", "None", "x", "y"]


def shingles(code):
    tokens = tokens_of(code)
    return {tuple(tokens[at : at + SHINGLE_TOKENS]) for at in range(len(tokens) - SHINGLE_TOKENS + 1)}


def plainly(codes, threshold):
    """Greedy grouping by comparing everything with every kept code."""
    kept, found = [], []
    for place, code in enumerate(codes):
        own = shingles(code)
        alike = (
            [] if len(tokens_of(code)) < MIN_TOKENS else [(-jaccard(own, shingles(codes[one])), one) for one in kept]
        )
        best = min((one for one in alike if -one[0] >= threshold), default=None)
        if best:
            found.append((place, best[1], pytest.approx(-best[0])))
        elif len(tokens_of(code)) >= MIN_TOKENS:
            kept.append(place)
    return found


def clones(seed, n=60):
    """Codes of 40 to 120 words, most of them changed copies of an earlier one."""
    rng = random.Random(seed)
    codes = []
    for _ in range(n):
        if codes and rng.random() < 0.7:
            words = rng.choice(codes).split()
            for _ in range(rng.randrange(6)):
                words[rng.randrange(len(words))] = rng.choice(WORDS)
        else:
            words = [rng.choice(WORDS) for _ in range(rng.randrange(40, 120))]
        codes.append(" ".join(words))
    return codes


def found_by_finder(codes, threshold):
    finder = NearDuplicateFinder(threshold)
    for code in codes:
        finder.add(code)
    return [(one.dropped, one.kept, one.similarity) for one in finder.groups()]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0.8, 0.9])
def test_the_finder_agrees_with_comparing_everything(seed, threshold):
    codes = clones(seed)
    assert found_by_finder(codes, threshold) == plainly(codes, threshold)


def test_groups_do_not_depend_on_batches(monkeypatch):
    codes = clones(7)
    whole = found_by_finder(codes, 0.8)
    monkeypatch.setattr("curation.near_duplicates.BATCH", 7)
    assert found_by_finder(codes, 0.8) == whole


def test_nobody_is_dropped_for_being_like_a_dropped_one():
    found = found_by_finder(clones(3, 200), 0.8)
    dropped = {place for place, _, _ in found}
    assert dropped
    assert not dropped & {kept for _, kept, _ in found}


def test_what_is_always_kept_is_never_dropped():
    code = " ".join(WORDS * 4)
    finder = NearDuplicateFinder(0.8)
    for always in (False, True, False):
        finder.add(code, always_kept=always)
    assert [(one.dropped, one.kept) for one in finder.groups()] == [(2, 0)]


@given(st.lists(st.text(max_size=80), max_size=20))
@settings(max_examples=40, deadline=None)
def test_any_texts_are_taken(codes):
    found = found_by_finder(codes, 0.8)
    assert len(found) <= len(codes)


@pytest.mark.parametrize(
    ("code", "language", "tokens"),
    [
        ("x = 'a' + \"b\"  # why\n", "python", ["x", "=", "'a'", "+", '"b"']),
        ('int n = 0x1F; // no\n/* no */ s = "//";', "java", ["int", "n", "=", "0x1F", ";", "s", "=", '"//"', ";"]),
        ("$a = 1; # no\n// no\n#[Attr]", "php", ["$", "a", "=", "1", ";", "#", "[", "Attr", "]"]),
        ('"""doc""" + r"\\n"', "python", ['"""doc"""', "+", "r", '"\\n"']),
        ("", "python", []),
    ],
)
def test_tokens_leave_out_what_does_not_count(code, language, tokens):
    assert tokens_of(code, language) == tokens


def test_an_empty_finder_finds_nothing():
    assert list(NearDuplicateFinder().groups()) == []


def test_comments_do_not_make_code_different_and_strings_do():
    one = 'def load(path):\n    # open it\n    with open(path, "r") as file:\n        return [line for line in file]\n'
    other = one.replace("# open it", "# read the thing")
    assert found_by_finder([one, other, one.replace('"r"', '"w"')], 1.0) == [(1, 0, 1.0)]
