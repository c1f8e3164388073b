"""Pages and API of search logs, queries and rules: numbers, filters, access, bad input."""

import gzip

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from core.jobs import run_inline
from core.models import Job
from curation.models import LogImport, LogUpload, Query
from curation.reading import LogShape
from curation.selectors import current_rule_set
from curation.services.logs import start_ingest_log, store_log
from curation.services.rules import start_apply_rules
from tests.factories import ProjectFactory, member

pytestmark = pytest.mark.django_db

LOG = (
    b"python sort list\npython sort list\nwhat is python\npython debug a module\n"
    b"python mail anna@example.org\nsort in java\npython caf\xe9\n<script>alert(1)</script> python\n"
)
LABELLED = b"query,label\npython sort list,1\nwhat is python,0\nbest python,0\nparse utf-8 python,1\n"


@pytest.fixture
def imported(project):
    start = start_ingest_log(project=project, stored=store_log([LOG], name="log.txt"), shape=LogShape())
    run_inline(start.job)
    run_inline(start_apply_rules(project=project, rule_set=current_rule_set(project)))
    return LogImport.objects.get()


@pytest.fixture
def reader_client(project, client):
    client.force_login(member(project, "reader", username="rita"))
    return client


def page(client, name, *args, query=""):
    response = client.get(reverse(f"curation:{name}", args=["demo", *args]) + query)
    return response.status_code, response.content.decode()


def upload(data, name="log.txt"):
    return SimpleUploadedFile(name, data)


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["logs", "queries", "rules"])
def test_pages_of_an_empty_project_say_what_to_do(curator_client, name):
    status, text = page(curator_client, name)
    assert status == 200
    assert "Add" in text


def test_an_upload_becomes_a_job_and_a_report_that_adds_up(curator_client, project):
    response = curator_client.post(reverse("curation:logs", args=["demo"]), {"file": upload(LOG), "act": "import"})
    found = project.log_imports.get()
    assert response.status_code == 302
    assert response["Location"] == reverse("curation:log", args=["demo", found.pk])
    assert "Ingest search log" in page(curator_client, "log", found.pk)[1]
    run_inline(Job.objects.get())
    status, text = page(curator_client, "log", found.pk)
    assert status == 200
    assert "8 read = 6 new + 1 known + 1 bad" in text
    assert "not UTF-8" in text


def test_the_same_upload_again_says_that_nothing_was_added(curator_client, imported):
    address = reverse("curation:logs", args=["demo"])
    response = curator_client.post(address, {"file": upload(LOG), "act": "import"}, follow=True)
    assert "imported before. Nothing was added." in response.content.decode()
    assert Job.objects.filter(kind="curation.ingest_log").count() == 1


@pytest.mark.parametrize("act", ["look", "import"])
@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"", "is empty"), (bytes(range(256)) * 20, "binary file"), (gzip.compress(b"", mtime=0), "is empty")],
)
def test_a_bad_upload_is_explained_in_the_form(curator_client, project, data, problem, act):
    address = reverse("curation:logs", args=["demo"])
    response = curator_client.post(address, {"file": upload(data), "act": act})
    assert response.status_code == 400
    assert problem in response.content.decode()
    assert not LogImport.objects.exists()
    assert not LogUpload.objects.exists()


def test_queries_are_shown_with_verdict_and_rules(curator_client, imported):
    status, text = page(curator_client, "queries")
    assert status == 200
    assert "what is" in text
    assert "python missing" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; python" in text
    assert "<script>alert" not in text


def test_quarantined_text_is_masked_for_curators_and_hidden_from_others(curator_client, reader_client, imported):
    held = Query.objects.get(quarantine_reason="e-mail")
    for name, args, query in [("queries", (), "?verdict=quarantined"), ("query", (held.pk,), "")]:
        curators = page(curator_client, name, *args, query=query)[1]
        others = page(reader_client, name, *args, query=query)[1]
        assert "python mail [e-mail]" in curators
        assert "anna" not in curators
        assert "python mail" not in others
        assert "e-mail" in others
    assert "No query fits" in page(curator_client, "queries", query="?text=python+mail")[1]


def test_a_query_shows_its_logs_and_verdicts(curator_client, imported):
    found = Query.objects.get(text="python debug a module")
    status, text = page(curator_client, "query", found.pk)
    assert status == 200
    assert "Tools Usage" in text
    assert "Debugging" in text
    assert "log.txt" in text


def test_rules_show_how_many_queries_each_rejects_in_all_and_alone(curator_client, imported):
    status, text = page(curator_client, "rules")
    assert status == 200
    assert "rule=debug" in text
    assert "category=Debugging" in text
    assert "67.65" in text
    assert "not this project's" in text


def test_the_apply_button_queues_a_job(curator_client, imported):
    response = curator_client.post(reverse("curation:rules", args=["demo"]), {"act": "apply"})
    assert response.status_code == 302
    assert Job.objects.filter(kind="curation.apply_rules", state="queued").count() == 1


