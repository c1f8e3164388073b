"""Planted private strings come out of no outlet: pages, API, administration, exports, releases, logs, jobs, errors.

Every address that a GET can reach is asked, as each kind of person, found from the address table itself: a new page
or endpoint is in the test without being named. `FILES` lists the outlets that are no addresses; add a new one there.
"""

import io
import logging
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from annotation.services import votes
from annotation.services.batches import open_batch
from annotation.services.leases import fill_lanes
from core.jobs import JobFailedError, create_job, job_kind, run_inline
from core.masking import MaskingFormatter
from core.models import Job, Project, User
from curation.models import BadRow, Code, CodeOccurrence, Query, TextKind
from curation.reading import LogShape
from curation.selectors import pairs_to_open
from curation.selectors.queries import current_rule_set, proposable_queries
from curation.selectors.query_filter import QueryFilter
from curation.services.code import start_ingest_code
from curation.services.logs import start_ingest_log, store_log
from curation.services.privacy import quarantine_texts, start_scan_privacy
from curation.services.queries import export_queries
from curation.services.rules import start_apply_rules
from tests.factories import PairFactory, member

pytestmark = pytest.mark.django_db

# Every planted string holds one of these, and nothing else in the product does.
NEEDLES = (
    "qneedle",
    "uneedle",
    "bneedle",
    "fneedle",
    "dneedle",
    "cneedle",
    "pneedle",
    "rneedle",
    "hneedle",
    "hcneedle",
)
LOG = (
    b"query\tuser\n"
    b"python sort list\tuneedle-anna\n"
    b"python mail qneedle@firm.se\tuneedle-anna\n"
    b"python hneedle of the lab\tuneedle-bob\n"
    b"\xff\xfe bneedle@firm.se\tuneedle-bob\n"
    b"python parse json\tuneedle-bob\n"
)
CODE = '''
def ask():
    """Ask dneedle@firm.se about it, as the manual says."""
    return 1


def connect():
    """Connect to the shop of the firm."""
    return open_url("postgresql://cneedle:s3cr3tpw9@db.firm.se/shop")


def sort_rows(rows):
    """Sort the rows of the table by their keys."""
    return sorted(rows)


def private_later(rows):
    """Sort the rows as hcneedle of the lab wanted it."""
    return sorted(rows)
'''


@pytest.fixture
def planted(project, curator, annotator, tmp_path):
    """A project with a private string in every kind of place, some found by detectors, some held back by hand."""
    start = start_ingest_log(
        project=project, stored=store_log([LOG], name="fneedle@firm.se of May.tsv"), shape=LogShape()
    )
    run_inline(start.job)
    run_inline(start_apply_rules(project=project, rule_set=current_rule_set(project)))
    folder = tmp_path / "code of pneedle@firm.se"
    (folder / "pneedle@firm.se").mkdir(parents=True)
    (folder / "pneedle@firm.se" / "shop.py").write_text(CODE, encoding="utf-8")
    run_inline(start_ingest_code(project=project, spec=str(folder))[1])
    by_hand = project.queries.get(text__contains="hneedle")
    code = Code.objects.get(project=project, name="private_later")
    plain = project.queries.get(text="python sort list")
    pairs = [PairFactory(project=project, query=query, code=code) for query in (by_hand, plain)]
    pairs.append(PairFactory(project=project, query=by_hand, code=Code.objects.get(project=project, name="sort_rows")))
    open_batch(project=project, pairs=pairs, overlap=1)
    # The person holds a pair, has voted on it and said something before anybody noticed that it is private.
    slot = fill_lanes(project=project, person=annotator)[0]
    comment = votes.add_comment(
        project=project, person=annotator, item_id=slot.item_id, text="ask rneedle@firm.se", is_flag=True
    )
    quarantine_texts(
        project=project, kind=TextKind.QUERY, ids=[by_hand.pk], reason="other private text", note="of qneedle@firm.se"
    )
    quarantine_texts(project=project, kind=TextKind.CODE, ids=[code.pk], reason="other private text")
    return SimpleNamespace(project=project, comment=comment, by_hand=by_hand, code=code)


def found_in(text: str) -> list[str]:
    """Needles in a text; the name of a test's folder is none of the product's."""
    return [needle for needle in NEEDLES if needle in text.lower()]


def test_the_strings_are_planted_where_the_test_believes(planted):
    """Without this, an importer that drops everything would pass."""
    project = planted.project
    held = set(project.queries.exclude(quarantine_reason="").values_list("text", flat=True))
    assert held == {"python mail qneedle@firm.se", "python hneedle of the lab"}
    codes = set(Code.objects.filter(project=project).exclude(quarantine_reason="").values_list("name", flat=True))
    assert codes == {"ask", "connect", "private_later"}
    assert project.queries.get(text="python sort list").n_people == 1
    assert project.items.count() == 3
    assert planted.comment.was_masked


