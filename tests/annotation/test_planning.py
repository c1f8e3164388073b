"""The arithmetic of a budget, and the choice of pairs: shares, strata, the funnel, determinism."""

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.budget import Terms, estimate
from annotation.planning import BELOW, KEPT, OVER_CAP, Row, Wishes, apportion, choose
from core.errors import BadInputError
from curation.near_queries import Asked

F = Fraction
TERMS = Terms(overlap=3, max_extra=2, extra=F(1, 4), seconds=F(30), wage=F(20), people=5, hours=F(4), budget=F(100))


# --- the arithmetic ---------------------------------------------------------------------------------------------
def test_a_budget_pays_for_whole_pairs():
    found = estimate(TERMS)
    per_pair = F(13, 4) * 30 / 3600 * 20
    assert found.pairs == int(100 / per_pair) == 184
    assert found.cost == 184 * per_pair <= 100
    assert found.votes == 184 * F(13, 4)
    assert found.person_hours == found.votes * 30 / 3600
    assert (found.days, found.limited_by, found.warnings) == (1, "budget", ())


def test_the_smaller_of_budget_and_pairs_counts():
    assert estimate(replace(TERMS, pairs=50)).pairs == 50
    assert estimate(replace(TERMS, pairs=50)).limited_by == "pairs"
    assert estimate(replace(TERMS, pairs=500)).limited_by == "budget"
    assert estimate(replace(TERMS, budget=None, pairs=500)).cost == 500 * estimate(TERMS).cost_per_pair


def test_gold_votes_are_paid_too():
    assert estimate(replace(TERMS, gold_share=F(1, 5), budget=None, pairs=8)).votes == 8 * F(13, 4) / F(4, 5)


def test_few_people_are_warned_of():
    assert "up to 5 votes" in estimate(replace(TERMS, people=4)).warnings[0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"budget": None}, "budget"),
        ({"budget": F(1, 10)}, "budget"),
        ({"people": 2}, "people"),
        ({"seconds": F(0)}, "seconds"),
        ({"wage": F(0)}, "wage"),
        ({"extra": F(3)}, "extra"),
        ({"gold_share": F(3, 4)}, "gold_share"),
        ({"hours": F(25)}, "hours"),
    ],
)
def test_a_refusal_names_what_to_change(change, field):
    with pytest.raises(BadInputError) as refused:
        estimate(replace(TERMS, **change))
    assert refused.value.fields["field"] == field


@given(
    st.integers(0, 500),
    st.dictionaries(st.sampled_from("abcdef"), st.fractions(0, 1, max_denominator=50), min_size=1),
)
def test_apportioning_adds_up_and_stays_within_one_of_the_exact_share(n, shares):
    parts = apportion(n, shares)
    total = sum(shares.values())
    assert sum(parts.values()) == (n if total else 0)
    assert all(abs(parts[name] - n * share / total) < 1 for name, share in shares.items() if total)


# --- the choice ---------------------------------------------------------------------------------------------------
def rows(n: int = 300, seed: int = 1) -> list[Row]:
    """Candidates with all that can befall them."""
    rng = random.Random(seed)
    made = []
    for number in range(n):
        score = round(rng.random(), 6)
        outcome = BELOW if score < 0.4 else OVER_CAP if number % 17 == 0 else KEPT
        made.append(
            Row(
                query=f"q{number:04d}",
                code=f"c{rng.randrange(40):02d}",
                score=score,
                margin=score - 0.4,
                outcome=outcome,
                text=f"query {number}",
                n_seen=1 + int(rng.paretovariate(1)),
                near=f"topic{rng.randrange(9)} word{number if number % 11 else 0}",
                is_hidden=number % 23 == 0,
                is_open=number % 29 == 0,
            )
        )
    return made


def wishes(n: int = 60, **options) -> Wishes:
    options.setdefault("mix", {"bands": F(1, 2), "near": F(1, 5), "low": F(1, 5), "diverse": F(1, 10)})
    return Wishes(n=n, **options)


@given(
    st.integers(1, 400),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([{}, {"head": F(1, 2), "tail": F(1, 2)}, {"middle": F(1)}]),
    st.sampled_from(["mixed", "score", "near"]),
    st.integers(1, 2),
)
def test_the_funnel_adds_up_and_nothing_forbidden_is_chosen(n, seed, group_near, bands, order, per_query):
    pool = rows(seed=seed)
    doubled = [
        *pool,
        *(replace(row, run=1, score=0.9) for row in pool[:20]),
        *(replace(row, code="c99") for row in pool[:9]),
    ]
    found = choose(doubled, wishes(n, seed=seed, group_near=group_near, bands=bands, order=order, per_query=per_query))
    first, *others = found.funnel
    assert first == ("candidates", len(doubled))
    assert others[-1] == ("chosen", len(found.chosen))
    assert first[1] + sum(n for _, n in others[:-1]) == len(found.chosen), found.funnel
    assert all(n < 0 for _, n in others[:-1])
    assert len(found.chosen) <= n
    assert sum(stratum.chosen for stratum in found.strata) == len(found.chosen)
    assert not any(one.row.is_hidden or one.row.is_open or one.row.outcome == OVER_CAP for one in found.chosen)
    assert len({one.row.pair for one in found.chosen}) == len(found.chosen)
    assert max(Counter(one.row.query for one in found.chosen).values(), default=0) <= per_query


