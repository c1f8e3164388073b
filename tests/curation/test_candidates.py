"""Candidate runs: what is kept, why the rest is not, and that nothing but the input decides."""

from functools import partial

import numpy as np
import pytest

from core.errors import BadInputError, QuarryError
from core.index import MatrixIndex, top_codes
from core.jobs import JobFailedError, claim, run_inline
from core.models import Job
from curation.models import BestMatch, Candidate, CandidateRun, Outcome, Pair, Verdict
from curation.selectors import current_rule_set, pairs_to_open
from curation.selectors.candidates import n_to_open, sample_candidates
from curation.services.candidates import (
    NothingToProposeError,
    histogram_of,
    propose_pairs,
    start_propose_pairs,
    warnings_about,
)
from curation.services.candidates import search as search_room
from tests.factories import CodeFactory, ProjectFactory, QueryFactory

pytestmark = pytest.mark.django_db

WORDS = ["sort", "list", "read", "file", "parse", "date", "open", "socket", "join", "path", "dict", "merge"]


def accept(query):
    Verdict.objects.create(query=query, rule_set=current_rule_set(query.project), has_intent=True)
    return query


def fill(project, *, n_queries=30, n_codes=12):
    """Queries and codes with words in common, the same in every project."""
    for n in range(n_queries):
        text = f"python {WORDS[n % 12]} {WORDS[(n * 5 + 1) % 12]} {n}"
        accept(QueryFactory(project=project, text=text))
    for n in range(n_codes):
        name = f"{WORDS[n]}_{WORDS[(n + 1) % 12]}"
        CodeFactory(project=project, name=name, docstring=f"{WORDS[n]} {WORDS[(n * 5 + 1) % 12]} with python")


def propose(project, **options):
    run, job = start_propose_pairs(project=project, **{"encoder": "hashing", "threshold": 0.3, "cap": 2, **options})
    run_inline(job)
    run.refresh_from_db()
    return run


def outcome_texts(run):
    """What a run decided, without database ids."""
    rows = BestMatch.objects.filter(run=run).order_by("query__content_hash")
    return list(rows.values_list("query__text", "code__name", "score", "outcome"))


def test_every_query_ends_once_and_the_numbers_add_up(project):
    fill(project)
    run = propose(project)
    assert run.n_queries == 30 == run.n_kept + run.n_below_threshold + run.n_over_cap
    assert run.n_kept == run.candidates.count() == BestMatch.objects.filter(run=run, outcome=Outcome.KEPT).count()
    assert sum(run.histogram["counts"]) == 30
    assert len(run.histogram["edges"]) == len(run.histogram["counts"]) + 1
    assert sum(int(n) * codes for n, codes in run.code_frequency.items()) == run.n_kept
    assert max(int(n) for n in run.code_frequency) <= 2
    assert run.is_complete


def test_kept_pairs_reach_the_threshold_and_carry_their_score(project):
    fill(project)
    run = propose(project, threshold=0.5)
    assert all(candidate.score >= 0.5 for candidate in run.candidates.all())
    best = {match.query_id: (match.code_id, match.score) for match in BestMatch.objects.filter(run=run)}
    for candidate in run.candidates.select_related("pair"):
        assert best[candidate.pair.query_id] == (candidate.pair.code_id, candidate.score)


def test_rejected_private_and_unpaired_rows_are_never_proposed(project):
    fill(project, n_queries=3)
    QueryFactory(project=project, text="python not accepted")
    accept(QueryFactory(project=project, text="python secret", quarantine_reason="secret"))
    CodeFactory(project=project, name="unpaired", is_paired=False, filter_reason="undocumented")
    CodeFactory(project=project, name="private", quarantine_reason="e-mail")
    run = propose(project, threshold=-1, cap=100)
    assert (run.n_queries, run.n_codes, run.n_kept) == (3, 12, 3)
    assert not Pair.objects.filter(code__name__in=["unpaired", "private"]).exists()


def test_running_a_finished_job_again_changes_nothing(project):
    fill(project)
    run = propose(project)
    before = (list(Candidate.objects.values()), list(BestMatch.objects.values()), CandidateRun.objects.values().get())
    assert propose_pairs(run=None, candidate_run=run)["kept"] == run.n_kept
    after = (list(Candidate.objects.values()), list(BestMatch.objects.values()), CandidateRun.objects.values().get())
    assert before == after


