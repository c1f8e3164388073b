"""How fast logs are read, by format and packing: microseconds a line, and the most memory held.

    python benchmarks/reading.py [--lines 300000] [--folder /tmp/reading]

The log of benchmarks/make_log.py is written in every format and some packings, each read in a process of its own:
`cut` is the sequential part (unpacking, cutting into chunks), `columns` what any number of processes can share, and
`clean` the normalising of every query.
"""

import argparse
import bz2
import csv
import gzip
import json
import lzma
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FORMATS = ("txt", "tsv", "csv", "jsonl", "json", "parquet")
PACKED = ("tsv.gz", "tsv.zst", "tsv.xz", "tsv.bz2", "tsv.zip")


def main() -> None:
    """Writes the files that are not there, then reads each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/reading"))
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(measured(given.one))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    source = given.folder / f"log-{given.lines}.tsv"
    if not source.exists():
        maker = Path(__file__).with_name("make_log.py")
        subprocess.run([sys.executable, str(maker), str(given.lines), str(source)], check=True)
    print(
        f"{'file':<9} {'MB':>7} {'rows':>9} {'bad':>6} {'cut':>7} {'columns':>8} {'clean':>7} {'MB held':>8}  known as"
    )
    for ending in FORMATS + PACKED:
        path = source.with_suffix(f".{ending}")
        if not path.exists():
            written(source, path, ending)
        subprocess.run([sys.executable, __file__, "--one", str(path)], check=True)


def measured(path: Path) -> str:
    """One line of the table: times in microseconds a row."""
    from curation.reading import LogShape, chunks, clean_query, inspect_log, read_chunk

    shape = inspect_log(path, LogShape())
    cut = columns = clean = 0.0
    n_rows = n_bad = 0
    source = chunks(path, shape)
    while True:
        begun = time.perf_counter()
        chunk = next(source, None)
        cut += time.perf_counter() - begun
        if chunk is None:
            break
        begun = time.perf_counter()
        found = read_chunk(chunk, shape)
        columns += time.perf_counter() - begun
        begun = time.perf_counter()
        for query in found.queries:
            clean_query(query)
        clean += time.perf_counter() - begun
        n_rows += found.n_rows
        n_bad += len(found.bad)
    status = Path("/proc/self/status").read_text()  # not getrusage, which begins with what the parent held
    held = int(status.split("VmHWM:")[1].split()[0]) / 1024
    times = " ".join(f"{1e6 * each / n_rows:>{width}.2f}" for each, width in ((cut, 7), (columns, 8), (clean, 7)))
    ending = path.name.split(".", 1)[1]
    return f"{ending:<9} {path.stat().st_size / 1e6:>7.1f} {n_rows:>9,} {n_bad:>6,} {times} {held:>8.0f}  {shape.known}"


def rows_of(source: Path) -> Iterator[list[str]]:
    """The rows of the made log that have all columns."""
    with source.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            if len(cells) == 5:
                yield cells


def written(source: Path, path: Path, ending: str) -> None:
    """The made log in another format or packing."""
    if ending.startswith("tsv"):
        return packed(source, path)
    rows = rows_of(source)
    names = next(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        if ending == "txt":
            file.writelines(f"{row[1]}\n" for row in rows)
        elif ending == "csv":
            csv.writer(file).writerows([names])
            csv.writer(file).writerows(rows)
        elif ending == "jsonl":
            file.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
        elif ending == "json":
            file.write("[\n" + ",\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows) + "\n]\n")
    if ending == "parquet":
        write_parquet(names, list(rows), path)
    return None


def write_parquet(names: list[str], rows: list[list[str]], path: Path) -> None:
    """The rows as text columns."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = zip(*rows, strict=True)
    parquet.write_table(pa.table({name: list(column) for name, column in zip(names, columns, strict=True)}), path)


def packed(source: Path, path: Path) -> None:
    """The made log as it is, packed."""
    import zipfile

    import zstandard

    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(source, "log.tsv")
        return
    openers: dict[str, Callable[..., IO[bytes]]] = {
        ".gz": gzip.open,
        ".xz": lzma.open,
        ".bz2": bz2.open,
        ".zst": zstandard.open,
    }
    with source.open("rb") as plain, openers[path.suffix](path, "wb") as file:
        while block := plain.read(2**20):
            file.write(block)


if __name__ == "__main__":
    main()
