"""A log is looked at, told how to be read, and started: on the page, over the API and by command."""

import json
import os
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from core.duties import all_duties
from core.errors import BadInputError, ConflictError
from core.jobs import run_inline
from core.models import Job
from core.server_files import PathNotPermittedError
from curation.models import LogImport, LogUpload
from curation.reading import LogFormat, LogShape, preview_log
from curation.services.log_uploads import (
    chosen_shape,
    forget_uploads,
    keep_upload,
    permitted_logs,
    start_upload,
    store_permitted_file,
)
from curation.services.logs import start_ingest_log, store_log
from tests.curation import log_files
from tests.factories import ProjectFactory, member

pytestmark = pytest.mark.django_db

TABLE = b"when;what;who\n2020-01-01;python sort list;u1\n2020-01-02;mail anna@example.org;u2\n2020-01-03;\x07;u1\n"
COLUMNS = ("column", "count_column", "user_column", "url_column")
TWO_TEXTS = b"this,that\nsort a list,to be\nopen a file,or not\n"


def upload(data, name="log.csv"):
    return SimpleUploadedFile(name, data)


def stored_files():
    return sorted(path.name for path in Path(django_settings.QUARRY_HOME, "uploads").glob("*.log"))


@pytest.fixture
def look(curator_client, project):
    """Uploads a file on the page; gives its preview page."""

    def post(data, name="log.csv"):
        before = set(LogUpload.objects.values_list("pk", flat=True))
        response = curator_client.post(reverse("curation:logs", args=["demo"]), {"file": upload(data, name)})
        (found,) = LogUpload.objects.exclude(pk__in=before)
        assert response["Location"] == reverse("curation:log_upload", args=["demo", found.pk])
        return found, response["Location"]

    return post


# --- what a preview says ------------------------------------------------------------------------------------------


