"""Quarantine by people: looking, releasing, holding back, on record; scanning again; k-anonymity."""

import json

import pytest
from django.core.management import call_command
from django.urls import reverse

from core.errors import BadInputError, NotFoundError
from core.jobs import run_inline
from curation import privacy
from curation.models import CodeOccurrence, CodeSource, PrivacyAct, PrivacyDecision, Query, TextKind, Verdict
from curation.selectors.privacy import counts_of_quarantine, decided_reasons, shown_private
from curation.selectors.queries import current_rule_set, proposable_queries, rule_counts, shown_text, withheld_preview
from curation.services import privacy as services
from curation.services.logs import start_ingest_log, store_log
from tests.factories import CodeFactory, ProjectFactory, QueryFactory, member

pytestmark = pytest.mark.django_db

MAIL = "python mail grete.weber@example.org now"
PRIVATE_CODE = 'def f():\n    """Ask grete.weber@firm.se."""\n    return 1\n'


@pytest.fixture
def held(project):
    return QueryFactory(project=project, text=MAIL, quarantine_reason=privacy.EMAIL)


@pytest.fixture
def held_code(project):
    return CodeFactory(
        project=project, text=PRIVATE_CODE, docstring="Ask grete.weber@firm.se.", quarantine_reason="e-mail"
    )


def scan(project):
    return run_inline(services.start_scan_privacy(project=project)).result


# --- deciding -----------------------------------------------------------------------------------------------------


def test_a_release_is_on_record_and_outlives_the_next_scan(project, held, curator):
    n = services.release_texts(
        project=project, kind=TextKind.QUERY, ids=[held.pk], note="reserved name", person=curator
    )
    held.refresh_from_db()
    assert (n, held.quarantine_reason) == (1, "")
    decision = PrivacyDecision.objects.get()
    assert (decision.act, decision.reason, decision.note, decision.person) == (
        PrivacyAct.RELEASE, "e-mail", "reserved name", curator,
    )  # fmt: skip
    report = scan(project)
    held.refresh_from_db()
    assert held.quarantine_reason == ""
    assert report["query"]["kept_by_decision"] == 1
    assert report["query"]["newly_held"] == {}


def test_a_text_held_back_by_hand_stays_so_until_it_is_released(project):
    query = QueryFactory(project=project, text="python who is grete from the lab")
    services.quarantine_texts(project=project, kind=TextKind.QUERY, ids=[query.pk], reason="other private text")
    scan(project)
    query.refresh_from_db()
    assert query.quarantine_reason == "other private text"
    assert shown_text(query) == "[other private text]"
    services.release_texts(project=project, kind=TextKind.QUERY, ids=[query.pk])
    scan(project)
    query.refresh_from_db()
    assert query.quarantine_reason == ""
    assert decided_reasons(project, TextKind.QUERY) == {query.content_hash: ""}


def test_deciding_twice_changes_nothing_and_a_foreign_text_is_not_reached(project, held):
    foreign = QueryFactory(project=ProjectFactory(slug="other"), text=MAIL, quarantine_reason="e-mail")
    assert services.release_texts(project=project, kind=TextKind.QUERY, ids=[held.pk, foreign.pk]) == 1
    assert services.release_texts(project=project, kind=TextKind.QUERY, ids=[held.pk, foreign.pk]) == 0
    foreign.refresh_from_db()
    assert foreign.quarantine_reason == "e-mail"
    with pytest.raises(BadInputError):
        services.quarantine_texts(project=project, kind=TextKind.QUERY, ids=[held.pk], reason="nosy")


def test_a_look_is_on_record_and_only_at_what_is_held_back(project, held, curator):
    assert services.reveal_text(project=project, kind=TextKind.QUERY, pk=held.pk, person=curator) == MAIL
    assert PrivacyDecision.objects.get().act == PrivacyAct.REVEAL
    assert decided_reasons(project, TextKind.QUERY) == {}
    free = QueryFactory(project=project, text="python sort")
    with pytest.raises(NotFoundError):
        services.reveal_text(project=project, kind=TextKind.QUERY, pk=free.pk, person=curator)


def test_a_note_that_repeats_the_private_part_is_masked(project, held):
    services.release_texts(project=project, kind=TextKind.QUERY, ids=[held.pk], note="asked grete.weber@example.org")
    assert PrivacyDecision.objects.get().note == "asked [e-mail]"


def test_counts_of_verdicts_follow_a_decision(project):
    query = QueryFactory(project=project, text="python sort list")
    rule_set = current_rule_set(project)
    Verdict.objects.create(query=query, rule_set=rule_set, has_intent=True)
    assert rule_counts(project, rule_set).accepted == 1
    services.quarantine_texts(project=project, kind=TextKind.QUERY, ids=[query.pk], reason="e-mail")
    counts = rule_counts(project, rule_set)
    assert (counts.accepted, counts.quarantined) == (0, 1)
    assert not proposable_queries(project).exists()


