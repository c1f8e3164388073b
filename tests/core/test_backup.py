"""Backups: everything comes back, on either engine, from older versions too; nothing damaged is taken for whole."""

import json
import os
import subprocess
import sys
import uuid
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from core.backup import tables
from core.backup.archive import MANIFEST, Reader
from core.backup.errors import BackupNewerError, BackupUnreadableError, RowRefusedError
from core.backup.services import check_backup, make_backup, restore_backup
from core.errors import QuarryError
from core.models import Job, JobState, Project
from tests.annotation.judged import judged_project

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS_OF_AN_OLDER_VERSION = {"annotation": "0005", "core": "0002", "curation": "0010"}


class Place:
    """An installation of its own: a QUARRY_HOME and a database, used through the commands."""

    def __init__(self, home: Path, database: str = "") -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
            "QUARRY_HOME": str(home),
            "LOG_LEVEL": "WARNING",
            **({"DATABASE_URL": database} if database else {}),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)

    def report(self, *arguments: str):
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def server_database():
    """A database of its own on the PostgreSQL server of this run."""
    if connection.vendor != "postgresql":
        pytest.skip("needs a PostgreSQL server")
    from psycopg import connect

    address = urlsplit(os.environ["DATABASE_URL"])
    name = f"quarry_backup_{uuid.uuid4().hex[:8]}"
    with connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    yield address._replace(path=f"/{name}").geturl()
    with connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def whole(project, tmp_path, settings):
    """A backup of judged pairs, a file and a job that waits, made in this process."""
    settings.QUARRY_HOME = tmp_path / "home"
    (settings.QUARRY_HOME / "checkpoints" / "one").mkdir(parents=True)
    (settings.QUARRY_HOME / "checkpoints" / "one" / "model.bin").write_bytes(b"\x00weights\xff" * 1000)
    (settings.QUARRY_HOME / "tmp").mkdir()
    (settings.QUARRY_HOME / "tmp" / "half").write_text("not part of it")
    judged_project(project, ["111", "10n", "1"])
    Job.objects.create(project=project, kind="core.test", title="waits", params={"share": 1e22, "n": [1.0, -0.0]})
    path = tmp_path / "whole.zip"
    return make_backup(path=path), path


@pytest.mark.django_db
def test_a_backup_holds_every_table_and_file_and_its_sums_fit(whole, project):
    made, path = whole
    assert made.rows["annotation.vote"] == 7
    assert made.rows["core.project"] == Project.objects.count()
    assert (made.n_files, made.file_bytes) == (1, 9000)
    assert check_backup(path=path).rows == made.rows
    kept = {model._meta.label_lower for model in tables.models_at(tables.applied_migrations())}
    assert kept == set(Reader(path).manifest["tables"])
    assert {"annotation.vote", "core.user_groups", "mfa.authenticator"} <= kept
    assert not kept & tables.LEFT_OUT


@pytest.mark.django_db
def test_it_comes_back_in_another_place_and_goes_on_from_there(whole, tmp_path):
    _, path = whole
    place = Place(tmp_path / "other")
    report = place.report("restore", str(path))
    assert report["rows"]["annotation.vote"] == 7
    assert (place.home / "checkpoints" / "one" / "model.bin").read_bytes() == b"\x00weights\xff" * 1000
    assert not (place.home / "tmp" / "half").exists()
    jobs = place.report("jobs")["jobs"]
    assert [job["state"] for job in jobs] == [JobState.FAILED]
    assert "Start it again" in json.dumps(jobs)
    again = place.report("backup", str(tmp_path / "again.zip"))
    assert again["rows"] == report["rows"]
    assert place.run("create_project", "another").returncode == 0  # new rows get numbers of their own


@pytest.mark.django_db
def test_from_sqlite_to_postgresql_and_back_every_sum_is_the_same(server_database, tmp_path):
    small, server, back = Place(tmp_path / "a"), Place(tmp_path / "b", server_database), Place(tmp_path / "c")
    assert small.run("migrate", "-v0").returncode == 0
    small.report("create_project", "first")
    small.report("backup", str(tmp_path / "1.zip"))
    server.report("restore", str(tmp_path / "1.zip"))
    server.report("backup", str(tmp_path / "2.zip"))
    assert Reader(tmp_path / "2.zip").manifest["tables"] == Reader(tmp_path / "1.zip").manifest["tables"]
    assert server.run("create_project", "second").returncode == 0
    server.report("backup", str(tmp_path / "3.zip"))
    assert back.report("restore", str(tmp_path / "3.zip"))["rows"]["core.project"] == 2


