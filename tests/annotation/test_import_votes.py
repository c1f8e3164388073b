"""Votes and labels from files: what fits comes in once, what does not is reported."""

import json
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from annotation.criteria import read_criteria
from annotation.models import ImportedLabel, Item, Slot, Vote
from annotation.selectors import item_patterns
from annotation.services.imports import start_import_votes
from annotation.services.releases import start_export_release, start_freeze_release
from annotation.vote_files import MAX_LINE_BYTES, BadLine, read_vote_lines
from core.errors import BadInputError
from core.jobs import JobFailedError, run_inline
from core.models import Project, User
from curation.models import Pair
from tests.annotation.judged import judged_project
from tests.factories import PairFactory

CODE = "def flip(items):\n    return items[::-1]"
LONG = "query,code,worker,label,intent\n" + "".join(
    f'python reverse a list,"{CODE}",{worker},{label},{intent}\n'
    for worker, label, intent in [
        ("ann", 1, "yes"),
        ("bob", 0, ""),
        ("cy", "", "no"),
        ("di", "", "unclear"),
        ("ed", "", "yes"),
    ]
)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _home(settings, tmp_path):
    settings.QUARRY_HOME = tmp_path


@pytest.fixture
def bring(project, tmp_path):
    """Imports a text as a file into the project and returns the report."""

    def _bring(text: str | bytes, name: str = "votes.csv") -> dict:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return run_inline(start_import_votes(project=project, path=path, inline=True)).result

    return _bring


def adds_up(report: dict) -> bool:
    return report["read"] == report["new"] + report["known"] + report["bad"]


def test_long_form_votes_become_votes_of_placeholder_people_in_slots(project, bring):
    report = bring(LONG)
    assert adds_up(report)
    assert (report["new"], report["raters"], report["pairs"]) == (5, 5, 1)
    votes = list(
        Vote.objects.order_by("person__username").values_list("intent", "answer", "code_unclear", "rater_kind")
    )
    assert votes == [
        ("yes", 1, False, "imported"),
        ("yes", 0, False, "imported"),
        ("no", None, False, "imported"),
        ("unclear", None, False, "imported"),
        ("yes", None, True, "imported"),
    ]
    item = Item.objects.get()
    assert (item.done, item.target, item.slots.count(), item.batch.is_closed) == (5, 5, 5, True)
    assert sorted(Slot.objects.values_list("number", flat=True)) == [0, 1, 2, 3, 4]
    people = User.objects.filter(is_placeholder=True)
    assert all(not person.is_active and not person.has_usable_password() for person in people)
    assert {person.first_name for person in people} == {"ann", "bob", "cy", "di", "ed"}
    assert item_patterns(project)[0].tally.n_answers == 2


def test_the_same_file_again_changes_nothing(bring):
    bring(LONG)
    before = (
        Vote.objects.count(),
        Slot.objects.count(),
        Item.objects.count(),
        User.objects.count(),
        Pair.objects.count(),
    )
    again = bring(LONG)
    assert (again["new"], again["known"], again["bad"]) == (0, 5, 0)
    after = (
        Vote.objects.count(),
        Slot.objects.count(),
        Item.objects.count(),
        User.objects.count(),
        Pair.objects.count(),
    )
    assert before == after


def test_a_longer_file_of_the_same_name_adds_only_what_is_new(bring):
    bring(LONG)
    report = bring(LONG + f'python reverse a list,"{CODE}",fay,1,yes\n')
    assert (report["new"], report["known"]) == (1, 5)
    assert Item.objects.get().target == 6


def test_every_row_that_does_not_fit_is_reported_with_line_and_reason(project, bring):
    pair = PairFactory(project=project)
    text = (
        "task,worker,label,intent\n"
        f"{pair.pk},ann,1,yes\n"
        f"{pair.pk},ann,0,yes\n"
        f"{pair.pk},bob,2,\n"
        f"{pair.pk},cy,1,no\n"
        f"{pair.pk},di,,\n"
        f"{pair.pk},,,yes\n"
        "999999,ed,1,\n"
        ",fay,1,\n"
        f"{pair.pk},gus,1,yes,more\n"
        "nonsense,hal,1,yes\n"
    )
    report = bring(text)
    assert adds_up(report)
    assert (report["read"], report["new"], report["bad"]) == (10, 1, 9)
    reasons = {problem["line"]: problem["reason"] for problem in report["problems"]}
    assert reasons == {
        3: "ann has already voted otherwise on this pair",
        4: "the label is '2', not 1 or 0",
        5: "a label although the intent is no",
        6: "neither a label nor an intent (yes, no, unclear)",
        7: "a row without worker needs a label",
        8: "the project has no pair 999999",
        9: "names no pair: give task, or query and code",
        10: "5 cells under 4 columns",
        11: "the project has no pair nonsense",
    }


def test_pairs_in_an_open_batch_and_private_ones_are_left_alone(project, bring):
    item = judged_project(project, ["111"])[0]
    private = PairFactory(project=project)
    private.query.quarantine_reason = "e-mail address"
    private.query.save()
    fine = PairFactory(project=project)
    report = bring(f"task,worker,label\n{item.pair_id},ann,1\n{private.pk},ann,1\n{fine.pk},ann,1\n")
    assert report["new"] == 1
    assert [problem["reason"][:24] for problem in report["problems"]] == [
        "the pair is open in anot",
        "the pair is held back fo",
    ]
    assert item.votes.count() == 3


