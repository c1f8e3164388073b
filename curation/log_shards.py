"""The two pure stages of reading a search log, from a chunk of the file to sorted, judged queries. No database.

`read_shard` turns a chunk of the log into a column file (Arrow IPC) of its distinct queries, sorted by content hash,
with a record batch for each of 64 buckets of hashes. `sort_shard` takes some neighbouring buckets of all those files,
puts equal queries together, looks for private text and applies the intent rules, once for each distinct text.
The same log gives the same sorted queries however it was cut, because sums do not care and the first spelling is the
one with the smallest line. People are hashed with the project's secret before anything is written.
"""

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.shard_worker import ShardTask
from core.text import query_hash
from curation.intent import RuleProfile, read_rule_set
from curation.privacy import quarantine_reasons
from curation.reading import BadRow, Chunk, LogColumns, LogShape, clean_query, excerpt, read_chunk
from curation.reading.urls import one_url_each

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

READ_SHARD = "curation.log_shards:read_shard"
SORT_SHARD = "curation.log_shards:sort_shard"
BUCKETS = 64  # of hashes, by their first six bits
MAX_BAD_ROWS = 1000  # of a chunk; all are counted
MAX_N = 2**62
PART_ROWS = 60_000  # rows of all shards that one sorted part takes together
READ_ROWS = 8192
ASKER_BYTES = 16
MAX_URL_CHARS = 2000
_TELLING = re.compile(r"[@?=;]|%40")  # a login, an address or a parameter; numbers in a path are pages
MAX_ASKERS = 1000  # of a query: the smallest hashes, so that what is kept does not depend on any order


class QueryRow(NamedTuple):
    """A distinct query of the log: how many rows had it, how often it was asked, by whom, what was clicked.

    `askers` holds the hashes of the people, ASKER_BYTES each, ascending, at most MAX_ASKERS of them.
    """

    key: str
    text: str
    rows: int
    n: int
    reason: str
    hits: tuple[str, ...]
    askers: bytes = b""
    urls: tuple[tuple[str, int], ...] = ()


def chunk_bytes(chunk: Chunk) -> bytes:
    """A chunk as the data of a shard."""
    return json.dumps([chunk.number, chunk.first_line]).encode() + b"\n" + chunk.data


def user_hash(user: str, salt: bytes) -> str:
    """Who asked, as a keyed hash (BLAKE2b-128) that nobody can turn back or link to another project."""
    return _user_digest(user, salt).hex()


def _user_digest(user: str, salt: bytes) -> bytes:
    return hashlib.blake2b(user.encode("utf-8", "replace"), key=salt[:64], digest_size=16, person=b"asker").digest()


# --- a chunk of the log -> its distinct queries -------------------------------------------------------------------


def read_shard(task: ShardTask) -> dict[str, Any]:
    """Writes the distinct queries of a chunk. Parameters: shape (LogShape.as_data), name, salt.

    Returns {rows, bad, queries, reasons: {reason: rows}, bad_rows: [[line, reason, masked excerpt], ...]}.
    """
    head, _, data = task.data.partition(b"\n")
    number, first_line = json.loads(head)
    shape = LogShape.from_data(task.params["shape"])
    columns = read_chunk(Chunk(number, first_line, data), shape, name=task.params["name"])
    if shape.user_column:  # the excerpt of a whole row would hold the person's name, which nothing may keep
        columns.bad = [BadRow(row.line, row.reason) for row in columns.bad]
    table, bad = _distinct(columns, task.params["salt"].encode())
    _write(table, task.output)
    bad.sort(key=lambda row: row.line)
    return {
        "rows": columns.n_rows,
        "bad": len(bad),
        "queries": table.num_rows,
        "reasons": dict(Counter(row.reason for row in bad)),
        "bad_rows": [[row.line, row.reason, row.excerpt] for row in bad[:MAX_BAD_ROWS]],
    }


