"""Freezing, exporting, publishing and withdrawing releases."""

import csv
import hashlib
import io
import json
from fractions import Fraction

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from annotation.agreement import alpha
from annotation.criteria import ReleaseCriteria, read_criteria
from annotation.exporters import FORMATS, spreadsheet_cell
from annotation.models import ImportedLabel, RaterKind, Release, ReleaseState, Vote
from annotation.selectors import release_folder
from annotation.services.releases import (
    EmptyReleaseError,
    ReleaseGoneError,
    publish_release,
    start_export_release,
    start_freeze_release,
    verify_files,
    withdraw_release,
)
from core.db import consistent_reads
from core.errors import BadInputError, ConflictError, NotFoundError
from core.jobs import JobFailedError, run_inline
from core.models import Project
from curation.models import CodeOccurrence, CodeSource
from tests.annotation.judged import judge, judged_project
from tests.factories import CodeFactory, PairFactory, QueryFactory, member

PATTERNS = ["111", "000", "110", "11110", "00", "nn1", "11c1", "10n", "000", "111", "11100", "qqq"] * 5
DATA_FILES = {
    *(f"cosqa-{task}-{split}.json" for task in ("qa", "retrieval") for split in ("train", "dev", "test")),
    *("code_idx_map.txt", "pairs.jsonl", "votes.jsonl", "README.md", "statistics.json", "manifest.json"),
}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _home(settings, tmp_path):
    settings.QUARRY_HOME = tmp_path


def freeze(project: Project, name: str = "v1", **criteria) -> Release:
    release, job = start_freeze_release(project=project, name=name, criteria=read_criteria(**criteria), inline=True)
    run_inline(job)
    release.refresh_from_db()
    return release


def rows(release: Release, path: str):
    return [json.loads(line) for line in (release_folder(release) / path).read_text().splitlines()]


def test_a_release_holds_the_pairs_that_pass_and_says_why_the_others_do_not(project):
    judged_project(project, PATTERNS)
    release = freeze(project)
    assert release.state == ReleaseState.DRAFT
    assert release.stats["pairs"] == 30
    assert release.stats["removed"] == {
        "below_share": 10,
        "no_intent": 5,
        "too_few_votes": 10,
        "unresolved": 5,
    }
    labels = [row["label"] for row in rows(release, "pairs.jsonl")]
    assert (labels.count(1), labels.count(0)) == (20, 10)
    assert {path.name for path in release_folder(release).iterdir()} == DATA_FILES | {"envelope.json"}


def test_agreement_before_filtering_can_be_computed_again_from_the_release(project):
    judged_project(project, PATTERNS)
    facts = json.loads((release_folder(freeze(project)) / "statistics.json").read_text())
    before = {(zeros, ones): n for zeros, ones, n in facts["votes_before"]}
    assert alpha(before).value == pytest.approx(facts["agreement"]["answer"]["alpha"], abs=1e-6)
    assert facts["agreement"]["answer"]["alpha"] < facts["agreement"]["answer_kept"]["alpha"]


def test_two_names_for_the_same_state_have_the_same_bytes_except_for_the_envelope(project):
    judged_project(project, PATTERNS, codes_shared_by=2)
    first, second = freeze(project, "v1"), freeze(project, "another.name")
    assert first.content_sha256 == second.content_sha256
    for path in DATA_FILES:
        assert (release_folder(first) / path).read_bytes() == (release_folder(second) / path).read_bytes(), path
    assert "another.name" in (release_folder(second) / "envelope.json").read_text()


def test_one_more_vote_or_another_seed_gives_another_hash(project):
    judged_project(project, PATTERNS)
    first = freeze(project, "v1")
    assert freeze(project, "v2", seed=1).content_sha256 != first.content_sha256
    judge(project, PairFactory(project=project), "111")
    assert freeze(project, "v3").content_sha256 != first.content_sha256


def test_payload_holds_no_clock_name_id_or_secret(project):
    project.title = "A title nobody else has"
    project.save()
    judged_project(project, PATTERNS)
    release = freeze(project, "a-very-own-name")
    payload = b"".join((release_folder(release) / path).read_bytes() for path in DATA_FILES)
    for text in (release.name, project.slug + "/", project.title, project.secret, "simulated-0", "created_at"):
        assert text.encode() not in payload, text