def test_a_released_text_stays_released_when_its_log_comes_again(project):
    def ingest(lines):
        start = start_ingest_log(project=project, stored=store_log([lines], name="log.txt"))
        run_inline(start.job)

    ingest(f"{MAIL}\npython sort list\n".encode())
    query = project.queries.get(quarantine_reason="e-mail")
    services.release_texts(project=project, kind=TextKind.QUERY, ids=[query.pk])
    ingest(f"{MAIL}\n{MAIL}\n".encode())
    query.refresh_from_db()
    assert (query.quarantine_reason, query.n_seen) == ("", 3)
    Query.objects.all().delete()
    ingest(f"python other\n{MAIL}\n".encode())
    assert project.queries.get(content_hash=query.content_hash).quarantine_reason == ""


# --- scanning -----------------------------------------------------------------------------------------------------


def test_a_scan_says_what_changed_and_a_second_one_changes_nothing(project, held_code):
    missed = QueryFactory(project=project, text=MAIL)
    wrong = QueryFactory(project=project, text="python 3.11.4", quarantine_reason="phone number")
    moved = QueryFactory(project=project, text="python ping 192.0.2.77", quarantine_reason="long number")
    source = CodeSource.objects.create(project=project, kind="folder", name="lab")
    for path in ("/home/gweber/a.py", "/home/hkhan/a.py", "src/a.py"):
        CodeOccurrence.objects.create(code=held_code, source=source, path=path, qualified_name="f")
    report = scan(project)
    assert report["query"]["newly_held"] == {"e-mail": 1}
    assert report["query"]["no_longer_held"] == {"phone number": 1}
    assert report["query"]["other_reason"] == {"long number -> IP address": 1}
    assert report["query"]["looked_at"] == 3
    assert report["code"] == {
        "looked_at": 1, "kept_by_decision": 0, "newly_held": {}, "no_longer_held": {}, "other_reason": {},
        "held_back": {"e-mail": 1},
    }  # fmt: skip
    assert report["paths_masked"] == 2
    reasons = {row.pk: row.quarantine_reason for row in project.queries.all()}
    assert reasons == {missed.pk: "e-mail", wrong.pk: "", moved.pk: "IP address"}
    paths = set(CodeOccurrence.objects.values_list("path", flat=True))
    assert len(paths) == 3
    assert not any("gweber" in path or "hkhan" in path for path in paths)
    again = scan(project)
    assert again["paths_masked"] == 0
    assert all(not again["query"][name] for name in ("newly_held", "no_longer_held", "other_reason"))


def test_an_unfinished_scan_is_not_doubled(project):
    assert services.start_scan_privacy(project=project) == services.start_scan_privacy(project=project)


def test_counts_name_kinds_reasons_paths_and_acts(project, held, held_code):
    services.reveal_text(project=project, kind=TextKind.CODE, pk=held_code.pk)
    found = counts_of_quarantine(project).as_data()
    assert found["queries"] == {"total": 1, "by_reason": {"e-mail": 1}}
    assert found["codes"] == {"total": 1, "by_reason": {"e-mail": 1}}
    assert found["acts"] == {"reveal": 1}


def test_a_code_is_shown_as_the_masked_place_only(project, held_code):
    shown = shown_private(held_code, TextKind.CODE)
    assert "[e-mail]" in shown
    assert "weber" not in shown
    held_code.quarantine_reason = "IBAN"
    assert shown_private(held_code, TextKind.CODE) == "[IBAN]"


# --- k-anonymity --------------------------------------------------------------------------------------------------


def test_the_preview_of_k_counts_people_where_there_are_some_and_times_where_not(project):
    rule_set = current_rule_set(project)
    crowds = [(1, 5), (2, 9), (3, 3), (0, 2), (0, 12)]  # people named in logs, times asked
    for number, (people, times) in enumerate(crowds):
        query = QueryFactory(project=project, text=f"python sort {number}", n_seen=times, n_people=people)
        Verdict.objects.create(query=query, rule_set=rule_set, has_intent=True)
    left_out = QueryFactory(project=project, text="python left out", is_left_out=True)
    Verdict.objects.create(query=left_out, rule_set=rule_set, has_intent=True)
    assert withheld_preview(project, rule_set) == {1: 0, 2: 1, 3: 3, 5: 4, 10: 4}
    for k, withheld in withheld_preview(project, rule_set).items():
        project.k_anonymity = k
        assert proposable_queries(project, rule_set).count() == 5 - withheld
        assert rule_counts(project, rule_set).withheld == withheld


# --- pages, API, commands -----------------------------------------------------------------------------------------


def page(client, name, *args, **params):
    response = client.get(reverse(f"curation:{name}", args=["demo", *args]), params)
    return response.status_code, response.content.decode()


def test_the_quarantine_counts_by_reason_and_links_to_the_texts(curator_client, project, held, held_code):
    status, text = page(curator_client, "quarantine")
    assert status == 200
    assert "/p/demo/quarantine/query/?reason=e-mail" in text
    assert "/p/demo/quarantine/code/?reason=e-mail" in text
    assert "weber" not in text
    status, text = page(curator_client, "quarantined", "query", reason="e-mail")
    assert "[e-mail]" in text
    assert "weber" not in text


