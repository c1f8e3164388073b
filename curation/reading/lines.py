"""Chunks of whole lines out of a stream of bytes, and a chunk as lines of text."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from curation.reading.rows import BadRow, Chunk, excerpt
from curation.reading.shapes import Limits

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass
class Lines:
    """Lines of text without their ends, or why a line is bad. `first` is the number of the first one."""

    first: int
    texts: list[str | BadRow]
    has_bad: bool = False


def line_chunks(
    stream: BinaryIO, limits: Limits, chunk_bytes: int, open_from: Callable[[Lines], int] | None = None
) -> Iterator[Chunk]:
    """The bytes in chunks of about `chunk_bytes`, cut at line ends.

    A line over the limit is cut short, to one byte more than the limit, so that it is seen to be too long and never
    held. `open_from` says of the lines at hand from where on a record may need more lines: those wait for the next
    chunk.
    """
    number, first_line = 0, 1
    waiting = b""
    for data in _whole_lines(stream, limits, chunk_bytes):
        data, waiting = waiting + data, b""
        if open_from is not None and b'"' in data:
            data, waiting = _cut(data, first_line, limits, open_from)
        if data:
            yield Chunk(number, first_line, data)
            number, first_line = number + 1, first_line + data.count(b"\n")
    if waiting:
        yield Chunk(number, first_line, waiting)


def _cut(data: bytes, first_line: int, limits: Limits, open_from: Callable[[Lines], int]) -> tuple[bytes, bytes]:
    lines = text_lines(data, first_line, limits)
    place = open_from(lines)
    if place >= len(lines.texts):
        return data, b""
    n_waiting = len(lines.texts) - place
    parts = data.removesuffix(b"\n").rsplit(b"\n", n_waiting)
    end = len(parts[0]) + 1 if len(parts) > n_waiting else 0
    return data[:end], data[end:]


def _whole_lines(stream: BinaryIO, limits: Limits, chunk_bytes: int) -> Iterator[bytes]:
    """Blocks of whole lines; only the very last may lack its line end."""
    longest = limits.line_bytes + 2
    rest = b""
    is_first, is_skipping = True, False
    while block := stream.read(chunk_bytes):
        if is_first:
            block += stream.read(max(0, len(BYTE_ORDER_MARK) - len(block)))
            block, is_first = block.removeprefix(BYTE_ORDER_MARK), False
        if is_skipping:
            end = block.find(b"\n")
            if end < 0:
                continue
            block, is_skipping = block[end:], False
        data = rest + block
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if len(rest) > longest:
            rest, is_skipping = rest[:longest], True
        if end:
            yield data[:end]
    if rest:
        yield rest


def text_lines(data: bytes, first_line: int, limits: Limits) -> Lines:
    """The chunk as lines of text; lines that are too long, not UTF-8 or hold a NUL are bad rows."""
    if data.endswith(b"\n"):
        data = data[:-1]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and "\0" not in text:
        lines = text.split("\n")
        if "\r" in text:
            lines = [line.rstrip("\r") for line in lines]
        if max(map(len, lines)) * 4 <= limits.line_bytes:
            return Lines(first_line, lines)  # type: ignore[arg-type]
    texts = [_decoded(line.rstrip(b"\r"), first_line + n, limits) for n, line in enumerate(data.split(b"\n"))]
    return Lines(first_line, texts, has_bad=any(isinstance(text, BadRow) for text in texts))


def _decoded(line: bytes, number: int, limits: Limits) -> str | BadRow:
    if len(line) > limits.line_bytes:
        return BadRow(number, f"line longer than {limits.line_bytes // 1024} KiB", excerpt(line))
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return BadRow(number, "not UTF-8", excerpt(line))
    return BadRow(number, "holds a NUL character", excerpt(line)) if "\0" in text else text