def test_a_preview_numbers_people_masks_private_text_and_names_bad_rows(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(TABLE)
    preview = preview_log(path, LogShape(user_column="who"))
    assert preview.is_ready
    assert preview.shape.delimiter == ";"
    assert [(row.line, row.query, row.person, row.bad, row.private) for row in preview.rows] == [
        (2, "python sort list", 1, "", ""),
        (3, "mail [e-mail]", 2, "", "e-mail"),
        (4, "�", 0, "holds control characters", ""),
    ]
    assert [(column.name, column.use) for column in preview.columns] == [
        ("when", ""),
        ("what", "query"),
        ("who", "user"),
    ]
    assert preview.columns[0].kind == "time"
    assert preview.columns[2].samples == []
    assert "anna" not in json.dumps([column.samples for column in preview.columns])


def test_a_preview_without_a_query_column_shows_the_columns_to_choose_from(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(TWO_TEXTS)
    preview = preview_log(path, LogShape(header=True))
    assert preview.problem.startswith("Say which column holds the query")
    assert [column.samples for column in preview.columns] == [["sort a list", "open a file"], ["to be", "or not"]]
    assert preview.rows == []
    assert preview_log(path, LogShape(header=True, column="that")).is_ready


def test_a_preview_of_a_zip_lists_its_files(tmp_path):
    path = tmp_path / "log.zip"
    path.write_bytes(log_files.zipped(b"python a\n", "a.txt", others=["b.txt"]))
    preview = preview_log(path)
    assert preview.members == ["b.txt", "a.txt"]
    assert "which file" in preview.problem
    assert preview_log(path, LogShape(member="a.txt")).rows[0].query == "python a"


def test_what_rests_on_a_changed_choice_is_found_anew_and_the_rest_stays_as_open_as_it_was():
    before = LogShape(user_column="b")
    shown = LogShape(LogFormat.CSV, column="a", user_column="b", delimiter=",", header=True, names=("a", "b"))
    assert chosen_shape(before, shown, shown) == before
    other = replace(shown, column="b", user_column="-")
    assert chosen_shape(before, shown, other) == LogShape(column="b", user_column="-")
    assert chosen_shape(before, shown, replace(shown, delimiter=";")) == LogShape(delimiter=";")
    both = replace(shown, header=False, column="2")
    assert chosen_shape(before, shown, both) == LogShape(header=False, column="2")
    assert chosen_shape(before, shown, replace(shown, column="", quotes=None)) == before
    assert chosen_shape(before, shown, replace(shown, user_column="")) == LogShape()


# --- the page -----------------------------------------------------------------------------------------------------


def test_look_choose_look_again_and_start(curator_client, look, project):
    _, address = look(TABLE)
    text = curator_client.get(address).content.decode()
    assert "Semicolon" in text
    assert "mail [e-mail]" in text
    assert "anna" not in text
    assert not LogImport.objects.exists()
    choices = {"format": "csv", "delimiter": "semicolon", "header": "yes", "quotes": "auto", "column": "=what"}
    choices |= {"count_column": "auto", "user_column": "=who", "url_column": "none"}
    again = curator_client.post(address, {**choices, "act": "look"}, follow=True)
    assert again.redirect_chain == [(address, 302)]
    assert "people are numbered" in again.content.decode()
    started = curator_client.post(address, {**choices, "act": "start"})
    log_import = project.log_imports.get()
    assert started["Location"] == reverse("curation:log", args=["demo", log_import.pk])
    assert (log_import.column, log_import.user_column, log_import.url_column) == ("what", "who", "")
    assert not LogUpload.objects.exists()
    run_inline(Job.objects.get())
    log_import.refresh_from_db()
    assert (log_import.n_read, log_import.n_bad) == (3, 1)


def test_a_column_must_be_chosen_before_the_import_can_start(curator_client, look, project):
    found, address = look(TWO_TEXTS)
    text = curator_client.get(address).content.decode()
    assert "Say which column holds the query" in text
    assert "Start the import" not in text
    choices = {"format": "csv", "delimiter": "comma", "header": "no", "quotes": "auto"} | dict.fromkeys(COLUMNS, "auto")
    refused = curator_client.post(address, {**choices, "act": "start"})
    assert refused.status_code == 400
    assert LogUpload.objects.filter(pk=found.pk).exists()
    choices["header"] = "yes"
    curator_client.post(address, {**choices, "act": "look"})
    assert "This, that" not in curator_client.get(address).content.decode()
    response = curator_client.post(address, {**choices, "column": "=that", "act": "start"})
    assert response.status_code == 302
    assert project.log_imports.get().column == "that"


def test_a_choice_that_does_not_fit_is_explained_and_the_file_kept(curator_client, look):
    found, address = look(b"python a\n", "log.txt")
    response = curator_client.post(address, {"format": "parquet", "act": "look"})
    assert response.status_code == 400
    assert "no Parquet file" in response.content.decode()
    assert LogUpload.objects.filter(pk=found.pk).exists()
    assert curator_client.post(address, {"format": "yaml", "act": "look"}).status_code == 400


def test_an_unwanted_file_is_removed_with_its_row(curator_client, look):
    before = stored_files()
    _, address = look(TABLE)
    assert len(stored_files()) == len(before) + 1
    curator_client.post(address, {"act": "discard"})
    assert stored_files() == before
    assert curator_client.get(address).status_code == 404


def test_a_file_imported_before_is_said_to_be_and_adds_nothing(curator_client, look, project):
    run_inline(start_ingest_log(project=project, stored=store_log([TABLE], name="old.csv")).job)
    _, address = look(TABLE)
    assert "imported before, as" in curator_client.get(address).content.decode()
    choices = {"format": "csv", "delimiter": "semicolon", "header": "yes", "quotes": "auto", "column": "auto"}
    choices |= dict.fromkeys(COLUMNS, "auto")
    response = curator_client.post(address, {**choices, "act": "start"}, follow=True)
    assert "imported before. Nothing was added." in response.content.decode()
    assert project.log_imports.count() == 1


def test_uploads_are_the_projects_and_the_curators_alone(
    curator_client, stranger_client, annotator_client, client, look
):
    found, address = look(TABLE)
    assert stranger_client.get(address).status_code == 404
    assert annotator_client.get(address).status_code == 403
    other = ProjectFactory(slug="other")
    client.force_login(member(other, "curator", username="otto"))
    assert client.get(reverse("curation:log_upload", args=["other", found.pk])).status_code == 404
    assert client.delete(f"/api/v1/projects/other/logs/uploads/{found.pk}/").status_code == 404


def test_a_form_without_a_file_says_so(curator_client, project):
    response = curator_client.post(reverse("curation:logs", args=["demo"]), {})
    assert response.status_code == 400
    assert "This field is required" in response.content.decode()


# --- what is not confirmed ----------------------------------------------------------------------------------------


def test_what_nobody_confirms_within_a_day_is_removed_by_the_workers_housekeeping(project):
    before = stored_files()
    old, _ = keep_upload(project=project, stored=store_log([TABLE], name="old.csv"))
    new, _ = keep_upload(project=project, stored=store_log([TABLE], name="new.csv"))
    LogUpload.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=25))
    (duty,) = [each for each in all_duties() if each.name == "forget log uploads"]
    assert duty.function() == 1
    assert list(LogUpload.objects.all()) == [new]
    assert len(stored_files()) == len(before) + 1


def test_stray_files_go_and_those_of_waiting_imports_stay(project):
    stray = store_log([b"python stray\n"], name="stray")
    waiting = start_ingest_log(project=project, stored=store_log([TABLE], name="waiting.csv")).log_import
    kept = Path(django_settings.QUARRY_HOME, waiting.stored_path)
    for path in (stray.path, kept):
        os.utime(path, (0, 0))
    forget_uploads()
    assert not stray.path.exists()
    assert kept.exists()


def test_an_upload_starts_once(project):
    found, _ = keep_upload(project=project, stored=store_log([TABLE], name="log.csv"))
    start_upload(upload=found)
    with pytest.raises(ConflictError):
        start_upload(upload=found)
    assert Job.objects.count() == 1