def test_recorded_hashes_are_those_of_the_files_and_the_manifest_lists_them(project):
    judged_project(project, PATTERNS)
    release = freeze(project)
    folder = release_folder(release)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {file["path"] for file in manifest["files"]} == DATA_FILES - {"manifest.json"}
    for file in manifest["files"]:
        assert hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert release.content_sha256 == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert verify_files(release) == []
    (folder / "pairs.jsonl").write_text("changed")
    assert verify_files(release) == ["pairs.jsonl"]


def test_cosqa_files_have_cosqas_keys_and_the_code_base_numbers_them(project):
    judged_project(project, ["111", "000", "111", "000"] * 10, codes_shared_by=2)
    release = freeze(project)
    folder = release_folder(release)
    code_base = json.loads((folder / "code_idx_map.txt").read_text())
    assert sorted(code_base.values()) == list(range(len(code_base))) == list(range(20))
    for split in ("train", "dev", "test"):
        qa = json.loads((folder / f"cosqa-qa-{split}.json").read_text())
        retrieval = json.loads((folder / f"cosqa-retrieval-{split}.json").read_text())
        assert [list(row) for row in qa] == [["idx", "doc", "code", "code_tokens", "docstring_tokens", "label"]] * len(
            qa
        )
        assert all(code_base[row["code"]] == row["retrieval_idx"] for row in retrieval)
        assert {row["label"] for row in retrieval} == ({0, 1} if split == "train" else {1})
        assert len(qa) == release.stats["statistics"]["splits"][split]["pairs"]
    row = json.loads((folder / "cosqa-qa-train.json").read_text())[0]
    assert "Sort the items" not in row["code_tokens"]
    assert row["docstring_tokens"] == "Sort the items in place ."
    assert row["code_tokens"].startswith("def sort_")


def test_no_query_or_code_stands_in_two_splits(project):
    judged_project(project, ["111", "000"] * 30, codes_shared_by=3)
    found: dict[str, set[str]] = {}
    for row in rows(freeze(project), "pairs.jsonl"):
        for key in (row["query_hash"], row["code_hash"]):
            found.setdefault(key, set()).add(row["split"])
    assert all(len(splits) == 1 for splits in found.values())


def test_pilot_votes_retracted_votes_and_quarantined_pairs_stay_out(project):
    items = judged_project(project, ["111"] * 4)
    items[0].batch = project.batches.create(name="pilot", is_pilot=True)
    items[0].save()
    Vote.objects.filter(item=items[1]).update(retracted_at="2026-01-01T00:00:00Z")
    items[2].query.quarantine_reason = "e-mail address"
    items[2].query.save()
    release = freeze(project, dev="0", test="0")
    assert [row["query"] for row in rows(release, "pairs.jsonl")] == [items[3].query.text]


def test_items_set_aside_are_not_released(project):
    items = judged_project(project, ["111", "111"])
    items[0].is_set_aside = True
    items[0].save()
    assert freeze(project, dev="0", test="0").stats["removed"] == {"set_aside": 1}


def test_only_votes_of_people_who_agreed_are_published_under_changing_pseudonyms(project):
    pair = PairFactory(project=project)
    item = judge(project, pair, "111", kind=RaterKind.HUMAN)
    people = [vote.person for vote in item.votes.order_by("id")]
    people[1].publishes_votes = True
    people[1].save()
    judge(project, PairFactory(project=project), "000")
    release = freeze(project, dev="0", test="0")
    votes = rows(release, "votes.jsonl")
    assert [vote["answer"] for vote in votes].count(1) == 1
    assert len(votes) == 4
    assert {vote["rater"] for vote in votes} == {"r1", "r2", "r3", "r4"}
    assert release.stats["votes"] == {"on_kept_pairs": 6, "published": 4, "raters": {"human": 3, "simulated": 3}}


def test_people_agree_to_publication_in_their_account(annotator, annotator_client):
    assert not annotator.publishes_votes
    annotator_client.post(reverse("core:consent"), {"agrees": "on", "publishes": "yes"})
    annotator.refresh_from_db()
    assert annotator.publishes_votes