def test_an_attempt_that_was_killed_leaves_nothing_behind(project, monkeypatch):
    fill(project)
    expected = outcome_texts(propose(project))
    run, job = start_propose_pairs(project=project, encoder="hashing", threshold=0.3, cap=2)
    claimed = claim(job.pk)
    monkeypatch.setattr("curation.services.candidates.storing.store_candidates", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        propose_pairs(run=claimed, candidate_run=run)
    monkeypatch.undo()
    assert BestMatch.objects.filter(run=run).exists()
    propose_pairs(run=claimed, candidate_run=run)
    assert outcome_texts(run) == expected
    assert run.candidates.count() == run.n_kept


def test_the_same_content_gives_the_same_candidates_in_another_database_order(project):
    fill(project)
    other = ProjectFactory()
    CodeFactory(project=other, is_paired=False)
    for code in project.codes.order_by("-content_hash"):
        CodeFactory(project=other, name=code.name, docstring=code.docstring)
    for query in project.queries.order_by("text"):
        accept(QueryFactory(project=other, text=query.text))
    assert outcome_texts(propose(project)) == outcome_texts(propose(other))


@pytest.mark.parametrize("policy", ["default", "cascade", "first_come"])
def test_the_search_batch_and_index_change_nothing(project, policy, monkeypatch):
    fill(project)
    expected = outcome_texts(propose(project, policy=policy))
    monkeypatch.setattr(search_room, "top_codes", partial(top_codes, batch=1))
    monkeypatch.setattr(search_room, "make_index", lambda codes, **options: MatrixIndex(codes))
    assert outcome_texts(propose(project, policy=policy)) == expected


def test_two_runs_share_a_pair_that_both_propose(project):
    fill(project)
    propose(project)
    n_pairs = Pair.objects.count()
    propose(project)
    assert Pair.objects.count() == n_pairs
    assert Candidate.objects.count() == 2 * n_pairs


def test_nothing_to_pair_is_said_before_a_job_is_made(project):
    with pytest.raises(NothingToProposeError, match="Ingest a search log"):
        start_propose_pairs(project=project, encoder="hashing")
    accept(QueryFactory(project=project))
    with pytest.raises(NothingToProposeError, match="Add a code source"):
        start_propose_pairs(project=project, encoder="hashing")
    assert not Job.objects.exists()
    assert not CandidateRun.objects.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 1.5},
        {"threshold": float("nan")},
        {"cap": 0},
        {"cap": 10**9},
        {"policy": "best"},
        {"text_view": "upside_down"},
        {"encoder": "a\0b"},
        {"encoder": "x" * 400},
    ],
)
def test_settings_that_make_no_sense_are_refused(project, options):
    fill(project, n_queries=1, n_codes=1)
    with pytest.raises(BadInputError):
        start_propose_pairs(project=project, **{"encoder": "hashing", **options})


def test_an_unknown_encoder_fails_the_job_plainly(project):
    fill(project, n_queries=1, n_codes=1)
    with pytest.raises(JobFailedError) as error:
        propose(project, encoder="/no/such/encoder")
    assert "/no/such/encoder" in str(error.value)
    assert Job.objects.get().error_code == "unknown_encoder"


def test_the_encoder_comes_from_the_project_then_from_the_settings(project, settings):
    settings.QUARRY_ENCODER = "from-settings"
    fill(project, n_queries=1, n_codes=1)
    assert start_propose_pairs(project=project)[0].encoder == "from-settings"
    project.encoder = "hashing"
    assert start_propose_pairs(project=project)[0].encoder == "hashing"


def test_a_threshold_that_separates_nothing_is_warned_about():
    high, low, fair = np.full(100, 0.9), np.r_[np.full(97, 0.1), np.full(3, 0.9)], np.linspace(0, 1, 100)
    assert "100.0 % of the best cosines reach" in warnings_about(high, 0.5)[0]
    assert "Only 3.0 %" in warnings_about(low, 0.5)[0]
    assert warnings_about(fair, 0.5) == []
    edge = np.r_[np.full(95, 0.9), np.full(5, 0.1)]
    assert warnings_about(edge, 0.5) == []


def test_the_histogram_counts_every_query_and_puts_the_threshold_on_an_edge():
    found = histogram_of(np.array([0.1, 0.5, 0.499999, 0.52, 1.0, 1.000001]))
    assert 0.5 in found["edges"]
    assert sum(found["counts"]) == 6
    above = sum(count for low, count in zip(found["edges"], found["counts"], strict=False) if low >= 0.5)
    assert above == 4


def test_pairs_to_open_come_best_first_and_leave_out_what_is_private_or_imported(project):
    fill(project)
    run = propose(project, threshold=-1, cap=100)
    pairs = list(pairs_to_open(project, run))
    assert len(pairs) == 30
    scores = [pair.best_score for pair in pairs]
    assert scores == sorted(scores, reverse=True)
    pairs[0].query.quarantine_reason = "e-mail"
    pairs[0].query.save()
    assert pairs[0] not in pairs_to_open(project)
    imported = CandidateRun.objects.create(project=project, origin="import", name="old")
    lone = Pair.objects.create(project=project, query=pairs[1].query, code=CodeFactory(project=project))
    Candidate.objects.create(run=imported, pair=lone)
    assert lone not in pairs_to_open(project)
    assert list(pairs_to_open(project, imported)) == [lone]


def test_refusals_carry_a_code():
    assert issubclass(NothingToProposeError, QuarryError)
    assert NothingToProposeError.code == "nothing_to_propose"


def test_the_sample_of_a_large_run_spans_its_scores(project, monkeypatch):
    fill(project)
    run = propose(project, threshold=-1, cap=100)
    scores = list(run.candidates.order_by("-score").values_list("score", flat=True))
    by_rank = sample_candidates(run, 5)
    monkeypatch.setattr("curation.selectors.candidates.MANY", 3)
    by_score = sample_candidates(run, 5)
    for found in (by_rank, by_score):
        assert found[0].score == scores[0]
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert by_score[-1].score == scores[-1]
    assert n_to_open(run) == pairs_to_open(project, run).count() == 30
