"""The second language: chosen, kept, followed, complete."""

from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from annotation.services.batches import open_batch
from annotation.services.leases import fill_lanes
from core.models import Project, User
from core.templatetags.quarry import duration, number, percent
from tests.factories import PairFactory, UserFactory
from tools import translations

PASSWORD = "five small stones"


# --- the catalogue ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_every_marked_text_is_translated_and_compiled(language: str) -> None:
    assert translations.problems(language) == []


def test_annotators_pages_hold_no_text_that_is_not_marked() -> None:
    assert len(translations.annotator_templates()) > 50
    assert translations.unmarked() == {}


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("<p>Plain words</p>", ["Plain words"]),
        ('<p>{% translate "Marked" %}</p>', []),
        ("<p>{% blocktranslate %}Marked {{ n }}{% endblocktranslate %}</p>", []),
        ('<button aria-label="Press">{{ label }}</button>', ["Press"]),
        ('<button aria-label="{% translate "Press" %}">×</button>', []),
        ('{% empty "Nothing here" %}', ["Nothing here"]),
        ('{% empty _("Nothing here") _("Begin") url %}', []),
        ("<kbd>Enter</kbd><code>python manage.py up</code>", []),
        ("{# a remark #}{% comment %}another{% endcomment %}<p>7 · Quarry</p>", []),
        ("{% if a %}One{% else %}{% translate 'Two' %}{% endif %}", ["One"]),
    ],
)
def test_the_search_for_unmarked_texts_finds_them_and_nothing_else(template: str, found: list[str]) -> None:
    assert translations.unmarked_texts(template) == found


@pytest.mark.parametrize(
    ("original", "translated", "is_fine"),
    [
        ("Wait %(n)s minutes", "Warten Sie %(n)s Minuten", True),
        ("Wait %(n)s minutes", "Warten Sie", False),
        ("No {what} named {name}", "Kein {what} namens {name}", True),
        ("No {what} named {name}", "Kein {was} namens {name}", False),
        ("Saved.", "", False),
    ],
)
def test_a_lost_placeholder_is_a_problem(original: str, translated: str, is_fine: bool) -> None:
    from babel.messages.catalog import Catalog

    catalog = Catalog(locale="de")
    message = catalog.add(original, translated)
    assert (translations.problems_of(message, catalog) == []) == is_fine


def test_every_language_has_its_name_and_its_folder() -> None:
    codes = {code for code, _name in settings.LANGUAGES}
    assert codes == {"en", *translations.LANGUAGES}
    for code in translations.LANGUAGES:
        assert translations.po_path(code).is_file()


# --- choosing ------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_browsers_language_is_followed_until_one_is_chosen(client: Client) -> None:
    german = {"headers": {"Accept-Language": "de-AT,de;q=0.9"}}
    page = client.get("/login/", **german)
    assert '<html lang="de"' in page.content.decode()
    assert page.headers["Content-Language"] == "de"
    client.post("/language/", {"language": "en", "next": "/login/"})
    assert '<html lang="en"' in client.get("/login/", **german).content.decode()
    client.post("/language/", {"language": "", "next": "/login/"})
    assert '<html lang="de"' in client.get("/login/", **german).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["fr", "xx", '"><script>', ""])
def test_an_unknown_language_is_not_kept(language: str, client: Client, annotator: User) -> None:
    client.force_login(annotator)
    answer = client.post("/language/", {"language": language, "next": "/account/"})
    assert not answer.cookies["language"].value
    annotator.refresh_from_db()
    assert annotator.language == ""


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_the_language_switch_leads_nowhere_else(target: str, client: Client) -> None:
    assert client.post("/language/", {"language": "de", "next": target}).headers["Location"] == "/"


@pytest.mark.django_db
def test_the_choice_is_the_persons_and_follows_to_other_browsers(client: Client) -> None:
    person = UserFactory(username="anna")
    person.set_password(PASSWORD)
    person.save()
    client.post("/language/", {"language": "de", "next": "/login/"})
    client.post("/login/", {"username": "anna", "password": PASSWORD})
    person.refresh_from_db()
    assert person.language == "de"  # chosen on the login page
    other = Client()
    other.post("/login/", {"username": "anna", "password": PASSWORD})
    assert '<html lang="de"' in other.get("/account/").content.decode()
    other.post("/language/", {"language": "en", "next": "/account/"})
    person.refresh_from_db()
    assert person.language == "en"


