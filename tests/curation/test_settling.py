"""What a project leaves out of its code: licences and near duplicates, across its sources, and back again."""

import pytest

from core.errors import BadInputError, ConflictError
from core.jobs import run_inline
from core.models import Job
from curation.models import Code, CodeOccurrence, CodeSource
from curation.selectors import licences_of, proposable_codes
from curation.selectors.code import browse_codes, code_funnel, licence_counts, near_duplicate_groups
from curation.services.code import start_ingest_code
from curation.services.code_settling import set_code_settings, start_find_near_duplicates
from tests.factories import PairFactory, QueryFactory

pytestmark = pytest.mark.django_db

MIT = "Permission is hereby granted, free of charge, to any person"
GPL = "GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007"


def code(name, doc="Read the rows of a file.", extra=""):
    return (
        f'def {name}(path, limit):\n    """{doc}"""\n    rows = []\n    with open(path) as file:\n'
        f"        for line in file:\n            if len(rows) < limit:\n                rows.append(line.strip())\n"
        f"{extra}    return rows\n"
    )


OTHER = (
    'def area(points):\n    """Compute the area of a polygon."""\n    total = 0\n'
    "    for (x1, y1), (x2, y2) in zip(points, points[1:]):\n        total += x1 * y2 - x2 * y1\n    return total / 2\n"
)


def source_of(tmp_path, name, licence="", **files):
    root = tmp_path / name
    root.mkdir()
    for file, text in files.items():
        (root / f"{file}.py").write_text(text)
    if licence:
        (root / "LICENSE").write_text(licence)
    return root


def ingest(project, root, **options):
    source, job = start_ingest_code(project=project, spec=str(root), **options)
    run_inline(job)
    source.refresh_from_db()
    return source


def settle(project):
    job = run_inline(start_find_near_duplicates(project=project))
    return job.result


def test_near_duplicates_are_found_across_sources_and_name_the_kept_one(project, tmp_path):
    first = ingest(project, source_of(tmp_path, "one", a=code("read_rows"), b=OTHER))
    second = ingest(project, source_of(tmp_path, "two", a=code("read_rows", "Get lines from the file.")))
    dropped = Code.objects.get(project=project, filter_reason="near duplicate")
    kept = dropped.near_duplicate_of
    assert dropped.near_duplicate_score == 1.0  # only the documentation differs
    assert kept.content_hash < dropped.content_hash
    assert not dropped.is_paired
    assert kept.is_paired
    assert {code.name for code in proposable_codes(project)} == {"read_rows", "area"}
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.counts.get("near duplicate", 0) + second.counts.get("near duplicate", 0) == 1
    assert first.n_functions == sum(first.counts.values()) == 2
    assert [group.n_alike for group in near_duplicate_groups(project)] == [1]
    assert set(browse_codes(project, group=kept.pk)) == {kept, dropped}


def test_judged_code_is_kept_whatever_its_hash(project, tmp_path):
    ingest(project, source_of(tmp_path, "one", a=code("read_rows")))
    judged = Code.objects.get(project=project)
    PairFactory(project=project, query=QueryFactory(project=project), code=judged)
    for number in range(5):
        ingest(project, source_of(tmp_path, f"s{number}", a=code("read_rows", f"Read at most {number} of the rows.")))
    judged.refresh_from_db()
    assert judged.is_paired
    assert set(Code.objects.exclude(pk=judged.pk).values_list("near_duplicate_of", flat=True)) == {judged.pk}


def test_private_code_is_not_kept_in_place_of_what_may_be_shown(project, tmp_path):
    private = code("read_rows", extra='    who = "anna.b@example-firm.com"\n')
    ingest(project, source_of(tmp_path, "one", a=private, b=code("read_rows", extra='    who = "nobody at all"\n')))
    assert [code.quarantine_reason for code in Code.objects.filter(is_paired=True)] == [""]


def test_a_code_base_that_was_chosen_one_by_one_stays_whole(project, tmp_path):
    import json

    base = tmp_path / "code_idx_map.txt"
    base.write_text(json.dumps({code("read_rows"): 0, code("read_rows", "Another text about it."): 1}))
    ingest(project, base)
    assert proposable_codes(project).count() == 2