def test_pseudonyms_cannot_be_linked_between_releases(project):
    judged_project(project, ["111111"] * 2)
    ranks = set()
    for seed in range(8):
        release = freeze(project, f"v{seed}", dev="0", test="0", seed=seed)
        Vote.objects.filter(person__username="simulated-0").update(answer=1, reason="full")
        own = [vote["rater"] for vote in rows(release, "votes.jsonl") if vote["reason"] == "full"]
        ranks.update(own)
    assert len(ranks) > 1


def test_imported_labels_are_released_under_a_rule_of_their_own_and_not_in_alpha(project):
    judged_project(project, ["111", "000", "110"])
    for label in (1, 0):
        ImportedLabel.objects.create(pair=PairFactory(project=project), source="elsewhere", label=label)
    torn = PairFactory(project=project)
    for source, label in (("a", 1), ("b", 0)):
        ImportedLabel.objects.create(pair=torn, source=source, label=label)
    release = freeze(project, dev="0", test="0")
    assert release.stats["statistics"]["origins"] == {"imported": 2, "votes": 2}
    assert release.stats["removed"] == {"below_share": 1, "imported_conflict": 1}
    assert release.stats["agreement"]["answer"]["n"] == 9
    without = freeze(project, "v2", dev="0", test="0", include_imported=False)
    assert without.stats["pairs"] == 2


def test_votes_overrule_an_imported_label(project):
    item = judged_project(project, ["000"])[0]
    ImportedLabel.objects.create(pair=item.pair, source="elsewhere", label=1)
    row = rows(freeze(project, dev="0", test="0"), "pairs.jsonl")[0]
    assert (row["label"], row["origin"]) == (0, "votes")


def test_provenance_of_a_code_is_released(project):
    item = judged_project(project, ["111"])[0]
    source = CodeSource.objects.create(project=project, kind="package", name="lists")
    CodeOccurrence.objects.create(
        code=item.pair.code, source=source, path="lists/sort.py", start_line=3, end_line=9, licence="MIT",
        qualified_name="lists.sort",
    )  # fmt: skip
    release = freeze(project, dev="0", test="0")
    place = rows(release, "pairs.jsonl")[0]["provenance"][0]
    assert (place["path"], place["start_line"], place["licence"]) == ("lists/sort.py", 3, "MIT")
    assert release.stats["statistics"]["licences"] == {"MIT": 1}


def test_code_that_stands_under_left_out_licences_alone_is_not_released(project, curator_client):
    first, second, third = [item.pair.code for item in judged_project(project, ["111"] * 3)]
    source = CodeSource.objects.create(project=project, kind="package", name="lists")
    for code, licence in [(first, "GPL-3.0"), (second, "GPL-3.0"), (second, "MIT"), (third, "")]:
        CodeOccurrence.objects.create(code=code, source=source, path=f"{licence}.py", licence=licence)
    release = freeze(project, dev="0", test="0", left_out_licences=["GPL-3.0"])
    assert {row["code_hash"] for row in rows(release, "pairs.jsonl")} == {second.content_hash, third.content_hash}
    assert release.stats["removed"] == {"licence": 1}
    assert ReleaseCriteria.from_dict(release.criteria).left_out_licences == ("GPL-3.0",)
    form = {"name": "v2", "keep": "majority", "min_votes": 3, "min_share": "3/4", "dev": "0", "test": "0"}
    form |= {"split_by": "group", "seed": "0", "left_out_licences": ["GPL-3.0", "not stated"]}
    assert curator_client.post(f"/p/{project.slug}/releases/", form).status_code == 302
    assert project.releases.get(name="v2").criteria["left_out_licences"] == ["", "GPL-3.0"]


def test_the_card_has_front_matter_that_parses_and_names_existing_files(project):
    judged_project(project, PATTERNS)
    release = freeze(project)
    text = (release_folder(release) / "README.md").read_text()
    meta = yaml.safe_load(text.split("---\n")[1])
    assert meta["language"] == ["en"]
    assert meta["size_categories"] == ["n<1K"]
    assert meta["annotations_creators"] == ["machine-generated"]
    paths = {file["path"] for config in meta["configs"] for file in config["data_files"]}
    assert paths <= DATA_FILES
    assert "Simulated raters are programs" in text
    assert "This figure is selected" in text


