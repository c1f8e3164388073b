"""The same log gives the same rows however it is cut and whoever reads it; the shards hold nobody's name."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.make_log import lines as made_lines
from core.jobs import claim
from core.shard_worker import ShardTask
from core.shards import CeleryExecutor, InlineExecutor, LocalExecutor
from core.text import normalise_query, query_hash
from curation import log_shards
from curation.intent import read_rule_set, shipped_rule_set_text
from curation.log_shards import (
    BUCKETS,
    chunk_bytes,
    parts_of,
    read_shard,
    sort_shard,
    sorted_queries,
    user_hash,
)
from curation.models import BadRow, LogImport
from curation.privacy import quarantine_reason
from curation.reading import BadRow as BadEntry
from curation.reading import LogShape, chunks, inspect_log, read_log
from curation.services import log_writing, logs
from curation.services.logs import start_ingest_log, store_log
from tests.curation.test_logs import state_of
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db

COLUMNS = {"column": "Query", "user_column": "AnonID", "url_column": "ClickURL"}
N_LINES = 1500


@pytest.fixture(scope="module")
def made_log() -> bytes:
    return b"".join(made_lines(N_LINES, seed=3))


@pytest.fixture
def log_file(made_log, tmp_path) -> Path:
    path = tmp_path / "log.tsv"
    path.write_bytes(made_log)
    return path


def shards_of(path, folder, *, size, part_rows, monkeypatch, salt="s"):
    """All sorted queries of a file and the facts of its shards, cut into chunks of `size` bytes."""
    monkeypatch.setattr(log_shards, "PART_ROWS", part_rows)
    folder.mkdir()
    shape = inspect_log(path, LogShape(**COLUMNS))
    params = {"shape": shape.as_data(), "name": "log", "salt": salt}
    names, facts = [], []
    for chunk in chunks(path, shape, chunk_bytes=size):
        output = folder / f"read-{chunk.number}"
        facts.append(read_shard(ShardTask(chunk_bytes(chunk), params, folder, output)))
        names.append(output.name)
    rows = []
    rules = {"rules": shipped_rule_set_text("cosqa-strict"), "language": "python"}
    for number, (first, end) in enumerate(parts_of(sum(each["queries"] for each in facts))):
        output = folder / f"sorted-{number}"
        data = json.dumps({"shards": names, "first": first, "end": end}).encode()
        sort_shard(ShardTask(data, rules, folder, output))
        rows += sorted_queries(output)
    return rows, facts


def plain_rows(path, salt=b"s"):
    """The same by the definition: row after row into a dict, every rule's own expression."""
    profile = read_rule_set(shipped_rule_set_text("cosqa-strict"))
    found, bad = {}, []
    for row in read_log(path, LogShape(**COLUMNS)):
        if isinstance(row, BadEntry):
            # The excerpt of a whole row would hold who asked; that of a query alone does not.
            of_query = row.reason in {"holds control characters", "empty query"}
            bad.append(row if of_query else replace(row, excerpt=""))
            continue
        key = query_hash(row.query)
        text, rows, n, users, urls = found.setdefault(key, [row.query, 0, 0, set(), {}])
        users.add(bytes.fromhex(user_hash(row.user, salt))) if row.user else None
        if row.url:
            urls[row.url] = urls.get(row.url, 0) + row.count
        found[key][1:3] = [rows + 1, n + row.count]
    expected = []
    for key, (text, rows, n, users, urls) in sorted(found.items()):
        reason = quarantine_reason(text)
        hits = () if reason else profile.judge_plainly(text).hits
        expected.append((key, text, rows, n, reason, hits, b"".join(sorted(users)), tuple(sorted(urls.items()))))
    return expected, bad


@pytest.mark.parametrize(("size", "part_rows"), [(2**23, 10**9), (2000, 100), (20_000, 1)])
def test_any_cut_gives_what_one_plain_loop_gives(log_file, tmp_path, monkeypatch, size, part_rows):
    rows, facts = shards_of(log_file, tmp_path / "w", size=size, part_rows=part_rows, monkeypatch=monkeypatch)
    expected, bad = plain_rows(log_file)
    assert list(map(tuple, rows)) == expected
    assert sum(each["rows"] for each in facts) == N_LINES
    assert [tuple(row) for each in facts for row in each["bad_rows"]] == [
        (row.line, row.reason, row.excerpt) for row in bad
    ]
    assert len(bad) == sum(each["bad"] for each in facts) == sum(sum(each["reasons"].values()) for each in facts)


def test_of_very_many_people_the_same_are_kept_however_the_log_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(log_shards, "MAX_ASKERS", 5)
    path = tmp_path / "log.tsv"
    path.write_text("AnonID\tQuery\tClickURL\n" + "".join(f"u{n % 40}\tpython a\t\n" for n in range(90)))
    kept = sorted(bytes.fromhex(user_hash(f"u{n}", b"s")) for n in range(40))[:5]
    for size in (10**6, 100):
        rows, _ = shards_of(path, tmp_path / str(size), size=size, part_rows=9, monkeypatch=monkeypatch)
        assert rows[0].askers == b"".join(kept)


def test_shards_hold_no_user_and_no_private_url(tmp_path, monkeypatch):
    path = tmp_path / "log.tsv"
    path.write_text(
        "AnonID\tQuery\tClickURL\n"
        "agnes.person\tpython a\thttps://x.org/a?session=8h3kd92hs7d6f5g4h3j2\n"
        "agnes.person\tpython a\thttps://x.org/questions/12345678901\n"
        f"agnes.person\tpython a\thttps://x.org/{'p' * 2500}\n"
    )
    folder = tmp_path / "work"
    rows, _ = shards_of(path, folder, size=10**6, part_rows=9, monkeypatch=monkeypatch)
    assert rows[0].urls == (("https://x.org/questions/12345678901", 1),)
    assert all(b"agnes" not in file.read_bytes() for file in folder.iterdir())


