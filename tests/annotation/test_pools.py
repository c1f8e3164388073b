"""Test pools: the union of several systems, hidden from who judges; qrels, and releases that carry them."""

import json

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from annotation.criteria import read_criteria
from annotation.models import Item, Pool, PoolEntry, Purpose, Slot
from annotation.selectors import release_folder
from annotation.selectors.pools import labels_of_pairs, pool_report, qrels_of
from annotation.services.batches import open_batch
from annotation.services.pools import build_pool, choose_queries, start_build_pool
from annotation.services.releases import start_freeze_release
from core.encoding import HashingEncoder
from core.errors import BadInputError, ConflictError
from core.jobs import run_inline
from core.models import Project
from curation.models import Pair, Verdict
from curation.selectors import current_rule_set
from curation.text_views import code_text
from modeling.ml.bm25 import Bm25Index, tokens_of
from tests.annotation.judged import judge, judged_project
from tests.factories import CodeFactory, PairFactory, QueryFactory, member

pytestmark = pytest.mark.django_db
WORDS = ["sort", "list", "read", "file", "json", "parse", "date", "copy", "folder", "merge"]


@pytest.fixture(autouse=True)
def _home(settings, tmp_path):
    settings.QUARRY_HOME = tmp_path


@pytest.fixture
def stocked(project) -> Project:
    """8 accepted queries and 12 codes with words in common."""
    rules = current_rule_set(project)
    for number in range(8):
        query = QueryFactory(project=project, text=f"python {WORDS[number]} {WORDS[(number * 3 + 1) % 10]}")
        Verdict.objects.create(query=query, rule_set=rules, has_intent=True)
    for number in range(12):
        first, second = WORDS[number % 10], WORDS[(number * 7 + 2) % 10]
        CodeFactory(project=project, name=f"{first}_{second}_{number}", docstring=f"{first.title()} the {second}.")
    return project


def build(project: Project, **options) -> Pool:
    options = {"name": "pool", "systems": ["bm25", "hashing"], "k": 3, "n_queries": 5, **options}
    pool, job = start_build_pool(project=project, inline=True, **options)
    run_inline(job)
    pool.refresh_from_db()
    return pool


def test_every_system_brings_its_best_k_and_the_plain_way_finds_the_same(stocked):
    pool = build(stocked)
    queries = list(stocked.queries.filter(content_hash__in=pool.query_hashes).order_by("content_hash"))
    codes = list(stocked.codes.order_by("content_hash"))
    assert len(queries) == 5
    index, encoder = Bm25Index([tokens_of(code.text) for code in codes]), HashingEncoder()
    vectors = encoder.encode([code_text(code) for code in codes]).astype(np.float64)
    for query in queries:
        by_words = index.totals(tokens_of(query.text))
        by_vectors = np.round(vectors @ encoder.encode([query.text])[0].astype(np.float64), 6)
        for system, scores in enumerate((by_words, by_vectors)):
            plain = sorted(
                (place for place in range(12) if scores[place] > 0 or system), key=lambda n: (-scores[n], n)
            )[:3]
            entries = pool.entries.filter(system=system, pair__query=query).order_by("rank").select_related("pair")
            assert [entry.pair.code_id for entry in entries] == [codes[place].pk for place in plain]
            assert [entry.rank for entry in entries] == list(range(1, len(plain) + 1))
            assert [entry.score for entry in entries] == pytest.approx([scores[place] for place in plain], abs=2e-6)
    assert pool.n_pairs == pool.entries.values("pair").distinct().count()
    assert {system["kind"] for system in pool.systems} == {"bm25", "encoder"}
    assert pool.systems[1]["fingerprint"] == encoder.fingerprint


def test_the_batch_holds_the_union_once_in_an_order_of_chance(stocked):
    pool = build(stocked)
    opened = list(Slot.objects.filter(batch=pool.batch, number=0).order_by("id").values_list("pair_id", flat=True))
    assert sorted(opened) == sorted(set(pool.entries.values_list("pair_id", flat=True)))
    by_rank = list(
        pool.entries.order_by("system", "pair__query__content_hash", "rank").values_list("pair_id", flat=True)
    )
    assert opened not in (list(dict.fromkeys(by_rank)), sorted(opened))
    other = build(stocked, name="again", systems=["hashing", "bm25"])
    assert other.batch is None, "each pair has its live item already"
    assert other.n_pairs == pool.n_pairs