# --- what is stored beside the texts ------------------------------------------------------------------------------


def test_what_is_kept_besides_the_texts_is_masked(planted):
    project = planted.project
    log_import = project.log_imports.get()
    assert log_import.name == "[e-mail] of May.tsv"
    assert found_in(" ".join(BadRow.objects.values_list("excerpt", flat=True))) == []
    assert BadRow.objects.count() == 1
    paths = CodeOccurrence.objects.values_list("path", "repository", "source__name")
    assert found_in(str(list(paths))) == []
    assert all("[e-mail]" in path for path, _, _ in paths)
    assert planted.comment.text == "ask [e-mail]"
    assert found_in(str(list(project.privacy_decisions.values_list("note", flat=True)))) == []
    askers = [bytes(one or b"") for one in log_import.counts.values_list("askers", flat=True)]
    assert not any(b"uneedle" in one for one in askers)


def test_a_run_of_the_detectors_keeps_all_of_it(planted):
    before = set(Query.objects.exclude(quarantine_reason="").values_list("pk", flat=True))
    run_inline(start_scan_privacy(project=planted.project))
    assert set(Query.objects.exclude(quarantine_reason="").values_list("pk", flat=True)) == before


# --- addresses ----------------------------------------------------------------------------------------------------

# Addresses that answer no person of the project, or start something else: (part of the address, why).
NOT_ASKED = (("logout", "ends the session"), ("schema", "has no data of a project"), ("jsi18n", "translations"))


def addresses(patterns: Any, before: str = "") -> Iterator[str]:
    """Every address of the table, with its arguments as <names>."""
    for one in patterns:
        whole = before + str(one.pattern).removeprefix("^").removesuffix("$").replace("\\Z", "")
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, whole)
        elif isinstance(one, URLPattern):
            yield whole


def filled_in(address: str, ids: list[int]) -> Iterator[str]:
    """The address with real values for its arguments: each kind of text, and every small number as an id."""
    for kind in ("query", "code") if "kind" in address else ("",):
        filled = re.sub(r"<(?:slug:)?kind>", kind, address)
        filled = re.sub(r"<(?:slug:|str:)?(?:slug|project)>", "demo", filled)
        filled = re.sub(r"<(?:str:|slug:)?username>", "anna", filled)
        numbers = ids if re.search(r"<(?:int|path):?\w*>|<int:\w+>|<path:object_id>", filled) else ids[:1]
        for number in numbers:
            done = re.sub(r"<(?:int|path):\w+>", str(number), filled)
            if "<" not in done and "(?P" not in done:
                yield f"/{done}"


def everything() -> list[str]:
    """All addresses, with the ids of the planted queries and codes and the first of everything else."""
    ids = {1, 2, *Query.objects.values_list("id", flat=True), *Code.objects.values_list("id", flat=True)}
    found = {
        address
        for template in addresses(get_resolver().url_patterns)
        if not any(part in template for part, _ in NOT_ASKED)
        for address in filled_in(template, sorted(ids))
    }
    return sorted(found)


def text_of(response: Any) -> str:
    data = b"".join(response.streaming_content) if response.streaming else response.content
    return data.decode("utf-8", "replace") + str(response.headers)


@pytest.mark.parametrize("who", ["curator", "annotator", "reader", "administrator"])
def test_no_address_shows_what_is_planted(planted, who):
    person = {
        "curator": lambda: User.objects.get(username="cora"),
        "annotator": lambda: User.objects.get(username="anna"),
        "reader": lambda: member(planted.project, "reader", username="rita"),
        "administrator": lambda: User.objects.create_superuser(username="root1", password="x"),
    }[who]()
    client = Client(raise_request_exception=False)
    client.force_login(person)
    asked, leaks, broken = 0, {}, []
    for address in everything():
        if address.startswith("/admin/") != (who == "administrator"):
            continue  # the administration opens for administrators alone, who see pages as curators do
        response = client.get(address)
        if response.status_code in {404, 405}:
            continue
        asked += 1
        if response.status_code >= 500 and response.status_code != 503:
            broken.append(address)
        if needles := found_in(text_of(response)):
            leaks[address] = needles
    assert leaks == {}
    assert broken == []
    assert asked > 40


