"""Sampling: how many of each stratum, which ones, with which chance, and what is never drawn."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.intent_samples import (
    ACCEPTED,
    REJECTED,
    Framed,
    StratumKey,
    allocate,
    band_names,
    band_of,
    check_bands,
    draw,
)
from annotation.models import IntentSample, Item, Purpose, Slot
from annotation.services.intent_samples import (
    SampleSettings,
    plan_intent_sample,
    sample_intent,
    start_sample_intent,
)
from core.errors import BadInputError, ConflictError
from core.jobs import run_inline
from tests.annotation.intent import log, sample_of

GOOD = [f"python sort list number {number}" for number in range(30)]
BAD = [f"why is python slow number {number}" for number in range(10)]


def keys(**sizes):
    """{"accepted0": 30, ...} as strata."""
    return {StratumKey(name[:-1], int(name[-1])): size for name, size in sizes.items()}


# --- how many ---------------------------------------------------------------------------------------------
def test_proportional_with_a_minimum():
    drawn = allocate(keys(accepted0=900, accepted1=80, rejected0=15, rejected1=5), 100, minimum=10)
    assert drawn == keys(accepted0=75, accepted1=10, rejected0=10, rejected1=5)


def test_a_chosen_share_of_rejected_queries():
    drawn = allocate(keys(accepted0=900, accepted1=100, rejected0=100), 100, rejected_share=0.5, minimum=0)
    assert drawn == keys(accepted0=45, accepted1=5, rejected0=50)


def test_a_side_that_is_too_small_leaves_its_rest_to_the_other():
    assert allocate(keys(accepted0=100, rejected0=5), 50, rejected_share=0.5) == keys(accepted0=45, rejected0=5)


def test_a_small_log_is_taken_whole():
    sizes = keys(accepted0=3, rejected0=2)
    assert allocate(sizes, 250, minimum=10) == sizes


def test_minima_that_do_not_fit_are_refused():
    with pytest.raises(BadInputError, match="need 40 queries"):
        allocate(keys(accepted0=90, accepted1=90, rejected0=90, rejected1=90), 30, minimum=10)


@given(
    st.dictionaries(
        st.builds(StratumKey, st.sampled_from([ACCEPTED, REJECTED]), st.integers(0, 3)),
        st.integers(1, 5000),
        min_size=1,
    ),
    st.integers(80, 400),
    st.none() | st.floats(0, 1),
)
def test_allocation_adds_up_and_keeps_its_bounds(sizes, n, share):
    drawn = allocate(sizes, n, rejected_share=share, minimum=10)
    assert sum(drawn.values()) == min(n, sum(sizes.values()))
    assert all(min(10, sizes[key]) <= drawn[key] <= sizes[key] for key in sizes)


def test_bands_have_names_for_people():
    assert band_names((2, 3, 10)) == ["once", "2 times", "3 to 9 times", "10 times or more"]
    assert [band_of(n, (2, 3, 10)) for n in (0, 1, 2, 9, 10)] == [0, 0, 1, 2, 3]
    for bad in ((1,), (3, 2), (2, 2), tuple(range(2, 10))):
        with pytest.raises(BadInputError):
            check_bands(bad)


# --- which ones --------------------------------------------------------------------------------------------
def framed(n, *, offset=0):
    key = StratumKey(ACCEPTED, 0)
    return [Framed(offset + number, f"hash{number}", key) for number in range(n)]


def test_a_draw_depends_on_texts_and_seed_alone():
    key = StratumKey(ACCEPTED, 0)
    first = draw(framed(500), seed=3, at_most=20).candidates[key]
    shuffled = framed(500, offset=1000)
    random.Random(1).shuffle(shuffled)
    again = draw(shuffled, seed=3, at_most=20).candidates[key]
    assert [pk - 1000 for pk in again] == first
    assert draw(framed(500), seed=4, at_most=20).candidates[key] != first
    assert draw(framed(500), seed=3, at_most=50).candidates[key][:20] == first


def test_every_query_has_the_same_chance():
    times = Counter(
        pk for seed in range(600) for pk in draw(framed(20), seed=seed, at_most=5).candidates[StratumKey(ACCEPTED, 0)]
    )
    assert len(times) == 20
    assert all(110 <= n <= 190 for n in times.values()), "expected 150 each, standard deviation 10.6"


# --- with rows ---------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_sample_is_stratified_and_keeps_the_chances(project):
    log(project, dict.fromkeys(GOOD, 1) | dict.fromkeys(BAD, 5))
    sample = sample_of(project, 20, bands=(2,), minimum=8)
    strata = {stratum["key"]: (stratum["size"], stratum["drawn"]) for stratum in sample.strata}
    assert strata == {"accepted/0": (30, 12), "rejected/1": (10, 8)}
    drawn = Counter(sample.queries.values_list("stratum", "probability"))
    assert drawn == {("accepted/0", 0.4): 12, ("rejected/1", 0.8): 8}
    assert Item.objects.filter(purpose=Purpose.INTENT_ONLY, pair=None).count() == 20
    assert Slot.objects.count() == 60
    assert sample.is_complete


@pytest.mark.django_db
def test_the_plan_says_what_the_sample_then_holds(project):
    log(project, dict.fromkeys(GOOD, 1) | dict.fromkeys(BAD, 5))
    settings = SampleSettings(n=20, bands=(2,), minimum=8, overlap=3)
    plan = plan_intent_sample(project=project, settings=settings, seconds=6)
    assert (plan.n, plan.frame_size, plan.votes, plan.hours) == (20, 40, 60, 0.1)
    sample = sample_of(project, 20, bands=(2,), minimum=8)
    assert [stratum.as_data() for stratum in plan.strata] == sample.strata


@pytest.mark.django_db
def test_quarantined_withheld_and_left_out_queries_are_never_drawn(project):
    made = log(project, dict.fromkeys(GOOD[:4], 5) | {GOOD[4]: 1})
    made[GOOD[0]].quarantine_reason = "e-mail"
    made[GOOD[1]].is_left_out = True
    for text in GOOD[:2]:
        made[text].save()
    project.k_anonymity = 2
    project.save()
    sample = sample_of(project)
    assert set(sample.queries.values_list("query__text", flat=True)) == set(GOOD[2:4])


@pytest.mark.django_db
def test_the_seed_decides_and_the_same_seed_decides_the_same(project):
    log(project, GOOD)
    drawn = [set(sample_of(project, 8, seed=seed).queries.values_list("query__text", flat=True)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.django_db
def test_a_killed_job_opens_the_rest_of_the_same_draw(project, monkeypatch):
    log(project, GOOD)
    sample, job = start_sample_intent(project=project, settings=SampleSettings(n=12, minimum=0, bands=()), inline=True)
    from annotation.services import intent_samples

    monkeypatch.setattr(intent_samples, "OPEN_AT_ONCE", 5)
    opened = intent_samples._open
    calls = []

    def dying(*args):
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("killed")
        opened(*args)

    monkeypatch.setattr(intent_samples, "_open", dying)
    with pytest.raises(RuntimeError):
        sample_intent(run=Quiet(), sample=sample)
    first = set(sample.queries.values_list("query_id", flat=True))
    assert len(first) == 5
    log(project, BAD)  # the log has changed meanwhile; the draw has not
    monkeypatch.setattr(intent_samples, "_open", opened)
    sample_intent(run=Quiet(), sample=IntentSample.objects.get(pk=sample.pk))
    done = IntentSample.objects.get(pk=sample.pk)
    assert done.is_complete
    assert first < set(done.queries.values_list("query_id", flat=True))
    assert done.queries.count() == Item.objects.count() == 12
    assert job.pk == done.job_id


class Quiet:
    """A running job that nobody watches."""

    def progress(self, done, total=0, note=""):
        pass


@pytest.mark.django_db
def test_refusals_name_what_is_wrong(project):
    with pytest.raises(ConflictError, match="apply the rule set"):
        plan_intent_sample(project=project)
    log(project, GOOD)
    for bad in (SampleSettings(n=0), SampleSettings(overlap=40), SampleSettings(seed=-1)):
        with pytest.raises(BadInputError, match="is from"):
            plan_intent_sample(project=project, settings=bad)
    with pytest.raises(BadInputError, match="share of rejected"):
        plan_intent_sample(project=project, settings=SampleSettings(rejected_share=1.5))
    sample, job = start_sample_intent(
        project=project, settings=SampleSettings(n=3, minimum=0), name="mine", inline=True
    )
    run_inline(job)
    with pytest.raises(ConflictError, match="already has a batch"):
        start_sample_intent(project=project, settings=SampleSettings(n=3, minimum=0), name="mine")
    assert sample.batch.name == "mine"
