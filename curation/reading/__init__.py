"""Streaming readers of search logs. Needs no database; memory is bounded whatever the file holds.

`inspect_log(path, LogShape(...))` settles how a file is read. `chunks` cuts it into runs of whole records, `read_chunk`
makes columns of one, in whatever process; `read_log` gives the same row by row. A row that cannot be used is a BadRow
with its line and reason; a file that cannot be used is a LogFileError.
"""

from curation.reading.errors import (
    BinaryLogError,
    BrokenLogError,
    ColumnNeededError,
    EmptyLogError,
    LogFileError,
    LogTooBigError,
    MemberNeededError,
    UnknownColumnError,
)
from curation.reading.formats import guess_format
from curation.reading.guessing import inspect_log
from curation.reading.packing import Place, members
from curation.reading.preview import Preview, PreviewColumn, PreviewRow, preview_log
from curation.reading.reader import CHUNK_BYTES, chunks, first_rows, read_chunk, read_log, read_table
from curation.reading.rows import BadRow, Chunk, LogColumns, LogRow, Record, clean_query, excerpt
from curation.reading.shapes import DELIMITERS, NONE, Limits, LogFormat, LogShape

__all__ = [
    "CHUNK_BYTES",
    "DELIMITERS",
    "NONE",
    "BadRow",
    "BinaryLogError",
    "BrokenLogError",
    "Chunk",
    "ColumnNeededError",
    "EmptyLogError",
    "Limits",
    "LogColumns",
    "LogFileError",
    "LogFormat",
    "LogRow",
    "LogShape",
    "LogTooBigError",
    "MemberNeededError",
    "Place",
    "Preview",
    "PreviewColumn",
    "PreviewRow",
    "Record",
    "UnknownColumnError",
    "chunks",
    "clean_query",
    "excerpt",
    "first_rows",
    "guess_format",
    "inspect_log",
    "members",
    "preview_log",
    "read_chunk",
    "read_log",
    "read_table",
]
