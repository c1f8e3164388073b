"""Files of ready pairs without labels: looked at, imported once, every row accounted for."""

import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from core.jobs import JobFailedError, run_inline
from core.models import Job
from curation.models import Candidate, Code, Pair, Query
from curation.pair_files import BadPair, PairFileError, PairRow, read_ready_pairs
from curation.services.pair_uploads import (
    keep_pairs_file,
    kept_pairs_file,
    look_at_pairs,
    start_import_pairs,
)
from tests.factories import CodeFactory, PairFactory, ProjectFactory, QueryFactory, member

pytestmark = pytest.mark.django_db
CODE = "def add(a, b):\n    return a + b\n"
PAGE, API, LOOK = "/p/demo/candidates/import/", "/api/v1/projects/demo/pairs/import/", "preview/"
ROWS = [
    {"query": "python add numbers", "code": CODE, "score": 0.75},
    {"doc": "python add numbers", "code": CODE},
    {"query": "python other", "code": CODE, "label": 1},
    {"query": "mail anna.b@example-firm.com", "code": CODE},
    {"query": " ", "code": CODE},
    {"query": "python x", "code": CODE, "score": "high"},
    {"query": "python half \ud800", "code": CODE},
    {"query": 7, "code": CODE},
]
COUNTS = {"read": 8, "new": 2, "known": 1, "held_back": 1, "bad": 4}


@pytest.fixture(autouse=True)
def _home(settings, tmp_path):
    settings.QUARRY_HOME = tmp_path / "home"


def lines(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def file(tmp_path):
    """A file of these rows in JSON Lines, or of this content."""

    def _file(content=None, name="pairs.jsonl"):
        path = tmp_path / name
        path.write_bytes(lines() if content is None else content)
        return path

    return _file


def bring(project, path, **options):
    return run_inline(start_import_pairs(project=project, path=path, inline=True, **options)).result


def counts(report):
    return {name: report[name] for name in COUNTS}


def adds_up(report):
    return report["read"] == report["new"] + report["known"] + report["held_back"] + report["bad"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jsonl", b'{"query": "q", "code": "c", "score": 0.5, "idx": "a"}\n\n{"doc": "r", "code": "d"}\n'),
        ("csv", b"\xef\xbb\xbfQuery,code,score,idx\nq,c,0.5,a\n\nr,d,,\n"),
        ("cosqa", b'[{"doc": "q", "code": "c", "score": 0.5, "idx": "a", "label": 1}, {"doc": "r", "code": "d"}]'),
    ],
)
def test_three_formats_read_alike(file, name, content):
    first, second = read_ready_pairs(file(content))
    assert first == PairRow("q", "c", None, "a", 0.5)
    assert (second.query, second.code, second.score, second.label) == ("r", "d", None, None)
    assert second.idx.startswith("line ")


def test_bad_rows_are_named_by_number_and_reason(file):
    bad = [row for row in read_ready_pairs(file()) if isinstance(row, BadPair)]
    assert [row.line for row in bad] == [5, 6, 7, 8]
    assert "empty" in bad[0].reason
    assert "'high'" in bad[1].reason
    assert "surrogate" in bad[2].reason
    assert "as texts" in bad[3].reason


