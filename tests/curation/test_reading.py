"""Readers of search logs: every row is a query or a bad row with its line and reason; no file can hurt."""

import gzip
import resource

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.reading import (
    BadRow,
    BinaryLogError,
    BrokenLogError,
    ColumnNeededError,
    EmptyLogError,
    Limits,
    LogFileError,
    LogFormat,
    LogRow,
    LogShape,
    LogTooBigError,
    UnknownColumnError,
    inspect_log,
    read_log,
    read_table,
)


@pytest.fixture
def log_file(tmp_path):
    def write(data, name="log.txt"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def rows(path, **shape):
    return list(read_log(path, LogShape(**shape)))


def queries(path, **shape):
    return [row.query for row in rows(path, **shape) if isinstance(row, LogRow)]


def bad(path, **shape):
    return [(row.line, row.reason) for row in rows(path, **shape) if isinstance(row, BadRow)]


def test_plain_text_is_one_query_a_line_normalised(log_file):
    path = log_file("python  sort\tlist\r\nPython Can’t open ﬁle\n")
    assert rows(path) == [LogRow(1, "python sort list"), LogRow(2, "Python Can't open file")]


def test_the_last_line_needs_no_line_end_and_a_byte_order_mark_is_dropped(log_file):
    assert queries(log_file(b"\xef\xbb\xbfpython a\npython b")) == ["python a", "python b"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"python caf\xe9", "not UTF-8"),
        (b"python \x00 nul", "holds a NUL character"),
        (b"python \x1b[31m red", "holds control characters"),
        (b"   ", "empty query"),
        (b"p" * 1001, "longer than 1,000 characters"),
        (b"p" * 70_000, "line longer than 64 KiB"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(log_file, text, reason):
    path = log_file(b"python one\n" + text + b"\npython three\n" + b"python x\n" * 40)
    assert bad(path) == [(2, reason)]
    assert queries(path)[:2] == ["python one", "python three"]


def test_excerpts_of_bad_rows_mask_private_text(log_file):
    path = log_file("python a\nanna@example.org \x07 call\n")
    (found,) = [row for row in rows(path) if isinstance(row, BadRow)]
    assert "anna" not in found.excerpt
    assert "[e-mail]" in found.excerpt


def test_csv_takes_the_named_column_with_count_and_user(log_file):
    path = log_file(
        'when,query,n,who\n1,"python sort, reverse",3,u1\n2,python join,x,u2\n3,python map,1,u1\n', "log.csv"
    )
    shape = {"column": "query", "count_column": "n", "user_column": "who"}
    assert rows(path, **shape) == [
        LogRow(2, "python sort, reverse", 3, "u1"),
        BadRow(3, "the count is not a whole number from 1", "x"),
        LogRow(4, "python map", 1, "u1"),
    ]


def test_columns_named_count_and_user_are_used_unless_others_are_chosen(log_file):
    path = log_file("query\tcount\tuser\tn\npython a\t4\tu1\t9\npython b\tx\tu1\t9\n", "log.tsv")
    assert rows(path) == [LogRow(2, "python a", 4, "u1"), BadRow(3, "the count is not a whole number from 1", "x")]
    assert rows(path, count_column="n")[1] == LogRow(3, "python b", 9, "u1")
    assert rows(log_file('{"q": "python a", "count": 3}\n', "l.jsonl")) == [LogRow(1, "python a", 3)]


def test_a_quoted_line_break_belongs_to_its_row_and_line_numbers_stay_right(log_file):
    path = log_file('query,n\n"python\nsort",1\npython join,2\n', "log.csv")
    assert rows(path, column="query") == [LogRow(2, "python sort"), LogRow(4, "python join")]


def test_a_quote_left_open_costs_only_its_own_line(log_file):
    lines = "".join(f"python {n},1\n" for n in range(300))
    path = log_file('query,n\n"python open,1\n' + lines, "log.csv")
    assert bad(path, column="query") == [(2, "a quote is opened and not closed")]
    assert len(queries(path, column="query")) == 300


def test_a_stray_quote_in_csv_is_taken_as_it_stands(log_file):
    path = log_file('query,n\n5" disk python,1\n"python" sort,2\n', "log.csv")
    assert queries(path) == ['5" disk python', "python sort"]


def test_short_rows_are_bad_rows(log_file):
    path = log_file("id\tquery\n1\tpython a\n2\n\n3\tpython b\n", "log.tsv")
    assert bad(path) == [(3, "too few columns"), (4, "empty line")]


def test_columns_may_be_numbered_and_a_header_is_not_asked_for(log_file):
    path = log_file('1\t"python quoted"\n2\tpython b\n', "log.tsv")
    assert queries(path, column="2") == ['"python quoted"', "python b"]


def test_json_lines_take_objects_and_texts(log_file):
    path = log_file('{"doc": "python a", "n": 2}\n"python b"\n[1]\n{"x": 1}\n{bad\n\n{"doc": 7}\n', "log.jsonl")
    assert queries(path, count_column="n") == ["python a", "python b"]
    assert bad(path) == [
        (3, "neither an object nor a text"),
        (4, "has no 'doc'"),
        (5, "no valid JSON: Expecting property name enclosed in double quotes"),
        (6, "empty line"),
        (7, "the query is not a text"),
    ]


def test_deep_json_and_half_surrogates_are_bad_rows(log_file):
    path = log_file(
        '{"q": "python a"}\n' + "[" * 10_000 + "\n" + '{"q": "python \\ud800"}\n' + '{"q": NaN}\n', "x.jsonl"
    )
    assert [line for line, _ in bad(path)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "python sort list\npython a, b\n", LogFormat.TEXT),
        ("a", "query,count\npython a,1\n", LogFormat.CSV),
        ("a", "1\tpython a\n2\tpython b\n", LogFormat.TSV),
        ("a", '{"q": "x"}\n', LogFormat.JSONL),
        ("a.csv.gz", "x,y\n", LogFormat.CSV),
    ],
)
def test_the_format_is_guessed(log_file, name, text, expected):
    from curation.reading import guess_format

    assert guess_format(text.encode(), name) is expected