def test_a_release_without_pairs_is_refused_with_what_each_rule_would_keep(project):
    judged_project(project, ["110", "100", "nnn"])
    with pytest.raises(EmptyReleaseError, match=r"2/3 keeps 2.*all votes the same keeps 0") as refused:
        freeze(project)
    assert refused.value.status == 422
    assert not project.releases.exists()


def test_a_project_without_votes_is_refused(project):
    with pytest.raises(EmptyReleaseError, match="no votes"):
        freeze(project)


def test_a_split_that_cannot_have_its_size_fails_the_job_and_frees_the_name(project):
    judged_project(project, ["111"] * 30, codes_shared_by=30)
    with pytest.raises(JobFailedError, match="hang together"):
        freeze(project, dev="10", test="10")
    assert freeze(project, dev="0", test="0").state == ReleaseState.DRAFT
    assert not list((release_folder(project.releases.get()).parent.parent / "tmp").iterdir())


def test_a_name_is_used_once_and_must_be_plain(project):
    judged_project(project, ["111"])
    freeze(project, dev="0", test="0")
    with pytest.raises(ConflictError):
        freeze(project, dev="0", test="0")
    for name in ("../v1", "a/b", "", ".hidden", "x" * 61, "a\x00b"):
        with pytest.raises(BadInputError):
            freeze(project, name, dev="0", test="0")


def test_freezing_a_second_time_changes_nothing(project):
    judged_project(project, ["111"])
    release = freeze(project, dev="0", test="0")
    job = release.job
    job.state, job.owner_token = "queued", ""
    job.save()
    before = release.content_sha256
    assert run_inline(job).result["content_sha256"] == before


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_exported_into_the_folder(project, tmp_path, format):
    judged_project(project, PATTERNS)
    release = freeze(project)
    job = run_inline(start_export_release(release=release, format=format, folder=str(tmp_path / "out"), inline=True))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {file["path"] for file in job.result["files"]} != set()


def test_csv_cells_that_begin_like_formulas_are_escaped_and_others_are_not(project, tmp_path):
    query = QueryFactory(project=project, text="=HYPERLINK(1) python")
    judge(project, PairFactory(project=project, query=query), "111")
    release = freeze(project, dev="0", test="0")
    run_inline(start_export_release(release=release, format="csv", folder=str(tmp_path), inline=True))
    row = next(csv.DictReader(io.StringIO((tmp_path / "pairs.csv").read_text())))
    assert row["query"] == "'=HYPERLINK(1) python"
    assert rows(release, "pairs.jsonl")[0]["query"] == "=HYPERLINK(1) python"
    assert [spreadsheet_cell(text) for text in ("+1", "-1", "@a", "\tb", "a=b", None, 3)] == [
        *("'+1", "'-1", "'@a", "'\tb", "a=b", "", "3")
    ]


def test_export_refuses_unknown_formats_and_unwritable_folders(project, tmp_path):
    judged_project(project, ["111"])
    release = freeze(project, dev="0", test="0")
    with pytest.raises(BadInputError, match="cosqa-qa"):
        start_export_release(release=release, format="xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(JobFailedError, match="Cannot write"):
        run_inline(
            start_export_release(release=release, format="jsonl", folder=str(tmp_path / "file" / "x"), inline=True)
        )


def test_a_published_release_is_withdrawn_with_a_reason_and_leaves_a_tombstone(project):
    judged_project(project, ["111"])
    release = freeze(project, dev="0", test="0")
    publish_release(release=release)
    with pytest.raises(ConflictError):
        publish_release(release=release)
    with pytest.raises(BadInputError):
        withdraw_release(release=release, reason=" ")
    withdraw_release(release=release, reason="A rater took back their consent.")
    assert not release_folder(release).exists()
    assert release.files.count() == len(DATA_FILES) + 1
    with pytest.raises(ReleaseGoneError, match="consent"):
        start_export_release(release=release, format="jsonl")


def test_criteria_survive_their_json():
    criteria = read_criteria(keep="alpha-u", min_alpha_u="0.2", dev="604", test="5%", seed="7", split_by="code")
    assert ReleaseCriteria.from_dict(json.loads(json.dumps(criteria.to_dict()))) == criteria
    assert criteria.rule.min_alpha_u == Fraction(1, 5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("keep", "most"),
        ("min_share", "2"),
        ("min_share", "1/0"),
        ("min_share", "1/3"),
        ("min_votes", "0"),
        ("min_votes", "three"),
        ("dev", "1.5"),
        ("dev", "-3"),
        ("test", "half"),
        ("split_by", "time"),
        ("seed", "-1"),
    ],
)
def test_criteria_that_make_no_sense_are_refused_by_field(field, value):
    with pytest.raises(BadInputError) as refused:
        read_criteria(**{field: value})
    assert refused.value.fields["field"] == field


