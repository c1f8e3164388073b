"""`manage.py publish_consent`: a new version of the consent text."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from core.services.consent import publish_consent_text


class Command(QuarryCommand):
    help = "Publishes a new consent text. Everybody is asked for a new decision before they go on."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "texts", nargs="+", metavar="LANGUAGE=FILE", help="Markdown files, e.g. en=consent.md de=consent.de.md"
        )

    def report(self, **options: Any) -> Report:
        text = publish_consent_text(texts=dict(_read(given) for given in options["texts"]))
        languages = ", ".join(sorted(text.texts))
        return Report(
            f"Consent text {text.version} is published.",
            {"version": text.version, "languages": sorted(text.texts)},
            lines=[("version", text.version), ("languages", languages)],
            notes=["Everybody decides anew at their next page."],
        )


def _read(given: str) -> tuple[str, str]:
    """LANGUAGE=FILE as (language, text). Raises BadInputError."""
    language, separator, name = given.partition("=")
    if not separator:
        raise BadInputError(problem=f"{given}: write LANGUAGE=FILE, for example en=consent.md.")
    try:
        return language, Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(problem=f"{name} cannot be read: {error}") from error
