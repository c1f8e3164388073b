"""Options of candidate runs, previews and comparisons, down to the stored rows."""

import hashlib
import json

import pytest

from core.errors import BadInputError
from core.index import make_index
from core.jobs import run_inline
from core.models import Job
from curation.judgements import JudgedPair, JudgedScore, JudgementSource
from curation.models import BestMatch, Candidate, CodeOccurrence, CodeSource, LogImport, Outcome, QueryClick
from curation.selectors.candidate_comparison import compare_runs, frequency_curve, part_of
from curation.selectors.candidates import best_matches, codes_by_use, not_searched
from curation.services.candidates import NothingToProposeError, start_preview_candidates, start_propose_pairs
from curation.services.candidates import search as search_room
from curation.services.encoder_quality import NothingJudgedError, start_evaluate_encoders
from tests.curation.test_candidates import accept, fill, propose
from tests.factories import CodeFactory, ProjectFactory, QueryFactory

pytestmark = pytest.mark.django_db

HYBRIDS = ["hybrid_sum", "hybrid_rank"]


@pytest.fixture
def own_home(settings, tmp_path):
    """No vector of another test is there."""
    settings.QUARRY_HOME = tmp_path / "home"


def candidates_hash(run):
    """All candidates and matches as bytes, without database ids or order of insertion."""
    pairs = Candidate.objects.filter(run=run).values_list(
        "pair__query__content_hash", "pair__code__content_hash", "score", "rank"
    )
    matches = BestMatch.objects.filter(run=run).values_list(
        "query__content_hash", "code__content_hash", "slot", "rank", "score", "outcome"
    )
    text = json.dumps([sorted(map(list, pairs)), sorted(map(list, matches))])
    return hashlib.sha256(text.encode()).hexdigest()


def test_several_codes_per_query_keep_rank_threshold_and_cap(project):
    fill(project)
    run = propose(project, top_k=3, cap=4, threshold=0.3)
    rows = list(BestMatch.objects.filter(run=run))
    assert len(rows) == 30 * 3
    assert {(row.query_id, row.slot) for row in rows} == {
        (query, slot) for query in {row.query_id for row in rows} for slot in (1, 2, 3)
    }
    kept = [row for row in rows if row.outcome == Outcome.KEPT]
    assert len(kept) == run.n_kept == Candidate.objects.filter(run=run).count()
    assert all(row.score >= 0.3 for row in kept)
    assert max(int(uses) for uses in run.code_frequency) <= 4
    ranks = {(c.pair.query_id, c.pair.code_id): c.rank for c in run.candidates.select_related("pair")}
    assert {(row.query_id, row.code_id): row.rank for row in kept} == ranks
    firsts = [row for row in rows if row.slot == 1]
    assert run.n_queries_kept == sum(row.outcome == Outcome.KEPT for row in firsts)
    assert run.n_below_threshold == sum(row.outcome == Outcome.BELOW for row in firsts)
    assert run.n_over_cap == sum(row.outcome == Outcome.OVER_CAP for row in firsts)
    assert run.params["matches"] == {name: sum(row.outcome == name for row in rows) for name in Outcome.values}


@pytest.mark.parametrize("retriever", ["bm25", *HYBRIDS])
@pytest.mark.parametrize("policy", ["default", "cascade", "first_come"])
def test_words_and_hybrids_propose_and_add_up(project, retriever, policy):
    fill(project)
    zebra = accept(QueryFactory(project=project, text="zebra"))
    run = propose(project, retriever=retriever, policy=policy, top_k=2, threshold=None)
    assert run.is_complete
    assert (run.retriever, run.threshold) == (retriever, 0)
    assert run.n_queries == 31 == run.n_queries_kept + run.n_below_threshold + run.n_over_cap + run.n_not_searched
    assert list(not_searched(run)) == ([zebra] if retriever == "bm25" else [])
    assert run.encoder == ("bm25" if retriever == "bm25" else "hashing")


@pytest.mark.parametrize("retriever", ["dense", *HYBRIDS])
def test_shards_processes_and_batches_give_the_same_rows_byte_for_byte(
    transactional_db, retriever, monkeypatch, settings
):
    project = ProjectFactory()
    fill(project)
    CodeFactory(project=project, name="twin", header="def a(items):")
    CodeFactory(project=project, name="twin", header="def b(items):")  # equal vectors under doc_only
    options = {"retriever": retriever, "top_k": 2, "policy": "cascade", "text_view": "doc_only", "pool": 5}
    expected = candidates_hash(propose(project, **options))
    for shards, processes in ((64, 1), (5, 2)):
        settings.SHARD_PROCESSES = processes
        run = propose(project, shards=shards, **options)
        assert candidates_hash(run) == expected
        assert run.params["shards"] == shards
    monkeypatch.setattr("core.index.BATCH", 1)
    monkeypatch.setattr("core.index.MatrixIndex.batch", 3)
    monkeypatch.setattr("core.index.QUERY_TILE", 2)
    monkeypatch.setattr("core.index.CODE_TILE", 3)
    assert candidates_hash(propose(project, **options)) == expected


