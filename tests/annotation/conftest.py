"""Batches of judged pairs for the tests of this stage."""

import uuid

import pytest

from annotation.models import Batch
from annotation.services import votes
from annotation.services.batches import open_batch
from annotation.services.votes import Judgement, Receipt, claim_next, submit_vote
from core.models import Project, User
from tests.factories import PairFactory, member

YES_1 = Judgement("yes", 1)
YES_0 = Judgement("yes", 0)
NO = Judgement("no")
QUERY_UNCLEAR = Judgement("unclear")
CODE_UNCLEAR = Judgement("yes", None, code_unclear=True)


def make_batch(project: Project, n_pairs: int = 3, **options) -> Batch:
    """A batch of `n_pairs` new pairs; options as for open_batch."""
    options.setdefault("name", f"batch of {n_pairs}")
    return open_batch(project=project, pairs=PairFactory.create_batch(n_pairs, project=project), **options)


def annotators(project: Project, n: int) -> list[User]:
    """n annotators of the project."""
    return [member(project, "annotator", username=f"rater{i}") for i in range(n)]


def vote(project: Project, person: User, judgement: Judgement = YES_1, **options) -> Receipt | None:
    """Claims the next pair and judges it; None when there is none."""
    slot = claim_next(project=project, person=person)
    if slot is None:
        return None
    return submit_vote(
        project=project,
        person=person,
        item_id=slot.item_id,
        token=slot.token,
        key=options.pop("key", None) or uuid.uuid4(),
        judgement=judgement,
        **options,
    )


@pytest.fixture
def batch(project) -> Batch:
    """Three pairs, three votes each, two extra at most."""
    return make_batch(project)


@pytest.fixture
def raters(project) -> list[User]:
    """Six annotators."""
    return annotators(project, 6)


__all__ = ["CODE_UNCLEAR", "NO", "QUERY_UNCLEAR", "YES_0", "YES_1", "annotators", "make_batch", "vote", "votes"]
