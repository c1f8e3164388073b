"""Drafts, versions, edits, differences and adoptions of rule sets, over services, pages, API and commands."""

import json
import random
from collections import Counter

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from core.errors import BadInputError, ConflictError, NotFoundError
from core.jobs import run_inline
from curation.intent import Rule, RuleKind, RuleSetError, read_rule_set, shipped_rule_set_text
from curation.models import Adoption, Query, RuleSet, TextKind, Verdict, VerdictCount
from curation.reading import LogShape
from curation.rule_changes import EXAMPLES, Changes
from curation.rule_text import RuleEdit, diff_profiles, edited, write_rule_set
from curation.selectors import current_rule_set
from curation.selectors.queries import rule_counts
from curation.selectors.rules import changed_queries
from curation.services.logs import start_ingest_log, start_undo_import, store_log
from curation.services.privacy import quarantine_texts, release_texts, start_scan_privacy
from curation.services.rule_counts import current_counts, mark_counts, recount
from curation.services.rule_sets import (
    diff_rule_sets,
    discard_draft,
    draft_rule_set,
    edit_rule,
    edit_rule_set_text,
    find_rule_set,
    import_rule_set,
    profile_of,
)
from curation.services.rules import start_adopt_rule_set, start_apply_rules
from tests.factories import ProjectFactory, QueryFactory, member

pytestmark = pytest.mark.django_db

LIST = Rule("Others", "list", RuleKind.EXACT)
TEXTS = ["python sort list", "what is python", "python what is a list", "python read file", "java read file"]


@pytest.fixture
def queries(project):
    return [QueryFactory(project=project, text=text) for text in TEXTS]


@pytest.fixture
def draft(project):
    return draft_rule_set(project=project, source=find_rule_set(project, "cosqa-strict"))


def apply(project, rule_set=None):
    return run_inline(start_apply_rules(project=project, rule_set=rule_set or current_rule_set(project))).result


def adopt(project, rule_set):
    return run_inline(start_adopt_rule_set(project=project, rule_set=rule_set)).result


def accepted(project):
    rows = Verdict.objects.filter(rule_set=current_rule_set(project), has_intent=True, query__project=project)
    return set(rows.values_list("query__text", flat=True))


# --- text and differences, without a database -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cosqa-strict", "cosqa-broad", "neutral"])
def test_a_written_rule_set_reads_back_as_it_was(name):
    profile = read_rule_set(shipped_rule_set_text(name))
    again = read_rule_set(write_rule_set(profile))
    assert (again.name, again.note, again.language_inside_words) == (
        profile.name,
        profile.note,
        profile.language_inside_words,
    )
    assert Counter(again.rules) == Counter(profile.rules)
    assert write_rule_set(again) == write_rule_set(profile)


def test_texts_with_every_kind_of_mark_survive_writing():
    note = 'say "no", \\ tab\t line\nnext \x7f é 中 # not a comment'
    profile = read_rule_set('[[rule]]\ncategory = "A"\nform = "\\"#\\\\"\nkind = "symbol"\n')
    changed = edited(profile, RuleEdit('"#\\', Rule("A ] [b", "]'\"", RuleKind.SYMBOL, note=note)))
    assert changed.rules == (Rule("A ] [b", "]'\"", RuleKind.SYMBOL, note=note),)


def test_edits_that_cannot_be_made_say_why():
    profile = read_rule_set('[[rule]]\ncategory = "A"\nform = "vs"\nkind = "exact"\n')
    for edit, problem in [
        (RuleEdit("nothing"), "no rule 'nothing'"),
        (RuleEdit("", Rule("A", "vs", RuleKind.STEM)), "stands in it already"),
        (RuleEdit("vs"), "needs one"),
        (RuleEdit("", Rule("A", "one", RuleKind.GAP)), "first ... last"),
    ]:
        with pytest.raises(RuleSetError, match=problem):
            edited(profile, edit)