def test_an_ivf_run_states_its_recall_and_repeats_itself(project, monkeypatch):
    fill(project)
    monkeypatch.setattr(
        search_room, "make_index", lambda codes, **options: make_index(codes, **{**options, "backend": "ivf"})
    )
    run = propose(project, recall=0.9)
    recall = run.params["recall"]
    assert recall["wanted"] == 0.9 <= recall["reached"]
    assert run.params["index"].startswith("IVF")
    monkeypatch.setattr("core.index.train_centroids", lambda *args, **options: 1 / 0)  # the stored lists are used
    assert candidates_hash(propose(project, recall=0.9)) == candidates_hash(run)


def test_a_run_says_what_came_from_the_cache(own_home, project):
    fill(project)
    first = propose(project)
    accept(QueryFactory(project=project, text="python something new"))
    CodeFactory(project=project, name="new_code")
    second = propose(project)
    assert first.params["encoded_queries"] == 30
    assert (second.params["cached_queries"], second.params["encoded_queries"]) == (30, 1)
    assert (second.params["cached_codes"], second.params["encoded_codes"]) == (12, 1)


# --- clicks -----------------------------------------------------------------------------------------------


def click(query, url, n=1):
    log, _ = LogImport.objects.get_or_create(project=query.project, sha256="0" * 64, name="log", format="csv")
    QueryClick.objects.create(query=query, log_import=log, url=url, n=n)


def stand(code, start, end):
    source, _ = CodeSource.objects.get_or_create(project=code.project, kind="folder", name="lib", version="1")
    CodeOccurrence.objects.create(
        code=code,
        source=source,
        repository="owner/lib",
        path="lib/a.py",
        start_line=start,
        end_line=end,
        qualified_name=code.name,
    )


def test_clicked_codes_are_candidates_of_their_own(project):
    fill(project, n_queries=3, n_codes=2)
    one, two = project.codes.order_by("content_hash")
    stand(one, 1, 9)
    stand(two, 20, 30)
    queries = list(project.queries.order_by("content_hash"))
    url = "https://github.com/owner/lib/blob/main/lib/a.py"
    click(queries[0], f"{url}#L22-L25", 3)
    click(queries[0], f"{url}#L2", 1)
    click(queries[1], "https://example.org/", 5)
    run = propose(project, retriever="clicked", top_k=2, threshold=None)
    assert (run.origin, run.encoder, run.fingerprint) == ("clicked", "", "clicked-1")
    rows = run.candidates.order_by("rank").values_list("pair__query", "pair__code", "score", "rank")
    assert list(rows) == [(queries[0].pk, two.pk, 0.75, 1), (queries[0].pk, one.pk, 0.25, 2)]
    assert (run.n_queries, run.n_queries_kept, run.n_not_searched) == (3, 1, 2)
    assert (run.params["clicks"], run.params["clicks_used"]) == (9, 4)
    assert set(not_searched(run)) == set(queries[1:])


def test_without_clicks_a_clicked_run_is_refused(project):
    fill(project, n_queries=1, n_codes=1)
    with pytest.raises(NothingToProposeError, match="clicked URLs"):
        start_propose_pairs(project=project, retriever="clicked")


@pytest.mark.parametrize(
    "options",
    [
        {"retriever": "magic"},
        {"top_k": 0},
        {"top_k": 101},
        {"retriever": "bm25", "threshold": float("inf")},
        {"weight": 1.1},
        {"weight": float("nan")},
        {"pool": 0},
        {"recall": 0.1},
        {"shards": 0},
    ],
)
def test_options_that_make_no_sense_are_refused(project, options):
    fill(project, n_queries=1, n_codes=1)
    with pytest.raises(BadInputError):
        start_propose_pairs(project=project, **{"encoder": "hashing", **options})


# --- previews ---------------------------------------------------------------------------------------------


def preview(project, **options):
    job = start_preview_candidates(project=project, **{"encoder": "hashing", "threshold": 0.3, **options})
    return run_inline(job).result