def test_the_spelling_of_the_first_line_is_kept_and_counts_are_exact(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    path.write_text(f"Query,n\nPython A,{10**12}\npython a,{10**12 - 1}\npython  a,1\n")
    monkeypatch.setitem(COLUMNS, "count_column", "n")
    monkeypatch.setitem(COLUMNS, "user_column", "")
    monkeypatch.setitem(COLUMNS, "url_column", "")
    for size in (10**6, 10):
        rows, _ = shards_of(path, tmp_path / str(size), size=size, part_rows=9, monkeypatch=monkeypatch)
        assert [(row.text, row.rows, row.n) for row in rows] == [("Python A", 3, 2 * 10**12)]


def test_parts_cover_all_buckets_once():
    for n_rows in (0, 1, 59_999, 60_001, 10**6, 10**9):
        parts = parts_of(n_rows)
        assert parts[0][0] == 0
        assert parts[-1][1] == BUCKETS
        assert all(one[1] == other[0] for one, other in pairwise(parts))


# --- into the database --------------------------------------------------------------------------------------------


def ingested(data, executor, *, shard_bytes, monkeypatch, slug):
    """A project with the log in it; the same secret in all, so that people are the same hashes."""
    project = ProjectFactory(slug=slug, secret="the same for all of them")
    monkeypatch.setattr(logs, "SHARD_BYTES", shard_bytes)
    start = start_ingest_log(project=project, stored=store_log([data], name="log.tsv"), shape=LogShape(**COLUMNS))
    logs.ingest_log(run=claim(start.job.pk), log_import_id=start.log_import.pk, executor=executor)
    return project


def test_one_shard_64_shards_and_two_processes_leave_the_same_rows(made_log, monkeypatch):
    one = state_of(ingested(made_log, InlineExecutor(), shard_bytes=2**23, monkeypatch=monkeypatch, slug="one"))
    monkeypatch.setattr(log_shards, "PART_ROWS", 200)
    monkeypatch.setattr(log_writing, "MAX_CHUNK_ROWS", 200)
    size = len(made_log) // 64
    many = state_of(ingested(made_log, InlineExecutor(), shard_bytes=size, monkeypatch=monkeypatch, slug="many"))
    assert many == one
    for slug, executor in (("local", LocalExecutor(2)), ("celery", CeleryExecutor(wake=lambda pk: None))):
        other = ingested(made_log, executor, shard_bytes=len(made_log) // 9, monkeypatch=monkeypatch, slug=slug)
        assert state_of(other) == one
    assert one["numbers"][0] == N_LINES
    assert one["clicks"]


def test_any_engine_holds_what_one_plain_loop_gives(made_log, log_file, monkeypatch):
    """Run on SQLite and on PostgreSQL, so that both hold the same."""
    project = ingested(made_log, InlineExecutor(), shard_bytes=20_000, monkeypatch=monkeypatch, slug="one")
    expected, bad = plain_rows(log_file, project.secret.encode())
    held = state_of(project)
    assert held["queries"] == sorted(
        (key, text, n, len(askers) // 16, reason) for key, text, _, n, reason, _, askers, _ in expected
    )
    assert held["counts"] == [(key, n, askers) for key, _, _, n, _, _, askers, _ in expected]
    assert held["verdicts"] == sorted((key, not hits) for key, _, _, _, reason, hits, _, _ in expected if not reason)
    assert held["hits"] == sorted((key, hit) for key, _, _, _, _, hits, _, _ in expected for hit in hits)
    assert held["clicks"] == sorted((each[0], *url) for each in expected for url in each[-1])
    assert held["bad"] == sorted((row.line, row.reason, row.excerpt) for row in bad)


def test_apply_rules_has_nothing_left_to_do(made_log, monkeypatch):
    from core.jobs import run_inline
    from curation.selectors.queries import current_rule_set, rule_counts
    from curation.services.rule_counts import recount
    from curation.services.rules import start_apply_rules

    project = ingested(made_log, InlineExecutor(), shard_bytes=2**23, monkeypatch=monkeypatch, slug="one")
    rule_set = current_rule_set(project)
    kept = rule_counts(project, rule_set).as_data()
    job = run_inline(start_apply_rules(project=project, rule_set=rule_set))
    assert job.result["changed"] == 0
    assert kept["unjudged"] == 0
    recount(project, rule_set)
    assert rule_counts(project, rule_set).as_data() == kept


def test_queries_come_again_with_new_ones_between(project, made_log, monkeypatch):
    """A second log: known queries keep their text and verdicts, new ones are added, sums hold."""
    half = made_log.split(b"\n")
    head, first, second = half[0], half[1:900], half[600:]
    for name, part in (("a.tsv", first), ("b.tsv", second)):
        data = b"\n".join([head, *part])
        start = start_ingest_log(project=project, stored=store_log([data], name=name), shape=LogShape(**COLUMNS))
        logs.ingest_log(run=claim(start.job.pk), log_import_id=start.log_import.pk)
    for found in LogImport.objects.all():
        assert found.n_read == found.n_new + found.n_known + found.n_bad
        assert found.n_new == found.new_queries.count()
    for query in project.queries.prefetch_related("counts"):
        assert query.n_seen == sum(count.n for count in query.counts.all())
        assert query.n_people == log_writing.n_people(bytes(count.askers) for count in query.counts.all())
        assert query.content_hash == query_hash(normalise_query(query.text))
    assert BadRow.objects.filter(log_import__project=project).exists()
