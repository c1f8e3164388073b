"""Discussion: closed to whoever has not voted, on pages and over the API; flags; questions."""

import pytest
from django.test import Client

from annotation.models import Comment, FlagResolution, GuidelineQuestion, Item
from annotation.selectors.discussion import flags_of, questions_of, thread_of, threads_of
from annotation.services import votes as vote_services
from annotation.services.discussion import answer_question, ask_question, reopen_flag, resolve_flag, say
from annotation.services.leases import fill_lanes
from annotation.services.votes import add_comment
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import AuditEntry
from tests.annotation.conftest import YES_0, YES_1, annotators, make_batch, vote
from tests.factories import member

pytestmark = pytest.mark.django_db

PAGE, API = "/p/demo/items/{}/discussion/", "/api/v1/projects/demo/items/{}/discussion/"


@pytest.fixture
def item(project, annotator) -> Item:
    """A pair wanting two votes: another person has judged it and said something, anna holds it."""
    make_batch(project, 1, overlap=2, max_extra=0)
    (other,) = annotators(project, 1)
    vote(project, other, YES_1)
    item = project.items.get()
    add_comment(project=project, person=other, item_id=item.pk, text="Look at the second line.")
    fill_lanes(project=project, person=annotator)
    return item


def client_of(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


# --- who sees what -----------------------------------------------------------------------------------------------
def test_others_remarks_open_with_the_own_vote(project, annotator, item):
    assert thread_of(item, annotator, is_staff=False).comments == []
    vote(project, annotator, YES_0)
    thread = thread_of(Item.objects.get(pk=item.pk), annotator, is_staff=False)
    assert [comment.text for comment in thread.comments] == ["Look at the second line."]


def test_others_votes_open_when_all_are_in(project, annotator):
    make_batch(project, 1, overlap=2, max_extra=0)
    vote(project, annotator, YES_0)
    item = project.items.get()
    assert thread_of(item, annotator, is_staff=False).tally is None
    vote(project, annotators(project, 1)[0], YES_1)
    item.refresh_from_db()
    tally = thread_of(item, annotator, is_staff=False).tally
    assert tally is not None
    assert (tally.n_one, tally.n_zero) == (1, 1)


def test_a_vote_taken_back_closes_the_thread_again(project, annotator, item):
    vote(project, annotator, YES_0)
    vote_services.undo(project=project, person=annotator)
    item.refresh_from_db()
    thread = thread_of(item, annotator, is_staff=False)
    assert (thread.is_open, thread.comments, thread.tally) == (False, [], None)


def test_page_and_api_keep_the_thread_closed_before_the_vote(project, annotator_client, annotator, item):
    page = annotator_client.get(PAGE.format(item.pk)).content.decode()
    assert "second line" not in page
    assert "You have not voted on this pair yet" in page
    assert annotator_client.get(API.format(item.pk)).json() == {"is_open": False, "votes": None, "remarks": []}
    add_comment(project=project, person=annotator, item_id=item.pk, text="Mine alone.")
    assert [one["text"] for one in annotator_client.get(API.format(item.pk)).json()["remarks"]] == ["Mine alone."]
    vote(project, annotator, YES_0)
    page = annotator_client.get(PAGE.format(item.pk)).content.decode()
    assert "second line" in page
    assert "1 answers, 1 does not answer" in page


def test_who_never_had_the_pair_does_not_find_its_thread(project, item):
    stranger = member(project, "annotator", username="zoe")
    for address in (PAGE, API):
        assert client_of(stranger).get(address.format(item.pk)).status_code == 404
        assert client_of(stranger).post(address.format(item.pk), {"text": "hm"}).status_code == 404
    assert Comment.objects.count() == 1


def test_readers_have_no_part_in_it(project, item):
    reader = client_of(member(project, "reader", username="rita"))
    for address in (PAGE.format(item.pk), API.format(item.pk), "/p/demo/discussion/", "/p/demo/discussion/questions/"):
        assert reader.get(address).status_code == 403


def test_curators_and_adjudicators_read_and_speak_everywhere(project, curator_client, item):
    judge = client_of(member(project, "adjudicator", username="ada"))
    for client in (curator_client, judge):
        assert "second line" in client.get(PAGE.format(item.pk)).content.decode()
        assert client.post(PAGE.format(item.pk), {"text": "I see."}).status_code == 302
    assert Comment.objects.filter(text="I see.").count() == 2


def test_hidden_gold_cannot_be_told_by_its_thread(project, annotator, annotator_client, curator_client, item):
    """The voter finds the page as on any pair, with their own remarks alone; only curators read all of it."""
    vote(project, annotator, YES_0)
    Item.objects.filter(pk=item.pk).update(purpose="gold")
    annotator_client.post(PAGE.format(item.pk), {"text": "Mine."})
    page = annotator_client.get(PAGE.format(item.pk)).content.decode()
    assert "Mine." in page
    assert "second line" not in page
    assert "shows here when all votes on the pair are in" in page
    found = annotator_client.get(API.format(item.pk)).json()
    assert ([one["text"] for one in found["remarks"]], found["votes"]) == (["Mine."], None)
    listed = threads_of(project, annotator, is_staff=False, is_curator=False)
    assert [(one.pk, one.n_comments) for one in listed] == [(item.pk, 1)]
    judge = client_of(member(project, "adjudicator", username="ada"))
    assert judge.get(PAGE.format(item.pk)).status_code == 404
    assert "second line" in curator_client.get(PAGE.format(item.pk)).content.decode()


def test_a_held_back_pair_has_no_thread(project, curator_client, item):
    item.query.quarantine_reason = "e-mail"
    item.query.save()
    assert curator_client.get(PAGE.format(item.pk)).status_code == 404
    assert curator_client.get(API.format(item.pk)).status_code == 404


def test_threads_are_listed_for_those_who_voted_last_remark_first(project, annotator, curator, item):
    def listed(person, *, is_staff):
        return list(threads_of(project, person, is_staff=is_staff, is_curator=is_staff))

    assert listed(annotator, is_staff=False) == []
    assert [(one.pk, one.n_comments) for one in listed(curator, is_staff=True)] == [(item.pk, 1)]
    vote(project, annotator, YES_0)
    assert [one.pk for one in listed(annotator, is_staff=False)] == [item.pk]


def test_a_remark_is_masked_and_the_writer_told(project, curator_client, curator, item):
    page = curator_client.post(PAGE.format(item.pk), {"text": "ask anna@firm.se"}, follow=True).content.decode()
    assert "that part was masked" in page
    assert Comment.objects.latest("id").text == "ask [e-mail]"
    with pytest.raises(BadInputError):
        say(project=project, person=curator, item_id=item.pk, text="  ", is_staff=True)


def test_an_empty_remark_comes_back_with_the_form(curator_client, item):
    response = curator_client.post(PAGE.format(item.pk), {"text": " "})
    assert response.status_code == 422
    assert "The comment is empty." in response.content.decode()


# --- flags --------------------------------------------------------------------------------------------------------
@pytest.fixture
def flag(project, annotator, item) -> Comment:
    return add_comment(project=project, person=annotator, item_id=item.pk, text="Two languages.", is_flag=True)


def test_a_flag_is_resolved_with_a_note_that_its_author_reads(project, curator, annotator, annotator_client, flag):
    resolve_flag(project=project, comment_id=flag.pk, note="Left out.", user=curator)
    assert (list(flags_of(project)), list(flags_of(project, "resolved"))) == ([], [flag])
    entry = AuditEntry.objects.get(act="annotation.resolve_flag")
    assert (entry.actor, entry.person, entry.after["note"]) == (curator, annotator, "Left out.")
    page = annotator_client.get(PAGE.format(flag.item_id)).content.decode()
    assert "Resolved by cora" in page
    assert "Left out." in page


def test_resolving_twice_is_once_and_otherwise_refused(project, curator, flag):
    for _ in range(2):
        resolve_flag(project=project, comment_id=flag.pk, note="Left out.", user=curator)
    assert FlagResolution.objects.count() == 1
    with pytest.raises(ConflictError):
        resolve_flag(project=project, comment_id=flag.pk, note="Kept.", user=curator)
    reopen_flag(project=project, comment_id=flag.pk, user=curator)
    assert list(flags_of(project)) == [flag]
    assert AuditEntry.objects.filter(act="annotation.reopen_flag").exists()
    resolve_flag(project=project, comment_id=flag.pk, note="Kept.", user=curator)


def test_only_flags_of_the_project_can_be_resolved_and_only_with_a_note(project, curator, item, flag):
    plain = Comment.objects.filter(is_flag=False).get()
    with pytest.raises(NotFoundError):
        resolve_flag(project=project, comment_id=plain.pk, note="Hm.", user=curator)
    with pytest.raises(BadInputError):
        resolve_flag(project=project, comment_id=flag.pk, note=" ", user=curator)


def test_the_inbox_works_by_plain_forms_and_is_for_curators(curator_client, annotator_client, flag):
    inbox = "/p/demo/discussion/flags/"
    assert annotator_client.get(inbox).status_code == 403
    assert "Two languages." in curator_client.get(inbox).content.decode()
    refused = curator_client.post(inbox, {"flag": flag.pk, "note": " "})
    assert refused.status_code == 422
    assert "Say what was done" in refused.content.decode()
    curator_client.post(inbox, {"flag": flag.pk, "note": "Left out."})
    assert "No such flag" in curator_client.get(inbox).content.decode()
    assert "Left out." in curator_client.get(f"{inbox}?show=resolved").content.decode()
    curator_client.post(f"{inbox}?show=resolved", {"flag": flag.pk, "act": "reopen"})
    assert not FlagResolution.objects.exists()


def test_flags_over_the_api(curator_client, annotator_client, flag):
    listing, one = "/api/v1/projects/demo/flags/", f"/api/v1/projects/demo/flags/{flag.pk}/"
    assert annotator_client.get(listing).status_code == 403
    assert [row["text"] for row in curator_client.get(listing).json()["results"]] == ["Two languages."]
    made = curator_client.put(one, {"note": "Left out."}, content_type="application/json")
    assert (made.status_code, made.json()["note"]) == (200, "Left out.")
    assert curator_client.get(f"{listing}?show=resolved").json()["results"][0]["resolution"]["person"] == "cora"
    assert curator_client.delete(one).status_code == 204
    assert not FlagResolution.objects.exists()


# --- questions ------------------------------------------------------------------------------------------------------
def texts(questions):
    return [question.text for question in questions]


def test_a_question_is_between_asker_and_curators_until_it_is_answered(project, annotator, curator, item):
    question = ask_question(project=project, person=annotator, text="Does print count?", item_id=item.pk)
    other = member(project, "annotator", username="zoe")
    assert question.guideline is not None
    assert texts(questions_of(project, annotator, is_curator=False)) == ["Does print count?"]
    assert texts(questions_of(project, other, is_curator=False)) == []
    answer_question(project=project, question_id=question.pk, answer="Yes.", user=curator)
    assert texts(questions_of(project, other, is_curator=False)) == ["Does print count?"]
    assert texts(questions_of(project, curator, is_curator=True, show="open")) == []
    assert texts(questions_of(project, curator, is_curator=True, show="answered")) == ["Does print count?"]


def test_questions_are_asked_at_pairs_that_one_had_in_hand(project, item):
    stranger = member(project, "annotator", username="zoe")
    with pytest.raises(NotFoundError):
        ask_question(project=project, person=stranger, text="Hm?", item_id=item.pk)
    assert ask_question(project=project, person=stranger, text="Mail anna@firm.se?").text == "Mail [e-mail]?"
    with pytest.raises(BadInputError):
        ask_question(project=project, person=stranger, text=" ")


def test_question_answer_and_guideline_by_plain_forms(project, annotator_client, curator_client, item):
    questions = "/p/demo/discussion/questions/"
    annotator_client.post(PAGE.format(item.pk), {"text": "Does print count?", "act": "ask"})
    question = GuidelineQuestion.objects.get()
    assert question.item == item
    assert "not answered yet" in annotator_client.get(questions).content.decode()
    refused = annotator_client.post(questions, {"act": "answer", "question": question.pk, "answer": "Yes."})
    assert refused.status_code == 403
    curator_client.post(questions, {"act": "answer", "question": question.pk, "answer": "Yes."})
    page = annotator_client.get(questions).content.decode()
    assert "Yes." in page
    assert item.query.text not in page, "the pair is the curator's to know"
    assert item.query.text in curator_client.get(questions).content.decode()
    edit = curator_client.get(f"/p/demo/guideline/edit/?question={question.pk}").content.decode()
    assert "**Does print count?** Yes." in edit
    curator_client.post(f"/p/demo/discussion/questions/{question.pk}/adopt/")
    question.refresh_from_db()
    assert question.adopted is not None
    assert "Does print count?" in annotator_client.get("/p/demo/guideline/").content.decode()
    assert "in guideline version 2" in annotator_client.get(questions).content.decode()


def test_questions_over_the_api(annotator_client, curator_client, item):
    listing = "/api/v1/projects/demo/questions/"
    asked = annotator_client.post(
        listing, {"text": "Does print count?", "item": item.pk}, content_type="application/json"
    )
    assert (asked.status_code, asked.json()["item"]) == (201, None)
    one = f"{listing}{asked.json()['id']}/"
    assert annotator_client.put(one, {"answer": "Yes."}, content_type="application/json").status_code == 403
    assert curator_client.post(one).status_code == 409
    assert curator_client.put(one, {"answer": "Yes."}, content_type="application/json").json()["answered_by"] == "cora"
    assert curator_client.get(f"{listing}?show=answered").json()["results"][0]["item"] == item.pk
    assert curator_client.post(one).json() == {"version": 2}