@pytest.mark.parametrize("score", ["nan", "inf", "1e999", True, [1]])
def test_a_score_is_a_finite_number(file, score):
    (row,) = read_ready_pairs(file(lines([{"query": "q", "code": "c", "score": score}])))
    assert isinstance(row, BadPair)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"\x00\x01", "binary"),
        (b"a,b\n1,2\n", "needs the columns query and code"),
        (b"query,code\nq\xff,c\n", "Line 2 is not UTF-8"),
        (b"[1", "not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(file, content, expected):
    with pytest.raises(PairFileError, match=expected):
        list(read_ready_pairs(file(content)))


def test_every_row_is_accounted_for_and_scores_stay_with_the_run(project, file):
    report = bring(project, file(), name="mine")
    assert counts(report) == COUNTS
    assert [problem["line"] for problem in report["problems"]] == [5, 6, 7, 8]
    assert dict(Candidate.objects.values_list("pair__query__text", "score")) == {
        "python add numbers": 0.75,
        "python other": None,
        "mail anna.b@example-firm.com": None,
    }
    assert Query.objects.exclude(quarantine_reason="").count() == 1
    assert not Code.objects.get().is_paired


def test_the_same_file_again_adds_nothing(project, file):
    bring(project, file(), name="mine")
    before = (Pair.objects.count(), Candidate.objects.count(), Query.objects.count(), Code.objects.count())
    again = bring(project, file(), name="mine")
    assert counts(again) == COUNTS | {"new": 0, "known": 3}
    assert before == (Pair.objects.count(), Candidate.objects.count(), Query.objects.count(), Code.objects.count())


def test_pairs_that_the_project_has_are_known_and_keep_their_texts(project, file):
    query, code = QueryFactory(project=project, text="python add numbers"), CodeFactory(project=project, text=CODE)
    pair = PairFactory(project=project, query=query, code=code)
    from core.text import code_hash

    Code.objects.filter(pk=code.pk).update(content_hash=code_hash(CODE))
    report = bring(project, file())
    assert (report["new"], report["known"]) == (1, 2)
    assert adds_up(report)
    assert Pair.objects.get(query=query) == pair


def test_what_a_curator_held_back_stays_held_back(project, file):
    bring(project, file(lines(ROWS[:1])), name="one")
    Code.objects.update(quarantine_reason="other private text")
    report = bring(project, file(lines(ROWS[:1])), name="two")
    assert counts(report) == {"read": 1, "new": 0, "known": 0, "held_back": 1, "bad": 0}


def test_the_preview_says_what_the_import_then_does(project, file):
    path = file()
    preview = look_at_pairs(project=project, path=path)
    assert (Pair.objects.count(), Query.objects.count()) == (0, 0)
    assert counts(preview.as_data()) == COUNTS == counts(bring(project, path))
    assert [row.query for row in preview.rows] == ["python add numbers", "python other"]
    after = look_at_pairs(project=project, path=path)
    assert counts(after.as_data()) == COUNTS | {"new": 0, "known": 3}


def test_a_long_file_is_looked_at_in_part(project, file, monkeypatch):
    monkeypatch.setattr("curation.services.pair_uploads.LOOKED_AT", 3)
    preview = look_at_pairs(project=project, path=file())
    assert (preview.read, preview.is_whole) == (3, False)


def test_an_import_across_chunks_is_the_same_as_in_one(project, file, monkeypatch):
    rows = [{"query": f"python thing {n // 3}", "code": f"def f{n % 5}(): ...", "score": n} for n in range(30)]
    path = file(lines(rows))
    monkeypatch.setattr("curation.services.pairs.CHUNK", 4)
    report = bring(project, path)
    assert (report["new"], Pair.objects.count()) == (30, 30)
    assert set(Pair.objects.values_list("query__text", "code__text")) == {(row["query"], row["code"]) for row in rows}


def test_a_file_without_a_row_that_fits_fails_with_the_first_reason(project, file):
    with pytest.raises(JobFailedError, match="line 1"):
        bring(project, file(b'{"query": "q"}\n'))


def upload(content=None, name="pairs.jsonl"):
    return SimpleUploadedFile(name, lines() if content is None else content)


def test_an_upload_belongs_to_its_project_and_is_removed_when_it_is_in(project):
    token = keep_pairs_file(project=project, upload=upload())
    path = kept_pairs_file(project=project, token=token)
    for other, key in ((ProjectFactory(), token), (project, "../../x"), (project, "0" * 32)):
        with pytest.raises(Exception, match="gone"):
            kept_pairs_file(project=other, token=key)
    bring(project, path)
    assert not path.exists()


def test_the_page_shows_what_would_happen_then_imports(project, curator_client):
    page = curator_client.post(PAGE, {"file": upload(), "name": "mine"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "What would happen: mine" in text
    assert "anna.b@" not in text
    assert Pair.objects.count() == 0
    answer = curator_client.post(PAGE, {"act": "start", "token": page.context["token"], "name": "mine"}, follow=True)
    assert answer.status_code == 200
    job = Job.objects.get(kind="curation.import_pairs")
    run_inline(job)
    report = curator_client.get(f"{PAGE}{job.pk}/").content.decode()
    assert "8 = 2 + 1 + 1 + 4" in report
    assert "the query or the code is empty" in report


def test_an_unusable_upload_is_refused_on_the_page_and_not_kept(project, curator_client, settings):
    page = curator_client.post(PAGE, {"file": upload(b"a,b\n")})
    assert page.status_code == 422
    assert "needs the columns" in page.content.decode()
    assert list((settings.QUARRY_HOME / "uploads" / "pairs").iterdir()) == []
    gone = curator_client.post(PAGE, {"act": "start", "token": "0" * 32}, follow=True)
    assert "Upload it again" in gone.content.decode()


def test_the_api_looks_and_imports(project, curator_client, settings):
    looked = curator_client.post(API + LOOK, {"file": upload()})
    assert counts(looked.json()) == COUNTS
    assert list((settings.QUARRY_HOME / "uploads" / "pairs").iterdir()) == []
    started = curator_client.post(API, {"file": upload()})
    assert started.status_code == 202
    job = Job.objects.get(pk=started.json()["job"])
    run_inline(job)
    job.refresh_from_db()
    assert counts(job.result) == COUNTS
    assert curator_client.post(API, {}).status_code == 400


@pytest.mark.parametrize("role", ["annotator", "reader", "adjudicator"])
def test_only_curators_import(project, client, role):
    client.force_login(member(project, role, username="other"))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"file": upload()}).status_code == 403
    assert client.post(API, {"file": upload()}).status_code == 403
    assert client.post(API + LOOK, {"file": upload()}).status_code == 403


def test_the_command_previews_and_imports(project, file):
    out = io.StringIO()
    call_command("import_pairs", str(file()), "--project=demo", "--preview", "--json", stdout=out)
    assert counts(json.loads(out.getvalue())) == COUNTS
    assert Pair.objects.count() == 0
    out = io.StringIO()
    call_command("import_pairs", str(file()), "--project=demo", stdout=out)
    assert "line 5: the query or the code is empty" in out.getvalue()
    assert Pair.objects.count() == 3