def test_a_preview_is_seeded_changes_no_pair_and_agrees_with_the_run(project):
    fill(project)
    found = preview(project, n_queries=10, n_codes=0)
    again = preview(project, n_queries=10, n_codes=0)
    drawn = [row["query"] for row in found["examples"]]
    assert drawn == [row["query"] for row in again["examples"]]
    assert drawn != [row["query"] for row in preview(project, n_queries=10, n_codes=0, seed=1)["examples"]]
    assert not BestMatch.objects.exists()
    assert (found["sampled"], found["queries"], found["codes"]) == (10, 30, 12)
    run = propose(project)
    best = dict(BestMatch.objects.filter(run=run, rank=1).values_list("query", "score"))
    for row in found["examples"]:
        assert best[row["query"]] == row["score"]
        assert row["passes"] == (row["score"] >= 0.3)
    assert sum(found["histogram"]["counts"]) == 10


def test_a_preview_counts_what_is_left_to_encode_and_keeps_what_it_encoded(own_home, project):
    fill(project, n_queries=30, n_codes=12)
    monitored = preview(project, n_queries=10, n_codes=4)
    assert (monitored["cached_queries"], monitored["cached_codes"]) == (0, 0)
    assert monitored["searched_codes"] == 12  # at least 64 new ones, if there are as many
    assert monitored["to_encode"] == {"queries": 20, "codes": 0}
    assert monitored["estimate"]["total_s"] >= monitored["estimate"]["encoding_s"] >= 0
    second = preview(project, n_queries=10, n_codes=4)
    assert (second["cached_queries"], second["cached_codes"]) == (10, 12)


def test_a_preview_of_many_codes_searches_a_sample(own_home, project, monkeypatch):
    monkeypatch.setattr("curation.services.candidates.preview.LEAST_NEW", 2)
    fill(project)
    found = preview(project, n_queries=5, n_codes=4)
    assert found["searched_codes"] == 4
    assert found["to_encode"]["codes"] == 8
    later = preview(project, n_queries=5, n_codes=6)
    assert later["searched_codes"] == 6


@pytest.mark.parametrize("retriever", ["bm25", *HYBRIDS])
def test_previews_of_words_and_hybrids_work(project, retriever):
    fill(project)
    found = preview(project, retriever=retriever, threshold=None, n_queries=7)
    assert found["sampled"] == 7
    assert found["passing"] == 7


def test_a_preview_says_what_cannot_be_previewed(project):
    with pytest.raises(NothingToProposeError):
        start_preview_candidates(project=project, encoder="hashing")
    fill(project, n_queries=1, n_codes=1)
    with pytest.raises(BadInputError, match="1 to 5,000"):
        start_preview_candidates(project=project, encoder="hashing", n_queries=0)


# --- comparisons --------------------------------------------------------------------------------------------


def test_the_parts_of_two_runs_add_up(project):
    fill(project)
    a, b = propose(project), propose(project, retriever="bm25", threshold=None, cap=5)
    pairs = {run: set(run.candidates.values_list("pair", flat=True)) for run in (a, b)}
    found = compare_runs(a, b)
    assert found.both == len(pairs[a] & pairs[b])
    assert found.only_a == len(pairs[a] - pairs[b])
    assert found.only_b == len(pairs[b] - pairs[a])
    assert found.share_common == pytest.approx(len(pairs[a] & pairs[b]) / len(pairs[a] | pairs[b]))
    assert set(part_of(a, b, "b").values_list("pair", flat=True)) == pairs[b] - pairs[a]
    assert {"Retriever", "Encoder", "Cap", "Threshold"} <= {name for name, *_ in found.settings}
    assert not found.one_scale
    assert compare_runs(a, a).settings == []
    assert compare_runs(a, a).share_common == 1.0


def test_the_examples_are_seeded_and_show_the_best_pair_of_each(project):
    fill(project)
    a, b = propose(project, top_k=2, cap=30), propose(project, policy="cascade", cap=30)
    found = compare_runs(a, b, shown=5)
    assert [one.query_id for one in found.examples] == [one.query_id for one in compare_runs(a, b, shown=5).examples]
    assert [one.query_id for one in found.examples] != [
        one.query_id for one in compare_runs(a, b, shown=5, seed=3).examples
    ]
    for one in found.examples:
        assert one.a.rank == 1
        assert one.is_same == (one.a.pair_id == one.b.pair_id)


