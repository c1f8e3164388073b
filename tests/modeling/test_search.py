"""Searching a project's code base, with the cheap encoder and an inference server in a thread."""

import numpy as np
import pytest

from core.encoding import HashingEncoder
from core.jobs import claim, run_claimed, run_inline
from core.models import Job, JobState
from core.text import normalise_query, query_hash
from modeling.code_index import HeadMatcher, best_of_logits, load_index, load_matcher
from modeling.inference_client import SearchNotRunningError
from modeling.models import CodeIndex
from modeling.selectors import find_checkpoint, index_state
from modeling.services.checkpoints import NoEncoderError, use_as_encoder
from modeling.services.search import NoIndexError, NoVectorsError, search, start_index
from tests.factories import CodeFactory, ProjectFactory, QueryFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home", "hashing")]


def build(project) -> CodeIndex:
    run_inline(start_index(project=project, checkpoint=find_checkpoint(project, "hashing")))
    return CodeIndex.objects.get(project=project)


def ask_for(project, query: str, *, top: int = 3):
    return search(project=project, query=query, checkpoint=find_checkpoint(project, "hashing"), top=top)


def test_a_query_finds_the_function_and_says_which_words_they_share(project, codes, inference):
    build(project)
    answer = ask_for(project, "python parse json text")
    best = answer.results[0]
    assert best.code == codes["parse_json_text"]
    assert best.words == ["python", "parse", "json", "text"]
    assert (best.rank, best.label, answer.n_codes, len(answer.results)) == (1, None, 5, 3)
    assert best.summary == "Parse json text into python objects."
    assert [one.score for one in answer.results] == sorted((one.score for one in answer.results), reverse=True)


def test_an_imported_label_of_the_same_query_is_shown(project, codes, inference):
    from annotation.models import ImportedLabel
    from curation.models import Pair

    text = "Python  sort ITEMS"
    query = QueryFactory(project=project, text=text, content_hash=query_hash(normalise_query(text)))
    pair = Pair.objects.create(project=project, query=query, code=codes["sort_items"])
    ImportedLabel.objects.create(pair=pair, source="cosqa", label=1)
    build(project)
    labels = {one.code.name: one.label for one in ask_for(project, "python sort items", top=5).results}
    assert labels.pop("sort_items") == 1
    assert set(labels.values()) == {None}


def test_the_index_encodes_only_what_is_new_and_notices_that_the_code_base_grew(project, codes, monkeypatch):
    encoded = []
    original = HashingEncoder.encode
    monkeypatch.setattr(
        HashingEncoder, "encode", lambda self, texts, **kw: encoded.extend(texts) or original(self, texts, **kw)
    )
    first = build(project)
    assert len(encoded) == 5
    checkpoint = find_checkpoint(project, "hashing")
    assert index_state(project, checkpoint).is_current
    CodeFactory(project=project, name="new_function")
    assert not index_state(project, checkpoint).is_current
    assert index_state(project, checkpoint).is_built
    second = build(project)
    assert len(encoded) == 6
    assert second.path != first.path
    assert len(load_index(second.path)) == 6
    with pytest.raises(Exception, match="Build it again"):
        load_index(first.path)


def test_undocumented_and_quarantined_codes_are_not_searched(project, codes, inference):
    CodeFactory(project=project, name="unpaired", is_paired=False)
    build(project)
    codes["parse_json_text"].quarantine_reason = "e-mail address"
    codes["parse_json_text"].save()
    names = [one.code.name for one in ask_for(project, "parse json text", top=10).results]
    assert sorted(names) == ["count_words", "open_socket", "read_csv_file", "sort_items"]


def test_without_an_index_search_says_how_to_build_one(project, codes):
    with pytest.raises(NoIndexError, match="Build it on the search page"):
        ask_for(project, "sort items")


def test_without_the_inference_process_search_says_how_to_start_it(project, codes):
    build(project)
    with pytest.raises(SearchNotRunningError, match=r"manage\.py up"):
        ask_for(project, "sort items")


def test_an_unfinished_build_is_not_started_twice(project, codes):
    checkpoint = find_checkpoint(project, "hashing")
    job = start_index(project=project, checkpoint=checkpoint)
    assert start_index(project=project, checkpoint=checkpoint) == job
    run_claimed(claim(job.pk))
    assert Job.objects.get(pk=job.pk).state == JobState.DONE
    assert start_index(project=project, checkpoint=checkpoint) != job


def test_a_project_without_code_has_nothing_to_index(db):
    empty = ProjectFactory()
    with pytest.raises(Exception, match="Add a code source first"):
        start_index(project=empty, checkpoint=find_checkpoint(empty, "hashing"))


