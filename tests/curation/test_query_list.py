"""The list of queries: every filter and order against the plain way, bulk acts, saved filters, export."""

import csv
import io
import json
import random

import pytest
from django.core.management import call_command
from django.test import RequestFactory
from django.urls import reverse

from core.errors import BadInputError, ConflictError
from core.jobs import JobFailedError, run_inline
from core.models import Job
from core.paging import BadCursorError
from curation.models import LogImport, Query, QueryCount, RuleHit, SavedFilter, Verdict
from curation.selectors import query_browse
from curation.selectors.queries import current_rule_set, proposable_count, proposable_queries
from curation.selectors.query_browse import browse_queries, exact_count
from curation.selectors.query_filter import ORDERS, BadFilterError, QueryFilter, filtered_queries
from curation.services import queries as services
from curation.services.rule_counts import recount
from tests.factories import ProjectFactory, QueryFactory, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(project):
    """Two hundred queries with all kinds of states, and some of another project under the same rule set."""
    rng = random.Random(7)
    rule_set = current_rule_set(project)
    logs = [LogImport.objects.create(project=project, sha256=str(n) * 64, name=f"log{n}") for n in (1, 2)]
    for number in range(200):
        log = logs[number > 150]
        query = QueryFactory(
            project=project,
            text=f"python {rng.choice(['sort', 'parse', 'what is'])} {number}",
            n_seen=rng.choice([1, 1, 1, 2, 3, 50]),
            quarantine_reason=rng.choice([""] * 8 + ["e-mail", "phone number"]),
            is_left_out=rng.random() < 0.1,
            first_import=log,
        )
        QueryCount.objects.create(query=query, log_import=log, n=query.n_seen)
        if rng.random() < 0.8:
            hits = rng.choice([(), ("what is",), ("what is", "import"), ("import",)])
            verdict = Verdict.objects.create(query=query, rule_set=rule_set, has_intent=not hits)
            RuleHit.objects.bulk_create(RuleHit(verdict=verdict, rule=rule) for rule in hits)
    other = ProjectFactory(slug="other")
    for number in range(30):
        query = QueryFactory(project=other, text=f"python foreign {number}")
        Verdict.objects.create(query=query, rule_set=rule_set, has_intent=False)
    recount(project, rule_set)
    return project


FILTERS = [
    {},
    {"verdict": "accepted"},
    {"verdict": "rejected"},
    {"verdict": "unjudged"},
    {"verdict": "quarantined"},
    {"reason": "e-mail"},
    {"rule": "what is"},
    {"rule": "no such rule"},
    {"category": "Debugging"},
    {"text": "SORT"},
    {"text": "1", "verdict": "accepted"},
    {"left_out": "yes"},
    {"left_out": "no", "verdict": "rejected"},
    {"log": "LOG1"},
    {"new_in": "LOG2"},
    {"new_in": "LOG2", "asked_to": "1"},
    {"asked_from": "2"},
    {"asked_from": "2", "asked_to": "3", "rule": "import"},
]


def with_logs(project, params):
    logs = dict(zip(("LOG1", "LOG2"), project.log_imports.order_by("id").values_list("pk", flat=True), strict=True))
    return QueryFilter.parse({name: str(logs.get(value, value)) for name, value in params.items()})


def walk_pages(project, wanted, order, *, backwards=False, limit=500):
    """Ids of all rows, page after page."""
    rule_set, factory, ids, params = current_rule_set(project), RequestFactory(), [], {}
    for _ in range(limit):
        found = browse_queries(project, rule_set, wanted, factory.get("/", params), order=order)
        rows = [query.pk for query in found]
        ids = rows + ids if backwards else ids + rows
        cursor = found.page.previous if backwards else found.page.next
        if not cursor:
            return ids
        params = {"before" if backwards else "after": cursor}
    raise AssertionError("the list never ends")


@pytest.fixture(params=["sorted", "by parts", "walked"])
def way(request, monkeypatch):
    """Both ways of finding a page, on a small project."""
    monkeypatch.setattr(query_browse, "PAGE_ROWS", 7)
    if request.param == "by parts":
        monkeypatch.setattr(query_browse, "MAX_SORTED", 60)
        monkeypatch.setattr(query_browse, "_IDS_AT_ONCE", 9)
    if request.param == "walked":
        monkeypatch.setattr(query_browse, "MAX_SORTED", 3)
        monkeypatch.setattr(query_browse, "MAX_FOLLOWED", 3)
        monkeypatch.setattr(query_browse, "SHORT_WALK", 11)
        monkeypatch.setattr(query_browse, "LONG_WALK", 23)
    return request.param