def test_the_difference_of_two_rule_sets_leads_from_one_to_the_other():
    rng = random.Random(3)
    strict = read_rule_set(shipped_rule_set_text("cosqa-strict"))
    broad = read_rule_set(shipped_rule_set_text("cosqa-broad"))
    found = diff_profiles(strict, broad)
    rules = {rule.form: rule for rule in strict.rules}
    for rule in found.removed:
        del rules[rule.form]
    rules |= {rule.form: rule for rule in found.added} | {one.after.form: one.after for one in found.changed}
    assert set(rules.values()) == set(broad.rules)
    assert found.n_same + len(found.changed) + len(found.removed) == len(strict.rules)
    assert diff_profiles(strict, strict).is_empty
    one = rng.choice(found.changed)
    assert all(before != after for _, before, after in one.rows)


def test_changes_count_each_side_and_keep_a_bounded_random_sample():
    changes = Changes(seed=1)
    for number in range(500):
        changes.add(number, ["a", "b"] if number % 2 else [], [] if number % 2 else ["c"])
    changes.add(1000, None, ["c"])
    changes.add(1001, ["a"], ["c"])
    data = changes.as_data()
    assert (data["queries"], data["first_judged"], data["accepted"]) == (502, 1, 250)
    assert data["newly_accepted"]["n"] == data["newly_rejected"]["n"] == 250
    assert data["newly_accepted"]["by_rule"] == {"a": 250, "b": 250}
    shown = [one["query"] for one in data["newly_rejected"]["examples"]]
    assert len(shown) == len(set(shown)) == EXAMPLES
    assert max(shown) > 100  # not just the first ones
    assert all(number % 2 == 0 for number in shown)


# --- drafts ---------------------------------------------------------------------------------------------------------


def test_a_draft_changes_nothing_until_it_is_adopted(project, queries, draft):
    apply(project)
    before = (current_rule_set(project), accepted(project), rule_counts(project, current_rule_set(project)))
    edit_rule(draft=draft, edit=RuleEdit("", LIST))
    assert (current_rule_set(project), accepted(project), rule_counts(project, current_rule_set(project))) == before
    with pytest.raises(ConflictError, match="Adopt it"):
        start_apply_rules(project=project, rule_set=find_rule_set(project, "own", drafts=True))


def test_editing_adds_changes_and_removes_rules(project, draft):
    edit_rule(draft=draft, edit=RuleEdit("", LIST))
    edit_rule(draft=draft, edit=RuleEdit("what is"))
    kept = edit_rule(draft=draft, edit=RuleEdit("import", Rule("Others", "import", RuleKind.EXACT)))
    found = diff_rule_sets(find_rule_set(None, "cosqa-strict"), kept)
    assert [rule.form for rule in found.added] == ["list"]
    assert [rule.form for rule in found.removed] == ["what is"]
    assert [(one.after.form, one.fields) for one in found.changed] == [("import", ("category", "kind", "note"))]
    assert (kept.name, read_rule_set(kept.text).name) == ("own", "own")
    assert len(profile_of(kept).rules) == 103


def test_a_change_over_an_unseen_change_is_refused(draft):
    seen = draft.content_hash
    edit_rule(draft=draft, edit=RuleEdit("", LIST), seen=seen)
    with pytest.raises(ConflictError, match="changed this draft meanwhile"):
        edit_rule(draft=draft, edit=RuleEdit("what is"), seen=seen)


def test_versions_and_shipped_sets_cannot_be_edited(project, queries, draft):
    adopt(project, draft)
    for rule_set in (RuleSet.objects.get(pk=draft.pk), find_rule_set(None, "cosqa-strict")):
        with pytest.raises(ConflictError, match="no draft"):
            edit_rule(draft=rule_set, edit=RuleEdit("what is"))
        with pytest.raises(ConflictError, match="no draft"):
            discard_draft(draft=rule_set)


