"""Consent: asked before anything else, refusable in part, withdrawable, on record, asked anew for a new text."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from core.errors import BadInputError
from core.models import AuditEntry, ConsentDecision, ConsentText, Project, User
from core.services.consent import (
    ConsentNeededError,
    current_text,
    decision_of,
    give_consent,
    publish_consent_text,
    text_in_language,
    withdraw_consent,
)
from core.services.members import add_member
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
CONSENT = "/account/consent/"


@pytest.fixture
def newcomer(project: Project) -> User:
    """An annotator who has decided nothing yet."""
    person = add_member(project=project, username="nora", roles=["annotator"]).user
    person.must_change_password = False
    person.save()
    return person


@pytest.fixture
def newcomer_client(newcomer: User) -> Client:
    client = Client()
    client.force_login(newcomer)
    return client


def decide(client: Client, **given: str):
    return client.post(CONSENT, {"agrees": "on", "publishes": "no", **given})


# --- before it --------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", ["/", "/p/demo/", "/account/", "/p/demo/judge/", "/api/docs/"])
def test_no_page_opens_before_the_decision(address: str, newcomer_client: Client) -> None:
    answer = newcomer_client.get(address)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(CONSENT)


def test_the_page_one_came_for_opens_after_the_decision(newcomer_client: Client) -> None:
    page = newcomer_client.get("/p/demo/judge/", follow=True)
    assert 'name="next" value="/p/demo/judge/"' in page.content.decode()
    assert decide(newcomer_client, next="/p/demo/judge/").headers["Location"] == "/p/demo/judge/"


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_the_decision_leads_to_no_other_server(target: str, newcomer_client: Client) -> None:
    assert decide(newcomer_client, next=target).headers["Location"] == "/"


def test_the_api_says_what_is_missing_and_takes_the_decision_only_by_page(newcomer_client: Client) -> None:
    answer = newcomer_client.get("/api/v1/projects/demo/")
    assert answer.status_code == 403
    assert answer.json()["code"] == "consent_needed"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_part_of_a_page_is_led_there_too(newcomer_client: Client) -> None:
    answer = newcomer_client.get("/p/demo/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, CONSENT)


@pytest.mark.parametrize("name", ["core:logout", "core:set-theme", "core:set-language"])
def test_logging_out_theme_and_language_need_no_decision(name: str, newcomer_client: Client) -> None:
    answer = newcomer_client.post(reverse(name), {"next": CONSENT, "language": "de", "theme": "dark"})
    assert not answer.headers["Location"].startswith(f"{CONSENT}?")


# --- the decision ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("choice", "publishes"), [("yes", True), ("no", False)])
def test_publication_is_a_choice_of_its_own(choice: str, publishes: bool, newcomer: User, newcomer_client) -> None:
    assert decide(newcomer_client, publishes=choice, years="7").status_code == 302
    newcomer.refresh_from_db()
    assert (newcomer.publishes_votes, newcomer.must_consent) == (publishes, False)
    decision = decision_of(newcomer)
    assert (decision.act, decision.publishes, decision.years, decision.text.version) == ("given", publishes, 7, 1)
    assert newcomer_client.get("/").status_code == 200


def test_the_years_are_optional_and_possible(newcomer: User, newcomer_client: Client) -> None:
    assert "less than or equal to 70" in decide(newcomer_client, years="99").content.decode()
    assert ConsentDecision.objects.count() == 0
    decide(newcomer_client, years="")
    assert decision_of(newcomer).years is None


def test_without_agreeing_nothing_is_kept_and_nothing_opens(newcomer: User, newcomer_client: Client) -> None:
    answer = newcomer_client.post(CONSENT, {"publishes": "yes"})
    assert "Tick the box if you agree" in answer.content.decode()
    newcomer.refresh_from_db()
    assert newcomer.must_consent
    assert not newcomer.publishes_votes
    assert newcomer_client.get("/").status_code == 302


def test_publication_must_be_answered(newcomer_client: Client) -> None:
    answer = newcomer_client.post(CONSENT, {"agrees": "on"})
    assert "This field is required" in answer.content.decode()


def test_services_refuse_what_forms_cannot_send(newcomer: User) -> None:
    with pytest.raises(ConsentNeededError):
        give_consent(person=newcomer, agrees=False, publishes=True)
    with pytest.raises(BadInputError, match="from 0 to 70"):
        give_consent(person=newcomer, agrees=True, publishes=True, years=71)


def test_changing_and_withdrawing_stay_on_record(newcomer: User, newcomer_client: Client) -> None:
    decide(newcomer_client, publishes="yes")
    decide(newcomer_client, publishes="no")
    decide(newcomer_client, publishes="yes")
    assert newcomer_client.post("/account/consent/withdraw/").headers["Location"] == CONSENT
    newcomer.refresh_from_db()
    assert (newcomer.publishes_votes, newcomer.must_consent) == (False, True)
    assert [one.act for one in newcomer.consents.order_by("id")] == ["given", "changed", "changed", "withdrawn"]
    entries = AuditEntry.objects.filter(act="core.decide_consent", person=newcomer).order_by("id")
    assert [(one.before["publishes_votes"], one.after["publishes_votes"]) for one in entries] == [
        (False, True),
        (True, False),
        (False, True),
        (True, False),
    ]


def test_the_account_page_shows_the_decisions(newcomer_client: Client) -> None:
    decide(newcomer_client, publishes="yes")
    page = newcomer_client.get("/account/").content.decode()
    assert "may be published under a pseudonym" in page
    assert "Withdraw consent" in page


def test_publication_cannot_be_set_past_the_consent(newcomer: User, newcomer_client: Client, admin_client) -> None:
    decide(newcomer_client)
    newcomer_client.post("/account/", {"first_name": "Nora", "publishes_votes": "on"})
    admin_client.post(f"/admin/core/user/{newcomer.pk}/change/", {"username": "nora", "publishes_votes": "on"})
    newcomer.refresh_from_db()
    assert not newcomer.publishes_votes


# --- versions -----------------------------------------------------------------------------------------
def test_the_shipped_text_is_version_one_and_is_kept_with_the_first_decision(newcomer: User) -> None:
    assert current_text().pk is None
    give_consent(person=newcomer, agrees=True, publishes=False)
    kept = ConsentText.objects.get()
    assert (kept.version, set(kept.texts)) == (1, {"en", "de"})
    give_consent(person=newcomer, agrees=True, publishes=True)
    assert ConsentText.objects.count() == 1


def test_a_new_version_asks_everybody_again_and_keeps_the_old_decisions(newcomer: User, newcomer_client) -> None:
    decide(newcomer_client, publishes="yes")
    simulated = UserFactory(username="sim", is_simulated=True)
    text = publish_consent_text(texts={"en": "# New rules"})
    newcomer.refresh_from_db()
    simulated.refresh_from_db()
    assert (newcomer.must_consent, simulated.must_consent) == (True, False)
    page = newcomer_client.get("/", follow=True).content.decode()
    assert "The text has changed since you decided" in page
    assert "New rules" in page
    decide(newcomer_client, publishes="yes")
    assert [one.text.version for one in newcomer.consents.order_by("id")] == [1, text.version]


def test_until_the_new_version_is_decided_on_the_old_decision_on_publication_holds(newcomer: User) -> None:
    give_consent(person=newcomer, agrees=True, publishes=True)
    publish_consent_text(texts={"en": "New"})
    newcomer.refresh_from_db()
    assert newcomer.publishes_votes


@pytest.mark.parametrize("texts", [{}, {"de": "Neu"}, {"en": " "}, {"en": "x", "xx": "y"}, {"en": "x" * 20_001}])
def test_a_text_that_cannot_be_published_is_refused(texts: dict[str, str]) -> None:
    with pytest.raises(BadInputError):
        publish_consent_text(texts=texts)
    assert ConsentText.objects.count() == 0


def test_the_text_is_read_in_the_readers_language_or_in_english(newcomer: User, settings) -> None:
    from django.utils import translation

    with translation.override("de"):
        assert text_in_language(current_text())[1] == "de"
        assert text_in_language(ConsentText(version=2, texts={"en": "Only English"})) == ("Only English", "en")


def test_the_command_publishes_files(tmp_path) -> None:
    (tmp_path / "en.md").write_text("# Rules", encoding="utf-8")
    out = StringIO()
    call_command("publish_consent", f"en={tmp_path / 'en.md'}", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"version": 2, "languages": ["en"]}
    for given in ("en", f"en={tmp_path / 'missing.md'}"):
        with pytest.raises(SystemExit) as caught:
            call_command("publish_consent", given, stdout=StringIO(), stderr=StringIO())
        assert caught.value.code == 2


# --- API -----------------------------------------------------------------------------------------------
def test_the_api_shows_changes_and_withdraws(annotator: User, annotator_client: Client) -> None:
    address = "/api/v1/account/consent/"
    shown = annotator_client.get(address).json()
    assert (shown["version"], shown["decision"]) == (1, None)
    given = {"agrees": True, "publishes": True, "years": 3}
    made = annotator_client.post(address, given, content_type="application/json")
    assert made.status_code == 201
    assert made.json()["decision"]["publishes"] is True
    refused = annotator_client.post(address, {"agrees": False, "publishes": True}, content_type="application/json")
    assert refused.json()["code"] == "consent_needed"
    account = annotator_client.get("/api/v1/account/").json()
    assert account["username"] == "anna"
    assert account["consent"]["years"] == 3
    assert account["roles"] == [{"project": "demo", "role": "annotator"}]
    assert annotator_client.delete(address).json()["decision"]["act"] == "withdrawn"
    assert annotator_client.get("/api/v1/account/").status_code == 403


def test_a_withdrawal_by_service_ends_publication(annotator: User) -> None:
    give_consent(person=annotator, agrees=True, publishes=True)
    withdraw_consent(person=annotator)
    annotator.refresh_from_db()
    assert not annotator.publishes_votes