def test_a_seed_settles_queries_and_order_whatever_the_order_of_systems(stocked):
    first = choose_queries(stocked, n=4, seed=1)
    assert first == choose_queries(stocked, n=4, seed=1) == sorted(first)
    assert first != choose_queries(stocked, n=4, seed=2)
    assert len(choose_queries(stocked, text="READ")) == stocked.queries.filter(text__icontains="read").count() > 0
    some = [stocked.queries.first().text.upper(), f"7\t{stocked.queries.last().text}"]
    assert len(choose_queries(stocked, queries=some)) == 2


def test_system_and_rank_are_hidden_from_who_judges(stocked):
    pool = build(stocked)
    anna = member(stocked, "annotator", username="anna")
    from django.test import Client

    client = Client()
    client.force_login(anna)
    claim = client.post(reverse("api-claim", args=["demo"]), {}, content_type="application/json")
    page = client.get(reverse("annotation:judge", args=["demo"]))
    assert not any(word in claim.content.decode().lower() for word in ("bm25", "hashing", "rank", "system", "score"))
    assert not any(word in page.content.decode().lower() for word in ("bm25", "hashing", "rank"))
    assert set(claim.json()["leases"][0]) == {"token", "lane", "item", "key", "html", "has_code"}
    item_order = list(Item.objects.filter(batch=pool.batch).order_by("id").values_list("pair_id", flat=True))
    slot_order = list(Slot.objects.filter(batch=pool.batch, number=0).order_by("id").values_list("pair_id", flat=True))
    assert item_order != slot_order, "an item's number says nothing of its place"
    for name, args in (
        ("annotation:pools", ()),
        ("annotation:pool", (pool.pk,)),
        ("annotation:pool-qrels", (pool.pk,)),
    ):
        assert client.get(reverse(name, args=["demo", *args])).status_code == 403
    assert client.get(reverse("api-pool", args=["demo", pool.pk])).status_code == 403
    member(stocked, "adjudicator", username="anna")
    assert client.get(reverse("annotation:pool", args=["demo", pool.pk])).status_code == 403, "adjudicators judge too"


def test_a_killed_build_ends_the_same_when_it_runs_again(stocked):
    whole = build(stocked)
    entries = sorted(whole.entries.values_list("pair__code__name", "system", "rank"))
    Pool.objects.filter(pk=whole.pk).update(is_complete=False)
    gone = list(whole.entries.values_list("pk", flat=True))[::2]
    PoolEntry.objects.filter(pk__in=gone).delete()
    n_items = Item.objects.count()
    again = Pool.objects.select_related("project", "batch").get(pk=whole.pk)

    class Run:
        def progress(self, done, total, note):
            pass

    build_pool(run=Run(), pool=again)
    assert sorted(again.entries.values_list("pair__code__name", "system", "rank")) == entries
    assert Item.objects.count() == n_items


def test_pairs_that_have_a_live_item_are_not_opened_twice_and_count_as_judged(stocked):
    pair = build(stocked, name="first").entries.first().pair
    Item.objects.all().delete()
    judge(stocked, pair, "111")
    pool = build(stocked)
    assert Item.objects.filter(pair=pair, purpose=Purpose.LIVE).count() == 1
    assert not Item.objects.filter(pair=pair, batch=pool.batch).exists()
    assert pool_report(pool)["labelled"] == 1


def test_the_report_counts_what_people_said_and_what_only_one_system_found(stocked):
    pool = build(stocked)
    opened = list(
        Item.objects.filter(batch=pool.batch).order_by("pair__query__content_hash", "pair__code__content_hash")
    )
    pairs = [item.pair for item in opened]
    Item.objects.filter(batch=pool.batch).delete()
    for pair, votes in zip(pairs, ["111", "000", "10", "11"], strict=False):
        judge(stocked, pair, votes)
    report = pool_report(pool)
    assert report["pairs"] == len(pairs)
    assert (report["labelled"], report["ones"], report["unresolved"]) == (3, 2, 1)
    assert report["waiting"] == len(pairs) - 4
    both, either = report["overlap"][0]["both"], report["overlap"][0]["either"]
    sets = [set(pool.entries.filter(system=place).values_list("pair", flat=True)) for place in (0, 1)]
    assert (both, either) == (len(sets[0] & sets[1]), len(sets[0] | sets[1]))
    assert [one["only"] for one in report["systems"]] == [len(sets[0] - sets[1]), len(sets[1] - sets[0])]
    assert sum(one["only"] for one in report["systems"]) + both == either == report["pairs"]


