"""The funnel of a project adds up: from the lines of a log to the queries that got a pair, nothing goes missing."""

import re

import pytest

from core.jobs import run_inline
from core.overview import overview_of
from curation.selectors import proposable_queries
from curation.services.candidates import start_propose_pairs
from curation.services.logs import start_ingest_log, store_log
from tests.factories import CodeFactory

pytestmark = pytest.mark.django_db

LOG = "\n".join(
    [
        *(f"python sort list by {word}" for word in ("name", "size", "date", "key", "value", "length")),
        *(["python read csv file", "python open socket"] * 2),
        "what is python",
        "",
        "java read file",
        "python mail anna@example.org",
    ]
)


def ingest(project, text):
    run_inline(start_ingest_log(project=project, stored=store_log([text.encode()], name="log.txt")).job)


def funnel(project):
    """{stage: (value, {branch: value})}."""
    stages = overview_of(project).stages
    return {stage.key: (stage.value, {branch.label: branch.value for branch in stage.branches}) for stage in stages}


def propose(project):
    run_inline(start_propose_pairs(project=project, encoder="hashing", threshold=0.5, cap=2)[1])


def test_every_stage_is_the_next_stage_and_its_branches(project):
    ingest(project, LOG)
    CodeFactory(project=project, name="sort_list", docstring="Sort list by key with python")
    CodeFactory(project=project, name="private", quarantine_reason="e-mail")
    left_out = proposable_queries(project).get(text="python open socket")
    left_out.is_left_out = True
    left_out.save()
    propose(project)
    ingest(project, "python walk a folder\n")
    stages = funnel(project)
    lines, at_lines = stages["lines"]
    queries, at_queries = stages["queries"]
    wanted, at_wanted = stages["intent"]
    pairs, at_pairs = stages["pairs"]
    assert lines == queries + sum(at_lines.values()) == 15
    assert queries == wanted + sum(at_queries.values()) == 12
    assert wanted == pairs + sum(at_wanted.values()) == 9
    assert at_wanted["left out by a curator"] == 1
    assert at_wanted["not in the last candidate run"] == 1
    assert at_pairs["code functions to pair"] == 1


def test_every_number_of_the_funnel_opens_a_page(project, curator_client):
    ingest(project, LOG)
    CodeFactory(project=project, docstring="Sort list by key with python")
    propose(project)
    page = curator_client.get(f"/p/{project.slug}/").content.decode()
    shown = page[page.index('class="funnel"') : page.index("</ol>", page.index('class="funnel"'))]
    links = [link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', shown)]
    assert len(links) >= 8
    assert {link: curator_client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
