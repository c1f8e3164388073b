"""Every reader of code sources and every extractor with inputs that were broken on purpose: no crash, no hang.

The short form runs a few hundred; the long one (`-m long`, `make verify-long`) many thousands, each with a bound on
time, all together with a bound on memory.
"""

import gzip
import io
import json
import lzma
import random
import resource
import tarfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import QuarryError
from curation.code_reading import CODESEARCHNET, COSQA, MBPP, FoundFunction, Problem, Unit, read_unit
from curation.code_sources import open_source
from curation.git_checkouts import open_checkout

SAMPLES = Path(__file__).parent / "code_samples"
TIME_LIMIT_S = 20.0
MEMORY_LIMIT_MB = 1500
PYTHON = b'''import os

@cached(size=3)
async def read(path: str, *, n=(1, 2)) -> list:
    """Read "n" rows.

    >>> read("x")
    """
    # go through the file line by line
    rows = [f"{row!r}" for row in open(path)]  # all of the rows at once
    class Inner:
        def method(self): return r\'\'\'raw
string\'\'\'
    return rows

def old(x):
    print x, "python 2"
'''
ROW = {
    "repo": "a/b",
    "path": "c.py",
    "func_name": "f",
    "original_string": "def f():\n    return 1",
    "language": "python",
    "docstring": "Return one.",
    "sha": "a" * 40,
    "url": "https://x/y#L1-L2",
    "code": "def f():\n    return 1",
}
SEEDS: dict[str, bytes] = {
    "python": PYTHON,
    "java": (SAMPLES / "Inventory.java").read_bytes(),
    "javascript": (SAMPLES / "shapes.js").read_bytes(),
    "typescript": (SAMPLES / "store.ts").read_bytes(),
    "go": (SAMPLES / "queue.go").read_bytes(),
    "php": (SAMPLES / "Finder.php").read_bytes(),
    "ruby": (SAMPLES / "matrix.rb").read_bytes(),
    CODESEARCHNET: b"\n".join(
        json.dumps(row).encode() for row in (ROW, {**ROW, "language": "java"}, {**ROW, "path": ""})
    ),
    MBPP: json.dumps({"text": "Add two.", "code": "def add(a, b):\r\n  return a + b", "task_id": 1}).encode(),
    COSQA: json.dumps({"code": 'def f():\n    """Doc."""\n    return 1', "number": 1}).encode(),
}
PIECES = [
    *(mark.encode() for mark in ('"""', "'''", "/*", "*/", "//", "<<A", "def f(", "class ", "=begin\n", "<?php ")),
    *(mark.encode() for mark in "([{}\\#`@\n\r\t\0\u202e"),
    *(b"\xff\xfe", b"\xed\xa0\x80", b"0" * 400, b"-" * 300),
]


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """A few cuts, copies, insertions and flips."""
    raw = bytearray(seed)
    for _ in range(rng.randrange(1, 8)):
        at, end = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
        kind = rng.randrange(6)
        if kind == 0:
            del raw[at : min(end, at + 60)]
        elif kind == 1:
            raw[at:at] = rng.choice(PIECES) * rng.choice([1, 1, 1, 3, 40])
        elif kind == 2 and raw:
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        elif kind == 3:
            raw[at:at] = raw[at:end][:200] * rng.choice([1, 2, 20])
        elif kind == 4:
            raw = raw[:end]
        else:
            other = rng.choice(list(SEEDS.values()))
            start = rng.randrange(len(other))
            raw[at:at] = other[start : start + 80]
    return bytes(raw)


def check_unit(kind: str, raw: bytes) -> None:
    """Reads the bytes as one piece; everything that comes back can be stored."""
    is_records = kind in {CODESEARCHNET, MBPP, COSQA}
    unit = Unit("x", data=raw, kind=kind, first=1) if is_records else Unit(f"x.{kind}", kind, data=raw)
    for one in read_unit(unit):
        if isinstance(one, Problem):
            assert one.reason
            continue
        assert isinstance(one, FoundFunction)
        for text in (one.function.text, one.function.header, one.function.body, one.function.docstring):
            text.encode("utf-8")
            assert "\0" not in text
        assert one.function.text.strip()
        assert 0 <= one.function.start_line <= one.function.end_line