def test_names_count_versions_and_those_of_shipped_sets_are_refused(project, draft):
    second = draft_rule_set(project=project, source=draft)
    assert (str(second), second.based_on) == ("own v2 (draft)", draft)
    assert draft_rule_set(project=project, source=draft, name="other").version == 1
    for name in ("cosqa-strict", "Own", "a b", "../x", "x" * 61):
        with pytest.raises(BadInputError):
            draft_rule_set(project=project, source=draft, name=name)
    with pytest.raises(ConflictError, match="another project"):
        draft_rule_set(project=ProjectFactory(), source=draft)


def test_a_rule_set_is_found_by_name_and_version(project, queries, draft):
    adopt(project, draft)
    second = draft_rule_set(project=project, source=draft)
    assert find_rule_set(project, "own").pk == draft.pk
    assert find_rule_set(project, "own", drafts=True) == second
    assert find_rule_set(project, "own@2") == second
    for name in ("own@3", "own@x", "nothing", ""):
        with pytest.raises(NotFoundError):
            find_rule_set(project, name)
    with pytest.raises(NotFoundError):
        find_rule_set(ProjectFactory(), "own")


def test_an_export_imports_as_the_same_rules(project, draft):
    edit_rule(draft=draft, edit=RuleEdit("", LIST))
    kept = RuleSet.objects.get(pk=draft.pk)
    again = import_rule_set(project=project, text=kept.text)
    assert (again.name, again.version, again.is_draft) == ("own", 2, True)
    assert diff_rule_sets(kept, again).is_empty


def test_an_import_writes_out_what_it_includes(project):
    made = import_rule_set(project=project, text='include = ["neutral"]\n')
    assert "include" not in made.text
    assert len(profile_of(made).rules) == 89


def test_the_text_of_a_draft_keeps_its_comments_and_its_name(project, draft):
    text = '# why, and what to include\nname = "elsewhere"\n[[rule]]\ncategory = "A"\nform = "vs"\nkind = "exact"\n'
    kept = edit_rule_set_text(draft=draft, text=text)
    assert kept.text.startswith("# why, and what to include\n")
    assert read_rule_set(kept.text).name == kept.name == "own"
    with pytest.raises(RuleSetError, match="regex"):
        edit_rule_set_text(draft=draft, text=text.replace("exact", "regex"))
    assert RuleSet.objects.get(pk=draft.pk).text == kept.text


def test_a_discarded_draft_is_gone(draft):
    discard_draft(draft=draft)
    assert not RuleSet.objects.filter(pk=draft.pk).exists()


# --- adopting -------------------------------------------------------------------------------------------------------


def test_adopting_says_what_changed_and_takes_the_rules_into_use(project, queries, draft, curator):
    apply(project)
    edit_rule(draft=draft, edit=RuleEdit("", LIST))
    edit_rule(draft=draft, edit=RuleEdit("what is"))
    report = adopt(project, draft)
    assert (report["newly_rejected"]["n"], report["newly_rejected"]["by_rule"]) == (1, {"list": 1})
    assert (report["newly_accepted"]["n"], report["newly_accepted"]["by_rule"]) == (1, {"what is": 1})
    assert current_rule_set(project).pk == draft.pk
    assert accepted(project) == {"what is python", "python read file"}
    found = Adoption.objects.get()
    assert str(found.previous) == "cosqa-strict v1"
    texts = {
        side: set(changed_queries(found, side=side).values_list("text", flat=True))
        for side in ("newly_rejected", "newly_accepted")
    }
    assert texts == {"newly_rejected": {"python sort list"}, "newly_accepted": {"what is python"}}
    assert changed_queries(found, side="newly_accepted", rule="what is").count() == 1
    assert not changed_queries(found, side="newly_accepted", rule="why").exists()
    with pytest.raises(BadInputError):
        changed_queries(found, side="sideways")