def test_a_query_without_intent_has_no_relevance(stocked):
    query = stocked.queries.first()
    pairs = [PairFactory(project=stocked, query=query, code=code) for code in stocked.codes.all()[:3]]
    for pair, votes in zip(pairs, ["11", "nn", "nn"], strict=True):
        judge(stocked, pair, votes)
    found = labels_of_pairs(stocked, [pair.pk for pair in pairs])
    assert (found.labels, found.no_intent, found.waiting) == ({}, 3, 0), "the votes of all its pairs decide"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"systems": ["bm25"]}, "2 to 8"),
        ({"systems": ["bm25", "bm25"]}, "2 to 8"),
        ({"systems": ["bm25", "a\nb"]}, "neither bm25"),
        ({"k": 0}, "depth"),
        ({"n_queries": 0}, "at least one query"),
        ({"text": "no such words"}, "No query fits"),
        ({"queries": ["never asked"]}, "1 of 1 queries"),
        ({"text_view": "half"}, "text view"),
    ],
)
def test_refusals_say_what_to_change(stocked, options, says):
    with pytest.raises(BadInputError, match=says):
        start_build_pool(project=stocked, **{"name": "x", "systems": ["bm25", "hashing"], **options})
    assert not Pool.objects.exists()


def test_a_name_in_use_is_refused(stocked):
    build(stocked)
    with pytest.raises(ConflictError, match="choose another name"):
        build(stocked)


# --- qrels ---------------------------------------------------------------------------------------------------------
def judged_pool(project: Project) -> Pool:
    pool = build(project)
    pairs = Pair.objects.filter(items__batch=pool.batch).order_by("query__content_hash", "code__content_hash")
    pairs = list(pairs)
    Item.objects.filter(batch=pool.batch).delete()
    for pair, votes in zip(pairs, ["111", "000", "110", "nnn", "000"], strict=False):
        judge(project, pair, votes)
    return pool


def test_qrels_keep_every_judged_pair_with_the_depth(stocked):
    pool = judged_pool(stocked)
    qrels = qrels_of(stocked, [pool])
    lines = qrels.text().splitlines()
    assert lines == sorted(lines)
    told = json.loads(qrels.json())
    assert told["pools"][0]["depth"] == 3
    assert told["judged"] == len(lines) == len(told["judgements"])
    assert told["judged"] + told["no_intent"] + told["unresolved"] + told["not_judged"] == pool.n_pairs
    for line, row in zip(lines, told["judgements"], strict=True):
        assert line == f"{row['query_hash']} 0 {row['code_hash']} {row['relevance']}"
        assert Pair.objects.filter(query__content_hash=row["query_hash"], code__text=row["code"]).exists()
    assert any(row["votes_for"] == 2 for row in told["judgements"]), "2-1 stays, whatever a keep rule says"


def test_a_quarantined_query_leaves_the_qrels(stocked):
    pool = judged_pool(stocked)
    before = qrels_of(stocked, [pool])
    hidden = before.rows[0]["query_hash"]
    stocked.queries.filter(content_hash=hidden).update(quarantine_reason="e-mail")
    after = qrels_of(stocked, [pool])
    assert hidden not in after.json()
    assert [row for row in before.rows if row["query_hash"] != hidden] == after.rows


