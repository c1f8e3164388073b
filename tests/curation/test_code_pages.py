"""Pages, API and commands of code and candidates: the same services, the same refusals."""

import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from core.jobs import run_inline
from core.models import Job
from curation.models import CandidateRun, Code, CodeOccurrence, CodeSource
from tests.curation.test_candidates import accept, fill, propose
from tests.factories import CodeFactory, ProjectFactory, QueryFactory, member

pytestmark = pytest.mark.django_db

GOOD = 'def read_rows(path):\n    """Read all rows of a file."""\n    rows = open(path)\n    return [*rows]\n'


@pytest.fixture
def reader_client(project, client):
    client.force_login(member(project, "reader", username="rita"))
    return client


@pytest.fixture
def permitted(settings, tmp_path):
    """A folder of code that pages may read."""
    root = tmp_path / "permitted"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "a.py").write_text(GOOD)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.py").write_text(GOOD)
    (root / "link").symlink_to(tmp_path / "outside")
    settings.IMPORT_FOLDERS = [str(root)]
    return root


def add(client, kind, **fields):
    return client.post("/p/demo/code/", {"kind": kind, **{f"{kind}-{name}": value for name, value in fields.items()}})


def run_jobs():
    for job in Job.objects.filter(state="queued"):
        run_inline(job)


PAGES = ["/p/demo/code/", "/p/demo/code/functions/", "/p/demo/candidates/"]
ENDPOINTS = [f"/api/v1/projects/demo/{name}/" for name in ("code-sources", "codes", "candidate-runs", "pairs")]


@pytest.mark.parametrize("address", PAGES + ENDPOINTS)
def test_an_empty_project_has_working_pages_that_say_what_to_do(curator_client, address):
    response = curator_client.get(address)
    assert response.status_code == 200
    if address in PAGES:
        assert b"yet" in response.content


@pytest.mark.parametrize("address", PAGES + ENDPOINTS)
def test_strangers_get_404_and_annotators_403(stranger_client, annotator_client, address):
    assert stranger_client.get(address).status_code == 404
    assert annotator_client.get(address).status_code == 403


@pytest.mark.parametrize("address", ["/p/demo/code/", "/p/demo/candidates/"])
def test_readers_see_but_change_nothing(reader_client, address):
    page = reader_client.get(address)
    assert page.status_code == 200
    assert b'method="post" action="#' not in page.content
    assert reader_client.post(address, {"kind": "stdlib"}).status_code == 403


def test_objects_of_another_project_are_404(curator_client):
    other = ProjectFactory()
    code = CodeFactory(project=other)
    run = CandidateRun.objects.create(project=other)
    source = CodeSource.objects.create(project=other, kind="stdlib", name="x")
    for address in (
        f"/p/demo/code/{code.pk}/",
        f"/p/demo/candidates/{run.pk}/",
        f"/p/demo/candidates/{run.pk}/matches/",
        f"/p/demo/code/functions/?source={source.pk}",
        f"/api/v1/projects/demo/candidate-runs/{run.pk}/",
        f"/api/v1/projects/demo/pairs/?run={run.pk}",
        f"/api/v1/projects/demo/codes/?source={source.pk}",
    ):
        assert curator_client.get(address).status_code == 404, address


@pytest.mark.parametrize(
    "query",
    ["state=user__password", "reason=_connector", "source=x", "source=-1", "q=%00", "after=nonsense", f"q={'x' * 201}"],
)
def test_filters_that_do_not_exist_are_refused(curator_client, query):
    assert curator_client.get(f"/p/demo/code/functions/?{query}").status_code == 400
    assert curator_client.get(f"/api/v1/projects/demo/codes/?{query}").status_code == 400


def test_a_folder_inside_a_permitted_root_is_read(curator_client, permitted):
    assert add(curator_client, "folder", path="shop").status_code == 302
    run_jobs()
    page = curator_client.get("/p/demo/code/").content.decode()
    assert "shop" in page
    assert "reason=kept" in page
    functions = curator_client.get(f"/p/demo/code/functions/?source={CodeSource.objects.get().pk}&reason=kept")
    assert b"read_rows" in functions.content