def _distinct(columns: LogColumns, salt: bytes) -> "tuple[pa.Table, list[BadRow]]":
    """The distinct queries sorted by (hash, first line), and the bad rows.

    Equal raw strings are put together first: everything after that is done once for each of them.
    """
    import numpy as np
    import pyarrow as pa

    numbers: dict[str, int] = {}
    codes = np.fromiter(
        (numbers.setdefault(raw, len(numbers)) for raw in columns.queries), np.int64, len(columns.queries)
    )
    texts, digests, reasons = _cleaned(numbers)
    bad = [*columns.bad, *_bad_queries(columns, codes, reasons)]
    lines = np.asarray(columns.lines, np.int64)
    first = np.zeros(len(numbers), np.int64)
    first[codes[::-1]] = lines[::-1]  # the last one written is the first of the file

    good = np.asarray([not reason for reason in reasons], bool)
    hashes = np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2).astype(np.uint64)
    order = np.lexsort((first, hashes[:, 1], hashes[:, 0]))
    order = order[good[order]]
    starts = _starts(hashes[order, 0], hashes[order, 1])
    group = np.full(len(numbers), -1, np.int64)
    group[order] = np.cumsum(_is_start(starts, len(order))) - 1
    chosen = order[starts]
    row_group = group[codes]
    is_good = row_group >= 0
    table = {
        "hi": hashes[chosen, 0],
        "lo": hashes[chosen, 1],
        "text": pa.array([texts[place] for place in chosen.tolist()], pa.string()),
        "line": first[chosen],
        "rows": np.bincount(row_group[is_good], minlength=len(starts)),
        "n": _sums(row_group[is_good], np.asarray(columns.counts, np.int64)[is_good], len(starts)),
    }
    if columns.users is not None:
        table["users"] = _users(columns.users, row_group, len(starts), salt)
    if columns.urls is not None:
        urls, rows = one_url_each(columns.urls)
        at = slice(None) if rows is None else rows
        counts = np.asarray(columns.counts, np.int64)[at]
        table["urls"], table["clicks"] = _urls(_open_urls(urls), counts, row_group[at], len(starts))
    return pa.table(table), bad


def _cleaned(raws: dict[str, int]) -> tuple[list[str], list[bytes], list[str]]:
    """For each raw query its normalised text, its content hash (16 bytes) and the reason why it is bad, or ''."""
    texts, digests, reasons = [], [], []
    for raw in raws:
        text, reason = clean_query(raw)
        texts.append(text)
        reasons.append(reason)
        digests.append(bytes(16) if reason else bytes.fromhex(query_hash(text)))
    return texts, digests, reasons


def _bad_queries(columns: LogColumns, codes: "np.ndarray", reasons: list[str]) -> list[BadRow]:
    if not any(reasons):
        return []
    bad_codes = set(compress(range(len(reasons)), reasons))
    return [
        BadRow(columns.lines[place], reasons[code], excerpt(columns.queries[place]) if columns.queries[place] else "")
        for place, code in enumerate(codes.tolist())
        if code in bad_codes
    ]


def _starts(hi: "np.ndarray", lo: "np.ndarray") -> "np.ndarray":
    """Where in two sorted columns a new hash begins."""
    import numpy as np

    if not len(hi):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1]))))


def _is_start(starts: "np.ndarray", length: int) -> "np.ndarray":
    import numpy as np

    marks = np.zeros(length, np.int64)
    marks[starts] = 1
    return marks


def _sums(groups: "np.ndarray", values: "np.ndarray", n_groups: int) -> "np.ndarray":
    """Exact integer sums by group (a float sum would round above 2**53)."""
    import numpy as np

    sums = np.zeros(n_groups, np.int64)
    np.add.at(sums, groups, values)
    return np.clip(sums, 0, MAX_N)


def _users(users: list[str], row_group: "np.ndarray", n_groups: int, salt: bytes) -> "pa.Array":
    """For each query the distinct people who asked it, hashed, as a list column."""
    import numpy as np
    import pyarrow as pa

    groups, codes, known = _pairs(users, row_group)
    digests = pa.array([_user_digest(user, salt) for user in known], pa.binary(16))
    pairs = np.unique(groups * max(1, len(known)) + codes)
    groups, codes = np.divmod(pairs, max(1, len(known)))
    return pa.ListArray.from_arrays(_offsets(groups, n_groups), digests.take(pa.array(codes)))


def _urls(urls: list[str], counts: "np.ndarray", row_group: "np.ndarray", n_groups: int) -> "tuple[pa.Array, pa.Array]":
    """For each query the clicked URLs and how often, as two list columns."""
    import numpy as np
    import pyarrow as pa

    weights = counts[_named(urls, row_group)]
    groups, codes, known = _pairs(urls, row_group)
    pairs, place = np.unique(groups * max(1, len(known)) + codes, return_inverse=True)
    clicks = _sums(place, weights, len(pairs))
    groups, codes = np.divmod(pairs, max(1, len(known)))
    offsets = _offsets(groups, n_groups)
    names = pa.array(known, pa.string()).take(pa.array(codes))
    return pa.ListArray.from_arrays(offsets, names), pa.ListArray.from_arrays(offsets, pa.array(clicks))


