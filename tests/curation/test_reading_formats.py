"""Every format in every packing reads as the same rows; chunks lose nothing; the fast way equals the plain one."""

import gzip
import json
import pickle
from contextlib import suppress
from itertools import pairwise

import ijson
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.reading import (
    BadRow,
    BrokenLogError,
    ColumnNeededError,
    EmptyLogError,
    Limits,
    LogFileError,
    LogFormat,
    LogRow,
    LogShape,
    LogTooBigError,
    MemberNeededError,
    Place,
    chunks,
    inspect_log,
    members,
    read_chunk,
    read_log,
)
from curation.reading.reader import read_values
from curation.reading.urls import one_url_each, split_urls
from tests.curation import log_files
from tests.curation.log_files import FORMATS, PACKINGS, ROWS


@pytest.fixture
def log_file(tmp_path):
    def write(data, name="log"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def good(path, shape=None):
    return [(row.query, row.count, row.user, row.url) for row in read_log(path, shape) if isinstance(row, LogRow)]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_in_every_packing_gives_the_same_rows(log_file, format, packing):
    path = log_file(PACKINGS[packing](FORMATS[format]()))
    expected = [(query, 1, "", "") for query, *_ in ROWS] if format == "text" else ROWS
    assert good(path) == expected


@pytest.mark.parametrize(
    ("format", "data", "shape"),
    [
        ("csv", FORMATS["csv"](), {"format": LogFormat.CSV, "delimiter": ",", "header": True}),
        ("csv;", FORMATS["csv;"](), {"format": LogFormat.CSV, "delimiter": ";", "header": True}),
        ("csv|", FORMATS["csv|"](), {"format": LogFormat.CSV, "delimiter": "|", "header": True}),
        ("tsv", FORMATS["tsv"](), {"format": LogFormat.TSV, "delimiter": "\t", "header": True}),
        ("json", FORMATS["json"](), {"format": LogFormat.JSON}),
        ("jsonl", FORMATS["jsonl"](), {"format": LogFormat.JSONL}),
        ("parquet", FORMATS["parquet"](), {"format": LogFormat.PARQUET}),
    ],
)
def test_the_shape_is_found_and_a_settled_one_stays(log_file, format, data, shape):
    path = log_file(data)
    found = inspect_log(path, LogShape())
    assert {name: getattr(found, name) for name in shape} == shape
    assert found.wanted == ("query", "count", "user", "url")
    assert inspect_log(path, found) == found
    assert LogShape.from_data(json.loads(json.dumps(found.as_data()))) == found


def test_a_column_that_is_not_wanted_is_not_read(log_file):
    path = log_file(FORMATS["csv"]())
    shape = inspect_log(path, LogShape(count_column="-", user_column="-", url_column="-"))
    (chunk,) = chunks(path, shape)
    columns = read_chunk(chunk, shape)
    assert columns.users is None
    assert columns.urls is None
    assert columns.counts == [1, 1, 1, 1]


def test_a_table_may_be_told_that_it_has_no_header_and_no_quotes(log_file):
    path = log_file('query,x\n"a b,1\nc d,2\n')
    shape = LogShape(LogFormat.CSV, column="1", header=False, quotes=False)
    assert [row[0] for row in good(path, shape)] == ["query", '"a b', "c d"]


# --- known shapes -------------------------------------------------------------------------------------------------

AOL = (
    "AnonID\tQuery\tQueryTime\tItemRank\tClickURL\n"
    "142\tpython sort list\t2006-03-01 07:17:12\t1\thttp://www.example.org\n"
    "142\tpython maps\t2006-03-01 07:18:12\t\t\n"
    "217\tlottery\t2006-03-01 11:58:51\t1\thttp://www.example.com\n"
)
SEARCH4CODE = (
    "Id,QueryString,TopClickedUrls,PopularityRank,PredictedLabel\n"
    "1,python read csv,https://a.example/1;https://a.example/2,3,1\n"
    '2,"c# list, sort",https://b.example/,1,1\n'
)


@pytest.mark.parametrize(
    ("name", "data", "known", "wanted"),
    [
        ("a.txt", "python a\npython b c\n", "one query a line", ("", "", "", "")),
        ("a.txt", AOL, "query log with user, query, time, rank and URL (AOL)", ("Query", "", "AnonID", "ClickURL")),
        ("s.csv", SEARCH4CODE, "Search4Code", ("QueryString", "", "", "TopClickedUrls")),
        ("c.json", '[{"idx": 1, "doc": "python a b", "code": "x", "label": 1}]', "CoSQA", ("doc", "", "", "")),
        ("t.tsv", "a-1\thow to sort\na-2\thow to join a list\n", "TREC topics", ("2", "", "", "")),
        ("k.tsv", AOL.split("\n", 1)[1], "table with a query column", ("2", "", "", "")),
    ],
)
def test_known_shapes_are_recognised(log_file, name, data, known, wanted):
    shape = inspect_log(log_file(data, name), LogShape())
    assert (shape.known, shape.wanted) == (known, wanted)


def test_a_popularity_rank_is_no_count_and_a_popularity_is_one_only_if_whole(log_file):
    path = log_file(SEARCH4CODE, "s.csv")
    assert [row[1] for row in good(path)] == [1, 1]
    assert inspect_log(log_file("query,popularity\na b,12\nc d,3\n"), LogShape()).count_column == "popularity"
    assert inspect_log(log_file("query,popularity\na b,0.12\nc d,0.3\n"), LogShape()).count_column == ""


def test_the_only_column_with_words_is_the_query_and_of_two_one_must_be_chosen(log_file):
    assert inspect_log(log_file("id,what\n1,sort a list\n2,open a file\n", "a.csv"), LogShape()).column == "what"
    with pytest.raises(ColumnNeededError, match=r"1 \(this\), 2 \(that\)"):
        inspect_log(log_file("this,that\nsort a list,to be\nopen a file,or not\n", "a.csv"), LogShape())


# --- zip ----------------------------------------------------------------------------------------------------------


def test_of_several_files_in_a_zip_one_must_be_named(log_file):
    path = log_file(log_files.zipped(b"python a\n", "logs/one.txt", others=["two.txt", "__MACOSX/x", "dir/"]))
    assert members(path) == ["two.txt", "logs/one.txt"]
    with pytest.raises(MemberNeededError, match=r"two\.txt, logs/one\.txt"):
        inspect_log(path, LogShape())
    assert good(path, LogShape(member="logs/one.txt")) == [("python a", 1, "", "")]
    with pytest.raises(MemberNeededError):
        inspect_log(path, LogShape(member="three.txt"))


def test_the_name_inside_the_zip_says_the_format(log_file):
    path = log_file(log_files.zipped(b"query\npython a\n", "log.csv"))
    assert inspect_log(path, LogShape(member="log.csv")).format is LogFormat.CSV


def test_joined_streams_read_as_one(log_file):
    for name, pack in PACKINGS.items():
        if name not in ("plain", "zip"):
            assert [row[0] for row in good(log_file(pack(b"python a\n") + pack(b"python b\n")))] == [
                "python a",
                "python b",
            ]


@pytest.mark.parametrize("packing", ["gzip", "zstd", "xz", "bzip2"])
def test_a_packed_file_that_ends_early_is_named(log_file, packing):
    data = PACKINGS[packing]("".join(f"python {n * 7919}\n" for n in range(60_000)).encode())
    with pytest.raises(BrokenLogError, match=f"the {packing} data is damaged or ends early"):
        list(read_log(log_file(data[: len(data) // 2])))


# --- bombs --------------------------------------------------------------------------------------------------------

SMALL = Limits(ratio_from_bytes=2**20, unpacked_bytes=64 * 2**20)


@pytest.mark.parametrize("packing", ["gzip", "zstd", "xz", "bzip2", "zip"])
def test_a_file_that_unpacks_to_hundreds_of_times_its_size_is_stopped(log_file, packing):
    with pytest.raises(LogTooBigError, match="200 times its size"):
        list(read_log(log_file(PACKINGS[packing](b"python a sort\n" * 2**17)), limits=SMALL))


def test_a_bomb_is_seen_early_however_much_is_asked_for_at_once(log_file):
    from curation.reading.packing import opened

    path = log_file(log_files.zipped(b"python a sort\n" * 2**22))
    with opened(path, SMALL, "log") as stream:
        n_bytes, block = 0, b"x"
        with suppress(LogTooBigError):
            while block := stream.read1(2**23):
                n_bytes += len(block)
    assert block
    assert n_bytes < 2**25


def test_a_member_without_a_name_is_none(log_file):
    data = log_files.zipped(b"python a\n", "log")
    path = log_file(data.replace(b"log", b"\0og"))
    with pytest.raises(EmptyLogError):
        inspect_log(path, LogShape())


def test_archives_in_archives_are_refused(log_file):
    bomb = b"0" * 10_000
    for _ in range(5):
        bomb = log_files.zipped(bomb, "lib.zip")
    with pytest.raises(LogFileError, match="zip archive inside"):
        inspect_log(log_file(bomb, "42.zip"), LogShape())


def test_a_zip_of_very_many_files_is_refused_before_it_is_listed(log_file):
    path = log_file(log_files.zipped(b"x\n", others=[f"{n}.txt" for n in range(1100)]))
    with pytest.raises(LogTooBigError, match="1,101 files"):
        members(path)


def test_an_xz_dictionary_may_not_take_all_memory(log_file):
    import lzma

    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**29, "preset": 0}]
    path = log_file(lzma.compress(b"python a\n", filters=filters))
    with pytest.raises(BrokenLogError):
        list(read_log(path))
    window = zstandard.ZstdCompressionParameters(window_log=30, compression_level=1)
    packed = zstandard.ZstdCompressor(compression_params=window).compressobj()
    data = packed.compress(b"python a\n" * 9) + packed.flush()
    with pytest.raises(BrokenLogError):
        list(read_log(log_file(data)))


def test_json_that_is_deep_or_endless_is_stopped(log_file):
    deep = '[{"q": ' + "[" * 10_000 + "]" * 10_000 + "}]"
    with pytest.raises(LogFileError, match="row 1 is nested too deeply"):
        list(read_log(log_file(deep), LogShape(LogFormat.JSON, column="")))
    with pytest.raises(LogTooBigError, match="in row 2"):
        list(read_log(log_file('[{"q": "python a"}, {"q": "' + "x" * 3_000_000), LogShape()))
    line = '{"q": "python a", "x": ' + "[" * 65 + "]" * 65 + "}\n"
    rows = list(read_log(log_file('{"q": "python a"}\n' + line)))
    assert rows[1] == BadRow(2, "no valid JSON: nested too deeply", rows[1].excerpt)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ('[{"q": "a b"}, {"q": "c d"}', "ends early, in row 2"),
        ('[{"q": "a b"}] and more', "after the end"),
        ('{\n "q": "a b"\n}\n', "one JSON object"),
    ],
)
def test_broken_json_is_explained(log_file, data, problem):
    with pytest.raises(LogFileError, match=problem):
        list(read_log(log_file(data)))


def test_rows_of_an_array_are_good_or_bad_one_by_one(log_file):
    rows = list(read_log(log_file('[{"q":"a\\"]}\\\\"},\n "b, c", 7, {"q":}, , {"q":null}, {"q": NaN}]'), LogShape()))
    assert [(row.line, getattr(row, "query", getattr(row, "reason", ""))) for row in rows] == [
        (1, 'a"]}\\'),
        (2, "b, c"),
        (3, "neither an object nor a text"),
        (4, "no valid JSON: Expecting value"),
        (5, "empty line"),
        (6, "the query is not a text"),
        (7, "the query is not a text"),
    ]


def test_what_no_database_takes_comes_from_no_column(log_file):
    path = log_file('{"query": "python a", "url": "http://a.example/\\u0000", "\\ud800": 1}\n' * 2, "l.jsonl")
    assert good(path) == [("python a", 1, "", "")] * 2
    assert inspect_log(path, LogShape()).names == ("query", "url")
    long = log_file(json.dumps({"q" * 101: "python a b"}) + "\n", "l.jsonl")
    with pytest.raises(LogFileError, match="at most 100 characters"):
        inspect_log(long, LogShape())


def test_an_empty_array_and_empty_parquet_are_empty_logs(log_file):
    for data in (b"[]", b" [ ] ", FORMATS["parquet"]([])):
        with pytest.raises(EmptyLogError):
            list(read_log(log_file(data)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(VALUES, max_size=8), indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
def test_an_array_is_cut_into_the_rows_that_a_parser_finds(rows, indent, ascii_only):
    import io

    from curation.reading.json_rows import array_chunks

    data = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = [
        json.loads(line.decode("utf-8", "surrogatepass"))
        for chunk in array_chunks(io.BytesIO(data), Limits(), 7, "x")
        for line in chunk.data.removesuffix(b"\n").split(b"\n")
    ]
    assert found == rows
    if ascii_only:
        assert found == list(ijson.items(io.BytesIO(data), "item"))


# --- Parquet ------------------------------------------------------------------------------------------------------


def test_parquet_with_odd_types_gives_rows_or_bad_rows(log_file, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet as pq

    table = pa.table(
        {
            "query": pa.array([b"python a", b"caf\xe9", None, b"x" * 2000]),
            "count": pa.array([1.0, 2.0, 3.0, 4.5]),
            "user": pa.array([7, 8, 9, None]),
            "url": pa.array([["https://a.example", "https://b.example"], [], None, ["c"]]),
        }
    )
    pq.write_table(table, tmp_path / "odd.parquet", row_group_size=2)
    rows = list(read_log(tmp_path / "odd.parquet"))
    assert rows[0] == LogRow(1, "python a", 1, "7", "https://a.example https://b.example")
    assert [row.reason for row in rows[1:]] == [
        "holds control characters",
        "the query is not a text",
        "the count is not a whole number from 1",
    ]


def test_parquet_is_read_in_batches_and_tells_how_far_it_is(log_file):
    path = log_file(FORMATS["parquet"](ROWS * 100))
    shape, place = inspect_log(path, LogShape()), Place()
    sizes = [len(read_chunk(chunk, shape).queries) for chunk in chunks(path, shape, chunk_bytes=128 * 150, place=place)]
    assert sizes == [150, 150, 100]
    assert place.bytes_read() == path.stat().st_size


@pytest.mark.parametrize("data", [b"PAR1", b"PAR1" + b"\0" * 50 + b"PAR1", FORMATS["parquet"]()[:300]])
def test_damaged_parquet_is_refused(log_file, data):
    with pytest.raises(LogFileError, match="Parquet data"):
        list(read_log(log_file(data)))


# --- chunks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_chunks_of_any_size_give_the_same_columns(log_file, format):
    rows = [(f"{query} {n}", n + 1, user, url) for n in range(40) for query, _, user, url in ROWS]
    path = log_file(FORMATS[format](rows))
    shape = inspect_log(path, LogShape())

    def read(size):
        found = [read_chunk(chunk, shape) for chunk in chunks(path, shape, chunk_bytes=size)]
        lines = [line for columns in found for line in columns.lines]
        return lines, [pair for columns in found for pair in zip(columns.queries, columns.counts, strict=True)]

    whole = read(2**23)
    assert len(whole[1]) == 160
    for size in (1, 100, 1000) if format != "parquet" else (6000,):
        assert read(size) == whole


def test_chunks_are_numbered_and_whole_and_travel(log_file):
    path = log_file('query,n\n"python\nsort",1\n' + "python join,2\n" * 50, "log.csv")
    shape = inspect_log(path, LogShape())
    cut = list(chunks(path, shape, chunk_bytes=12))
    assert [chunk.number for chunk in cut] == list(range(len(cut)))
    assert b"".join(chunk.data for chunk in cut) == path.read_bytes()
    for one, following in pairwise(cut):
        assert following.first_line == one.first_line + one.data.count(b"\n")
    assert cut[1].data.startswith(b'"python\nsort"')
    chunk, shape = pickle.loads(pickle.dumps((cut[1], shape)))
    assert read_chunk(chunk, shape).queries[0] == "python\nsort"


PIECES = [b'"', b'""', b",", b"\n", b"\n", b"\r\n", b"\r", b"a", b"bb c", b'5" x', b'"q r"', b"\xff", b"\0", b"x" * 50]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join),
    size=st.integers(1, 40),
    format=st.sampled_from([LogFormat.CSV, LogFormat.TSV, LogFormat.TEXT]),
    record_lines=st.integers(0, 3),
)
def test_the_fast_way_and_any_cut_equal_line_after_line(tmp_path, data, size, format, record_lines):
    path = tmp_path / "f"
    path.write_bytes(data)
    limits = Limits(line_bytes=120, record_lines=record_lines)
    shape = LogShape(format, column="1", header=False, names=("1", "2"))

    def read(chunk_bytes, *, fast):
        rows, bad = [], []
        try:
            for chunk in chunks(path, shape, limits=limits, chunk_bytes=chunk_bytes):
                values = read_values(chunk, shape, shape.wanted, limits, fast=fast)
                rows += zip(values.lines, values.columns[0], strict=True)
                bad += values.bad
        except EmptyLogError:
            return None
        return rows, sorted(bad, key=lambda row: row.line)

    plain = read(10**6, fast=False)
    assert read(10**6, fast=True) == plain
    assert read(size, fast=False) == plain
    assert read(size, fast=True) == plain


def test_a_bad_row_in_each_block_leaves_the_others_alone(log_file):
    lines = [f"python {n}\t{n}" if n % 10 else f"only {n}" for n in range(1, 3001)]
    path = log_file("query\tcount\n" + "\n".join(lines), "l.tsv")
    rows = list(read_log(path))
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert [row.line for row in rows] == list(range(2, 3002))
    assert {row.reason for row in bad} == {"too few columns"}
    assert len(bad) == 300


def test_checksums_are_checked(log_file):
    data = bytearray(gzip.compress(b"python a\n"))
    data[-6] ^= 0xFF
    with pytest.raises(BrokenLogError):
        list(read_log(log_file(bytes(data))))


# --- clicked URLs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "urls"),
    [
        ("", []),
        ("http://a.example", ["http://a.example"]),
        ("https://a.example/1;https://b.example/2", ["https://a.example/1", "https://b.example/2"]),
        ("['https://a.example/x', 'https://b.example']", ["https://a.example/x", "https://b.example"]),
        ('["https://a.example","https://b.example/?u=http://c.example"]', None),
        ("https://a.example https://b.example | https://c.example", None),
        ("https://a.example/?to=https://b.example;x", ["https://a.example/?to=https://b.example;x"]),
    ],
)
def test_several_urls_in_a_cell_are_taken_apart(cell, urls):
    found = split_urls(cell)
    assert found == urls if urls is not None else all(url.startswith("https://") and " " not in url for url in found)


def test_each_url_of_a_row_keeps_the_place_of_its_row():
    single = ["", "http://a.example/?u=http://b.example"]
    assert one_url_each(single) == (single, None)
    cells = ["https://a.example;https://b.example", "", "https://c.example"]
    assert one_url_each(cells) == (["https://a.example", "https://b.example", "", "https://c.example"], [0, 0, 1, 2])