def test_gzip_of_each_format_reads_the_same(log_file):
    for name, text in {
        "t.txt": "python a\n",
        "c.csv": "query,n\npython a,1\n",
        "j.jsonl": '{"q": "python a"}\n',
    }.items():
        assert queries(log_file(gzip.compress(text.encode()), name + ".gz")) == ["python a"]


@pytest.mark.parametrize("data", [b"", b"\n\n  \n", gzip.compress(b"", mtime=0), b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(log_file, data):
    with pytest.raises(LogFileError):
        rows(log_file(data))


def test_a_header_without_rows_is_refused(log_file):
    with pytest.raises(EmptyLogError):
        rows(log_file("query,n\n", "a.csv"))


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 40,
        "python a\n".encode("utf-16"),
        b"%PDF-1.7\n1 0 obj",
        b"7z\xbc\xaf\x27\x1c\x00\x04",
        gzip.compress(gzip.compress(b"python a\n", mtime=0), mtime=0),
        b"x" * 257 + b"ustar\x0000" + b"\0" * 248,
    ],
)
def test_a_binary_file_is_refused(log_file, data):
    with pytest.raises(BinaryLogError):
        rows(log_file(data))


def test_a_wrong_column_names_the_columns_there_are(log_file):
    with pytest.raises(UnknownColumnError, match="id, text"):
        inspect_log(log_file("id,text\n1,a\n", "a.csv"), LogShape(column="query"))
    with pytest.raises(UnknownColumnError, match="plain text"):
        inspect_log(log_file("python a\n"), LogShape(column="query"))
    with pytest.raises(ColumnNeededError, match="a, b"):
        inspect_log(log_file("a,b\n1,2\n", "a.csv"), LogShape())


def test_cut_off_gzip_is_named_with_the_last_line(log_file):
    data = gzip.compress("".join(f"python {n * 7919}\n" for n in range(60_000)).encode())
    with pytest.raises(BrokenLogError, match="ends early after line"):
        rows(log_file(data[: len(data) // 2], "a.gz"))


def test_a_gzip_bomb_is_stopped_by_its_ratio_and_by_its_size(log_file):
    path = log_file(gzip.compress((b"python a" * 100 + b"\n") * 30_000), "bomb.gz")
    with pytest.raises(LogTooBigError, match="times its size"):
        list(read_log(path, limits=Limits(ratio=100)))
    with pytest.raises(LogTooBigError, match="GiB"):
        list(read_log(path, limits=Limits(unpacked_bytes=2**20)))


def test_a_line_of_100_mb_is_skipped_without_being_held(tmp_path):
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.write(b"python a\n")
        for _ in range(100):
            file.write(b"x" * 2**20)
        file.write(b"\npython b\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert queries(path) == ["python a", "python b"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_labelled_tables_are_read_by_their_columns(log_file):
    path = log_file("label,query\n1,python a\n0,python b\n", "l.csv")
    assert [record.values for record in read_table(path, ["query", "label"])] == [("python a", "1"), ("python b", "0")]
    with pytest.raises(LogFileError, match="no table"):
        read_table(log_file("just text\n"), ["query", "label"])


NASTY = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(
        st.sampled_from(
            [
                b"query,n\n",
                b'"',
                b",",
                b"\n",
                b"\r",
                b"\t",
                b"{",
                b'{"q": "a"}',
                b"\x00",
                b"\xff",
                b"python",
                b"\x1f\x8b",
            ]
        ),
        max_size=40,
    ).map(b"".join),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=NASTY,
    format=st.sampled_from(list(LogFormat)),
    column=st.sampled_from(["", "query", "1"]),
    packed=st.booleans(),
)
def test_any_bytes_give_rows_or_a_refusal(tmp_path, data, format, column, packed):
    path = tmp_path / "fuzz"
    path.write_bytes(gzip.compress(data) if packed else data)
    try:
        found = rows(path, format=format, column=column)
    except LogFileError:
        return
    lines = [row.line for row in found]
    assert lines == sorted(set(lines))
    assert all(row.query and "\0" not in row.query for row in found if isinstance(row, LogRow))
    assert all(len(row.excerpt) <= 100 for row in found if isinstance(row, BadRow))
