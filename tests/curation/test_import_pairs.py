"""Ready pairs: read, imported once, with labels handed on."""

import json

import pytest

from core.errors import BadInputError
from curation.models import Candidate, CandidateRun, Code, Pair, Query
from curation.pair_files import PairFileError, PairRow, read_pairs
from curation.services.pairs import import_pairs
from tests.factories import CodeFactory

CODE = 'def add(a, b):\n    """Add two numbers."""\n    return a + b\n'
OTHER = "def old(x):\n    print x\n"


def rows(*labels):
    codes = (OTHER, CODE)
    return [PairRow(f"python add number {n}", codes[n % 2], label, f"row-{n}") for n, label in enumerate(labels)]


def write(tmp_path, content):
    path = tmp_path / "pairs.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_a_cosqa_file_is_read_with_its_labels(tmp_path):
    path = write(tmp_path, [{"idx": "a", "doc": "q", "code": "c", "label": 1}, {"doc": "r", "code": "d"}])
    assert list(read_pairs(path)) == [PairRow("q", "c", 1, "a"), PairRow("r", "d", None, "")]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "binary"),
        ([], "holds no rows"),
        ({"doc": "q"}, "holds no rows"),
        (["text"], "row 1: not a JSON object"),
        ([{"doc": "q", "code": "c"}, {"doc": 1, "code": "c"}], "row 2: needs doc"),
        ([{"doc": "q", "code": "c", "label": 2}], "row 1: the label is 2"),
        ([{"doc": "q", "code": "c", "label": "1"}], "row 1: the label is '1'"),
    ],
)
def test_a_file_that_is_no_list_of_pairs_is_refused(tmp_path, content, expected):
    with pytest.raises(PairFileError, match=expected):
        list(read_pairs(write(tmp_path, content)))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PairFileError, match="no file"):
        list(read_pairs(tmp_path / "gone.json"))


@pytest.mark.django_db
def test_pairs_are_imported_as_a_run_of_their_own_with_their_labels(project):
    report = import_pairs(project=project, rows=rows(1, 0, None, 1), name="cosqa-dev")
    assert (report.n_rows, report.n_pairs, report.problems) == (4, 4, [])
    run = CandidateRun.objects.get()
    assert (run.origin, run.name, run.n_kept, run.is_complete) == ("import", "cosqa-dev", 4, True)
    labels = {Pair.objects.get(pk=pk).query.text: label for pk, label in report.labels}
    assert labels == {"python add number 0": 1, "python add number 1": 0, "python add number 3": 1}
    assert set(Candidate.objects.values_list("score", flat=True)) == {None}


@pytest.mark.django_db
def test_importing_again_under_the_same_name_adds_nothing(project):
    first = import_pairs(project=project, rows=rows(1, 0), name="x")
    again = import_pairs(project=project, rows=rows(1, 0), name="x")
    assert again.labels == first.labels
    assert (Pair.objects.count(), Candidate.objects.count(), Query.objects.count()) == (2, 2, 2)
    assert CandidateRun.objects.count() == 1


@pytest.mark.django_db
def test_codes_that_the_project_has_are_used_and_stay_paired(project):
    known = CodeFactory(project=project, text=CODE)
    import_pairs(project=project, rows=rows(1, 0), name="x")
    known.refresh_from_db()
    assert known.is_paired
    assert known.pairs.count() == 1
    new = Code.objects.exclude(pk=known.pk).get()
    assert (new.name, new.is_paired, new.filter_reason) == ("old", False, "imported pair")
    assert new.occurrences.get().source.kind == "import"


@pytest.mark.django_db
def test_private_pairs_are_stored_quarantined_and_carry_no_label(project):
    private = PairRow("python mail anna.b@example-firm.com", CODE, 1, "p")
    report = import_pairs(project=project, rows=[private, *rows(1)], name="x")
    assert (report.n_quarantined, report.n_pairs, len(report.labels)) == (1, 1, 1)
    assert Query.objects.exclude(quarantine_reason="").count() == 1


@pytest.mark.django_db
def test_repeated_contradicting_and_empty_rows_are_told_apart(project):
    row = PairRow("python add", CODE, 1, "a")
    given = [
        row,
        PairRow("Python  add", CODE, 1, "b"),
        PairRow("python add", CODE, 0, "c"),
        PairRow(" ", CODE, 1, "d"),
        PairRow("python add", "\n", 1, "e"),
    ]
    report = import_pairs(project=project, rows=given, name="x")
    assert (report.n_rows, report.n_pairs, report.n_repeated) == (5, 1, 1)
    assert sorted(idx for idx, _ in report.problems) == ["c", "d", "e"]
    assert [label for _, label in report.labels] == [1]
    assert report.n_rows == report.n_pairs + report.n_repeated + report.n_quarantined + len(report.problems)


@pytest.mark.django_db
def test_an_import_needs_a_name(project):
    with pytest.raises(BadInputError):
        import_pairs(project=project, rows=[], name=" ")


@pytest.mark.django_db
def test_the_604_judged_pairs_come_in_whole(project, real_data):
    report = import_pairs(project=project, rows=read_pairs(real_data / "cosqa" / "cosqa-dev.json"), name="cosqa-dev")
    assert report.n_rows == 604
    assert report.n_pairs + report.n_quarantined == 604
    assert report.n_quarantined <= 1