def packed(rng: random.Random) -> bytes:
    """An archive or packed file of the seeds."""
    kind = rng.choice(["zip", "tar", "tar.gz", "tar.xz", "gz", "xz", "cosqa"])
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.py", PYTHON)
            archive.writestr("LICENSE", "MIT License")
            archive.writestr("b/A.java", SEEDS["java"])
    elif kind.startswith("tar"):
        with tarfile.open(fileobj=buffer, mode="w" if kind == "tar" else f"w:{kind[4:]}") as archive:
            for name, data in (("a.py", PYTHON), ("b.go", SEEDS["go"])):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    elif kind == "cosqa":
        buffer.write(json.dumps({"def f(): pass": 0, PYTHON.decode(): 1}).encode())
    else:
        buffer.write((gzip.compress if kind == "gz" else lzma.compress)(SEEDS[CODESEARCHNET]))
    return buffer.getvalue()


def check_source(raw: bytes, place: Path, name: str = "x") -> None:
    """Opens and reads the bytes as an uploaded file: functions, problems, or a plain refusal."""
    place.write_bytes(raw)
    with suppress(QuarryError):
        for one in open_source(str(place), name=name).functions():
            assert isinstance(one, FoundFunction | Problem)


def fuzz(n: int, seed: int, place: Path) -> float:
    """`n` mutated inputs, spread over all readers; returns the longest time of one, in seconds."""
    rng = random.Random(seed)
    kinds = [*SEEDS, "packed", "packed", "git"]
    slowest = 0.0
    for number in range(n):
        kind = kinds[number % len(kinds)]
        started = time.perf_counter()
        if kind == "packed":
            check_source(mutated(packed(rng), rng), place)
        elif kind == "git":
            check_checkout(mutated(INDEX, rng), place.parent)
        else:
            check_unit(kind, mutated(SEEDS[kind], rng))
        slowest = max(slowest, time.perf_counter() - started)
        assert slowest < TIME_LIMIT_S, kind
    return slowest


INDEX = (
    b"DIRC\0\0\0\2\0\0\0\1"
    + b"\0" * 24
    + (0o100644).to_bytes(4, "big")
    + b"\0" * 12
    + b"a" * 20
    + b"\0\4a.py"
    + b"\0" * 6
)


def check_checkout(index: bytes, folder: Path) -> None:
    """A checkout whose index is broken still has its commit."""
    git = folder / "checkout" / ".git"
    git.mkdir(parents=True, exist_ok=True)
    (git / "HEAD").write_text("a" * 40)
    (git / "index").write_bytes(index)
    found = open_checkout(git.parent)
    assert found is not None
    assert found.commit == "a" * 40


@pytest.mark.parametrize("seed", range(4))
def test_a_few_hundred_broken_inputs(seed, tmp_path):
    fuzz(78, seed, tmp_path / "x")


def test_what_nests_without_end_is_read_or_reported():
    for language, raw in (
        ("python", b"x = " + b"(\n" * 5000 + b")\n" * 5000),
        ("python", b"x = (a\n" + b".a\n" * 20_000 + b")"),
        ("python", b"def f(x\n" * 3000),
        ("javascript", b"function f() {\n" * 2000 + b"}\n" * 2000),
        ("java", b"class A {\n" * 5000),
        ("ruby", b"def f\n" * 5000),
        ("typescript", b"`${\n" * 5000),
        ("go", b"// x\n" * 20_000 + b"func f() {}\n"),
    ):
        check_unit(language, raw)


@pytest.mark.long
def test_thousands_of_broken_inputs(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest = fuzz(6500, 4321, tmp_path / "x")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEMORY_LIMIT_MB, f"memory grew by {grown:.0f} MB"
    assert slowest < TIME_LIMIT_S
