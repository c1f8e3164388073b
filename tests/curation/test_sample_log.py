"""The shipped sample: as messy as a real log, about nobody real, and of use to the commands."""

import csv
import re
from pathlib import Path

import pytest
from django.conf import settings

from curation.reading import BadRow, LogRow, LogShape, read_log

SAMPLE = Path(settings.BASE_DIR) / "curation" / "sample"
RESERVED = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)\b")


@pytest.fixture(scope="module")
def rows() -> list[LogRow | BadRow]:
    return list(read_log(SAMPLE / "search_log.tsv", LogShape(count_column="count", user_column="user")))


def test_the_log_is_long_enough_and_has_doubles_bad_rows_and_several_askers(rows: list[LogRow | BadRow]) -> None:
    good = [row for row in rows if isinstance(row, LogRow)]
    bad = {row.reason for row in rows if isinstance(row, BadRow)}
    texts = [row.query.casefold() for row in good]
    assert len(rows) == 1037
    assert len(set(texts)) < len(texts) - 30
    assert len(bad) >= 3
    assert len({row.user for row in good}) > 100
    assert max(row.count for row in good) > 20


def test_other_languages_and_scripts_are_there(rows: list[LogRow | BadRow]) -> None:
    text = " ".join(row.query for row in rows if isinstance(row, LogRow))
    for sample in ("列表", "словарь", "파일", "ファイル", "wie kann ich", "como leer", "java "):
        assert sample in text


def test_every_address_in_it_is_reserved_for_examples() -> None:
    text = (SAMPLE / "search_log.tsv").read_text(encoding="utf-8")
    addresses = re.findall(r"[\w.+-]+@[\w.-]+\.\w+", text)
    assert len(addresses) >= 4
    assert [one for one in addresses if not RESERVED.search(one)] == []


def test_the_labels_hold_both_answers() -> None:
    with (SAMPLE / "intent_labels.csv").open(encoding="utf-8", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert len(labels) >= 120
    assert min(labels.count("0"), labels.count("1")) >= 50