def test_the_frequency_curve_counts_codes_used_at_least_so_often(project):
    fill(project)
    run = propose(project, cap=30, threshold=-1)
    uses = [code.n_uses for code in codes_by_use(run)]
    assert frequency_curve(run) == [(float(n), float(sum(use >= n for use in uses))) for n in sorted(set(uses))]
    for n in set(uses):
        assert codes_by_use(run, n).count() == run.code_frequency[str(n)]


def test_runs_that_cannot_be_compared_are_refused(project):
    fill(project, n_queries=2, n_codes=2)
    done, _ = propose(project), fill(ProjectFactory(), n_queries=2, n_codes=2)
    waiting, _ = start_propose_pairs(project=project, encoder="hashing")
    with pytest.raises(BadInputError, match="not complete"):
        compare_runs(done, waiting)
    with pytest.raises(BadInputError, match="no part"):
        part_of(done, done, "c")


def test_matches_can_be_read_by_score(project):
    fill(project)
    run = propose(project, top_k=2)
    edges, counts = run.histogram["edges"], run.histogram["counts"]
    for place, (low, high, count) in enumerate(zip(edges, edges[1:], counts, strict=False)):
        last = place + 1 == len(counts)
        assert best_matches(run, low=low - 1e-9, high=None if last else high - 1e-9).count() == count


# --- encoders on judged pairs -------------------------------------------------------------------------------


@pytest.fixture
def judged(project, monkeypatch):
    """Judged pairs: a code that shares the query's words is judged 1."""
    pairs = []
    for word, other in [("sort", "list"), ("read", "file"), ("parse", "date"), ("open", "socket"), ("join", "path")]:
        for label, text in ((1, f"{word} {other}"), (0, "nothing alike")):
            query = QueryFactory(project=project, text=f"how to {word} a {other} {label}")
            code = CodeFactory(project=project, name=f"{word}_{label}", docstring=text, body=f"    return {text!r}")
            pairs.append(JudgedPair(query.text, code.text, label, query.pk, code.pk))
    source = JudgementSource(
        pairs=lambda asked: iter(pairs if asked == project else []),
        scores=lambda run: [JudgedScore(n / 60, int(n > 30)) for n in range(60)],
    )
    monkeypatch.setattr("curation.judgements._sources", [source])
    return pairs


def test_encoders_are_measured_on_the_same_judged_pairs(project, judged):
    job = run_inline(start_evaluate_encoders(project=project, encoders=["hashing", "bm25", "hashing"]))
    rows = {row["encoder"]: row for row in job.result["encoders"]}
    assert set(rows) == {"hashing", "bm25"}
    for row in rows.values():
        assert (row["pairs"], row["ones"], row["codes"], row["queries"]) == (10, 5, 10, 5)
        assert 0 <= row["auc"] <= 1
        assert row["best_accuracy"] >= row["accuracy"]
    assert rows["bm25"]["auc"] == 1.0
    assert rows["bm25"]["mrr"] == 1.0


def test_encoders_are_measured_on_a_file(project, tmp_path):
    file = tmp_path / "judged.json"
    rows = [
        {"doc": f"sort {word}", "code": f"def f():\n    return {word}", "label": n % 2}
        for n, word in enumerate("abcdef")
    ]
    file.write_text(json.dumps(rows))
    job = run_inline(start_evaluate_encoders(project=project, encoders=["bm25"], file=str(file)))
    assert job.result["pairs"] == 6
    with pytest.raises(Exception, match="no such file"):
        run_inline(start_evaluate_encoders(project=project, encoders=["bm25"], file=str(tmp_path / "none.json")))


def test_a_comparison_without_judgements_or_encoders_is_refused(project):
    with pytest.raises(NothingJudgedError):
        start_evaluate_encoders(project=project, encoders=["bm25"])
    for encoders in ([], ["x"] * 0, ["a\0b"], [str(n) for n in range(13)]):
        with pytest.raises(BadInputError):
            start_evaluate_encoders(project=project, encoders=encoders)
    assert not Job.objects.exists()


# --- pages and API --------------------------------------------------------------------------------------------