def test_applying_without_queries_is_explained(curator_client, project):
    response = curator_client.post(reverse("curation:rules", args=["demo"]), {"act": "apply"}, follow=True)
    assert "Ingest a search log first" in response.content.decode()


def test_a_labelled_file_is_measured_on_the_page(curator_client, project):
    address = reverse("curation:rules", args=["demo"])
    response = curator_client.post(address, {"act": "measure", "file": upload(LABELLED, "l.csv")})
    text = response.content.decode()
    assert response.status_code == 200
    assert "50.00 %" in text
    assert "parse utf-8 python" in text
    assert "67.65" in text


@pytest.mark.parametrize("data", [b"", b"query,label\na,9\n", b"a,b\n1,2\n", b"\x00\xff" * 500])
def test_a_bad_labelled_file_is_explained(curator_client, project, data):
    address = reverse("curation:rules", args=["demo"])
    response = curator_client.post(address, {"act": "measure", "file": upload(data, "l.csv")})
    assert response.status_code == 400
    assert "l.csv" in response.content.decode()


@pytest.mark.parametrize(
    "query", ["?verdict=user__password", "?log=x", "?rule_set=x", "?order=password", "?after=zzz", "?text=" + "x" * 300]
)
def test_filters_that_make_no_sense_are_refused(curator_client, imported, query):
    assert page(curator_client, "queries", query=query)[0] == 400


def test_long_lists_are_paged_by_key_and_lose_nothing(curator_client, project):
    data = b"".join(b"python sort list %d\n" % n * (n % 4 + 1) for n in range(120))
    run_inline(start_ingest_log(project=project, stored=store_log([data], name="l")).job)
    seen, following = [], ""
    while True:
        body = curator_client.get(f"/api/v1/projects/demo/queries/?after={following}").json()
        seen.append([row["id"] for row in body["results"]])
        if not (following := body["next"]):
            break
    assert [len(rows) for rows in seen] == [50, 50, 20]
    assert len({pk for rows in seen for pk in rows}) == 120


# --- access -------------------------------------------------------------------------------------------------------


def addresses(imported):
    query = Query.objects.first()
    pages = [
        reverse("curation:logs", args=["demo"]),
        reverse("curation:log", args=["demo", imported.pk]),
        reverse("curation:queries", args=["demo"]),
        reverse("curation:query", args=["demo", query.pk]),
        reverse("curation:rules", args=["demo"]),
    ]
    api = [f"/api/v1/projects/demo/{rest}" for rest in ("logs/", f"logs/{imported.pk}/", "queries/", "rule-sets/")]
    return pages + api


def test_a_foreign_project_is_404(stranger_client, imported):
    for address in addresses(imported):
        assert stranger_client.get(address).status_code == 404, address
    for rest in ("logs/", "apply-rules/", "evaluate-rules/"):
        assert stranger_client.post(f"/api/v1/projects/demo/{rest}").status_code == 404
    for name in ("logs", "rules"):
        assert stranger_client.post(reverse(f"curation:{name}", args=["demo"])).status_code == 404


def test_objects_of_another_project_are_404(curator_client, imported):
    other = ProjectFactory(slug="other")
    found = start_ingest_log(project=other, stored=store_log([b"python a\n"], name="l"))
    run_inline(found.job)
    assert page(curator_client, "log", found.log_import.pk)[0] == 404
    assert page(curator_client, "query", other.queries.get().pk)[0] == 404
    assert curator_client.get(f"/api/v1/projects/demo/logs/{found.log_import.pk}/").status_code == 404
    assert page(curator_client, "queries", query=f"?log={found.log_import.pk}")[1].count("python a<") == 0


def test_annotators_do_not_browse_queries(annotator_client, imported):
    for address in addresses(imported):
        assert annotator_client.get(address).status_code == 403, address


def test_readers_look_and_do_not_act(reader_client, imported):
    for address in addresses(imported):
        assert reader_client.get(address).status_code == 200, address
    assert reader_client.post(reverse("curation:logs", args=["demo"])).status_code == 403
    assert reader_client.post(reverse("curation:rules", args=["demo"]), {"act": "apply"}).status_code == 403
    assert reader_client.post("/api/v1/projects/demo/apply-rules/").status_code == 403


def test_nobody_gets_in_without_login(client, imported):
    for address in addresses(imported):
        assert client.get(address).status_code in {302, 401, 403}


# --- the API ------------------------------------------------------------------------------------------------------


def post(client, rest, **data):
    return client.post(f"/api/v1/projects/demo/{rest}", data)