def test_another_threshold_takes_codes_back(project, tmp_path):
    changed = code("read_rows", extra="    rows.sort()\n    rows.reverse()\n")
    ingest(project, source_of(tmp_path, "one", a=code("read_rows"), b=changed))
    set_code_settings(project=project, near_duplicate_threshold=0.6)
    assert settle(project)["near_duplicates"] == 1
    source = CodeSource.objects.get()
    assert source.counts == {"kept": 1, "near duplicate": 1}
    set_code_settings(project=project, near_duplicate_threshold=0.99)
    assert settle(project)["near_duplicates"] == 0
    source.refresh_from_db()
    assert source.counts == {"kept": 2}
    assert not Code.objects.filter(near_duplicate_of__isnull=False).exists()


def test_settling_twice_changes_nothing(project, tmp_path):
    ingest(project, source_of(tmp_path, "one", a=code("read_rows"), b=code("read_rows", "Get all the lines of it.")))
    before = list(Code.objects.order_by("id").values()), list(CodeOccurrence.objects.order_by("id").values())
    settle(project)
    assert (list(Code.objects.order_by("id").values()), list(CodeOccurrence.objects.order_by("id").values())) == before


def test_a_licence_left_out_takes_code_out_unless_it_stands_elsewhere(project, tmp_path):
    ingest(project, source_of(tmp_path, "free", MIT, a=OTHER))
    source = ingest(project, source_of(tmp_path, "copyleft", GPL, a=OTHER, b=code("read_rows")))
    assert [(row["licence"], row["n"]) for row in licence_counts(project)] == [("GPL-3.0-only", 2), ("MIT", 1)]
    set_code_settings(project=project, left_out_licences=["GPL-3.0-only"])
    assert settle(project)["left_out_by_licence"] == 1
    assert [one.name for one in proposable_codes(project)] == ["area"]
    source.refresh_from_db()
    assert source.counts == {"kept": 1, "licence": 1}
    assert [(step["reason"], step["left"]) for step in code_funnel(source)] == [("licence", 1)]
    set_code_settings(project=project, left_out_licences=[])
    settle(project)
    assert proposable_codes(project).count() == 2


def test_what_is_left_out_by_licence_does_not_keep_near_duplicates_away(project, tmp_path):
    set_code_settings(project=project, left_out_licences=["GPL-3.0-only"])
    ingest(project, source_of(tmp_path, "copyleft", GPL, a=code("read_rows")))
    ingest(project, source_of(tmp_path, "free", MIT, a=code("read_rows", "Get all the lines of it.")))
    assert [one.docstring for one in proposable_codes(project)] == ["Get all the lines of it."]


def test_releases_can_ask_for_licences(project, tmp_path):
    ingest(project, source_of(tmp_path, "free", MIT, a=OTHER))
    ingest(project, source_of(tmp_path, "copyleft", GPL, a=OTHER))
    ingest(project, source_of(tmp_path, "unknown", a=code("read_rows")))
    found = {
        Code.objects.get(pk=pk).name: licences
        for pk, licences in licences_of(Code.objects.values_list("pk", flat=True)).items()
    }
    assert found == {"area": ["GPL-3.0-only", "MIT"], "read_rows": [""]}


def test_a_stated_licence_holds_where_the_source_states_none(project, tmp_path):
    source = ingest(project, source_of(tmp_path, "one", a=OTHER), licence="MIT License")
    assert source.licence == "MIT"
    assert source.occurrences.get().licence == "MIT"


def test_bad_settings_are_refused(project):
    with pytest.raises(BadInputError, match=r"between 0\.5 and 1"):
        set_code_settings(project=project, near_duplicate_threshold=0.2)


def test_one_search_at_a_time(project):
    start_find_near_duplicates(project=project)
    with pytest.raises(ConflictError, match="already"):
        start_find_near_duplicates(project=project)
    assert Job.objects.count() == 1
