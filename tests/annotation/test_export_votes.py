"""The full export: every judged pair with its votes, for curators, at any moment."""

import csv
import io
import json
import uuid
from datetime import datetime

import pytest
from django.core.management import call_command
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Adjudication, GoldAnswer, LateSubmission, Purpose
from annotation.selectors import export
from annotation.selectors.export import LONG, export_votes
from annotation.vote_files import BadLine, read_vote_lines
from core.errors import BadInputError
from curation.models import Code, Query
from tests.annotation.judged import judged_project
from tests.factories import PairFactory, member

pytestmark = pytest.mark.django_db
ADDRESS = "/p/demo/batches/export/"
API = "/api/v1/projects/demo/votes/export/"


def pairs_of(project, **options):
    return [json.loads(line) for line in "".join(export_votes(project, **options)).splitlines()]


def table_of(project, **options):
    return list(csv.DictReader(io.StringIO("".join(export_votes(project, file_format="csv", **options)))))


def test_a_pair_comes_with_its_texts_verdict_counts_and_votes(project):
    items = judged_project(project, ["110", "nn1", "q"])
    rows = pairs_of(project)
    assert [row["item"] for row in rows] == [item.pk for item in items]
    first = rows[0]
    assert (first["query"], first["code"]) == (items[0].query.text, items[0].pair.code.text)
    assert first["task"] == f"{items[0].query.content_hash}:{items[0].pair.code.content_hash}"
    assert (first["verdict"], first["label"], first["n_votes"], first["n_one"], first["n_zero"]) == (
        *("labelled", 1),
        *(3, 2, 1),
    )
    assert [(vote["worker"], vote["label"], vote["state"]) for vote in first["votes"]] == [
        *[("simulated-0", 1, "counted"), ("simulated-1", 1, "counted"), ("simulated-2", 0, "counted")]
    ]
    assert [row["verdict"] for row in rows[1:]] == ["no_intent", "unresolved"]
    assert (rows[2]["n_unclear"], rows[2]["label"]) == (1, None)


def test_what_does_not_count_is_there_and_marked(project):
    (item,) = judged_project(project, ["1111"])
    taken_back, aside, *_ = item.votes.order_by("pk")
    type(item.votes.first()).objects.filter(pk=taken_back.pk).update(retracted_at=timezone.now())
    type(item.votes.first()).objects.filter(pk=aside.pk).update(set_aside_at=timezone.now())
    late = member(project, "annotator", username="lena")
    LateSubmission.objects.create(
        item=item, person=late, key=uuid.uuid4(), payload={"intent": "yes", "answer": 0, "seconds": 2.5}
    )
    (row,) = pairs_of(project)
    assert [vote["state"] for vote in row["votes"]] == ["retracted", "set_aside", "counted", "counted", "late"]
    assert (row["n_votes"], row["n_one"], row["n_zero"]) == (2, 2, 0)
    assert row["votes"][-1] | {"time": ""} == row["votes"][-1] | {
        "worker": "lena",
        "label": 0,
        "seconds": 2.5,
        "time": "",
    }


def test_times_carry_their_zone_and_are_those_of_the_votes(project):
    (item,) = judged_project(project, ["10"])
    (row,) = pairs_of(project)
    assert [datetime.fromisoformat(vote["time"]) for vote in row["votes"]] == [
        vote.created_at for vote in item.votes.order_by("pk")
    ]
    assert {(vote["code_unclear"], vote["retracted_at"]) for vote in row["votes"]} == {(False, None)}


def test_adjudicated_and_gold_answers_stand_beside_the_majority(project, curator):
    decided, gold = judged_project(project, ["110", "1"])
    Adjudication.objects.create(project=project, item=decided, decision="zero", reason="as it is", person=curator)
    type(gold).objects.filter(pk=gold.pk).update(purpose=Purpose.GOLD)
    GoldAnswer.objects.create(item=gold, intent="yes", answer=1, origin="curator")
    first, second = pairs_of(project)
    assert (first["label"], first["adjudicated"], first["adjudicated_label"]) == (1, "zero", 0)
    assert first["adjudicator"] == "cora"
    assert (second["is_hidden_gold"], second["known_intent"], second["known_answer"]) == (True, "yes", 1)
    assert (first["is_hidden_gold"], second["adjudicated"]) == (False, None)


def test_pairs_that_nobody_judged_are_left_out_and_a_batch_can_be_asked_for(project):
    judged = judged_project(project, ["11", "00"])
    PairFactory(project=project)
    other = type(judged[0].batch).objects.create(project=project, name="other")
    type(judged[0]).objects.filter(pk=judged[1].pk).update(batch=other)
    assert export.n_exported(project) == len(pairs_of(project)) == 2
    assert [row["batch"] for row in pairs_of(project, batch=other)] == ["other"]


def test_quarantined_texts_never_leave(project):
    by_query, by_code, free = judged_project(project, ["11", "11", "11"])
    Query.objects.filter(pk=by_query.query_id).update(quarantine_reason="e-mail")
    Code.objects.filter(pk=by_code.pair.code_id).update(quarantine_reason="secret")
    assert [row["item"] for row in pairs_of(project)] == [free.pk]
    assert {row["item"] for row in pairs_of(project, shape=LONG)} == {free.pk}