def test_the_commands_freeze_and_export_as_told(project, tmp_path, capsys):
    judged_project(project, PATTERNS)
    call_command("freeze_release", "--project", "demo", "--name", "v1", "--json")
    frozen = json.loads(capsys.readouterr().out)
    assert (frozen["pairs"], frozen["release"]) == (30, "demo/v1")
    call_command("export_release", "demo/v1", "--format", "votes-long", "--to", str(tmp_path / "out"))
    assert "votes.csv" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ["freeze_release", "--project", "demo", "--name", "v1"],
        ["freeze_release", "--project", "nobody", "--name", "v1"],
        ["freeze_release", "--project", "demo", "--name", "../v1"],
        ["freeze_release", "--project", "demo", "--name", "v1", "--keep", "most"],
        ["export_release", "demo/v9", "--format", "csv", "--to", "x"],
        ["export_release", "demo", "--format", "csv", "--to", "x"],
    ],
)
def test_commands_end_with_status_2_and_one_line_on_bad_input(project, capsys, command):
    with pytest.raises(SystemExit) as ended:
        call_command(*command)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


# --- pages -----------------------------------------------------------------------------------------------


@pytest.fixture
def release(project) -> Release:
    judged_project(project, PATTERNS)
    return freeze(project)


def test_the_pages_show_list_release_and_form(curator_client, release):
    page = curator_client.get("/p/demo/releases/").content.decode()
    assert "v1" in page
    assert 'name="min_share"' in page
    page = curator_client.get("/p/demo/releases/v1/").content.decode()
    assert release.content_sha256 in page
    assert "Train on this" in page or "modeling" not in page
    assert "How the labels came to be" in page


def test_the_form_queues_a_freeze_and_shows_errors_beside_their_field(project, curator_client):
    judged_project(project, ["111"] * 3)
    form = {"name": "v1", "keep": "majority", "min_votes": "3", "min_share": "3/4", "dev": "0", "test": "0"}
    form |= {"split_by": "group", "seed": "0"}
    assert curator_client.post("/p/demo/releases/", form).status_code == 302
    assert project.releases.get().job.state == "queued"
    refused = curator_client.post("/p/demo/releases/", form | {"min_share": "7"})
    assert refused.status_code == 422
    assert "min_share is a share" in refused.content.decode()
    assert "already has a release" in curator_client.post("/p/demo/releases/", form).content.decode()


def test_files_are_downloads_that_browsers_do_not_show(curator_client, release):
    file = release.files.get(path="pairs.jsonl")
    answer = curator_client.get(f"/p/demo/releases/v1/files/{file.pk}/")
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert hashlib.sha256(b"".join(answer.streaming_content)).hexdigest() == file.sha256


def test_a_path_that_leads_out_of_the_folder_is_not_followed(curator_client, release, tmp_path):
    (tmp_path / "secret_key").write_text("do not read")
    file = release.files.get(path="pairs.jsonl")
    for path in ("../../secret_key", str(tmp_path / "secret_key"), "..", "none.txt"):
        release.files.filter(pk=file.pk).update(path=path)
        assert curator_client.get(f"/p/demo/releases/v1/files/{file.pk}/").status_code == 404
        assert curator_client.get(f"/api/v1/projects/demo/releases/v1/files/{file.pk}/").status_code == 404
    for address in ("/p/demo/releases/..%2Fv1/", "/p/demo/releases/v1/files/..%2F1/", "/p/demo/releases/%00/"):
        assert curator_client.get(address).status_code == 404


