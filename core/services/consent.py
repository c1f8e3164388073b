"""Consent: a versioned text that people decide on before they work, and may decide on anew at any time."""

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.db.models import Max
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from core.audit import record
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError
from core.models import ConsentAct, ConsentDecision, ConsentText, User

SHIPPED_VERSION = 1
TEXTS = Path(__file__).resolve().parent.parent / "texts"
MAX_TEXT_CHARS = 20_000
MAX_YEARS = 70


class ConsentNeededError(BadInputError):
    """The box that says "I agree" was left empty."""

    code = "consent_needed"
    template = _("Tick the box if you agree. If you do not, log out: nothing of you is stored then but the account.")


def current_text() -> ConsentText:
    """The text that holds: the newest one published here, else the one that came with Quarry (not saved yet)."""
    published = ConsentText.objects.order_by("-version").first()
    if published is not None:
        return published
    paths = TEXTS.glob(f"consent-{SHIPPED_VERSION}.*.md")
    texts = {path.suffixes[0].removeprefix("."): path.read_text(encoding="utf-8") for path in paths}
    return ConsentText(version=SHIPPED_VERSION, texts=texts)


def text_in_language(text: ConsentText) -> tuple[str, str]:
    """(Markdown, language code) of a consent text: the reader's language where it was written, else English."""
    language = (get_language() or "en").split("-")[0]
    return (text.texts[language], language) if language in text.texts else (text.texts["en"], "en")


def decision_of(person: User) -> ConsentDecision | None:
    """What the person decided last."""
    return person.consents.select_related("text").first()


@retry_when_busy()
def give_consent(*, person: User, agrees: bool, publishes: bool, years: int | None = None) -> ConsentDecision:
    """Keeps a decision on the text that holds; the person may go on.

    Raises ConsentNeededError without `agrees`, BadInputError for impossible years.
    """
    if not agrees:
        raise ConsentNeededError(field="agrees")
    if years is not None and not 0 <= years <= MAX_YEARS:
        raise BadInputError(
            problem=_("Years of experience go from 0 to %(most)s.") % {"most": MAX_YEARS}, field="years"
        )
    return _decide(person, ConsentAct.GIVEN, publishes=publishes, years=years, must_consent=False)


@retry_when_busy()
def withdraw_consent(*, person: User) -> ConsentDecision:
    """Ends the consent: nothing of theirs is published in releases to come, and they judge no more until they agree.

    Votes given before stay: they are part of labels. A curator can set them aside.
    """
    return _decide(person, ConsentAct.WITHDRAWN, publishes=False, years=None, must_consent=True)


def _decide(
    person: User, act: ConsentAct, *, publishes: bool, years: int | None, must_consent: bool
) -> ConsentDecision:
    with write_transaction():
        locked = User.objects.select_for_update().get(pk=person.pk)
        before = {"publishes_votes": locked.publishes_votes, "must_consent": locked.must_consent}
        if act == ConsentAct.GIVEN and not locked.must_consent and decision_of(locked) is not None:
            act = ConsentAct.CHANGED
        decision = ConsentDecision.objects.create(
            person=locked, text=_saved_text(), act=act, publishes=publishes, years=years
        )
        after = {"publishes_votes": publishes, "must_consent": must_consent}
        User.objects.filter(pk=person.pk).update(**after)
        record("core.decide_consent", actor=person, person=person, subject=decision, before=before, after=after)
    person.publishes_votes, person.must_consent = publishes, must_consent
    return decision


def _saved_text() -> ConsentText:
    """The text that holds, as a row that decisions can point at."""
    text = current_text()
    if text.pk is None:
        text, _made = ConsentText.objects.get_or_create(version=text.version, defaults={"texts": text.texts})
    return text


@retry_when_busy()
def publish_consent_text(*, texts: Mapping[str, str], user: User | None = None) -> ConsentText:
    """Publishes a new version and asks everybody for a new decision. Until then nobody who is asked can go on.

    texts: Markdown by language code. Raises BadInputError without an English text, for an unknown language, or for a
    text that is empty or too long.
    """
    known = {code for code, _name in settings.LANGUAGES}
    for language, text in texts.items():
        if language not in known:
            problem = f"{language} is no language of this installation. Known: {', '.join(sorted(known))}."
            raise BadInputError(problem=problem, field="texts")
        if not text.strip() or len(text) > MAX_TEXT_CHARS:
            problem = f"The text in {language} needs 1 to {MAX_TEXT_CHARS} characters."
            raise BadInputError(problem=problem, field="texts")
    if "en" not in texts:
        raise BadInputError(
            problem="The English text is missing; it stands in for languages without one.", field="texts"
        )
    with write_transaction():
        highest = ConsentText.objects.aggregate(highest=Max("version"))["highest"] or SHIPPED_VERSION
        published = ConsentText.objects.create(version=highest + 1, texts=dict(texts), published_by=user)
        asked = User.objects.filter(is_placeholder=False, is_simulated=False).update(must_consent=True)
        record(
            "core.publish_consent_text",
            actor=user,
            subject=published,
            after={"version": published.version, "asked": asked},
        )
    return published
