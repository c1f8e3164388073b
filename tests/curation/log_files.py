"""Small logs of every format, packed every way: what reading is tried on."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Sequence

import zstandard

Row = tuple[str, int, str, str]  # query, count, user, clicked URL
ROWS: list[Row] = [
    ("python sort a list", 3, "u1", "https://a.example/1"),
    ('python join, two "quoted" lists', 1, "u2", ""),
    ("python café öffnen", 2, "u1", "https://a.example/2"),
    ("how to open file in python", 7, "u3", "https://b.example/x?y=1"),
]
NAMES = ("query", "count", "user", "url")


def text(rows: Sequence[Row] = ROWS) -> bytes:
    return "".join(f"{row[0]}\n" for row in rows).encode()


def table(rows: Sequence[Row] = ROWS, mark: str = ",") -> bytes:
    import csv

    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=mark, lineterminator="\r\n")
    writer.writerows([NAMES, *rows])
    return out.getvalue().encode()


def tsv(rows: Sequence[Row] = ROWS) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in (NAMES, *rows)).encode()


def objects(rows: Sequence[Row] = ROWS) -> list[dict[str, object]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


def json_lines(rows: Sequence[Row] = ROWS) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in objects(rows)).encode()


def json_array(rows: Sequence[Row] = ROWS) -> bytes:
    return json.dumps(objects(rows), indent=1, ensure_ascii=False).encode()


def parquet(rows: Sequence[Row] = ROWS) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as pq

    out = io.BytesIO()
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    pq.write_table(pa.table({name: list(column) for name, column in zip(NAMES, columns, strict=True)}), out)
    return out.getvalue()


def zipped(data: bytes, name: str = "log", *, others: Sequence[str] = ()) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for other in others:
            archive.writestr(other, b"another file\n")
        archive.writestr(name, data)
    return out.getvalue()


FORMATS = {
    "text": text,
    "csv": table,
    "csv;": lambda rows=ROWS: table(rows, ";"),
    "csv|": lambda rows=ROWS: table(rows, "|"),
    "tsv": tsv,
    "jsonl": json_lines,
    "json": json_array,
    "parquet": parquet,
}
PACKINGS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": zipped,
}