@pytest.mark.parametrize("path", ["../outside", "link", "/etc", "shop/../../outside", "a\0b", "gone"])
def test_a_folder_outside_is_refused_on_the_form_and_in_the_api(curator_client, permitted, path):
    page = add(curator_client, "folder", path=path)
    assert page.status_code == 200
    assert not Job.objects.exists()
    answer = curator_client.post("/api/v1/projects/demo/code-sources/", {"source": f"./{path}"})
    assert answer.status_code == 400
    assert not Job.objects.exists()


def test_a_package_that_is_not_installed_is_refused_on_the_form(curator_client):
    page = add(curator_client, "package", package="nosuchpackage")
    assert b"No package named nosuchpackage is installed" in page.content
    assert curator_client.post("/p/demo/code/", {"kind": "spaceship"}).status_code == 400


def test_an_uploaded_code_base_is_read_under_its_own_name(curator_client):
    upload = SimpleUploadedFile("../../my base.json", json.dumps({GOOD: 0}).encode())
    assert add(curator_client, "upload", file=upload).status_code == 302
    run_jobs()
    source = CodeSource.objects.get()
    assert (source.kind, source.name, source.n_functions) == ("cosqa", "my base.json", 1)


@pytest.mark.parametrize("content", [b"\x80\x04\x95", b"def f(): pass", b"[]", b"{}", b""])
def test_a_bad_upload_says_so_and_leaves_no_file(curator_client, settings, content):
    from pathlib import Path

    folder = Path(settings.QUARRY_HOME, "uploads", "code")
    before = set(folder.glob("*")) if folder.exists() else set()
    page = add(curator_client, "upload", file=SimpleUploadedFile("x.json", content))
    assert page.status_code == 200
    assert b"errorlist" in page.content
    answer = curator_client.post(
        "/api/v1/projects/demo/code-sources/", {"file": SimpleUploadedFile("x.json", content)}, format="multipart"
    )
    assert answer.status_code == 400
    assert set(folder.glob("*")) == before


def test_the_api_queues_a_source_and_a_run(curator_client, project):
    fill(project, n_queries=3, n_codes=3)
    answer = curator_client.post("/api/v1/projects/demo/code-sources/", {"source": "requests"})
    assert answer.status_code == 202
    assert Job.objects.get(pk=answer.json()["job"]).kind == "curation.ingest_code"
    answer = curator_client.post("/api/v1/projects/demo/candidate-runs/", {"encoder": "hashing", "threshold": -1})
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["job"])
    assert job.queue == "gpu"
    run_inline(job)
    shown = curator_client.get(f"/api/v1/projects/demo/candidate-runs/{answer.json()['candidate_run']}/").json()
    assert (shown["n_kept"], shown["is_complete"]) == (3, True)
    assert len(curator_client.get("/api/v1/projects/demo/pairs/").json()["results"]) == 3


@pytest.mark.parametrize(
    "body", [{"threshold": 2}, {"cap": 0}, {"policy": "x"}, {"threshold": "high"}, {"text_view": "x"}]
)
def test_bad_settings_of_a_run_are_refused(curator_client, project, body):
    fill(project, n_queries=1, n_codes=1)
    assert curator_client.post("/api/v1/projects/demo/candidate-runs/", body).status_code == 400
    form = {"encoder": "", "threshold": 0.5, "cap": 10, "policy": "default", "text_view": "full", **body}
    page = curator_client.post("/p/demo/candidates/", form)
    assert page.status_code == 200
    assert b"errorlist" in page.content
    assert not CandidateRun.objects.exists()


def test_a_source_or_a_file_must_be_given(curator_client):
    assert curator_client.post("/api/v1/projects/demo/code-sources/", {}).status_code == 400
    problem = curator_client.post("/api/v1/projects/demo/code-sources/", {"source": "nosuchpackage"})
    assert problem.json()["code"] == "bad_code_source"


def test_nothing_to_pair_is_a_conflict_with_a_reason(curator_client):
    answer = curator_client.post("/api/v1/projects/demo/candidate-runs/", {"encoder": "hashing"})
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_propose")


