"""Parquet as columns, read by a child process that a hostile file may crash, fill or hold up without harm."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from curation.reading.errors import LogFileError, LogTooBigError
from curation.reading.packing import Place, opened, packing_of
from curation.reading.rows import Chunk, Values
from curation.reading.shapes import Limits

MAGIC = b"PAR1"
CHILD = Path(__file__).with_name("parquet_child.py")
MEMORY_BYTES = 768 * 2**20
HEAD_ROWS = 50
HEAD_SECONDS = 20
MAX_ANSWER_BYTES = 256 * 2**20
MAX_BATCH_ROWS = 65_536
BYTES_PER_ROW = 128  # a guess that makes a batch about as large as a chunk of text


@dataclass(frozen=True)
class ParquetHead:
    """The columns of a file with their types, how many rows it has, and the first of them."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    n_rows: int
    rows: list[list[Any]]


def parquet_head(path: Path, limits: Limits, name: str, *, member: str = "") -> ParquetHead:
    """What the file says of itself. Raises LogFileError."""
    request = _request(None, HEAD_ROWS, limits, HEAD_SECONDS, rows=HEAD_ROWS)
    with _seekable(path, limits, name, member) as file, _answers(file, request, name) as answers:
        first = json.loads(next(answers)[0])
        names = tuple(str(each) for each in first["names"])
        if len(names) > limits.columns:
            raise LogTooBigError(name=name, problem=f"{len(names):,} columns")
        rows: list[list[Any]] = []
        for batch, _ in answers:
            rows.extend(list(row) for row in zip(*json.loads(batch), strict=True))
    return ParquetHead(names, tuple(first["types"]), first["n_rows"], rows)


def parquet_chunks(
    path: Path, wanted: Sequence[str], limits: Limits, chunk_bytes: int, name: str, *, member: str, place: Place | None
) -> Iterator[Chunk]:
    """Batches of rows as JSON columns in the order of `wanted` ('': none); `first_line` counts rows from 1."""
    batch_rows = max(1, min(MAX_BATCH_ROWS, chunk_bytes // BYTES_PER_ROW))
    size = path.stat().st_size
    request = _request(list(wanted), batch_rows, limits, seconds=120 + size // 2**20)
    with _seekable(path, limits, name, member) as file, _answers(file, request, name) as answers:
        n_rows, first = max(1, json.loads(next(answers)[0])["n_rows"]), 1
        for number, (columns, length) in enumerate(answers):
            yield Chunk(number, first, columns)
            first += length
            if place:
                place.set(min(size, size * (first - 1) // n_rows))


def parquet_values(chunk: Chunk) -> Values:
    """The columns of a chunk that `parquet_chunks` made."""
    columns = json.loads(chunk.data)
    n_rows = max(len(column) for column in columns if column is not None)
    return Values(range(chunk.first_line, chunk.first_line + n_rows), columns)


def _request(columns: list[str] | None, batch_rows: int, limits: Limits, seconds: int, rows: int = 0) -> str:
    request = {
        "columns": columns,
        "batch_rows": batch_rows,
        "rows": rows,
        "cell_chars": limits.line_bytes,
        "memory_bytes": MEMORY_BYTES,
        "seconds": seconds,
    }
    return json.dumps(request)


@contextmanager
def _seekable(path: Path, limits: Limits, name: str, member: str) -> Iterator[BinaryIO]:
    """The file, or what was packed in it as a file without a name: the end of Parquet is read first."""
    with path.open("rb") as raw:
        if not packing_of(raw.read(8)):
            raw.seek(0)
            yield raw
            return
    with tempfile.TemporaryFile() as spooled, opened(path, limits, name, member=member) as stream:
        size = 0
        while block := stream.read(2**20):
            size += len(block)
            if size > limits.spooled_bytes:
                raise LogTooBigError(name=name, problem=f"more than {limits.spooled_bytes / 2**30:.0f} GiB of Parquet")
            spooled.write(block)
        spooled.seek(0)
        yield spooled


@contextmanager
def _answers(file: BinaryIO, request: str, name: str) -> Iterator[Iterator[tuple[bytes, int]]]:
    """What the child says; it is ended when the block is left."""
    handle = file.fileno()
    os.lseek(handle, 0, os.SEEK_SET)
    environment = {"PATH": os.defpath, "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-I", str(CHILD), str(handle), request],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(handle,),
        env=environment,
    )
    try:
        yield _heard(child, name)
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def _heard(child: "subprocess.Popen[bytes]", name: str) -> Iterator[tuple[bytes, int]]:
    """Answers with their number of rows, as bytes of JSON."""
    out = child.stdout
    while out is not None:
        length, n_rows = int.from_bytes(out.read(8), "big"), int.from_bytes(out.read(8), "big")
        text = out.read(length) if 0 < length <= MAX_ANSWER_BYTES else b""
        if not text or len(text) < length:
            raise LogFileError(name=name, problem="the Parquet data is damaged, or asks for too much memory or time.")
        if text.startswith((b'{"end"', b'{"error"')):
            answer = json.loads(text)
            if "error" in answer:
                raise LogFileError(name=name, problem=f"the Parquet data cannot be read ({_plainly(answer['error'])}).")
            return
        yield text, n_rows


def _plainly(error: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in error).split())[:200]