SEARCHES = [
    ("/p/demo/queries/", {"text": "{needle}"}),
    ("/p/demo/queries/", {"verdict": "quarantined"}),
    ("/p/demo/queries/", {"reason": "other private text"}),
    ("/p/demo/code/functions/", {"q": "{needle}"}),
    ("/p/demo/code/functions/", {"state": "quarantined"}),
    ("/api/v1/projects/demo/queries/", {"text": "{needle}"}),
    ("/api/v1/projects/demo/codes/", {"q": "{needle}"}),
    ("/admin/curation/query/", {"q": "{needle}"}),
    ("/admin/curation/code/", {"q": "{needle}"}),
]


def test_no_search_tells_that_a_private_text_holds_a_word(planted, admin_client):
    """The answer to a search for a private word is the answer to a search for a word that nothing holds."""

    def answer(address, params, word):
        given = {name: value.format(needle=word) for name, value in params.items()}
        text = admin_client.get(address, given).content.decode().replace(word, "WORD")
        return re.sub(r"[A-Za-z0-9]{64}|nonce-[^'\"; ]*", "", text)  # tokens of the forms

    for address, params in SEARCHES:
        if "{needle}" not in str(params):
            assert found_in(answer(address, params, "zneedle")) == [], address
            continue
        nothing = answer(address, params, "zneedle")
        for needle in ("qneedle", "hneedle", "dneedle"):
            assert answer(address, params, needle) == nothing, (address, needle)


# --- outlets that are no addresses --------------------------------------------------------------------------------


def exported(planted: Any, file_format: str) -> str:
    project = planted.project
    pieces = export_queries(
        project=project, rule_set=current_rule_set(project), wanted=QueryFilter(), file_format=file_format
    )
    return "".join(pieces)


def commanded(*words: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command(*words, stdout=out, stderr=err)
    return out.getvalue() + err.getvalue()


FILES: dict[str, Callable[[Any], str]] = {
    "export of queries, CSV": lambda planted: exported(planted, "csv"),
    "export of queries, JSON Lines": lambda planted: exported(planted, "jsonl"),
    "queries that may be proposed": lambda planted: str([query.text for query in proposable_queries(planted.project)]),
    "jobs: titles, notes, results, errors": lambda planted: str(
        list(Job.objects.values_list("title", "progress_note", "result", "error"))
    ),
    "pairs to open": lambda planted: str(
        [(pair.query.text, pair.code.text) for pair in pairs_to_open(planted.project)]
    ),
    "command quarantine": lambda planted: commanded("quarantine", "--project=demo"),
    "command quarantine, JSON": lambda planted: commanded("quarantine", "--project=demo", "--json"),
    "command scan_privacy": lambda planted: commanded("scan_privacy", "--project=demo"),
    "command apply_rules": lambda planted: commanded("apply_rules", "--project=demo", "--json"),
    "command jobs": lambda planted: commanded("jobs"),
}


def test_no_file_or_command_holds_what_is_planted(planted):
    texts = {outlet: write(planted) for outlet, write in FILES.items()}
    assert {outlet: found_in(text) for outlet, text in texts.items() if found_in(text)} == {}
    assert all(texts.values())


def test_the_pair_in_hand_is_taken_away_and_the_next_one_is_free_of_it(planted, annotator):
    held = [slot.item for slot in fill_lanes(project=planted.project, person=annotator)]
    assert not any(item.is_held_back for item in held)


@job_kind("tests.private_crash")
def private_crash(run: Any) -> None:
    """Breaks the way a database does: with the row in the message."""
    raise ValueError("duplicate key: (project, text) = (1, python mail qneedle@firm.se)")


def test_crashes_leave_no_private_text_in_logs_or_job_errors(project, caplog):
    job = create_job(kind="tests.private_crash", title="for qneedle@firm.se", params={}, project=project)
    with caplog.at_level(logging.INFO), pytest.raises(JobFailedError) as failure:
        run_inline(job)
    job.refresh_from_db()
    assert found_in(f"{job.title} {job.error} {failure.value}") == []
    assert "[e-mail]" in job.error
    assert caplog.records
    lines = [MaskingFormatter("%(message)s").format(record) for record in caplog.records]
    assert found_in("\n".join(lines)) == []
    assert "[e-mail]" in "\n".join(lines)


def test_the_console_masks_every_line(settings):
    assert settings.LOGGING["formatters"]["line"]["()"] == "core.masking.MaskingFormatter"
    assert settings.LOGGING["handlers"]["console"]["formatter"] == "line"


def test_a_private_query_of_another_person_is_no_part_of_an_error_page(planted, curator_client):
    for address in ("/p/demo/queries/?verdict=qneedle", "/p/demo/quarantine/query/?reason=hneedle"):
        response = curator_client.get(address.replace("qneedle", "x").replace("hneedle", "x"))
        assert response.status_code == 400
        assert found_in(text_of(response)) == []
    assert Project.objects.count() == 1