@pytest.mark.parametrize("order", ORDERS.values())
def test_every_filter_in_every_order_gives_what_the_plain_way_gives(filled, way, order):
    rule_set = current_rule_set(filled)
    sign = "-" if order.startswith("-") else ""
    for params in FILTERS:
        wanted = with_logs(filled, params)
        plain = filtered_queries(filled, rule_set, wanted).order_by(order, f"{sign}id").values_list("pk", flat=True)
        assert walk_pages(filled, wanted, order) == list(plain), params


@pytest.mark.parametrize("order", ["-n_seen", "id"])
def test_the_way_back_leads_over_the_same_rows(filled, way, order):
    rule_set, factory = current_rule_set(filled), RequestFactory()
    for params in ({}, {"verdict": "accepted"}, {"text": "sort"}, {"reason": "e-mail"}):
        wanted = with_logs(filled, params)
        forth = walk_pages(filled, wanted, order)
        last = Query.objects.get(pk=forth[-1])
        cursor = query_browse.cursor_of(last, order.lstrip("-"))
        back, params_back = [], {"before": cursor}
        while params_back:
            found = browse_queries(filled, rule_set, wanted, factory.get("/", params_back), order=order)
            back = [query.pk for query in found] + back
            params_back = {"before": found.page.previous} if found.page.previous else {}
        assert back == forth[:-1], params


def test_counts_are_exact_or_say_what_they_are(filled, monkeypatch):
    rule_set, factory = current_rule_set(filled), RequestFactory()
    for params in FILTERS:
        wanted = with_logs(filled, params)
        found = browse_queries(filled, rule_set, wanted, factory.get("/"))
        assert (found.count, found.is_more) == (exact_count(filled, rule_set, wanted), False)
    monkeypatch.setattr(query_browse, "MAX_SORTED", 3)
    for params in FILTERS:
        wanted = with_logs(filled, params)
        found = browse_queries(filled, rule_set, wanted, factory.get("/"))
        if found.count is not None:
            n = exact_count(filled, rule_set, wanted)
            assert n > found.count if found.is_more else n == found.count, params


def test_a_walk_that_was_cut_short_says_so_and_goes_on(filled, monkeypatch, curator_client):
    monkeypatch.setattr(query_browse, "MAX_SORTED", 3)
    monkeypatch.setattr(query_browse, "SHORT_WALK", 20)
    text = curator_client.get(reverse("curation:queries", args=["demo"]), {"text": "no such text"}).content.decode()
    assert "20 queries next in this order were looked through" in text
    assert "Look further" in text


def test_a_made_up_cursor_is_refused(filled):
    for cursor in ("x", "W10", "eyJhIjoxfQ"):
        with pytest.raises(BadCursorError):
            browse_queries(
                filled, current_rule_set(filled), QueryFilter(), RequestFactory().get("/", {"after": cursor})
            )


@pytest.mark.parametrize(
    "params", [{"left_out": "maybe"}, {"asked_from": "-1"}, {"asked_to": "1e9"}, {"order": "user__password"}]
)
def test_values_and_orders_that_do_not_exist_are_refused(filled, curator_client, params):
    assert curator_client.get(reverse("curation:queries", args=["demo"]), params).status_code == 400
    assert curator_client.get("/api/v1/projects/demo/queries/", params).status_code == 400


def test_an_unknown_filter_of_a_saved_address_is_refused_by_the_api(curator_client, filled):
    assert curator_client.get("/api/v1/projects/demo/queries/", {"user__password": "x"}).status_code == 400


# --- leaving out and other acts -----------------------------------------------------------------------------------


def test_a_query_left_out_is_never_proposed_and_can_be_taken_back(filled):
    query = proposable_queries(filled).first()
    services.leave_out_queries(project=filled, ids=[query.pk])
    assert query not in proposable_queries(filled)
    services.take_back_queries(project=filled, ids=[query.pk])
    assert query in proposable_queries(filled)


@pytest.mark.parametrize("act", services.BULK_ACTS)
def test_an_act_over_a_filter_changes_what_the_filter_finds_and_nothing_else(filled, act):
    rule_set = current_rule_set(filled)
    params = {"verdict": "quarantined"} if act == "release" else {"text": "sort"}
    wanted = QueryFilter.parse(params)
    before = dict(filled.queries.values_list("pk", "is_left_out"))
    reasons = dict(filled.queries.values_list("pk", "quarantine_reason"))
    ids = set(filtered_queries(filled, rule_set, wanted).values_list("pk", flat=True))
    job = services.start_bulk_queries(project=filled, rule_set=rule_set, act=act, wanted=wanted, reason="e-mail")
    report = run_inline(job).result
    assert report["found"] == len(ids)
    expected_out = {**before, **(dict.fromkeys(ids, act == "leave_out") if act in {"leave_out", "take_back"} else {})}
    assert dict(filled.queries.values_list("pk", "is_left_out")) == expected_out
    new = {"quarantine": "e-mail", "release": ""}
    expected = {**reasons, **(dict.fromkeys(ids, new[act]) if act in new else {})}
    assert dict(filled.queries.values_list("pk", "quarantine_reason")) == expected
    assert Query.objects.filter(project__slug="other", is_left_out=True).count() == 0