def test_a_run_page_shows_its_numbers_with_links_to_the_rows(curator_client, project):
    fill(project)
    run = propose(project)
    page = curator_client.get(f"/p/demo/candidates/{run.pk}/").content.decode()
    assert "Best score of every query" in page
    assert "How often a code was used" in page
    for outcome, n in (("kept", run.n_kept), ("below", run.n_below_threshold), ("over_cap", run.n_over_cap)):
        assert f"matches/?by=query&amp;outcome={outcome}" in page
        rows = curator_client.get(f"/p/demo/candidates/{run.pk}/matches/?by=query&outcome={outcome}").content.decode()
        assert rows.count("<tr>") - 1 == n or (n == 0 and "Nothing here" in rows)
    assert curator_client.get(f"/p/demo/candidates/{run.pk}/matches/?outcome=x").status_code == 400
    assert "matches/?outcome=kept" in page


def test_a_run_that_is_queued_shows_its_job(curator_client, project):
    fill(project, n_queries=1, n_codes=1)
    form = {"encoder": "hashing", "threshold": 0.5, "cap": 10, "policy": "default", "text_view": "full"}
    page = curator_client.post("/p/demo/candidates/", form, follow=True).content.decode()
    assert "Propose pairs with hashing" in page


def test_private_text_is_on_no_page_and_in_no_answer(curator_client, project):
    secret = "anna.b@example-firm.com"
    code = CodeFactory(project=project, text=f"def f():\n    return '{secret}'", docstring=f"Mail {secret} to ask.")
    code.quarantine_reason = "e-mail"
    code.save()
    query = accept(QueryFactory(project=project, text=f"python mail {secret}"))
    CodeFactory(project=project)
    run = propose(project, threshold=-1)
    query.quarantine_reason = "e-mail"
    query.save()
    addresses = [
        *PAGES,
        *ENDPOINTS,
        f"/p/demo/code/{code.pk}/",
        f"/p/demo/candidates/{run.pk}/",
        f"/p/demo/candidates/{run.pk}/matches/",
    ]
    for address in addresses:
        response = curator_client.get(address)
        assert response.status_code == 200
        assert secret not in response.content.decode(), address


def test_hostile_code_is_shown_as_text(curator_client, project):
    code = CodeFactory(project=project, name="<script>alert(1)</script>", text="x = '</pre><script>alert(1)</script>'")
    for address in (f"/p/demo/code/{code.pk}/", "/p/demo/code/functions/"):
        assert b"<script>alert" not in curator_client.get(address).content


def test_the_browser_pages_by_key(curator_client, project):
    for _ in range(60):
        CodeFactory(project=project)
    first = curator_client.get("/api/v1/projects/demo/codes/").json()
    second = curator_client.get(f"/api/v1/projects/demo/codes/?after={first['next']}").json()
    ids = [row["id"] for row in first["results"] + second["results"]]
    assert ids == sorted(ids)
    assert len(ids) == 60
    assert second["next"] == ""


# --- commands ---------------------------------------------------------------------------------------------


def command(*args):
    out, err = io.StringIO(), io.StringIO()
    status = 0
    try:
        call_command(*args, stdout=out, stderr=err)
    except SystemExit as end:
        status = end.code
    return status, out.getvalue(), err.getvalue()


def test_commands_report_as_text_and_as_json(project, tmp_path):
    (tmp_path / "a.py").write_text(GOOD)
    status, out, _ = command("ingest_code", str(tmp_path), "--project", "demo")
    assert status == 0
    assert "functions" in out
    assert Code.objects.get().is_paired
    accept(QueryFactory(project=project))
    status, out, _ = command(
        "propose_pairs", "--project", "demo", "--encoder", "hashing", "--threshold", "-1", "--json"
    )
    assert status == 0
    assert json.loads(out)["kept"] == 1


def test_detached_commands_queue_their_job(project, tmp_path):
    (tmp_path / "a.py").write_text(GOOD)
    status, out, _ = command("ingest_code", str(tmp_path), "--project", "demo", "--detach", "--json")
    assert status == 0
    assert Job.objects.get(pk=json.loads(out)["job"]).state == "queued"