def test_long_form_has_a_row_per_vote_and_only_what_counts_is_read_back(project, tmp_path):
    item, _ = judged_project(project, ["1n0", "c"])
    type(item.votes.first()).objects.filter(pk=item.votes.order_by("pk")[0].pk).update(set_aside_at=timezone.now())
    path = tmp_path / "votes.csv"
    path.write_text("".join(export_votes(project, file_format="csv", shape=LONG)), encoding="utf-8")
    read = list(read_vote_lines(path))
    assert [line.reason for line in read if isinstance(line, BadLine)] == ["the vote does not count: set_aside"]
    assert [(line.worker, line.intent, line.answer) for line in read if not isinstance(line, BadLine)] == [
        *[("simulated-1", "no", None), ("simulated-2", "yes", 0), ("simulated-0", "yes", None)]
    ]
    assert [row["state"] for row in pairs_of(project, shape=LONG)] == ["set_aside", *["counted"] * 3]


def test_formulas_are_harmless_in_csv_and_unchanged_in_json_lines(project):
    (item,) = judged_project(project, ["11"])
    Query.objects.filter(pk=item.query_id).update(text="=cmd|'/c calc'!A1")
    Code.objects.filter(pk=item.pair.code_id).update(text="@decorated\ndef f(): ...")
    (row,) = table_of(project)
    assert (row["query"], row["code"]) == ("'=cmd|'/c calc'!A1", "'@decorated\ndef f(): ...")
    assert pairs_of(project)[0]["query"] == "=cmd|'/c calc'!A1"


@pytest.mark.parametrize("shape", ["pairs", "long"])
def test_csv_and_json_lines_say_the_same(project, shape):
    judged_project(project, ["110", "nn1", "cq"])
    lines, table = pairs_of(project, shape=shape), table_of(project, shape=shape)
    assert [list(row) for row in table] == [list(row) for row in lines]
    for name in ("item", "query_hash", "batch"):
        assert [row[name] for row in table] == [str(row[name]) for row in lines]
    if shape == "pairs":
        assert [json.loads(row["votes"]) for row in table] == [row["votes"] for row in lines]


def test_chunks_hold_the_same_rows_and_cost_a_fixed_number_of_statements(
    project, monkeypatch, django_assert_max_num_queries
):
    from django.db import connection

    judged_project(project, ["110", "11", "00", "n", "1"])
    whole = pairs_of(project)
    monkeypatch.setattr(export, "CHUNK", 2)
    pieces = export_votes(project)
    assert len(next(pieces).splitlines()) == 2  # nothing beyond the first chunk has been read
    assert pairs_of(project) == whole
    with CaptureQueriesContext(
        connection,
    ) as asked:
        list(export_votes(project))
    assert len(asked) <= 2 + 3 * 7 + 1  # names, three chunks with people, and the empty one


@pytest.mark.parametrize("address", [ADDRESS, API])
def test_only_curators_get_it(project, curator, address, client):
    judged_project(project, ["11"])
    for role, expected in {"annotator": 403, "reader": 403, "adjudicator": 403, "curator": 200}.items():
        client.force_login(member(project, role, username=f"a-{role}"))
        response = client.get(address)
        assert response.status_code == expected, role
        assert expected == 403 or b'"votes"' in response.getvalue()


def test_the_download_is_named_and_never_shown(project, curator_client):
    judged_project(project, ["11"])
    response = curator_client.get(ADDRESS, {"format": "csv", "shape": "long"})
    assert response["Content-Disposition"].startswith('attachment; filename="demo-votes-')
    assert response["X-Content-Type-Options"] == "nosniff"
    assert len(response.getvalue().splitlines()) == 3


@pytest.mark.parametrize(
    ("asked", "status"),
    [({"format": "xml"}, 400), ({"shape": "x"}, 400), ({"batch": "x"}, 400), ({"batch": "99"}, 404)],
)
def test_what_cannot_be_asked_is_refused(project, curator_client, asked, status):
    assert curator_client.get(ADDRESS, asked).status_code == status
    renamed = {{"format": "file_format"}.get(name, name): value for name, value in asked.items()}
    assert curator_client.get(API, renamed).status_code == status


def test_an_unknown_format_is_refused_at_the_call(project):
    with pytest.raises(BadInputError):
        export_votes(project, file_format="xml")
    with pytest.raises(BadInputError):
        export_votes(project, shape="wide")


def test_the_pages_offer_it_to_curators_alone(project, curator_client, client):
    (item,) = judged_project(project, ["11"])
    for address in ("/p/demo/batches/", f"/p/demo/batches/{item.batch_id}/"):
        assert ADDRESS in curator_client.get(address).content.decode()
        client.force_login(member(project, "reader", username="rita"))
        assert ADDRESS not in client.get(address).content.decode()


def test_the_command_writes_a_file_once_or_to_standard_output(project, tmp_path, capsys):
    judged_project(project, ["11", "00"])
    path = tmp_path / "votes.jsonl"
    call_command("export_votes", "--project=demo", f"--to={path}")
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(SystemExit):
        call_command("export_votes", "--project=demo", f"--to={path}")
    out = io.StringIO()
    call_command("export_votes", "--project=demo", "--batch=batch", "--long", stdout=out, stderr=io.StringIO())
    assert len(out.getvalue().splitlines()) == 4
    with pytest.raises(SystemExit):
        call_command("export_votes", "--project=demo", "--batch=none")