def test_going_back_is_an_adoption_too(project, queries, draft):
    edit_rule(draft=draft, edit=RuleEdit("", LIST))
    adopt(project, draft)
    shipped = find_rule_set(project, "cosqa-strict")
    report = adopt(project, shipped)
    assert current_rule_set(project) == shipped
    assert report["newly_accepted"]["by_rule"] == {"list": 1}
    with pytest.raises(ConflictError, match="in use already"):
        start_adopt_rule_set(project=project, rule_set=shipped)


def test_an_adoption_that_was_cancelled_changes_nothing_in_use(project, queries, draft):
    before = current_rule_set(project)
    job = start_adopt_rule_set(project=project, rule_set=draft)
    with pytest.raises(ConflictError, match="being adopted just now"):
        start_adopt_rule_set(project=project, rule_set=find_rule_set(None, "cosqa-broad"))
    type(job).objects.filter(pk=job.pk).update(state="cancelled")
    assert current_rule_set(project) == before
    adopt(project, RuleSet.objects.get(pk=draft.pk))
    assert current_rule_set(project).pk == draft.pk


def test_an_empty_project_and_a_foreign_rule_set_are_refused(project, draft):
    with pytest.raises(ConflictError, match="no queries"):
        start_adopt_rule_set(project=project, rule_set=draft)
    assert RuleSet.objects.get(pk=draft.pk).is_draft
    with pytest.raises(ConflictError, match="another project"):
        start_adopt_rule_set(project=ProjectFactory(), rule_set=draft)


# --- counts ---------------------------------------------------------------------------------------------------------


def counted(project, rule_set):
    row = VerdictCount.objects.get(project=project, rule_set=rule_set)
    return row.accepted, row.rejected, row.by_rule, row.alone, row.by_category


def test_kept_counts_are_the_counts_whatever_happens(project):
    """Random texts, languages, edits, quarantines and removals: the kept row equals a fresh count after every step."""
    rng = random.Random(11)
    words = ["python", "java", "what is", "how", "debug", "import", "list", ":", "-", "sort", "vs", "when", "class"]
    strict, broad = find_rule_set(None, "cosqa-strict"), find_rule_set(None, "cosqa-broad")
    other = ProjectFactory()
    for _ in range(12):
        for _ in range(rng.randint(0, 12)):
            text = f"{' '.join(rng.choices(words, k=4))} {rng.random()}"
            QueryFactory(project=rng.choice([project, project, other]), text=text)
        act = rng.choice(["apply", "apply", "quarantine", "release", "remove", "language"])
        rows = Query.objects.filter(project=project).order_by("?")[:3].values_list("pk", flat=True)
        if act == "quarantine":
            Query.objects.filter(pk__in=list(rows)).update(quarantine_reason="e-mail")
            mark_counts(project.pk)
        elif act == "release":
            Query.objects.filter(project=project).update(quarantine_reason="")
            mark_counts(project.pk)
        elif act == "remove":
            Query.objects.filter(pk__in=list(rows)).delete()
            mark_counts(project.pk)
        elif act == "language":
            project.language = rng.choice(["python", "java", ""])
            project.save()
        rule_set = rng.choice([strict, broad])
        if Query.objects.filter(project=project, quarantine_reason="").exists():
            apply(project, rule_set)
        for each in (strict, broad):
            current_counts(project, each)
            kept = counted(project, each)
            recount(project, each)
            assert counted(project, each) == kept
        counts = rule_counts(project, rule_set)
        assert counts.queries == counts.quarantined + counts.accepted + counts.rejected + counts.unjudged
        assert counts.unjudged == 0 or not Query.objects.filter(project=project, quarantine_reason="").exists()