def test_cosqa_json_brings_pairs_with_labels_whose_raters_are_unknown(project, bring):
    rows = [
        {"idx": f"a-{n}", "doc": f"python flip {n}", "code": f"def f{n}():\n    pass", "label": n % 2} for n in range(4)
    ]
    report = bring(json.dumps([*rows, rows[0], {**rows[1], "label": 0}]), "cosqa.json")
    assert (report["labels"], report["known"], report["bad"], report["votes"]) == (4, 1, 1, 0)
    assert ImportedLabel.objects.filter(source="cosqa.json").count() == 4
    assert bring(json.dumps(rows), "cosqa.json")["known"] == 4
    assert ImportedLabel.objects.count() == 4
    assert not Vote.objects.exists()


def test_json_lines_and_single_labels_without_worker_work_too(bring):
    lines = [
        {"query": "python flip", "code": CODE, "worker": "ann", "label": 1},
        {"query": "python turn", "code": CODE, "label": 0},
        "[1]",
        {"query": "python turn", "code": CODE, "worker": "bob", "label": True},
    ]
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\nno json\n\n"
    report = bring(text, "votes.jsonl")
    assert (report["votes"], report["labels"], report["bad"]) == (2, 1, 2)


@pytest.mark.parametrize("exported", ["votes.csv", "votes.jsonl"])
def test_exported_votes_come_back_as_the_same_votes(project, bring, tmp_path, exported):
    items = judged_project(project, ["111", "000", "11n1"])
    release, job = start_freeze_release(
        project=project, name="v1", criteria=read_criteria(dev="0", test="0"), inline=True
    )
    run_inline(job)
    release.refresh_from_db()
    before = sorted(Vote.objects.values_list("intent", "answer"), key=str)
    run_inline(start_export_release(release=release, format="votes-long", folder=str(tmp_path / "out"), inline=True))
    text = (tmp_path / "out" / exported if exported == "votes.csv" else tmp_path / release.path / exported).read_bytes()
    Vote.objects.all().delete()
    Slot.objects.all().delete()
    Item.objects.filter(pk__in=[item.pk for item in items]).delete()
    report = bring(text, exported)
    assert (report["bad"], report["votes"]) == (0, len(before))
    assert sorted(Vote.objects.values_list("intent", "answer"), key=str) == before


def test_the_same_worker_in_two_projects_is_two_people(bring, project, tmp_path):
    bring(LONG)
    other = Project.objects.create(slug="other")
    run_inline(start_import_votes(project=other, path=tmp_path / "votes.csv", inline=True))
    assert Vote.objects.filter(project=other).count() == 5
    assert not set(Vote.objects.filter(project=other).values_list("person", flat=True)) & set(
        Vote.objects.filter(project=project).values_list("person", flat=True)
    )


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "votes.csv", "empty"),
        (b"  \n \n", "votes.csv", "empty"),
        (b"\x00\x01\x02binary", "votes.csv", "binary"),
        (b"worker,answer\nann,1\n", "votes.csv", "needs the columns"),
        (b"task,worker,label\n1,\xff\xfe,1\n", "votes.csv", "not UTF-8"),
        (b'task,worker,label\n1,"ann,1\n', "votes.csv", "line 2"),
        (b"task,worker,label\n" + b"1" * (MAX_LINE_BYTES + 1), "votes.csv", "longer than"),
        (b"[" * 100_000, "votes.json", "nested"),
        (b'{"task": "1"}\n', "votes.jsonl", "No row of votes.jsonl fits"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_plain_words(bring, content, name, says):
    with pytest.raises((BadInputError, JobFailedError), match=says):
        bring(content, name)


def test_rows_are_read_one_at_a_time(tmp_path):
    path = tmp_path / "votes.jsonl"
    path.write_text('{"task": "1", "worker": "a", "label": 1}\nbroken\n')
    rows = read_vote_lines(path)
    assert next(rows).worker == "a"
    assert next(rows) == BadLine(2, "not JSON")


def test_the_command_reports_and_ends_with_2_on_a_missing_file(project, tmp_path, capsys):
    path = tmp_path / "votes.csv"
    path.write_text(LONG)
    call_command("import_votes", str(path), "--project", "demo", "--json")
    assert json.loads(capsys.readouterr().out)["votes"] == 5
    with pytest.raises(SystemExit) as ended:
        call_command("import_votes", str(tmp_path / "none.csv"), "--project", "demo")
    assert ended.value.code == 2


def test_the_api_takes_an_upload_from_curators_only(project, curator_client, annotator_client, settings):
    address = "/api/v1/projects/demo/votes/import/"
    assert annotator_client.post(address, {"file": SimpleUploadedFile("v.csv", LONG.encode())}).status_code == 403
    answer = curator_client.post(address, {"file": SimpleUploadedFile("../../v.csv", LONG.encode())})
    assert answer.status_code == 202
    job = run_inline(project.jobs.get(pk=answer.json()["job"]))
    assert job.result["votes"] == 5
    assert Path(job.params["path"]).parent == Path(settings.QUARRY_HOME) / "uploads"
    refused = curator_client.post(address, {"file": SimpleUploadedFile("v.csv", b"")})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_input")


def test_real_cosqa_pairs_come_in_with_their_labels(project, real_data):
    job = run_inline(start_import_votes(project=project, path=real_data / "cosqa" / "cosqa-dev.json", inline=True))
    report = job.result
    assert adds_up(report)
    assert report["read"] == 604
    assert report["labels"] + report["bad"] == 604
    ones = ImportedLabel.objects.filter(label=1).count()
    assert 300 <= ones <= 313