def test_pages_show_runs_previews_comparisons_and_encoders(curator_client, project, judged):
    fill(project)
    a, b = propose(project, top_k=2), propose(project, retriever="bm25", threshold=None)
    base = "/p/demo/candidates"
    page = curator_client.get(f"{base}/{a.pk}/").content.decode()
    assert "What became of the queries" in page
    assert "Suggested threshold" in page
    assert "42 from the cache" not in page  # the first run had nothing to take
    for address in (
        f"{base}/{a.pk}/matches/?by=query",
        f"{base}/{a.pk}/matches/?low=0.2&high=0.5",
        f"{base}/{a.pk}/codes/",
        f"{base}/{a.pk}/codes/?uses=1",
        f"{base}/{b.pk}/not-searched/",
        f"{base}/compare/",
        f"{base}/compare/?a={a.pk}&b={b.pk}&seed=4",
        f"{base}/compare/?a={a.pk}&b={a.pk}",
        f"{base}/compare/pairs/?a={a.pk}&b={b.pk}&part=a",
        f"{base}/encoders/",
    ):
        assert curator_client.get(address).status_code == 200, address
    for address in (
        f"{base}/{a.pk}/matches/?low=nan",
        f"{base}/{a.pk}/codes/?uses=-1",
        f"{base}/compare/?a=x",
        f"{base}/compare/pairs/?a={a.pk}",
    ):
        assert curator_client.get(address).status_code == 400, address
    form = {"encoder": "hashing", "act": "preview", "threshold": "", "cap": 2, "policy": "default", "text_view": "full"}
    shown = curator_client.post(f"{base}/", form, follow=True)
    job = Job.objects.get(kind="curation.preview_candidates")
    assert shown.redirect_chain[-1][0] == f"{base}/preview/{job.pk}/"
    run_inline(job)
    page = curator_client.get(f"{base}/preview/{job.pk}/").content.decode()
    assert "Random queries" in page
    assert "Estimated for all" in page
    again = {**form, "act": "propose"}
    assert curator_client.post(f"{base}/", again).status_code == 302
    curator_client.post(f"{base}/encoders/", {"encoders": "bm25\nhashing", "text_view": "full"})
    run_inline(Job.objects.get(kind="curation.evaluate_encoders"))
    assert "10 judged pairs" in curator_client.get(f"{base}/encoders/").content.decode()


def test_the_api_previews_compares_and_evaluates(curator_client, project, judged):
    fill(project)
    a, b = propose(project), propose(project, cap=1)
    api = "/api/v1/projects/demo"
    answer = curator_client.post(f"{api}/candidate-previews/", {"encoder": "hashing", "n_queries": 5})
    assert answer.status_code == 202
    run_inline(Job.objects.get(pk=answer.json()["job"]))
    shown = curator_client.get(f"{api}/candidate-previews/{answer.json()['job']}/").json()
    assert (shown["state"], shown["result"]["sampled"], len(shown["examples"])) == ("done", 5, 5)
    compared = curator_client.get(f"{api}/candidate-runs/compare/?a={a.pk}&b={b.pk}").json()
    assert compared["both"] + compared["only_b"] == b.n_kept
    assert {row["name"] for row in compared["settings"]} == {"Cap"}
    assert curator_client.get(f"{api}/candidate-runs/compare/?a={a.pk}").status_code == 400
    rows = curator_client.get(f"{api}/candidate-runs/{a.pk}/matches/?outcome=kept&by_query=true").json()["results"]
    assert len(rows) == a.n_queries_kept
    answer = curator_client.post(f"{api}/evaluate-encoders/", {"encoders": ["bm25"]}, content_type="application/json")
    assert answer.status_code == 202
    started = curator_client.post(
        f"{api}/candidate-runs/", {"encoder": "hashing", "retriever": "hybrid_sum", "top_k": 2, "weight": 0.7}
    )
    run_inline(Job.objects.get(pk=started.json()["job"]))
    shown = curator_client.get(f"{api}/candidate-runs/{started.json()['candidate_run']}/").json()
    assert (shown["retriever"], shown["top_k"], shown["params"]["weight"]) == ("hybrid_sum", 2, 0.7)
    assert shown["n_queries_kept"] <= shown["n_kept"]


def test_a_stranger_sees_no_preview_and_no_comparison(stranger_client, project):
    fill(project)
    a = propose(project)
    job = start_preview_candidates(project=project, encoder="hashing")
    for address in (f"preview/{job.pk}/", "compare/", "encoders/", f"{a.pk}/codes/"):
        assert stranger_client.get(f"/p/demo/candidates/{address}").status_code == 404


def test_a_quarantined_example_leaves_the_preview_and_the_comparison(curator_client, project):
    fill(project)
    a = propose(project, threshold=-1, cap=100)
    job = run_inline(start_preview_candidates(project=project, encoder="hashing", n_queries=30))
    project.queries.update(quarantine_reason="e-mail")
    for address in (f"preview/{job.pk}/", f"compare/?a={a.pk}&b={a.pk}"):
        page = curator_client.get(f"/p/demo/candidates/{address}").content.decode()
        assert not any(query.text in page for query in project.queries.all())
