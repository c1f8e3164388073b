"""manage.py check_rules: which queries of files that should pass a rule set rejects, each with its rules."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from core.text import normalise_query
from curation.intent import DEFAULT_RULE_SET
from curation.services.rule_sets import find_rule_set, profile_of

QUERY_KEYS = ("query", "doc")


class Command(QuarryCommand):
    help = (
        "List the queries of files (one a line, JSON Lines or a JSON array with query or doc) that a rule set rejects."
    )

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--rule-set", default=DEFAULT_RULE_SET, metavar="NAME[@VERSION]")
        parser.add_argument("--project", default="", metavar="SLUG", help="Look for the rule set in this project too.")
        parser.add_argument("--language", default="python", help="Language keyword; empty: none.")
        parser.add_argument("--at-most", type=float, default=100.0, metavar="PERCENT", help="End with status 2 above.")

    def report(self, **options: Any) -> Report:
        project = self.project(options["project"]) if options["project"] else None
        rule_set = find_rule_set(project, options["rule_set"])
        queries = sorted({normalise_query(query) for name in options["files"] for query in _queries(Path(name))})
        judged = profile_of(rule_set).judge_all(queries, language=options["language"])
        rejected = [(query, hits) for query, hits in zip(queries, judged, strict=True) if hits]
        share = 100 * len(rejected) / len(queries) if queries else 0.0
        listed = [f"  {query}: {', '.join(hits)}" for query, hits in rejected]
        if share > options["at_most"]:
            lost = f"{len(rejected)} of {len(queries)} queries ({share:.3f} %) are rejected, more than"
            raise BadInputError(problem=f"{lost} {options['at_most']} %:\n" + "\n".join(listed))
        return Report(
            title=f"{rule_set}: {len(rejected)} of {len(queries):,} distinct queries rejected ({share:.3f} %)",
            data={
                "rule_set": str(rule_set),
                "queries": len(queries),
                "rejected": [{"query": query, "rules": list(hits)} for query, hits in rejected],
                "share": share / 100,
            },
            notes=listed,
        )


def _queries(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(problem=f"{path}: {error}.") from error
    if text.lstrip().startswith("["):
        yield from (_query(path, 1, entry) for entry in _json(path, 1, text))
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("{"):
            yield _query(path, number, _json(path, number, line))
        elif line.strip():
            yield line


def _json(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(problem=f"{path}, line {number}: {error}.") from error


def _query(path: Path, number: int, entry: Any) -> str:
    found = next((entry[key] for key in QUERY_KEYS if key in entry), None) if isinstance(entry, dict) else None
    if not isinstance(found, str):
        raise BadInputError(problem=f"{path}, line {number}: an entry has neither query nor doc.")
    return found