def test_counts_stay_exact_through_imports_quarantine_and_undo(project):
    """Every way of the product to change what counts, in a row; after each the kept row equals a fresh count."""
    log = "".join(f"python sort list {number}\nwhat is python {number}\n" for number in range(40))
    first = start_ingest_log(project=project, stored=store_log([log.encode()], name="a.txt"), shape=LogShape())
    second = None

    def import_more():
        nonlocal second
        more = "python sort list 1\npython read file\npython mail anna@example.org\njava list\n"
        second = start_ingest_log(project=project, stored=store_log([more.encode()], name="b.txt"), shape=LogShape())
        run_inline(second.job)

    def hold(text):
        pk = Query.objects.get(project=project, text=text).pk
        quarantine_texts(project=project, kind=TextKind.QUERY, ids=[pk], reason="other private text")

    def release():
        ids = list(Query.objects.exclude(quarantine_reason="").values_list("pk", flat=True))
        release_texts(project=project, kind=TextKind.QUERY, ids=ids)

    steps = [
        lambda: run_inline(first.job),
        lambda: apply(project),
        import_more,
        lambda: hold("what is python 3"),
        lambda: hold("python sort list 5"),
        release,
        lambda: run_inline(start_scan_privacy(project=project)),
        lambda: apply(project),
        lambda: run_inline(start_undo_import(log_import=second.log_import)),
    ]
    for step in steps:
        step()
        rule_set = current_rule_set(project)
        current_counts(project, rule_set)
        kept = counted(project, rule_set)
        recount(project, rule_set)
        assert counted(project, rule_set) == kept
    assert kept[0] == 40


def test_reading_counts_asks_the_verdicts_only_when_they_were_marked(project, queries, django_assert_num_queries):
    apply(project)
    strict = current_rule_set(project)
    with django_assert_num_queries(1):
        current_counts(project, strict)
    mark_counts(project.pk)
    assert VerdictCount.objects.get(project=project, rule_set=strict).is_stale
    assert current_counts(project, strict).accepted == 2
    assert not VerdictCount.objects.get(project=project, rule_set=strict).is_stale


# --- pages ----------------------------------------------------------------------------------------------------------


def address(name, *args):
    return reverse(f"curation:{name}", args=["demo", *args])


def test_a_draft_is_made_edited_and_adopted_over_the_pages(curator_client, project, queries):
    apply(project)
    strict = current_rule_set(project)
    response = curator_client.post(address("rule_set_draft", strict.pk))
    draft = RuleSet.objects.get(project=project)
    assert response["Location"] == address("rule_set_edit", draft.pk)
    editor = address("rule_set_edit", draft.pk)
    form = {"form": "List", "kind": "exact", "category": "Others", "seen": draft.content_hash, "old": ""}
    shown = curator_client.post(editor, {**form, "act": "preview"}).content.decode()
    assert "Counted over all 5 queries" in shown
    assert "python sort list" in shown
    draft.refresh_from_db()
    assert len(profile_of(draft).rules) == 103
    assert curator_client.post(editor, {**form, "act": "save"}).status_code == 302
    draft.refresh_from_db()
    assert profile_of(draft).rules[-1].form == "list"
    curator_client.post(editor, {"act": "remove", "old": "what is"})
    draft.refresh_from_db()
    assert "what is" not in {rule.form for rule in profile_of(draft).rules}
    diff = curator_client.get(address("rule_set_diff") + f"?before={strict.pk}&after={draft.pk}").content.decode()
    assert "Added" in diff
    assert "Removed" in diff
    curator_client.post(editor, {"act": "adopt"})
    run_inline(project.jobs.get(kind="curation.adopt_rule_set"))
    page = curator_client.get(address("adoption", Adoption.objects.get().pk)).content.decode()
    assert "Newly rejected: 1" in page
    assert "what is python" in page
    listed = curator_client.get(
        address("adoption_queries", Adoption.objects.get().pk) + "?side=newly_rejected&rule=list"
    )
    assert "python sort list" in listed.content.decode()
    assert "in use" in curator_client.get(address("rule_sets")).content.decode()