# --- files on the server ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(settings, tmp_path):
    (tmp_path / "logs" / "2024").mkdir(parents=True)
    (tmp_path / "logs" / "2024" / "log.csv").write_bytes(TABLE)
    (tmp_path / "logs" / ".hidden").write_bytes(b"x")
    (tmp_path / "secret.txt").write_bytes(b"python secret\n")
    (tmp_path / "logs" / "link.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(tmp_path / "logs" / "pipe")
    settings.IMPORT_FOLDERS = [str(tmp_path / "logs")]
    return tmp_path


def test_only_plain_files_of_permitted_folders_are_offered(folder):
    assert permitted_logs() == ["2024/log.csv"]


@pytest.mark.parametrize(
    "path", ["link.txt", "../secret.txt", "/etc/passwd", "nothing", "2024/../../secret.txt", "a\0b"]
)
def test_no_way_leads_out_of_the_permitted_folders(folder, path):
    with pytest.raises(PathNotPermittedError):
        store_permitted_file(path)


@pytest.mark.parametrize("path", ["pipe", "2024", "."])
def test_what_is_no_file_is_refused_and_keeps_nobody_waiting(folder, path):
    with pytest.raises(BadInputError, match="is no file"):
        store_permitted_file(path)


def test_uploads_of_others_are_no_permitted_files(folder):
    stored = store_log([b"python a\n"], name="l")
    with pytest.raises(PathNotPermittedError):
        store_permitted_file(str(stored.path))


def test_a_file_on_the_server_is_looked_at_like_an_upload(curator_client, project, folder):
    address = reverse("curation:logs", args=["demo"])
    assert "2024/log.csv" in curator_client.get(address).content.decode()
    assert "Choose a file." in curator_client.post(address, {}).content.decode()
    response = curator_client.post(address, {"path": "2024/log.csv"})
    assert LogUpload.objects.get().name == "log.csv"
    assert response.status_code == 302
    assert curator_client.post(address, {"path": "../secret.txt"}).status_code == 400
    assert post(curator_client, "logs/", path="2024/log.csv").status_code == 202
    assert post(curator_client, "logs/", path="../secret.txt").json()["code"] == "path_not_permitted"


# --- the API ------------------------------------------------------------------------------------------------------


def post(client, rest, **data):
    return client.post(f"/api/v1/projects/demo/{rest}", data)


def test_the_api_previews_then_starts(curator_client, project):
    body = post(curator_client, "logs/preview/", file=upload(TWO_TEXTS)).json()
    assert not body["ready"]
    address = f"/api/v1/projects/demo/logs/uploads/{body['upload']}/"
    seen = curator_client.get(f"{address}?header=true&column=that").json()
    assert seen["ready"]
    assert [row["query"] for row in seen["rows"]] == ["to be", "or not"]
    assert curator_client.get(address).json()["shape"]["column"] == "that"
    assert curator_client.get(address).json()["reasons"] == ["The name ends in .csv.", "Columns are cut at each comma."]
    started = curator_client.post(address, content_type="application/json")
    assert started.status_code == 202
    assert started.json()["column"] == "that"
    assert curator_client.get(address).status_code == 404


def test_the_api_discards_and_refuses(curator_client, project):
    pk = post(curator_client, "logs/preview/", file=upload(TABLE)).json()["upload"]
    address = f"/api/v1/projects/demo/logs/uploads/{pk}/"
    assert curator_client.get(f"{address}?column=nothing").json()["problem"].startswith("There is no column nothing")
    assert curator_client.get(f"{address}?delimiter=x").status_code == 400
    assert curator_client.delete(address).status_code == 204
    assert not LogUpload.objects.exists()
    assert post(curator_client, "logs/preview/", file=upload(b"\0\1" * 99)).json()["code"] == "binary_log"
    assert post(curator_client, "logs/preview/").status_code == 400


# --- the command --------------------------------------------------------------------------------------------------


def run_command(*args):
    out = StringIO()
    call_command("ingest_log", *args, "--project", "demo", stdout=out)
    return out.getvalue()


def test_the_command_previews_without_importing(project, tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(TABLE)
    text = run_command(str(path), "--preview", "--user-column", "who")
    assert "Columns are cut at each semicolon." in text
    assert "column 3 who: word, user" in text
    assert "mail [e-mail]" in text
    assert not LogImport.objects.exists()
    data = json.loads(run_command(str(path), "--preview", "--json"))
    assert data["shape"]["column"] == "what"


def test_the_command_takes_every_choice(project, tmp_path):
    path = tmp_path / "log.zip"
    path.write_bytes(log_files.zipped(b'a|python x|u1\nb|"python y|u2\n', "one", others=["two"]))
    choices = ["--member", "one", "--format", "csv", "--delimiter", "bar", "--no-header", "--no-quotes"]
    data = json.loads(run_command(str(path), *choices, "--column", "2", "--user-column", "3", "--json"))
    assert (data["read"], data["new"], data["bad"]) == (2, 2, 0)
    assert {"python x", '"python y'} == set(project.queries.values_list("text", flat=True))