def test_a_release_carries_the_judged_pool_with_the_split_of_each_query(stocked):
    judged_project(stocked, ["111", "000"] * 10)
    pool = judged_pool(stocked)
    Pool.objects.update(name="of a person")

    def frozen(name: str):
        release, job = start_freeze_release(project=stocked, name=name, criteria=read_criteria(), inline=True)
        run_inline(job)
        release.refresh_from_db()
        return release

    first = frozen("v1")
    folder = release_folder(first)
    assert (folder / "qrels.txt").read_text() == qrels_of(stocked, [pool]).text()
    told = json.loads((folder / "qrels.json").read_text())
    split_of = {
        row["query_hash"]: row["split"] for row in map(json.loads, (folder / "pairs.jsonl").read_text().splitlines())
    }
    assert {row["split"] for row in told["judgements"]} - {None}
    assert all(row["split"] == split_of.get(row["query_hash"]) for row in told["judgements"])
    assert "Judged pools" in (folder / "README.md").read_text()
    paths = {file["path"] for file in json.loads((folder / "manifest.json").read_text())["files"]}
    assert {"qrels.txt", "qrels.json"} <= paths
    assert frozen("v2").content_sha256 == first.content_sha256
    for name in ("of a person", '"hashing"', stocked.slug + "/"):
        assert name not in (folder / "qrels.json").read_text()


def test_a_release_without_a_pool_has_no_qrels(stocked):
    judged_project(stocked, ["111", "000"] * 10)
    build(stocked)  # built, and nobody judged it
    release, job = start_freeze_release(project=stocked, name="v1", criteria=read_criteria(), inline=True)
    run_inline(job)
    release.refresh_from_db()
    assert not (release_folder(release) / "qrels.txt").exists()
    assert "qrels" not in json.loads((release_folder(release) / "statistics.json").read_text())


# --- page, endpoints, commands ----------------------------------------------------------------------------------------
def test_page_endpoint_and_commands_build_show_and_export(stocked, curator_client, tmp_path, capsys):
    page = reverse("annotation:pools", args=["demo"])
    form = {"systems": "bm25", "k": 2, "n_queries": 3, "text_view": "full", "overlap": 3, "max_extra": 2, "seed": 0}
    refused = curator_client.post(page, form)
    assert refused.status_code == 422
    assert "2 to 8" in str(refused.context["form"].errors["systems"])
    lines = SimpleUploadedFile("queries.txt", stocked.queries.first().text.encode())
    answer = curator_client.post(page, {**form, "systems": "bm25\nhashing", "queries": lines})
    pool = Pool.objects.get()
    assert answer.url == reverse("annotation:pool", args=["demo", pool.pk])
    assert len(pool.query_hashes) == 1
    assert "Build the pool Test pool 1" in curator_client.get(answer.url).content.decode(), "its job and its progress"

    body = {"systems": ["hashing", "bm25"], "k": 2, "n_queries": 4, "name": "by api"}
    made = curator_client.post(reverse("api-pools", args=["demo"]), body, content_type="application/json")
    assert (made.status_code, made.json()["is_complete"]) == (201, False)

    systems = ["--system", "bm25", "--system", "hashing"]
    call_command("build_pool", "--project=demo", *systems, "--depth=2", "--queries=3", "--name=third", "--json")
    told = json.loads(capsys.readouterr().out)
    third = Pool.objects.get(name="third")
    assert (told["pool"], told["pairs"]) == (third.pk, third.n_pairs)
    open_batch(project=stocked, pairs=[PairFactory(project=stocked)])
    judge(stocked, PairFactory(project=stocked), "111")
    first = third.entries.first().pair
    Item.objects.filter(pair=first).delete()
    judge(stocked, first, "111")
    shown = curator_client.get(reverse("annotation:pool", args=["demo", third.pk])).content.decode()
    assert "What each system found" in shown
    qrels = curator_client.get(reverse("annotation:pool-qrels", args=["demo", third.pk]))
    assert b"".join(qrels.streaming_content).decode() == f"{first.query.content_hash} 0 {first.code.content_hash} 1\n"
    by_api = curator_client.get(reverse("api-qrels", args=["demo", third.pk]), {"shape": "json"})
    assert json.loads(b"".join(by_api.streaming_content))["judged"] == 1
    call_command("export_qrels", project="demo", pool="third", to=tmp_path / "out")
    assert (tmp_path / "out" / "qrels.txt").read_text().count("\n") == 1
    with pytest.raises(SystemExit):
        call_command("export_qrels", project="demo", pool="none", to=tmp_path)