def test_the_preview_of_the_editor_answers_as_a_piece_of_the_page(curator_client, project, queries, draft):
    preview = address("rule_set_preview", draft.pk)
    asked = {"form": "list", "kind": "exact", "category": "Others"}
    text = curator_client.get(preview, asked).content.decode()
    assert "Newly rejected</dt><dd>1" in text
    assert "<html" not in text
    assert "Brought back</dt><dd>2" in curator_client.get(preview, {"of": "removal", "old": "what is"}).content.decode()
    assert "Against cosqa-strict v1" in curator_client.get(preview, {"of": "draft"}).content.decode()
    assert "not complete" in curator_client.get(preview, {"form": ""}).content.decode()
    whole = curator_client.get(address("rule_set_edit", draft.pk), {"whole": "yes"}).content.decode()
    assert "Against cosqa-strict v1, in use" in whole
    assert "first ... last" in curator_client.get(preview, {**asked, "kind": "gap"}).content.decode()


def test_mistakes_in_the_editor_are_shown_in_place(curator_client, project, draft):
    editor = address("rule_set_edit", draft.pk)
    for data, problem in [
        ({"form": "what is", "kind": "phrase", "category": "Others"}, "stands in it already"),
        ({"form": "x", "kind": "gap", "category": "Others"}, "first ... last"),
        ({"form": "list", "kind": "exact", "category": "Others", "seen": "old"}, "this draft meanwhile"),
        ({"form": "", "kind": "exact", "category": "Others"}, "not complete"),
    ]:
        response = curator_client.post(editor, {**data, "act": "save"})
        assert response.status_code == 400
        assert problem in response.content.decode()
    response = curator_client.post(address("rule_set_text", draft.pk), {"text": "rule = 3"})
    assert response.status_code == 400
    assert "no [[rule]] entries" in response.content.decode()


def test_a_rule_set_travels_as_a_file(curator_client, project, draft):
    sent = curator_client.get(address("rule_set_export", draft.pk))
    assert sent["Content-Disposition"] == 'attachment; filename="own-v1.toml"'
    file = SimpleUploadedFile("own.toml", sent.content)
    response = curator_client.post(address("rule_sets"), {"file": file, "name": "copy"})
    made = RuleSet.objects.get(name="copy")
    assert response["Location"] == address("rule_set_edit", made.pk)
    assert diff_rule_sets(draft, made).is_empty
    for bad in (b"\xff\xfe", b"= broken", b"x" * 2_000_001):
        response = curator_client.post(address("rule_sets"), {"file": SimpleUploadedFile("x.toml", bad)})
        assert response.status_code == 400


def test_rules_sort_by_every_column_and_link_their_numbers(curator_client, project, queries):
    apply(project)
    for sort in ("form", "category", "kind", "rejected", "alone"):
        assert curator_client.get(address("rules") + f"?sort={sort}").status_code == 200
    text = curator_client.get(address("rules") + "?sort=rejected").content.decode()
    assert text.index('class="mono">what is<') < text.index('class="mono">why<')
    assert f"rule_set={current_rule_set(project).pk}&amp;rule=what%20is" in text
    assert curator_client.get(address("rules") + "?sort=password").status_code == 400
    strict = current_rule_set(project)
    alone = curator_client.get(address("rule_alone", strict.pk) + "?rule=what%20is").content.decode()
    assert current_counts(project, strict).alone["what is"] == alone.count('<th scope="row">') == 2


def test_a_project_in_another_language_begins_with_rules_that_suit_it(curator_client, project):
    project.language = "c#"
    project.save()
    QueryFactory(project=project, text="c# pip decorator ipython")
    QueryFactory(project=project, text="c# what is a list")
    counts = apply(project)
    assert (counts["rule_set"], counts["accepted"], counts["by_rule"]) == ("neutral v1", 1, {"what is": 1})
    text = curator_client.get(address("rules")).content.decode()
    assert "Off: the keyword c# itself is hit by it." in text
    draft = draft_rule_set(project=project, source=current_rule_set(project))
    shown = curator_client.get(
        address("rule_set_preview", draft.pk), {"form": "c", "kind": "symbol", "category": "Others"}
    )
    assert "is off in this project" in shown.content.decode()


