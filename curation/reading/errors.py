"""What can be wrong with a file as a whole. A single row that cannot be used is a BadRow instead."""

from core.errors import QuarryError


class LogFileError(QuarryError):
    """The file as a whole cannot be read as a search log."""

    code = "bad_log_file"
    template = "{name}: {problem}"


class EmptyLogError(LogFileError):
    code = "empty_log"
    template = "{name}: the file is empty; there is no query in it."


class BinaryLogError(LogFileError):
    code = "binary_log"
    template = (
        "{name}: this is {what}. Give text with one query a line, CSV, TSV, JSON Lines, a JSON array or Parquet; "
        "plain, or packed as gzip, zstd, xz, bzip2 or zip."
    )


class UnknownColumnError(LogFileError):
    code = "unknown_column"
    template = "{name}: there is no column {column}. The file has: {columns}."


class ColumnNeededError(LogFileError):
    code = "column_needed"
    template = "{name}: say which column holds the query. The file has: {columns}."


class BrokenLogError(LogFileError):
    code = "broken_log"
    template = "{name}: the {packing} data is damaged or ends early after line {line}."


class LogTooBigError(LogFileError):
    code = "log_too_big"
    template = "{name}: it comes to {problem}. Split it, or unpack it yourself if it is what it seems."


class MemberNeededError(LogFileError):
    code = "member_needed"
    template = "{name}: say which file of the zip archive is the log. It holds: {members}."