def test_acts_that_make_no_sense_are_refused(filled):
    rule_set = current_rule_set(filled)
    with pytest.raises(BadInputError):
        services.act_on_queries(project=filled, act="delete", ids=[1])
    with pytest.raises(BadInputError):
        services.start_bulk_queries(project=filled, rule_set=rule_set, act="delete", wanted=QueryFilter())
    with pytest.raises(ConflictError):
        services.start_bulk_queries(
            project=filled, rule_set=rule_set, act="leave_out", wanted=QueryFilter(text="no such")
        )
    job = services.start_bulk_queries(
        project=filled, rule_set=rule_set, act="quarantine", wanted=QueryFilter(text="sort"), reason="nosy"
    )
    with pytest.raises(JobFailedError):
        run_inline(job)


def test_a_bulk_act_is_confirmed_with_its_count_before_anything_changes(filled, curator_client, monkeypatch):
    address = reverse("curation:bulk_queries", args=["demo"])
    n = exact_count(filled, current_rule_set(filled), QueryFilter(text="sort"))
    given = {"act": "leave_out", "which": "all", "text": "sort"}
    shown = curator_client.post(address, given).content.decode()
    assert f"Leave out: {n}" in shown
    before = filled.queries.filter(is_left_out=True).count()
    curator_client.post(address, {**given, "confirm": "1"})
    assert filled.queries.filter(is_left_out=True).count() > before
    monkeypatch.setattr("curation.views.queries.DIRECT_ROWS", 5)
    curator_client.post(address, {"act": "take_back", "which": "all", "text": "sort", "confirm": "1"})
    assert Job.objects.get().kind == services.BULK_QUERIES


def test_the_ticked_ones_are_acted_on_and_none_is_a_hint(filled, curator_client):
    address = reverse("curation:bulk_queries", args=["demo"])
    first, second = filled.queries.filter(is_left_out=False, quarantine_reason="")[:2]
    curator_client.post(address, {"act": "leave_out", "query": [first.pk], "confirm": "1"})
    curator_client.post(address, {"act": "quarantine", "query": [second.pk], "confirm": "1", "held_for": "IBAN"})
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.is_left_out
    assert second.quarantine_reason == "IBAN"
    text = curator_client.post(address, {"act": "leave_out"}, follow=True).content.decode()
    assert "Tick at least one query" in text
    assert curator_client.post(address, {"act": "delete", "query": [first.pk]}).status_code == 400
    assert curator_client.post(address, {"act": "leave_out", "query": ["1 or 1"]}).status_code == 400


@pytest.mark.parametrize("role", ["reader", "annotator"])
def test_only_curators_act_and_save(filled, client, role):
    client.force_login(member(filled, role, username="someone"))
    pk = filled.queries.first().pk
    assert (
        client.post(reverse("curation:bulk_queries", args=["demo"]), {"act": "leave_out", "query": pk}).status_code
        == 403
    )
    assert client.post(reverse("curation:save_filter", args=["demo"]), {"name": "x", "text": "y"}).status_code == 403
    assert client.post("/api/v1/projects/demo/queries/bulk/", {"act": "leave_out", "ids": [pk]}).status_code == 403
    assert client.post("/api/v1/projects/demo/saved-filters/", {}).status_code == 403


# --- saved filters ------------------------------------------------------------------------------------------------


def test_a_saved_filter_is_shared_replaced_and_removed(filled, curator_client, client):
    address = reverse("curation:save_filter", args=["demo"])
    curator_client.post(address, {"name": "rare sorts", "text": "sort", "asked_to": "1", "order": "rare"})
    saved = SavedFilter.objects.get()
    assert saved.params == {"text": "sort", "asked_to": "1", "order": "rare"}
    client.force_login(member(filled, "curator", username="second"))
    text = client.get(reverse("curation:queries", args=["demo"])).content.decode()
    assert "rare sorts" in text
    assert "asked_to=1&amp;order=rare&amp;text=sort" in text
    curator_client.post(address, {"name": "rare sorts", "text": "parse"})
    assert SavedFilter.objects.get().params == {"text": "parse"}
    client.post(reverse("curation:delete_filter", args=["demo", saved.pk]))
    assert not SavedFilter.objects.exists()


def test_a_filter_needs_a_name_and_something_to_ask(filled, curator_client):
    address = reverse("curation:save_filter", args=["demo"])
    curator_client.post(address, {"name": " ", "text": "sort"})
    curator_client.post(address, {"name": "all"})
    assert not SavedFilter.objects.exists()
    with pytest.raises(BadFilterError):
        services.save_filter(project=filled, name="x", wanted=QueryFilter(text="a"), order="password")