def test_the_same_seed_gives_the_same_pairs_whatever_order_and_ids_the_rows_have():
    pool = rows()
    plain = choose(pool, wishes(seed=3))
    shuffled = [
        replace(row, ids=(number, number)) for number, row in enumerate(random.Random(5).sample(pool, len(pool)))
    ]
    again = choose(shuffled, wishes(seed=3))
    assert plain.sha256() == again.sha256()
    assert [one.row.pair for one in plain.chosen] == [one.row.pair for one in again.chosen]
    assert plain.sha256() != choose(pool, wishes(seed=4)).sha256()


def test_pairs_below_the_threshold_come_only_when_planned_and_in_their_share():
    none = choose(rows(), wishes(mix={"random": F(1)}))
    assert all(one.row.outcome == KEPT for one in none.chosen)
    assert dict(none.funnel)["below the threshold, and none planned"] < 0
    some = choose(rows(), wishes(n=50, mix={"random": F(4, 5), "low": F(1, 5)}))
    assert Counter(one.row.outcome for one in some.chosen) == {KEPT: 40, BELOW: 10}


def test_what_is_missing_is_never_filled_up_from_below_the_threshold():
    pool = [row for row in rows() if row.outcome != KEPT] + [row for row in rows() if row.outcome == KEPT][:5]
    found = choose(pool, wishes(n=100, mix={"random": F(9, 10), "low": F(1, 10)}))
    assert sum(one.row.outcome == BELOW for one in found.chosen) == 10


def test_near_means_nearest_to_the_threshold_and_top_the_highest():
    pool = [row for row in rows() if not (row.is_hidden or row.is_open)]
    kept = [row for row in pool if row.outcome == KEPT]
    near = choose(pool, wishes(n=20, mix={"near": F(1)}, group_near=False))
    assert {one.row.pair for one in near.chosen} == {row.pair for row in sorted(kept, key=lambda row: row.margin)[:20]}
    top = choose(pool, wishes(n=20, mix={"top": F(1)}, group_near=False))
    assert {one.row.pair for one in top.chosen} == {row.pair for row in sorted(kept, key=lambda row: -row.score)[:20]}


def test_diverse_takes_every_code_once_before_any_twice():
    pool = [row for row in rows() if row.outcome == KEPT and not (row.is_hidden or row.is_open)]
    codes = {row.code for row in pool}
    found = choose(pool, wishes(n=len(codes), mix={"diverse": F(1)}, group_near=False))
    assert Counter(one.row.code for one in found.chosen) == dict.fromkeys(codes, 1)


def test_score_bands_share_the_pairs_evenly():
    pool = [row for row in rows(1000) if row.outcome == KEPT and not (row.is_hidden or row.is_open)]
    found = choose(pool, wishes(n=50, mix={"bands": F(1)}, group_near=False))
    ranking = {row.pair: place for place, row in enumerate(sorted(pool, key=lambda row: (-row.score, row.pair)))}
    fifths = Counter(ranking[one.row.pair] * 5 // len(pool) for one in found.chosen)
    assert fifths == dict.fromkeys(range(5), 10)


def test_popularity_bands_are_thirds_of_all_times_asked_and_keep_their_shares():
    asked = [90, 90, 60, 40, 40, 30, *[1] * 100]
    pool = [
        Row(query=f"q{n:03d}", code=f"c{n:03d}", score=0.9, margin=0.4, n_seen=times, near=f"w{n}")
        for n, times in enumerate(asked)
    ]
    found = choose(pool, wishes(n=6, mix={"random": F(1)}, bands={"head": F(1, 3), "middle": F(1, 3), "tail": F(1, 3)}))
    assert found.band_bounds == {"head": (90, 90, 2), "middle": (40, 60, 3), "tail": (1, 30, 101)}
    assert Counter(one.band for one in found.chosen) == {"head": 2, "middle": 2, "tail": 2}


def test_one_of_near_duplicates_is_asked_and_none_where_one_was_asked_before():
    def row(query, near, n_seen=1):
        return Row(query=query, code="c", score=0.9, margin=0.1, text=query, n_seen=n_seen, near=near)

    pool = [row("a", "sort list"), row("b", "sort list", 5), row("c", "read file"), row("d", "copy file")]
    asked = [Asked("old", "python read file", 2, "read file"), Asked("d", "d", 1, "copy file")]
    found = choose(pool, wishes(n=9, mix={"random": F(1)}), asked=asked)
    assert {one.row.query for one in found.chosen} == {"b", "d"}, "another code of a query asked before may be opened"
    assert [[query.key for query in group] for group in found.groups] == [["b", "a"], ["old", "c"]]
    everything = choose(pool, wishes(n=9, mix={"random": F(1)}, group_near=False), asked=asked)
    assert len(everything.chosen) == 4


@pytest.mark.parametrize(
    "options",
    [
        {"mix": {"bands": F(1, 2)}},
        {"mix": {"best": F(1)}},
        {"bands": {"head": F(1, 2)}},
        {"order": "alphabetical"},
        {"per_query": 0},
        {"n": 0},
    ],
)
def test_shares_and_choices_that_make_no_sense_are_refused(options):
    with pytest.raises(BadInputError):
        choose(rows(20), wishes(**options))