def test_equal_scores_keep_the_order_of_the_codes():
    matcher = load_matcher("hashing")
    vectors = matcher.code_vectors(["same text", "other words", "same text"])
    assert [place for place, _ in matcher.best("same text", vectors, 3)] == [0, 2, 1]
    assert best_of_logits(np.array([1.0, 3.0, 3.0]), 2) == [(1, 3.0), (2, 3.0)]


def test_the_page_shows_ranked_functions_and_its_address_repeats_the_search(curator_client, project, codes, inference):
    page = curator_client.get("/p/demo/search/?q=open+socket&checkpoint=hashing")
    assert b"Build the index" in page.content
    curator_client.post("/p/demo/search/index/", {"checkpoint": "hashing", "q": "open socket"})
    run_claimed(claim(Job.objects.get(kind="modeling.build_index").pk))
    page = curator_client.get("/p/demo/search/?q=open+socket&checkpoint=hashing")
    assert page.status_code == 200
    text = page.content.decode()
    assert text.index("open_socket") < text.index("sort_items")
    assert "<mark>socket</mark>" in text
    assert 'value="open socket"' in text


def test_the_page_says_that_search_is_not_running(curator_client, project, codes):
    build(project)
    page = curator_client.get("/p/demo/search/?q=open+socket&checkpoint=hashing")
    assert page.status_code == 503
    assert "manage.py up" in page.content.decode()


def test_the_page_of_a_project_without_code_says_what_to_do(curator_client, project):
    assert "There is no code to search yet" in curator_client.get("/p/demo/search/").content.decode()


def test_an_unknown_checkpoint_is_said_with_those_there_are(curator_client, project, codes):
    page = curator_client.get("/p/demo/search/?q=x&checkpoint=run:none")
    assert page.status_code == 404
    assert "run:none" in page.content.decode()


def test_the_api_answers_as_the_page_does(curator_client, project, codes, inference):
    address = "/api/v1/projects/demo/search/"
    refused = curator_client.get(address, {"q": "open socket", "checkpoint": "hashing"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_index")
    started = curator_client.post(f"{address}index/", {"checkpoint": "hashing"}, content_type="application/json")
    assert started.status_code == 202
    run_claimed(claim(started.json()["id"]))
    answer = curator_client.get(address, {"q": "open socket", "checkpoint": "hashing", "top": 2}).json()
    assert answer["results"][0]["name"] == "open_socket"
    assert (answer["checkpoint"], answer["n_codes"], len(answer["results"])) == ("hashing", 5, 2)
    assert curator_client.get(address, {"q": ""}).status_code == 400
    assert curator_client.get(address, {"q": "x", "top": 0}).status_code == 400


def test_only_members_who_may_see_labels_search(annotator_client, stranger_client, project, codes):
    for client, status in [(annotator_client, 403), (stranger_client, 404)]:
        assert client.get("/p/demo/search/").status_code == status
        assert client.get("/api/v1/projects/demo/search/", {"q": "x"}).status_code == status
        assert client.post("/p/demo/search/index/", {"checkpoint": "hashing"}).status_code == status


def test_a_run_of_bm25_is_measured_but_neither_indexed_nor_used_to_propose(project, codes, home, curator_client):
    job = Job.objects.create(kind="modeling.train", title="t", state=JobState.DONE, project=project)
    run = project.training_runs.create(
        name="words", recipe="bm25", encoder="minilm", config={"objective": "none"}, path="checkpoints/demo/1", job=job
    )
    (home / run.path / "checkpoint").mkdir(parents=True)
    words = find_checkpoint(project, "run:words")
    with pytest.raises(NoVectorsError, match="search_code"):
        start_index(project=project, checkpoint=words)
    with pytest.raises(NoEncoderError):
        use_as_encoder(run=run)
    assert "run:words" not in curator_client.get("/p/demo/search/").content.decode()
    page = curator_client.get("/p/demo/runs/words/").content.decode()
    assert "Download checkpoint" in page
    assert "Search with this checkpoint" not in page


def test_a_trained_head_ranks_by_its_own_logits(codes):
    import torch

    from modeling.ml.heads import MlpHead
    from modeling.ml.matcher import Matcher

    torch.manual_seed(0)
    scorer = Matcher(HashingEncoder(), MlpHead(64), head_name="mlp")
    texts = [code.text for code in codes.values()]
    matcher = HeadMatcher(scorer)
    found = matcher.best("sort items", matcher.code_vectors(texts), 5)
    logits = scorer.score_pairs(["sort items"] * 5, texts)
    assert [place for place, _ in found] == sorted(range(5), key=lambda place: -logits[place])
    assert found[0][1] == pytest.approx(logits.max(), abs=1e-5)