def test_the_same_over_the_api(filled, curator_client):
    base = "/api/v1/projects/demo"

    def post(path, data):
        return curator_client.post(f"{base}/{path}", json.dumps(data), content_type="application/json")

    found = curator_client.get(f"{base}/queries/", {"text": "sort", "order": "rare"}).json()
    assert found["count"] == exact_count(filled, current_rule_set(filled), QueryFilter(text="sort"))
    ids = [row["id"] for row in found["results"] if not row["is_left_out"]]
    assert post("queries/bulk/", {"act": "leave_out", "ids": ids}).json() == {"changed": len(ids), "job": None}
    answer = post("queries/bulk/", {"act": "take_back", "all": True, "filter": {"text": "sort"}})
    assert answer.status_code == 202
    assert run_inline(Job.objects.get(pk=answer.json()["job"])).result["changed"] >= len(ids)
    assert post("queries/bulk/", {"act": "leave_out"}).status_code == 400
    assert post("queries/bulk/", {"act": "leave_out", "all": True, "filter": {"pk__in": "1"}}).status_code == 400
    saved = post("saved-filters/", {"name": "sorts", "filter": {"text": "sort"}}).json()
    assert [one["name"] for one in curator_client.get(f"{base}/saved-filters/").json()] == ["sorts"]
    assert curator_client.delete(f"{base}/saved-filters/{saved['id']}/").status_code == 204


# --- export -------------------------------------------------------------------------------------------------------


def body(response):
    return b"".join(response.streaming_content).decode()


def test_an_export_holds_what_the_filter_finds_without_the_quarantined(filled, curator_client):
    rows = list(
        csv.DictReader(io.StringIO(body(curator_client.get(reverse("curation:export_queries", args=["demo"])))))
    )
    assert {row["query"] for row in rows} == set(
        filled.queries.filter(quarantine_reason="").values_list("text", flat=True)
    )
    ticked = filled.queries.filter(quarantine_reason="")[:3]
    held = filled.queries.filter(quarantine_reason="e-mail").first()
    given = {"act": "export-jsonl", "query": [*(query.pk for query in ticked), held.pk]}
    lines = body(curator_client.post(reverse("curation:bulk_queries", args=["demo"]), given)).splitlines()
    assert {json.loads(line)["query"] for line in lines} == {query.text for query in ticked}


def test_cells_that_begin_like_formulas_are_escaped_in_csv_and_kept_in_json(project):
    for text in ("=HYPERLINK(1)", "+1 python", "-2 python", "@sum python", "python = x"):
        QueryFactory(project=project, text=text)
    given = {"project": project, "rule_set": current_rule_set(project), "wanted": QueryFilter()}
    cells = [row["query"] for row in csv.DictReader(io.StringIO("".join(services.export_queries(**given))))]
    assert cells == ["'=HYPERLINK(1)", "'+1 python", "'-2 python", "'@sum python", "python = x"]
    lines = "".join(services.export_queries(**given, file_format="jsonl")).splitlines()
    assert next(json.loads(line)["query"] for line in lines) == "=HYPERLINK(1)"
    with pytest.raises(BadInputError):
        services.export_queries(**given, file_format="xls")


def test_the_commands_do_the_same(filled, tmp_path, capsys):
    n = exact_count(filled, current_rule_set(filled), QueryFilter(text="sort", left_out="no"))
    call_command("bulk_queries", "leave_out", "--project=demo", "--filter", "text=sort", "--json")
    assert json.loads(capsys.readouterr().out)["changed"] == n
    target = tmp_path / "out.jsonl"
    call_command(
        "export_queries", str(target), "--project=demo", "--filter", "text=parse", "verdict=accepted", "--json"
    )
    assert json.loads(capsys.readouterr().out)["queries"] == len(target.read_text().splitlines()) > 0
    for bad in (["--filter", "password=1"], []):
        with pytest.raises(SystemExit):
            call_command("bulk_queries", "leave_out", "--project=demo", *bad)


@pytest.mark.parametrize("k", [1, 3])
def test_how_many_may_be_proposed_is_the_number_of_those_that_may(filled, k):
    filled.k_anonymity = k
    assert proposable_count(filled) == proposable_queries(filled).count() > 0


def test_on_a_large_project_the_effect_of_k_is_counted_on_request(filled, curator_client, monkeypatch):
    monkeypatch.setattr("curation.views.privacy.COUNTED_AT_ONCE", 100)
    address = reverse("curation:quarantine", args=[filled.slug])
    first, asked = curator_client.get(address), curator_client.get(address, {"k": "show"})
    assert (first.context["preview"], [row["k"] for row in asked.context["preview"]]) == ([], [1, 2, 3, 5, 10])
    assert "?k=show" in first.content.decode()
