"""The second language: collects the marked texts, compiles the catalogue, checks that nothing is missing.

    python tools/translations.py collect    texts of pages and code into locale/de/LC_MESSAGES/django.po
    python tools/translations.py compile    django.po into django.mo, which is what the server reads
    python tools/translations.py check      prints what is missing or does not fit; status 1 if anything

Babel does the work, so no GNU gettext is needed. Catalogues hold neither line numbers nor dates: a page that moves a
text changes no catalogue.
"""

import argparse
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from babel.messages import pofile
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
LANGUAGES = ("de",)
CODE_ROOMS = ("config", "core", "curation", "annotation", "modeling", "demo")
KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = "# Translations of Quarry ({language}). Collected and compiled by tools/translations.py."

# Templates that an annotator reads: every text in them must be marked. Curators' pages stay in English for now.
ANNOTATOR_TEMPLATES = (
    *("400.html", "403.html", "403_csrf.html", "404.html", "500.html", "base.html"),
    *("account/*.html", "mfa/**/*.html", "socialaccount/*.html"),
    *("components/empty.html", "components/field.html", "components/pager.html"),
    *("core/_language.html", "core/_theme.html", "core/_sso_button.html", "core/_worker_notice.html"),
    *("core/login.html", "core/forgotten*.html", "core/new_password.html", "core/password.html", "core/mail/*.txt"),
    *("core/account.html", "core/consent.html", "core/invited.html", "core/error.html"),
    *("core/home.html", "core/_project_card.html"),
    *(
        "annotation/judge*.html",
        "annotation/_pair.html",
        "annotation/_plain_answers.html",
        "annotation/_judgement.html",
    ),
    *("annotation/_key.html", "annotation/_standing.html", "annotation/_guide_example.html"),
    *("annotation/preferences.html", "annotation/history.html", "annotation/own_vote.html"),
    *("annotation/guideline.html", "annotation/guideline_changes.html", "annotation/_guideline_changes.html"),
    *("annotation/_examples.html", "annotation/_section_changes.html"),
    *("annotation/discussion.html", "annotation/discussions.html", "annotation/questions.html"),
    *("annotation/_discussion_tabs.html", "annotation/_remarks.html"),
    *("annotation/scorecard.html", "annotation/_scorecard_figures.html"),
)
# Names that are the same in every language.
NAMES = {"quarry", "api", "csv", "json"}
SPOKEN_ATTRIBUTES = {"aria-label", "alt", "placeholder", "title", "data-confirm"}
SILENT_ELEMENTS = {"code", "kbd", "script", "style", "samp"}
COMPONENTS = {"empty", "stat", "bar_chart", "histogram", "line_chart"}  # tags that take texts as arguments


# --- collecting -----------------------------------------------------------------------------------------------------
def sources() -> Iterator[tuple[str, str]]:
    """(path below the root, Python source to search) of every module and template; templates as Django reads them."""
    for room in CODE_ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted(path for path in (ROOT / "templates").rglob("*.*") if path.suffix in {".html", ".txt"}):
        marked = templatize(path.read_text(encoding="utf-8"))
        # Each line stands for itself: a template's indentation means nothing, but Python's tokenizer minds it.
        yield str(path.relative_to(ROOT)), "\n".join(line.lstrip() for line in marked.splitlines())


def collected() -> Catalog:
    """Every text that is marked for translation, with the files it stands in."""
    catalog = Catalog(project="Quarry", creation_date=NO_DATE, charset="utf-8")
    for name, source in sources():
        for _, message, comments, context in extract("python", io.BytesIO(source.encode()), KEYWORDS, ["Translators:"]):
            catalog.add(message, None, [(name, 1)], auto_comments=comments, context=context)
    return catalog


def po_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def stored(language: str) -> Catalog:
    """The catalogue of a language as it lies in the tree; an empty one if there is none yet."""
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return pofile.read_po(file, locale=language)