def _open_urls(urls: list[str]) -> list[str]:
    """The URLs, with '' for those that are too long or carry something private after the path."""
    private = {
        url
        for url in set(urls)
        if len(url) > MAX_URL_CHARS or (_TELLING.search(url) and quarantine_reasons([url]) != [""])
    }
    return ["" if url in private else url for url in urls] if private else urls


def _named(values: list[str], row_group: "np.ndarray") -> "np.ndarray":
    """Rows of good queries where the value is not empty."""
    import numpy as np

    return (row_group >= 0) & np.fromiter(map(bool, values), bool, len(values))


def _pairs(values: list[str], row_group: "np.ndarray") -> "tuple[np.ndarray, np.ndarray, list[str]]":
    """Group and number of the value for every row that has one, and the distinct values by number."""
    import numpy as np

    known: dict[str, int] = {}
    wanted = _named(values, row_group)
    kept = compress(values, wanted.tolist())
    codes = np.fromiter((known.setdefault(value, len(known)) for value in kept), np.int64, int(wanted.sum()))
    return row_group[wanted], codes, list(known)


def _offsets(sorted_groups: "np.ndarray", n_groups: int) -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    return pa.array(np.searchsorted(sorted_groups, np.arange(n_groups + 1)).astype(np.int32))


def _write(table: "pa.Table", path: Path) -> None:
    """An Arrow file with a record batch for each bucket, so that a part is read without the rest."""
    import numpy as np
    import pyarrow as pa

    bucket = table["hi"].to_numpy() >> np.uint64(58)
    offsets = np.searchsorted(bucket, np.arange(BUCKETS + 1)).tolist()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        for first, end in itertools.pairwise(offsets):
            rows = table.slice(first, end - first).combine_chunks()
            writer.write_batch(
                pa.RecordBatch.from_arrays([_one_chunk(column) for column in rows.columns], schema=table.schema)
            )


def _one_chunk(column: "pa.ChunkedArray") -> "pa.Array":
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def bucket_of(key: str) -> int:
    """The bucket of a content hash."""
    return int(key[:2], 16) >> 2


# --- all chunks -> sorted, judged queries -------------------------------------------------------------------------


def sort_shard(task: ShardTask) -> dict[str, Any]:
    """Merges the buckets first <= bucket < end of the shards named in the data, and judges each distinct text.

    Data: {"shards": [file names], "first": int, "end": int}. Parameters: rules (TOML), language.
    """
    wanted = json.loads(task.data)
    table = _merged([_buckets(task.folder / name, wanted["first"], wanted["end"]) for name in wanted["shards"]])
    texts = table["text"].to_pylist()
    reasons, hits = judge_texts(texts, _profile(task.params["rules"]), task.params["language"])
    _write_sorted(table, reasons, hits, task.output)
    return {"queries": len(texts), "quarantined": sum(map(bool, reasons))}


@lru_cache(maxsize=1)
def _profile(rules: str) -> RuleProfile:
    return read_rule_set(rules)