def test_readers_look_at_rule_sets_and_change_nothing(client, project, queries, draft):
    client.force_login(member(project, "reader", username="rita"))
    for name, args in (("rule_sets", []), ("rule_set_diff", []), ("rule_set_export", [draft.pk])):
        assert client.get(address(name, *args)).status_code == 200
    for name in ("rule_set_edit", "rule_set_text", "rule_set_preview"):
        assert client.get(address(name, draft.pk)).status_code == 403
    for name in ("rule_set_draft", "rule_set_adopt", "rule_set_edit"):
        assert client.post(address(name, draft.pk), {"act": "adopt"}).status_code == 403
    assert client.post(address("rule_sets")).status_code == 403


def test_rule_sets_of_another_project_are_404(curator_client, project):
    foreign = draft_rule_set(project=ProjectFactory(), source=find_rule_set(None, "neutral"))
    for name in ("rule_set_edit", "rule_set_text", "rule_set_preview", "rule_set_export"):
        assert curator_client.get(address(name, foreign.pk)).status_code == 404
    assert curator_client.get(address("rule_set_diff") + f"?before={foreign.pk}").status_code == 404
    assert curator_client.post(address("rule_set_adopt", foreign.pk)).status_code == 404


# --- API and commands -----------------------------------------------------------------------------------------------


def call(client, method, rest, data=None):
    send = getattr(client, method)
    path = f"/api/v1/projects/demo/{rest}"
    return send(path, data) if method == "get" else send(path, data, content_type="application/json")


def test_the_whole_way_over_the_api(curator_client, project, queries):
    apply(project)
    made = call(curator_client, "post", "draft-rule-set/", {"rule_set": "cosqa-strict"}).json()
    own = f"rule-sets/{made['id']}/"
    rule = {"category": "Others", "form": "list", "kind": "exact"}
    preview = call(curator_client, "post", own + "preview-rule/", {"rule": rule}).json()
    assert preview["removed"] == {"n": 1, "margin": 0}
    edited_set = call(curator_client, "post", own + "edit-rule/", {"rule": rule, "seen": made["content_hash"]}).json()
    assert edited_set["rules"][-1]["form"] == "list"
    stale = call(curator_client, "post", own + "edit-rule/", {"old": "list", "seen": made["content_hash"]})
    assert stale.status_code == 409
    whole = call(curator_client, "post", own + "preview-rule/", {}).json()
    assert whole["removed"]["n"] == 1
    diff = call(curator_client, "get", "diff-rule-sets/", {"before": "cosqa-strict", "after": "own"}).json()
    assert [one["form"] for one in diff["added"]] == ["list"]
    text = call(curator_client, "get", own).json()["text"]
    assert call(curator_client, "put", own, {"text": text + "# more\n"}).json()["text"].endswith("# more\n")
    copy = call(curator_client, "post", "import-rule-set/", {"text": text, "name": "copy"}).json()
    assert call(curator_client, "delete", f"rule-sets/{copy['id']}/").status_code == 204
    started = call(curator_client, "post", "adopt-rule-set/", {"rule_set": "own"})
    assert started.status_code == 202
    run_inline(project.jobs.get(pk=started.json()["job"]))
    (adoption,) = call(curator_client, "get", "adoptions/").json()
    assert adoption["report"]["newly_rejected"]["by_rule"] == {"list": 1}
    assert call(curator_client, "get", own).json()["is_current"]


def test_bad_input_over_the_api_is_400(curator_client, project, draft):
    own = f"rule-sets/{draft.pk}/"
    for rest, data in [
        (own + "edit-rule/", {"rule": {"category": "A", "form": "x", "kind": "regex"}}),
        (own + "edit-rule/", {"rule": {"category": "A", "form": "x", "kind": "gap"}}),
        (own + "edit-rule/", {"rule": 3}),
        ("import-rule-set/", {"text": "= broken"}),
        ("draft-rule-set/", {}),
    ]:
        assert call(curator_client, "post", rest, data).status_code == 400