def collect(language: str) -> None:
    """Brings the catalogue up to date: new texts come in untranslated, texts that are gone go."""
    catalog = stored(language)
    catalog.update(collected(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    catalog.header_comment = HEADER.format(language=language)
    catalog.creation_date = catalog.revision_date = NO_DATE
    path = po_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pofile.write_po(file, catalog, width=100, sort_output=True, include_lineno=False, ignore_obsolete=True)


def compiled(language: str) -> bytes:
    """The bytes of django.mo for the stored catalogue."""
    out = io.BytesIO()
    write_mo(out, stored(language))
    return out.getvalue()


def compile_catalogue(language: str) -> None:
    po_path(language).with_suffix(".mo").write_bytes(compiled(language))


# --- checking -------------------------------------------------------------------------------------------------------
def problems(language: str) -> list[str]:
    """What is wrong with a catalogue: missing, empty or unsure texts, lost placeholders, an old compiled file."""
    wanted, known = collected(), stored(language)
    absent = [message for message in wanted if message.id and known.get(message.id, message.context) is None]
    found = [f"not collected: {first_form(message)!r}" for message in absent]
    for message in known:
        if message.id:
            found += [f"{problem}: {first_form(message)!r}" for problem in problems_of(message, known)]
    mo = po_path(language).with_suffix(".mo")
    if not mo.exists() or mo.read_bytes() != compiled(language):
        found.append(f"{mo.name} is not the compiled {mo.stem}.po; run: python tools/translations.py compile")
    return found


def first_form(message: Message) -> str:
    """The text itself; of a text with a plural, its singular."""
    return message.id[0] if isinstance(message.id, list | tuple) else message.id


def problems_of(message: Message, catalog: Catalog) -> list[str]:
    """What is wrong with one translation."""
    strings = message.string if isinstance(message.string, list | tuple) else (message.string,)
    if message.fuzzy:
        return ["unsure"]
    if not all(strings):
        return ["not translated"]
    found = [str(error) for error in message.check(catalog)]
    originals = message.id if isinstance(message.id, list | tuple) else (message.id,)
    allowed = {frozenset(placeholders(one)) for one in originals}
    if any(frozenset(placeholders(one)) not in allowed for one in strings):
        found.append("other placeholders than the original")
    return found


def placeholders(text: str) -> list[str]:
    """{name} and %(name)s of a text."""
    return re.findall(r"(?<!\{)\{\w*(?:[:!][^}]*)?\}|%\(\w+\)[sd]", text)


class _Texts(HTMLParser):
    """Collects what a reader sees or hears of a page's own words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in SILENT_ELEMENTS
        self.found += [value for name, value in attrs if name in SPOKEN_ATTRIBUTES and value and is_text(value)]

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in SILENT_ELEMENTS

    def handle_data(self, data: str) -> None:
        if not self.silent and is_text(data):
            self.found.append(" ".join(data.split()))


def is_text(value: str) -> bool:
    """Whether a piece holds words of a language (two letters or more that are no name)."""
    words = re.findall(r"[^\W\d_]{2,}", value)
    return any(word.casefold() not in NAMES for word in words)


def unmarked_texts(template: str) -> list[str]:
    """Texts of a template that no translation can reach."""
    text = re.sub(r"\{#.*?#\}|\{% comment .*?endcomment %\}", "", template, flags=re.DOTALL)
    text = re.sub(r"\{% (blocktranslate|blocktrans)\b.*?\{% end\1 %\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{% block page_class %\}.*?\{% endblock %\}", "", text, flags=re.DOTALL)  # names of styles
    found = []
    for tag, arguments in re.findall(r"\{%\s*(\w+)\s(.*?)%\}", text, flags=re.DOTALL):
        if tag in COMPONENTS:
            bare = re.sub(r"""_\((?:"[^"]*"|'[^']*')\)""", "", arguments)
            found += [literal for literal in re.findall(r"""["']([^"']*)["']""", bare) if is_text(literal)]
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    reader = _Texts()
    reader.feed(text)
    return [*found, *reader.found]


def annotator_templates() -> list[Path]:
    """The templates that annotators read."""
    folder = ROOT / "templates"
    return sorted({path for pattern in ANNOTATOR_TEMPLATES for path in folder.glob(pattern)})


def unmarked() -> dict[str, list[str]]:
    """Unmarked texts by annotators' template; empty is right."""
    texts = {
        str(path.relative_to(ROOT)): unmarked_texts(path.read_text(encoding="utf-8")) for path in annotator_templates()
    }
    return {name: found for name, found in texts.items() if found}


def check() -> int:
    """Prints every problem; 1 if there is any."""
    lines = [f"{language}: {problem}" for language in LANGUAGES for problem in problems(language)]
    lines += [f"{name}: not marked: {text!r}" for name, texts in unmarked().items() for text in texts]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["collect", "compile", "check"])
    act = parser.parse_args().act
    if act == "check":
        return check()
    for language in LANGUAGES:
        (collect if act == "collect" else compile_catalogue)(language)
    return 0


if __name__ == "__main__":
    sys.exit(main())