def judge_texts(texts: list[str], profile: RuleProfile, language: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """For each text why it is private, or '', and the rules that hit it (none for a private one: nobody sees it)."""
    reasons = quarantine_reasons(texts)
    open_texts = [text for text, reason in zip(texts, reasons, strict=True) if not reason]
    judged = iter(profile.judge_all(open_texts, language=language))
    return reasons, [() if reason else next(judged) for reason in reasons]


def _buckets(path: Path, first: int, end: int) -> "pa.Table":
    """Some buckets of a shard; nothing else of it is read (a mapped file would count as memory, page by page)."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file)
        return pa.Table.from_batches([reader.get_batch(bucket) for bucket in range(first, end)])


def _merged(tables: "list[pa.Table]") -> "pa.Table":
    """Equal queries together: the spelling of the smallest line, sums, distinct people, clicks by URL."""
    import numpy as np
    import pyarrow as pa

    table = pa.concat_tables(tables).combine_chunks()
    hi, lo, line = (table[name].to_numpy() for name in ("hi", "lo", "line"))
    order = np.lexsort((line, lo, hi))
    starts = _starts(hi[order], lo[order])
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(_is_start(starts, len(order))) - 1
    chosen = order[starts]
    merged = {
        "hi": hi[chosen],
        "lo": lo[chosen],
        "text": table["text"].take(pa.array(chosen)),
        "rows": _sums(group, table["rows"].to_numpy(), len(starts)),
        "n": _sums(group, table["n"].to_numpy(), len(starts)),
    }
    if "users" in table.column_names:
        merged["askers"] = _packed(_merged_lists(table["users"], None, group, len(starts))[0])
    if "urls" in table.column_names:
        merged["urls"], merged["clicks"] = _merged_lists(table["urls"], table["clicks"], group, len(starts))
    return pa.table(merged)


def _merged_lists(
    lists: "pa.ChunkedArray", weights: "pa.ChunkedArray | None", group: "np.ndarray", n_groups: int
) -> "tuple[pa.Array, pa.Array]":
    """List columns by group, each value once, in the order of the values; with the sums of their weights."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    groups = group[pc.list_parent_indices(lists).to_numpy()]
    values = pc.list_flatten(lists).combine_chunks()
    known = pc.unique(values)
    known = known.take(pc.sort_indices(known))
    codes = pc.index_in(values, known).to_numpy(zero_copy_only=False).astype(np.int64)
    pairs, place = np.unique(groups * max(1, len(known)) + codes, return_inverse=True)
    amounts = np.ones(len(place), np.int64) if weights is None else pc.list_flatten(weights).to_numpy()
    sums = _sums(place, amounts, len(pairs))
    groups, codes = np.divmod(pairs, max(1, len(known)))
    offsets = _offsets(groups, n_groups)
    return (
        pa.ListArray.from_arrays(offsets, known.take(pa.array(codes))),
        pa.ListArray.from_arrays(offsets, pa.array(sums)),
    )


def _packed(users: "pa.ListArray") -> "pa.Array":
    """Each list of sorted hashes as one run of bytes, cut after MAX_ASKERS."""
    import numpy as np
    import pyarrow as pa

    sizes = np.diff(users.offsets.to_numpy())
    place = np.arange(len(users.values)) - np.repeat(users.offsets.to_numpy()[:-1], sizes)
    kept = users.values.filter(pa.array(place < MAX_ASKERS))
    ends = np.concatenate(([0], np.cumsum(np.minimum(sizes, MAX_ASKERS)))) * ASKER_BYTES
    data = kept.take(pa.array(np.arange(len(kept)))).buffers()[1]  # a copy without offset
    return pa.Array.from_buffers(pa.binary(), len(sizes), [None, pa.py_buffer(ends.astype(np.int32)), data])


def _write_sorted(table: "pa.Table", reasons: list[str], hits: list[tuple[str, ...]], path: Path) -> None:
    import pyarrow as pa

    columns = {name: table[name] for name in table.column_names if name not in {"hi", "lo"}}
    halves = zip(table["hi"].to_pylist(), table["lo"].to_pylist(), strict=True)
    columns["key"] = pa.array([f"{hi:016x}{lo:016x}" for hi, lo in halves], pa.string())
    columns["reason"] = pa.array(reasons, pa.string())
    columns["hits"] = pa.array(["\t".join(each) for each in hits], pa.string())
    with pa.OSFile(str(path), "wb") as file:
        written = pa.table(columns)
        with pa.ipc.new_file(file, written.schema) as writer:
            writer.write_table(written, max_chunksize=READ_ROWS)


def sorted_queries(path: Path, *, after: str = "") -> Iterator[QueryRow]:
    """The queries of a sorted shard whose content hash is above `after`, in the order of the hashes."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            rows = _query_rows(reader.get_batch(number))
            yield from rows if not after or rows[0].key > after else (row for row in rows if row.key > after)


def _query_rows(batch: "pa.RecordBatch") -> list[QueryRow]:
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    size = batch.num_rows
    urls: list[Any] = [()] * size
    if "urls" in columns:
        both = zip(columns["urls"], columns["clicks"], strict=True)
        urls = [tuple(zip(names, clicks, strict=True)) for names, clicks in both]
    forms = {text: tuple(text.split("\t")) if text else () for text in set(columns["hits"])}
    hits = [forms[text] for text in columns["hits"]]
    plain = (columns[name] for name in ("key", "text", "rows", "n", "reason"))
    return list(map(QueryRow, *plain, hits, columns.get("askers", [b""] * size), urls))


def parts_of(n_rows: int) -> list[tuple[int, int]]:
    """The buckets cut into parts of about so many rows: (first, end) of each. Hashes fill all buckets alike."""
    n_parts = max(1, min(BUCKETS, -(-n_rows // PART_ROWS)))
    cuts = [BUCKETS * part // n_parts for part in range(n_parts + 1)]
    return list(itertools.pairwise(cuts))
