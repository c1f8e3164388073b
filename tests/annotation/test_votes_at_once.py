"""The same vote in two requests at once: both are told that it is stored."""

import uuid

import pytest

from annotation.models import LateSubmission, Vote
from annotation.services import leases, votes
from annotation.services.batches import open_batch
from annotation.services.votes import Judgement
from tests.factories import PairFactory, ProjectFactory, member

pytestmark = pytest.mark.django_db


def test_the_later_of_two_equal_requests_gets_the_stored_vote(monkeypatch):
    project = ProjectFactory()
    open_batch(project=project, pairs=PairFactory.create_batch(2, project=project), overlap=1, max_extra=0)
    person = member(project, "annotator", username="ada")
    slot = leases.claim_next(project=project, person=person)
    sent = {"project": project, "person": person, "item_id": slot.item_id, "token": slot.token, "key": uuid.uuid4()}
    first = votes.submit_vote(**sent, judgement=Judgement("yes", 1))
    # The other request looked for the key before this vote was committed, and for the lease after it.
    monkeypatch.setattr(votes, "_submit", lambda *given: None)
    second = votes.submit_vote(**sent, judgement=Judgement("yes", 1))
    assert second.is_repeat
    assert second.vote == first.vote
    assert Vote.objects.count() == 1
    assert not LateSubmission.objects.exists()
    with pytest.raises(votes.KeyReusedError):
        votes.submit_vote(**sent, judgement=Judgement("no"))