def test_an_upload_over_the_api_is_202_and_again_200(curator_client, project):
    first = post(curator_client, "logs/", file=upload(LOG))
    assert first.status_code == 202
    run_inline(Job.objects.get(pk=first.json()["job"]))
    again = post(curator_client, "logs/", file=upload(LOG))
    assert again.status_code == 200
    body = again.json()
    assert (body["read"], body["new"], body["known"], body["bad"]) == (8, 0, 7, 1)
    assert body["already_imported"]
    detail = curator_client.get(f"/api/v1/projects/demo/logs/{body['log_import']}/").json()
    assert detail["bad_rows"] == [{"line": 7, "reason": "not UTF-8", "excerpt": "python caf�"}]
    assert detail["read"] == detail["new"] + detail["known"] + detail["bad"]


@pytest.mark.parametrize(
    ("data", "fields", "code"),
    [
        (b"", {}, "empty_log"),
        (bytes(range(256)) * 20, {}, "binary_log"),
        (b"a,b\n1,2\n", {"format": "csv", "column": "query"}, "unknown_column"),
        (b"a,b\n1,2\n", {"format": "csv"}, "column_needed"),
        (b"python a\n", {"format": "parquet"}, "bad_log_file"),
        (b"python a\n", {"format": "yaml"}, "invalid"),
    ],
)
def test_a_bad_upload_over_the_api_is_400_with_a_code(curator_client, project, data, fields, code):
    response = post(curator_client, "logs/", file=upload(data), **fields)
    assert response.status_code == 400
    assert response.json()["code"] == code
    assert response["Content-Type"].startswith("application/problem+json")


def test_a_file_is_needed(curator_client, project):
    assert post(curator_client, "logs/").status_code == 400
    assert post(curator_client, "evaluate-rules/").status_code == 400


def test_rules_are_applied_over_the_api(curator_client, imported):
    response = post(curator_client, "apply-rules/", rule_set="cosqa-broad")
    assert response.status_code == 202
    assert response.json()["rule_set"] == "cosqa-broad v1"
    assert post(curator_client, "apply-rules/", rule_set="nothing").status_code == 404
    listed = curator_client.get("/api/v1/projects/demo/rule-sets/").json()
    assert {row["name"] for row in listed["results"]} == {"cosqa-strict", "cosqa-broad", "neutral"}
    counts = listed["counts"]
    assert counts["queries"] == sum(counts[name] for name in ("quarantined", "accepted", "rejected", "unjudged"))


def test_applying_to_an_empty_project_is_409(curator_client, project):
    assert post(curator_client, "apply-rules/").status_code == 409


def test_rules_are_measured_over_the_api(curator_client, project):
    body = post(curator_client, "evaluate-rules/", file=upload(LABELLED, "l.csv")).json()
    assert body["confusion"] == {"tp": 1, "fp": 1, "fn": 1, "tn": 1, "positive": "no intent"}
    refused = post(curator_client, "evaluate-rules/", file=upload(b"", "l.csv"))
    assert refused.status_code == 400
    assert refused.json()["code"] == "empty_log"


@pytest.mark.parametrize(
    "query",
    [
        "user__password=x",
        "_connector=OR",
        "project=1",
        "text__regex=a",
        "verdict=x",
        "order=-project",
        "log=-1",
        "after=x",
    ],
)
def test_unknown_filters_over_the_api_are_400(curator_client, imported, query):
    assert curator_client.get(f"/api/v1/projects/demo/queries/?{query}").status_code == 400


def test_the_query_list_masks_and_hides_as_the_page_does(curator_client, reader_client, imported):
    address = "/api/v1/projects/demo/queries/?verdict=quarantined"
    assert [row["text"] for row in curator_client.get(address).json()["results"]] == ["python mail [e-mail]"]
    assert [row["text"] for row in reader_client.get(address).json()["results"]] == [""]
    assert curator_client.get("/api/v1/projects/demo/queries/?text=anna").json()["results"] == []


def test_the_administration_shows_no_quarantined_text(admin_client, imported):
    held = Query.objects.get(quarantine_reason="e-mail")
    for address in (reverse("admin:curation_query_changelist"), reverse("admin:curation_query_change", args=[held.pk])):
        text = admin_client.get(address).content.decode()
        assert "anna" not in text
        assert "[e-mail]" in text
    for name in ("logimport", "ruleset", "querycount", "badrow", "verdict", "rulehit"):
        response = admin_client.get(reverse(f"admin:curation_{name}_changelist"))
        assert response.status_code == 200
        assert "anna" not in response.content.decode()


def test_the_new_number_of_an_import_leads_to_exactly_its_queries(curator_client, project, imported):
    data = b"python sort list\npython join two lists\n"
    second = start_ingest_log(project=project, stored=store_log([data], name="second.txt"))
    run_inline(second.job)
    second.log_import.refresh_from_db()
    for found in (imported, second.log_import):
        body = curator_client.get(f"/api/v1/projects/demo/queries/?new_in={found.pk}").json()
        assert len(body["results"]) == found.n_new
        assert page(curator_client, "queries", query=f"?new_in={found.pk}")[0] == 200
    assert [row["text"] for row in body["results"]] == ["python join two lists"]