def test_an_empty_quarantine_says_so_and_a_wrong_kind_is_not_found(curator_client, project):
    assert "Nothing is held back" in page(curator_client, "quarantine")[1]
    assert page(curator_client, "quarantined", "secret")[0] == 404
    assert page(curator_client, "quarantined", "query", reason="nosy")[0] == 400


def test_a_curator_looks_releases_and_holds_back_on_pages(curator_client, project, held):
    one = reverse("curation:quarantined_text", args=["demo", "query", held.pk])
    assert "weber" not in curator_client.get(one).content.decode()
    assert curator_client.get(reverse("curation:reveal_text", args=["demo", "query", held.pk])).status_code == 405
    revealed = curator_client.post(reverse("curation:reveal_text", args=["demo", "query", held.pk]))
    assert MAIL in revealed.content.decode()
    assert "no-store" in revealed.headers["Cache-Control"]
    assert "weber" not in curator_client.get(one).content.decode()
    curator_client.post(reverse("curation:release_texts", args=["demo", "query"]), {"text": [held.pk], "note": "fine"})
    held.refresh_from_db()
    assert held.quarantine_reason == ""
    curator_client.post(
        reverse("curation:quarantine_text", args=["demo", "query", held.pk]), {"reason": "e-mail", "note": "no"}
    )
    held.refresh_from_db()
    assert held.quarantine_reason == "e-mail"
    text = page(curator_client, "privacy_decisions")[1]
    assert text.count("cora") >= 3
    assert "weber" not in text


@pytest.mark.parametrize("role", ["reader", "adjudicator", "annotator"])
def test_others_see_numbers_at_most(project, held, client, role):
    client.force_login(member(project, role, username="someone"))
    status, text = page(client, "quarantine")
    assert status == (403 if role == "annotator" else 200)
    assert "weber" not in text
    assert page(client, "quarantined", "query")[0] == 403
    for name in ("reveal_text", "quarantine_text"):
        assert client.post(reverse(f"curation:{name}", args=["demo", "query", held.pk])).status_code == 403
    assert client.post(reverse("curation:release_texts", args=["demo", "query"]), {"text": held.pk}).status_code == 403
    assert client.post(reverse("curation:scan_privacy", args=["demo"])).status_code == 403
    held.refresh_from_db()
    assert held.quarantine_reason == "e-mail"


def test_a_stranger_finds_no_quarantine(stranger_client, held):
    assert page(stranger_client, "quarantine")[0] == 404
    assert stranger_client.get("/api/v1/projects/demo/quarantine/").status_code == 404


def test_the_same_over_the_api(curator_client, project, held):
    base = "/api/v1/projects/demo"

    def post(path, data):
        return curator_client.post(f"{base}/{path}", json.dumps(data), content_type="application/json")

    assert curator_client.get(f"{base}/quarantine/").json()["queries"]["total"] == 1
    listed = curator_client.get(f"{base}/quarantine/query/").json()["results"]
    assert listed[0]["masked"] == "python mail [e-mail] now"
    assert post(f"quarantine/query/{held.pk}/reveal/", {}).json() == {"text": MAIL}
    assert post("quarantine/query/release/", {"ids": [held.pk], "note": "fine"}).json() == {"changed": 1}
    assert post("quarantine/query/hold/", {"ids": [held.pk], "reason": "e-mail"}).json() == {"changed": 1}
    assert post("quarantine/query/hold/", {"ids": [held.pk], "reason": "nosy"}).status_code == 400
    assert post("quarantine/other/release/", {"ids": [held.pk]}).status_code == 400
    acts = [one["act"] for one in curator_client.get(f"{base}/privacy-decisions/").json()["results"]]
    assert acts == ["quarantine", "release", "reveal"]
    assert post("scan-privacy/", {}).status_code == 202
    found = curator_client.get(f"{base}/k-anonymity/").json()
    assert found == {"k": 1, "withheld": {"1": 0, "2": 0, "3": 0, "5": 0, "10": 0}}


def test_the_same_with_commands(project, held, curator, capsys):
    call_command("quarantine", project="demo", as_json=True)
    assert json.loads(capsys.readouterr().out)["queries"]["by_reason"] == {"e-mail": 1}
    call_command("quarantine", "--project=demo", "--release", str(held.pk), "--by=cora", "--note=fine")
    assert PrivacyDecision.objects.get().person == curator
    call_command("quarantine", "--project=demo", "--hold", str(held.pk), "--reason=e-mail")
    call_command("quarantine", "--project=demo", "--release-reason=e-mail")
    held.refresh_from_db()
    assert held.quarantine_reason == ""
    capsys.readouterr()
    call_command("scan_privacy", project="demo", as_json=True)
    assert json.loads(capsys.readouterr().out)["query"]["kept_by_decision"] == 1
    with pytest.raises(SystemExit):
        call_command("quarantine", "--project=demo", "--hold", str(held.pk), "--reason=nosy")