# --- pages -----------------------------------------------------------------------------------------------------
class _Heard(HTMLParser):
    """Every text of a page, but for the curator's guideline and elements that say they are in another language."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self.foreign: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in {"meta", "link", "input", "br", "hr", "img", "use", "path", "rect", "line", "circle"}:
            inherited = self.foreign[-1] if self.foreign else False
            is_guideline = bool({"prose", "guide-text"} & set((given.get("class") or "").split()))
            self.foreign.append(is_guideline or (given["lang"] != "de" if "lang" in given else inherited))
        for name in translations.SPOKEN_ATTRIBUTES & set(given):
            self.texts.add(str(given[name]))

    def handle_endtag(self, tag: str) -> None:
        if self.foreign:
            self.foreign.pop()

    def handle_data(self, data: str) -> None:
        if not (self.foreign and self.foreign[-1]):
            self.texts.add(" ".join(data.split()))


ANNOTATORS_PAGES = [
    *("core:home", "core:account", "core:consent", "core:password", "mfa_index", "core:login", "core:forgotten"),
    *("core:project", "annotation:judge", "annotation:history", "annotation:preferences", "annotation:guideline"),
    *("annotation:guideline-changes", "annotation:discussions", "annotation:questions", "annotation:scorecard"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("has_work", [True, False])
@pytest.mark.parametrize("name", ANNOTATORS_PAGES)
def test_no_english_is_left_on_a_german_page(name: str, has_work: bool, project: Project, annotator, client) -> None:
    if has_work:
        open_batch(project=project, pairs=[PairFactory(project=project) for _ in range(3)], overlap=2)
        fill_lanes(project=project, person=annotator)
    if name not in {"core:login", "core:forgotten"}:
        client.force_login(annotator)
    namespace = name.split(":")[0]
    address = reverse(name, args=["demo"] if namespace == "annotation" or name == "core:project" else [])
    page = client.get(address, headers={"Accept-Language": "de"})
    assert page.status_code == 200
    heard = _Heard()
    heard.feed(page.content.decode())
    same = {"Quarry", "API", "Code", "System"}
    english = {
        translations.first_form(message)
        for message in translations.stored("de")
        if message.id and isinstance(message.string, str) and message.string != message.id
    }
    german = {message.string for message in translations.stored("de") if isinstance(message.string, str)}
    assert (heard.texts & english) - german - same == set()
    assert '<main class="page' in page.content.decode()
    assert 'id="page" tabindex="-1" lang="en"' not in page.content.decode()


@pytest.mark.django_db
def test_a_page_that_is_not_translated_says_that_it_is_english(curator_client: Client) -> None:
    page = curator_client.get("/p/demo/members/", headers={"Accept-Language": "de"}).content.decode()
    assert '<html lang="de"' in page
    assert 'id="page" tabindex="-1" lang="en"' in page
    plain = curator_client.get("/p/demo/members/").content.decode()
    assert 'tabindex="-1" lang=' not in plain


@pytest.mark.django_db
def test_refusals_are_in_the_readers_language(project: Project, annotator_client: Client) -> None:
    german = {"headers": {"Accept-Language": "de"}}
    assert "Dafür ist die Rolle" in annotator_client.get("/p/demo/settings/", **german).content.decode()
    assert "Nicht gefunden" in annotator_client.get("/nothing/", **german).content.decode()
    api = annotator_client.get("/api/v1/projects/demo/members/", **german)
    assert "Dafür ist die Rolle" in api.json()["detail"]


def test_numbers_for_people_follow_the_language_and_bare_ones_do_not() -> None:
    from django.template import Context, Template

    with translation.override("de"):
        assert number(1234567) == "1.234.567"
        assert number(-0.5) == "−0,500"
        assert percent(0.634) == "63,4 %"
        assert duration(0.44) == "0,4 s"
        assert number(None) == "nicht definiert"
        assert Template('<rect width="{{ w }}">').render(Context({"w": 12.5})) == '<rect width="12.5">'
    assert number(1234567) == "1,234,567"
    assert percent(0.634) == "63.4 %"


@pytest.mark.django_db
def test_a_page_about_code_in_a_language_keeps_the_readers(project: Project, curator_client: Client) -> None:
    """Pages of code have a `language` and `languages` of their own in their context."""
    code = PairFactory(project=project).code
    for address in (f"/p/demo/code/functions/{code.pk}/", "/p/demo/code/functions/", "/p/demo/code/"):
        page = curator_client.get(address).content.decode()
        assert '<html lang="en"' in page
        assert 'name="language" value="de"' in page
