"""Mutated logs of every format and packing: rows or a refusal, never another exception, a hang, or all memory.

Each input is made from its number alone, so a failing one can be tried again: `trial(number, tmp_path)`.
The long form tries 6,000 inputs: pytest tests/curation/test_reading_fuzz.py -m long
"""

import random
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from curation.reading import (
    BadRow,
    Limits,
    LogFileError,
    LogFormat,
    LogRow,
    LogShape,
    preview_log,
    read_log,
    read_table,
)
from curation.reading.rows import is_storable
from tests.curation.log_files import FORMATS, PACKINGS, ROWS

NASTY = [
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b'"',
    b'""',
    b"\r",
    b"\n",
    b"\n\n",
    b",",
    b";",
    b"\t",
    b"|",
    b"[",
    b"]" * 3,
    b"{",
    b"}",
    b"[" * 200,
    b'{"a":' * 200,
    b"\\",
    b"\\u12",
    b'"\\ud800"',
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"x" * 3000,
    b" " * 300,
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b\x08",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"BZh9",
    b"PAR1",
    b"\xef\xbb\xbf",
    "é ﬁ \u2028 \u0085".encode(),
    b"query,count,user,url\n",
]
LIMITS = Limits(line_bytes=2000, record_lines=5, record_bytes=4000, json_depth=20, unpacked_bytes=2**22)
COLUMNS = ["", "", "", "query", "count", "1", "2", "99", "-", "no such"]
HANG_S = 60


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A few random changes: bytes flipped, pieces put in, cut out, doubled or moved, the end cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice([1, 2, 10, 100]))
        match rng.randrange(6):
            case 0 if changed:
                changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
            case 1:
                changed[at:at] = rng.choice(NASTY)
            case 2:
                del changed[at:end]
            case 3:
                changed[at:at] = changed[at:end] * rng.choice([1, 2, 30])
            case 4:
                piece = changed[at:end]
                del changed[at:end]
                to = rng.randrange(len(changed) + 1)
                changed[to:to] = piece
            case _:
                del changed[end:]
    return bytes(changed)


def made(number: int, *, parquet: bool) -> tuple[bytes, LogShape, str]:
    """The bytes of an input, how it is to be read, and what it came from."""
    rng = random.Random(number)
    format = "parquet" if parquet else rng.choice([name for name in FORMATS if name != "parquet"])
    packing = rng.choice(list(PACKINGS))
    rows = ROWS * rng.choice([1, 1, 3, 40])
    data = FORMATS[format](rows)
    if rng.random() < 0.7:
        data = mutated(data, rng)
    data = PACKINGS[packing](data)
    if packing != "plain" and rng.random() < 0.5:
        data = mutated(data, rng)
    shape = LogShape()
    if rng.random() < 0.5:
        shape = LogShape(
            format=LogFormat.AUTO if parquet else rng.choice([each for each in LogFormat if each != LogFormat.PARQUET]),
            column=rng.choice(COLUMNS[:-2] + COLUMNS[-1:]),
            count_column=rng.choice(COLUMNS),
            url_column=rng.choice(COLUMNS),
            delimiter=rng.choice(["", ",", ";", "\t", "|"]),
            quotes=rng.choice([None, True, False]),
            header=rng.choice([None, True, False]),
            member=rng.choice(["", "", "log", "other"]),
        )
    return data, shape, f"{format} in {packing}"


def trial(number: int, folder: Path, *, parquet: bool = False) -> str:
    """Reads one input every way there is; gives what came of it. Whatever is no LogFileError comes out."""
    data, shape, _ = made(number, parquet=parquet)
    path = folder / "input"
    path.write_bytes(data)
    name = random.Random(number).choice(["log", "log.csv", "log.json.gz", "log.tsv", "a.jsonl"])
    outcomes = []
    for read in (
        lambda: preview_log(path, shape, limits=LIMITS, name=name).rows,
        lambda: checked(list(read_log(path, shape, limits=LIMITS, name=name, chunk_bytes=500))),
        lambda: list(read_table(path, ["query", "count"], name=name)),
    ):
        try:
            outcomes.append("rows" if read() else "no rows")
        except LogFileError as error:
            outcomes.append(error.code if len(str(error)) < 3000 else "an endless message")
    return outcomes[1]


def checked(rows: list[LogRow | BadRow]) -> list[LogRow | BadRow]:
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    for row in rows:
        if isinstance(row, BadRow):
            assert len(row.excerpt) <= 100
            assert len(row.reason) <= 200
        else:
            assert row.query.strip() == row.query != ""
            assert row.count >= 1
            assert is_storable(row.query)
            assert is_storable(row.url)
    return rows


@contextmanager
def no_hang(number: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise AssertionError(f"input {number} hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tried(numbers: range, folder: Path, *, parquet: bool = False) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for number in numbers:
        with no_hang(number):
            try:
                outcomes[trial(number, folder, parquet=parquet)] += 1
            except Exception as error:
                raise AssertionError(f"input {number} ({made(number, parquet=parquet)[2]}): {error!r}") from error
    return outcomes


def peak_mb() -> tuple[float, float]:
    """The most memory that this process, and any of its children, has held."""
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own, children


def test_mutated_logs_give_rows_or_refusals(tmp_path):
    outcomes = tried(range(300), tmp_path) + tried(range(4), tmp_path, parquet=True)
    assert outcomes["rows"] > 60
    assert len(outcomes) > 5
    assert not outcomes["an endless message"]


@pytest.mark.long
@pytest.mark.timeout(0)
def test_thousands_of_mutated_logs_give_rows_or_refusals_in_bounded_memory(tmp_path, capsys):
    before = peak_mb()[0]
    outcomes = tried(range(1000, 6700), tmp_path) + tried(range(100), tmp_path, parquet=True)
    own, children = peak_mb()
    with capsys.disabled():
        print(f"\n{sum(outcomes.values()):,} inputs: {dict(outcomes.most_common())}")  # noqa: T201
        print(f"peak {own:.0f} MB ({own - before:.0f} above the start), helper processes {children:.0f} MB")  # noqa: T201
    assert sum(outcomes.values()) >= 5000
    assert own - before < 200
    assert children < 512