@pytest.mark.django_db
def test_a_backup_of_an_older_version_is_brought_up_to_date(tmp_path):
    old, new = Place(tmp_path / "old"), Place(tmp_path / "new")
    for app, name in MIGRATIONS_OF_AN_OLDER_VERSION.items():
        done = old.run("migrate", "-v0", app, name)
        assert done.returncode == 0, done.stderr
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        'c.execute("INSERT INTO core_project (slug, title, description, language, overlap, max_extra_votes,'
        " k_anonymity, encoder, secret, created_at) VALUES ('old', 'Old', '', 'python', 3, 2, 1, '', 's',"
        " '2026-01-02 03:04:05.000006')\"); c.commit()"
    )
    subprocess.run([sys.executable, "-c", script, str(old.home / "quarry.sqlite3")], check=True)
    old.report("backup", str(tmp_path / "old.zip"))
    assert "annotation.annotator" not in Reader(tmp_path / "old.zip").manifest["tables"]
    report = new.report("restore", str(tmp_path / "old.zip"))
    assert report["rows"]["core.project"] == 1
    assert new.run("migrate", "--check").returncode == 0
    now = new.report("backup", str(tmp_path / "new.zip"))
    assert "annotation.annotator" in Reader(Path(now["file"])).manifest["tables"]
    row = json.loads(next(Reader(Path(now["file"])).table("core.project")))
    assert row["created_at"] == "2026-01-02T03:04:05.000006+00:00"


@pytest.mark.django_db
def test_a_place_with_rows_is_left_as_it_is(whole, tmp_path):
    _, path = whole
    place = Place(tmp_path / "busy")
    assert place.run("migrate", "-v0").returncode == 0
    place.report("create_project", "mine")
    refused = place.run("restore", str(path))
    assert refused.returncode == 2
    assert "core.project: 1" in refused.stderr
    place.report("backup", str(tmp_path / "still.zip"))
    assert json.loads(next(Reader(tmp_path / "still.zip").table("core.project")))["slug"] == "mine"


def changed(path: Path, to: Path, name: str, content: bytes | None) -> Path:
    """The backup with one member replaced, or left out."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w") as target:
        for member in source.namelist():
            if member == name and content is None:
                continue
            target.writestr(member, content if member == name and content is not None else source.read(member))
    return to


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("member", "content"),
    [
        (MANIFEST, None),
        (MANIFEST, b"{"),
        (MANIFEST, b'{"format": 99}'),
        ("tables/annotation.vote.jsonl.zst", None),
        ("tables/annotation.vote.jsonl.zst", b"no zstandard"),
        ("tables/annotation.vote.jsonl.zst", bytes.fromhex("28b52ffd2000010000")),
        ("files/checkpoints/one/model.bin", b"other weights"),
    ],
    ids=["no-manifest", "bad-manifest", "other-format", "no-table", "bad-table", "other-table", "other-file"],
)
def test_a_damaged_backup_is_never_taken_for_whole(whole, tmp_path, member, content):
    _, path = whole
    with pytest.raises(BackupUnreadableError):
        check_backup(path=changed(path, tmp_path / "damaged.zip", member, content))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["../outside", "secret_key", "tmp/x", "checkpoints/../../outside", "/etc/x"])
def test_a_file_that_would_land_elsewhere_is_refused(whole, tmp_path, name):
    _, path = whole
    manifest = Reader(path).manifest
    manifest["files"] = {name: {"bytes": 1, "sha256": "0" * 64}}
    evil = changed(path, tmp_path / "evil.zip", MANIFEST, json.dumps(manifest).encode())
    with pytest.raises(BackupUnreadableError, match="where none belongs"):
        restore_backup(path=evil)


@pytest.mark.django_db
def test_a_newer_backup_names_what_is_missing(whole, tmp_path):
    _, path = whole
    manifest = Reader(path).manifest
    manifest["migrations"].append(["core", "9999_later"])
    later = changed(path, tmp_path / "later.zip", MANIFEST, json.dumps(manifest).encode())
    with pytest.raises(BackupNewerError, match=r"core\.9999_later"):
        restore_backup(path=later)


@pytest.mark.django_db
def test_nothing_is_written_over(whole):
    _, path = whole
    before = path.read_bytes()
    with pytest.raises(QuarryError, match="exists already"):
        make_backup(path=path)
    assert path.read_bytes() == before


@pytest.mark.django_db
def test_a_row_that_does_not_fit_is_named():
    with pytest.raises(RowRefusedError, match=r"Line 2 of table core.project"):
        tables.load_rows(Project, [line_of_project("a", 1), b'{"slug": \n'])


def line_of_project(slug: str, key: int) -> bytes:
    names = [field.attname for field in tables.stored_fields(Project)]
    row = Project(pk=key, slug=slug, created_at="2026-01-01T00:00:00Z")
    return tables.line_of(names, [getattr(row, name) for name in names])


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab é", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.django_db(transaction=False)
@given(json_values)
def test_any_json_has_the_same_line_after_the_database_had_it(value):
    job = Job.objects.create(kind="core.test", title="t", params={"value": value})
    names = ["params"]
    written = tables.line_of(names, [{"value": value}])
    assert tables.line_of(names, [Job.objects.values_list("params", flat=True).get(pk=job.pk)]) == written