def status(client: Client, address: str) -> int:
    """The status of an answer, which is read to its end."""
    answer = client.get(address)
    if answer.streaming:
        b"".join(answer.streaming_content)
    return answer.status_code


def test_strangers_find_nothing_and_readers_only_what_is_published(project, release, stranger_client, annotator_client):
    file = release.files.first()
    reader = Client()
    reader.force_login(member(project, "reader", username="rita"))
    addresses = [
        "/p/demo/releases/v1/",
        f"/p/demo/releases/v1/files/{file.pk}/",
        "/api/v1/projects/demo/releases/v1/",
        f"/api/v1/projects/demo/releases/v1/files/{file.pk}/",
    ]
    lists = ["/p/demo/releases/", "/p/demo/agreement/", "/api/v1/projects/demo/agreement/"]
    for address in addresses + lists:
        assert stranger_client.get(address).status_code == 404
        assert annotator_client.get(address).status_code == 403
    assert [status(reader, address) for address in addresses] == [404] * 4
    assert [status(reader, address) for address in lists] == [200] * 3
    publish_release(release=release)
    assert [status(reader, address) for address in addresses] == [200] * 4
    assert reader.post("/p/demo/releases/v1/change/", {"act": "withdraw", "reason": "x"}).status_code == 403
    assert reader.post("/api/v1/projects/demo/releases/", {}).status_code == 403
    assert reader.get("/p/demo/agreement/pairs/").status_code == 403


def test_publish_export_and_withdraw_from_the_page(curator_client, release):
    for act in ({"act": "publish"}, {"act": "export", "format": "csv"}, {"act": "withdraw", "reason": "An error."}):
        assert curator_client.post("/p/demo/releases/v1/change/", act).status_code == 302
    release.refresh_from_db()
    assert release.state == ReleaseState.WITHDRAWN
    page = curator_client.get("/p/demo/releases/v1/").content.decode()
    assert "An error." in page
    assert release.files.first().sha256 in page


# --- API -------------------------------------------------------------------------------------------------


def test_the_api_freezes_reads_and_publishes(project, curator_client):
    judged_project(project, ["111"] * 3)
    asked = {"name": "v1", "dev": "0", "test": "0"}
    queued = curator_client.post("/api/v1/projects/demo/releases/", asked, content_type="application/json")
    assert queued.status_code == 202
    run_inline(project.jobs.get(pk=queued.json()["job"]))
    listed = curator_client.get("/api/v1/projects/demo/releases/").json()
    assert [row["name"] for row in listed["results"]] == ["v1"]
    changed = curator_client.patch(
        "/api/v1/projects/demo/releases/v1/", {"state": "published"}, content_type="application/json"
    )
    assert changed.json()["state"] == "published"
    exported = curator_client.post(
        "/api/v1/projects/demo/releases/v1/exports/", {"format": "csv"}, content_type="application/json"
    )
    assert exported.status_code == 202


def test_the_api_refuses_an_empty_release_with_a_code(project, curator_client):
    refused = curator_client.post("/api/v1/projects/demo/releases/", {"name": "v1"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (422, "empty_release")
    refused = curator_client.post(
        "/api/v1/projects/demo/releases/", {"name": "v1", "keep": "x"}, content_type="application/json"
    )
    assert (refused.status_code, refused.json()["fields"]["field"]) == (400, "keep")


def test_code_of_a_missing_folder_is_not_found(release):
    from annotation.selectors.releases import open_file

    file = release.files.first()
    (release_folder(release) / file.path).unlink()
    with pytest.raises(NotFoundError):
        open_file(release, file)


@pytest.mark.django_db(transaction=True)
def test_reads_see_one_state_while_others_write(project):
    with consistent_reads():
        assert not project.releases.exists()
    CodeFactory(project=project)


# Changes only with the files' format or the sample below: on purpose, and then in the manifest's `format` too.
KNOWN_HASH = "58c1cdb3845c7b8319fc22993fd0c3b288dd42d49b4fbc51042c3f2322ee2d5a"


def test_the_same_state_gives_these_bytes_on_every_database_and_machine(project):
    project.secret = "a secret that is the same everywhere"
    project.save()
    judged_project(project, PATTERNS, codes_shared_by=2)
    assert freeze(project).content_sha256 == KNOWN_HASH
