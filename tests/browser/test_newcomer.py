"""The first minutes of an invited person: link, account, consent, first vote. And the pages about people, for axe."""

from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.urls import reverse

from annotation.services.batches import open_batch
from core.models import Membership, User
from core.services.consent import give_consent, publish_consent_text
from core.services.invitations import accept_invitation, make_invitation
from tests.browser.conftest import axe_violations, overflow_of
from tests.browser.judging import stored, wait_for_votes
from tests.factories import PairFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def link(project: Any, curator: User) -> str:
    """An invitation to a project with three pairs to judge."""
    open_batch(project=project, pairs=[PairFactory(project=project) for _ in range(3)], overlap=2)
    secret = make_invitation(project=project, roles=["annotator"], user=curator, max_uses=3, note="course").secret
    return reverse("core:invited", args=[secret])


def come_in(page: Any, link: str, name: str) -> None:
    page.goto(link)
    page.fill("[name=username]", name)
    page.fill("[name=password1]", "granite-and-slate")
    page.fill("[name=password2]", "granite-and-slate")
    page.click("button.button-primary")


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_from_the_link_to_the_first_vote(link: str, project: Any, new_page: Any, width: int, theme: str) -> None:
    page = new_page(width=width, theme=theme)
    come_in(page, link, "nora")
    page.wait_for_url("**/account/consent/**")
    assert axe_violations(page) == []
    assert overflow_of(page) == []
    page.check("[name=agrees]")
    page.check("[name=publishes][value=no]")
    page.fill("[name=years]", "4")
    page.click("button.button-primary:has-text('Go on')")
    page.wait_for_url("**/p/demo/judge/")
    page.wait_for_selector(".judge.is-live")
    page.keyboard.press("y")
    page.keyboard.press("1")
    votes = wait_for_votes(1)
    assert stored(votes) == [("yes", 1)]
    assert votes[0].person.username == "nora"
    person = User.objects.get(username="nora")
    assert not person.publishes_votes
    assert person.consents.get().years == 4
    assert Membership.objects.filter(user=person, project=project, role="annotator").exists()
    assert page.trouble == []


def test_without_javascript_and_in_german(link: str, browser: Any, live_server: Any) -> None:
    context = browser.new_context(base_url=live_server.url, locale="de-DE", java_script_enabled=False)
    page = context.new_page()
    come_in(page, link, "nils")
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.locator("h1").inner_text() == "Bevor Sie beginnen"
    page.check("[name=agrees]")
    page.check("[name=publishes][value=yes]")
    page.click("form.card button.button-primary")
    page.wait_for_url("**/p/demo/judge/")
    person = User.objects.get(username="nils")
    assert person.publishes_votes
    assert person.language == "de"
    context.close()


def test_the_language_follows_the_person_to_another_browser(project: Any, browser: Any, live_server: Any) -> None:
    person = UserFactory(username="anna", language="de")
    person.set_password("granite-and-slate")
    person.save()
    context = browser.new_context(base_url=live_server.url, locale="en-US")
    page = context.new_page()
    page.goto("/login/")
    assert page.locator("html").get_attribute("lang") == "en"
    page.fill("[name=username]", "anna")
    page.fill("[name=password]", "granite-and-slate")
    page.click("button.button-primary")
    page.goto("/account/")
    assert page.locator("html").get_attribute("lang") == "de"
    page.click("section.card button[lang=en]")
    assert page.locator("html").get_attribute("lang") == "en"
    person.refresh_from_db()
    assert person.language == "en"
    context.close()


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_pages_about_people_are_accessible(
    link: str, curator: User, new_page: Any, live_server: Any, width: int, theme: str, locale: str
) -> None:
    TOTP.activate(curator, "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(curator)
    give_consent(person=curator, agrees=True, publishes=True, years=3)
    accept_invitation(secret=link.strip("/").split("/")[-1], user=UserFactory(username="nils"))
    User.objects.filter(pk=curator.pk).update(language=locale[:2])
    outside = ["/login/", "/login/forgotten/", link, "/login/new-password/x/y/"]
    inside = [
        *("/account/", "/account/consent/", "/account/password/", "/account/two-factor/", "/account/single-sign-on/"),
        *("/account/two-factor/recovery-codes/", "/account/two-factor/totp/deactivate/", link),
        *("/p/demo/members/", "/p/demo/members/nils/", "/p/demo/invitations/"),
    ]
    broken = {}
    for person, addresses in ((None, outside), (curator, inside)):
        page = new_page(width=width, theme=theme, user=person)
        page.context.add_cookies([{"name": "language", "value": locale[:2], "url": live_server.url}])
        for address in addresses:
            page.goto(address)
            if found := [*axe_violations(page), *overflow_of(page)]:
                broken[address] = found
        assert page.trouble == []
    assert broken == {}


def test_a_new_consent_text_comes_before_the_next_page(link: str, annotator: User, new_page: Any) -> None:
    give_consent(person=annotator, agrees=True, publishes=True)
    page = new_page(user=annotator)
    page.goto("/p/demo/judge/")
    publish_consent_text(texts={"en": "# New rules"})
    page.goto("/p/demo/judge/")
    assert page.locator("article h2").inner_text() == "New rules"
    assert not page.is_checked("[name=agrees]")
    assert page.is_checked("[name=publishes][value=yes]")