@pytest.mark.parametrize(
    "args",
    [
        ("ingest_code", "nosuchpackage", "--project", "demo"),
        ("ingest_code", "/no/such/folder", "--project", "demo"),
        ("ingest_code", "stdlib", "--project", "gone"),
        ("propose_pairs", "--project", "demo"),
        ("propose_pairs", "--project", "demo", "--threshold", "7"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_line(project, args):
    status, _, err = command(*args)
    assert status == 2
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_an_unknown_encoder_ends_with_status_2(project):
    fill(project, n_queries=1, n_codes=1)
    status, _, err = command("propose_pairs", "--project", "demo", "--encoder", "/no/such/encoder")
    assert status == 2
    assert "/no/such/encoder" in err


def test_admin_lists_open(admin_client, project):
    fill(project, n_queries=3, n_codes=3)
    propose(project, threshold=-1)
    for model in ("codesource", "code", "codeoccurrence", "candidaterun", "pair", "candidate", "bestmatch"):
        assert admin_client.get(f"/admin/curation/{model}/").status_code == 200


# --- sources in depth ---------------------------------------------------------------------------------------
@pytest.fixture
def shop(project, permitted, curator_client):
    """A read source with two licences, two languages, a near duplicate and a broken file."""
    root = permitted / "shop"
    longer = GOOD.replace("    return", "    rows = [row.strip() for row in rows if row]\n    rows.sort()\n    return")
    (root / "a.py").write_text(longer)
    (root / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person")
    (root / "copied").mkdir()
    (root / "copied" / "b.py").write_text(longer.replace("Read all rows", "Get every single row"))
    (root / "copied" / "COPYING").write_text("GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007")
    (root / "c.go").write_text(
        "package c\n\n// Twice doubles the number.\nfunc Twice(n int) int {\n\treturn 2 * n\n}\n"
    )
    (root / "broken.py").write_text("def f(:\n")
    assert add(curator_client, "folder", path="shop").status_code == 302
    run_jobs()
    return CodeSource.objects.get()


def test_the_page_of_a_source_shows_its_funnel_with_links_to_the_rows(curator_client, shop):
    page = curator_client.get(f"/p/demo/code/sources/{shop.pk}/").content.decode()
    for text in (
        "Functions seen",
        "near duplicate",
        "does not parse",
        "MIT",
        "GPL-3.0-only",
        "Go",
        "broken.py",
        "line 1",
    ):
        assert text in page, text
    for query, n in (
        ("reason=kept", 2),
        ("reason=near+duplicate", 1),
        ("licence=MIT", 2),
        ("language=go", 1),
    ):
        assert query in page, query
        rows = curator_client.get(f"/api/v1/projects/demo/codes/?source={shop.pk}&{query}").json()["results"]
        assert len(rows) == n + (query == "licence=MIT"), query


def test_the_page_of_a_function_shows_places_and_near_duplicates(curator_client, shop):
    dropped = Code.objects.get(filter_reason="near duplicate")
    page = curator_client.get(f"/p/demo/code/{dropped.pk}/").content.decode()
    assert "Kept instead" in page
    assert f"/p/demo/code/{dropped.near_duplicate_of_id}/" in page
    kept = curator_client.get(f"/p/demo/code/{dropped.near_duplicate_of_id}/").content.decode()
    assert "Almost the same code" in kept
    group = curator_client.get(f"/p/demo/code/functions/?group={dropped.near_duplicate_of_id}").content.decode()
    assert group.count('class="mono" href="/p/demo/code/') == 3  # the group's name, the kept one, the dropped one


SETTINGS = "/api/v1/projects/demo/code-settings/"


def test_licences_are_left_out_on_a_page_and_over_the_api(curator_client, reader_client, shop):
    page = curator_client.get("/p/demo/code/left-out/")
    assert b"GPL-3.0-only" in page.content
    assert reader_client.get("/p/demo/code/left-out/").status_code == 200
    form = {"licences": ["MIT", "GPL-3.0-only"], "threshold": "0.9"}
    assert reader_client.post("/p/demo/code/left-out/", form).status_code == 403
    assert curator_client.post("/p/demo/code/left-out/", form).status_code == 302
    run_jobs()
    assert not Code.objects.filter(is_paired=True).exists()
    assert curator_client.get("/api/v1/projects/demo/code-settings/").json() == {
        "left_out_licences": ["GPL-3.0-only", "MIT"],
        "near_duplicate_threshold": 0.9,
    }
    answer = curator_client.put(SETTINGS, {"left_out_licences": []}, "application/json")
    assert answer.status_code == 202
    run_jobs()
    assert Code.objects.filter(is_paired=True).count() == 2
    assert curator_client.post("/p/demo/code/left-out/", {"threshold": "3"}).status_code == 200
    assert curator_client.put(SETTINGS, {"near_duplicate_threshold": 0}, "application/json").status_code == 400
    assert reader_client.put(SETTINGS, {}, "application/json").status_code == 403
    assert reader_client.post("/api/v1/projects/demo/find-near-duplicates/").status_code == 403


def test_details_over_the_api(curator_client, shop):
    source = curator_client.get(f"/api/v1/projects/demo/code-sources/{shop.pk}/").json()
    assert {row["licence"]: row["n"] for row in source["licences"]} == {"MIT": 3, "GPL-3.0-only": 1}
    assert source["n_problems"] == 1
    code = Code.objects.get(language="go")
    shown = curator_client.get(f"/api/v1/projects/demo/codes/{code.pk}/").json()
    assert shown["header"] == "func Twice(n int) int {"
    assert shown["occurrences"][0]["path"] == "c.go"
    code.quarantine_reason = "e-mail"
    code.save()
    shown = curator_client.get(f"/api/v1/projects/demo/codes/{code.pk}/").json()
    assert [shown[name] for name in ("text", "docstring", "header", "body", "comments")] == [None] * 5


@pytest.mark.parametrize("query", ["language=cobol", "group=x", "licence=%00", f"licence={'x' * 101}"])
def test_more_filters_that_do_not_exist_are_refused(curator_client, query):
    assert curator_client.get(f"/p/demo/code/functions/?{query}").status_code == 400


def test_an_uploaded_archive_is_read_with_the_licence_that_was_stated(curator_client):
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("src/a.py", GOOD)
        archive.writestr("../climbs.py", GOOD)
    upload = SimpleUploadedFile("shop.zip", packed.getvalue())
    assert add(curator_client, "upload", file=upload, licence="Apache 2.0").status_code == 302
    run_jobs()
    source = CodeSource.objects.get()
    assert (source.kind, source.name, source.licence) == ("archive", "shop.zip", "Apache-2.0")
    assert source.occurrences.get().licence == "Apache-2.0"
    assert "leads out of the archive" in source.problems[0][1]


def test_places_of_a_checkout_and_of_codesearchnet_can_be_opened(project):
    source = CodeSource(kind="git", name="shop", remote="https://git.example.org/team/shop")
    place = {"path": "a b.py", "start_line": 3, "end_line": 9, "commit": "a" * 40, "source": source}
    assert CodeOccurrence(**place).address == f"https://git.example.org/team/shop/blob/{'a' * 40}/a%20b.py#L3-L9"
    assert CodeOccurrence(**{**place, "commit": "a" * 40 + "+changed"}).address == ""
    place["source"] = CodeSource(kind="codesearchnet", name="x")
    assert CodeOccurrence(**place, repository="team/shop").address.startswith("https://github.com/team/shop/blob/")
    assert CodeOccurrence(**place, repository="javascript:alert(1)//x").address == ""


def test_near_duplicates_and_licences_on_the_command_line(project, shop):
    status, out, _ = command("find_near_duplicates", "--project", "demo", "--leave-out", "MIT", "--json")
    assert status == 0
    assert json.loads(out)["left_out_by_licence"] == 2
    assert command("find_near_duplicates", "--project", "demo", "--threshold", "0.1")[0] == 2
    status, out, _ = command("find_near_duplicates", "--project", "demo", "--leave-out", "nothing")
    assert status == 0
    assert "near duplicates" in out