def test_the_whole_way_from_the_command_line(project, queries, capsys, tmp_path):
    def run(*args):
        call_command(*args, "--project", "demo", "--json")
        return json.loads(capsys.readouterr().out)

    run("apply_rules")
    assert run("draft_rule_set", "cosqa-strict")["name"] == "own"
    new = ("--form", "list", "--kind", "exact", "--category", "Others")
    assert run("edit_rule", "own", *new, "--preview")["removed"]["n"] == 1
    assert run("edit_rule", "own", *new)["rule"]["form"] == "list"
    assert run("edit_rule", "own", "--change", "list", "--note", "why")["rule"]["note"] == "why"
    assert run("edit_rule", "own", "--remove", "what is")["rule"] is None
    diff = run("diff_rule_sets", "cosqa-strict", "own")
    assert (len(diff["added"]), len(diff["removed"])) == (1, 1)
    run("export_rule_set", "own", "--to", str(tmp_path / "own.toml"))
    assert run("import_rule_set", str(tmp_path / "own.toml"), "--name", "copy")["rules"] == 103
    run("draft_rule_set", "copy", "--discard")
    assert run("rule_sets")["adoptions"] == []
    assert run("adopt_rule_set", "own")["newly_rejected"]["n"] == 1
    listed = run("rule_sets")
    states = {f"{one['name']}@{one['version']}": one["state"] for one in listed["rule_sets"]}
    assert states == {
        "cosqa-strict@1": "version",
        "cosqa-broad@1": "version",
        "neutral@1": "version",
        "own@1": "in use",
    }
    assert [one["newly_rejected"] for one in listed["adoptions"]] == [1]
    assert current_rule_set(project).name == "own"


@pytest.mark.parametrize(
    "args",
    [
        ("draft_rule_set", "nothing"),
        ("draft_rule_set", "cosqa-strict", "--name", "neutral"),
        ("draft_rule_set", "cosqa-strict", "--discard"),
        ("edit_rule", "cosqa-strict", "--remove", "vs"),
        ("edit_rule", "cosqa-strict", "--change", "nothing"),
        ("edit_rule", "cosqa-strict", "--form", "x"),
        ("diff_rule_sets", "cosqa-strict", "cosqa-strict@9"),
        ("adopt_rule_set", "cosqa-broad"),
        ("import_rule_set", "/nowhere/own.toml"),
        ("export_rule_set", "neutral", "--to", "/nowhere/own.toml"),
    ],
)
def test_bad_input_ends_the_commands_with_status_2(project, capsys, args):
    with pytest.raises(SystemExit) as stop:
        call_command(*args, "--project", "demo")
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_regression_command_lists_each_rejected_query_with_its_rules(db, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("python sort list\nvs code python\n")
    (tmp_path / "b.jsonl").write_text('{"query": "python read file"}\n{"doc": "vs code python"}\n')
    (tmp_path / "c.json").write_text('[{"doc": "python class"}]')
    files = [str(tmp_path / name) for name in ("a.txt", "b.jsonl", "c.json")]
    call_command("check_rules", *files, "--json")
    data = json.loads(capsys.readouterr().out)
    assert data["queries"] == 4
    assert {one["query"]: one["rules"] for one in data["rejected"]} == {
        "vs code python": ["vs"],
        "python class": ["class"],
    }
    with pytest.raises(SystemExit):
        call_command("check_rules", *files, "--at-most", "49")
    for name in ("nothing.txt", "bad.json"):
        (tmp_path / "bad.json").write_text('[{"text": 1}]')
        with pytest.raises(SystemExit):
            call_command("check_rules", str(tmp_path / name))


def test_of_the_authors_queries_at_most_three_in_a_thousand_are_rejected(db, real_data, capsys):
    files = [*sorted((real_data / "cosqa").glob("*.json")), *sorted((real_data / "cosqa_queries").glob("*.jsonl"))]
    call_command("check_rules", *map(str, files), "--at-most", "0.3")
    assert "vs code python default indentation: vs" in capsys.readouterr().out
