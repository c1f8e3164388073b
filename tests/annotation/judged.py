"""Judged projects for the tests of agreement and releases, made straight as rows: no queue, no clock."""

import uuid

from annotation.models import Batch, Item, RaterKind, Slot, SlotState, Vote
from core.models import Project, User
from curation.models import Pair
from tests.factories import CodeFactory, PairFactory, QueryFactory, UserFactory

VOTE_OF = {
    "1": {"intent": "yes", "answer": 1},
    "0": {"intent": "yes", "answer": 0},
    "n": {"intent": "no"},
    "q": {"intent": "unclear"},
    "c": {"intent": "yes", "code_unclear": True},
}


def rater(number: int, kind: RaterKind = RaterKind.SIMULATED) -> User:
    """The same person for the same number."""
    return UserFactory(username=f"{kind}-{number}", is_simulated=kind == RaterKind.SIMULATED)


def judge(
    project: Project, pair: Pair, votes: str, *, batch: Batch | None = None, kind: RaterKind = RaterKind.SIMULATED
) -> Item:
    """Puts votes on a pair: "110" is two ones and a zero, n no intent, q and c cannot judge, "-" who did not vote."""
    batch = batch or Batch.objects.get_or_create(project=project, name="batch")[0]
    given = [(number, VOTE_OF[vote]) for number, vote in enumerate(votes) if vote != "-"]
    item = Item.objects.create(
        project=project, batch=batch, query=pair.query, pair=pair, target=len(given), done=len(given)
    )
    for place, (number, fields) in enumerate(given):
        person = rater(number, kind)
        slot = Slot.objects.create(
            item=item, project=project, batch=batch, pair=pair, number=place, state=SlotState.DONE, person=person
        )
        Vote.objects.create(
            slot=slot,
            item=item,
            project=project,
            person=person,
            key=uuid.uuid4(),
            payload_sha256="",
            rater_kind=kind,
            **fields,
        )
    return item


def judged_project(project: Project, patterns: list[str], *, codes_shared_by: int = 1) -> list[Item]:
    """Pairs judged as the patterns say: one query each, and one code for `codes_shared_by` neighbours."""
    items = []
    for number, votes in enumerate(patterns):
        name = f"sort_{number // codes_shared_by}"
        query = QueryFactory(project=project, text=f"python sort list number {number}")
        code = CodeFactory(project=project, name=name) if number % codes_shared_by == 0 else items[-1].pair.code
        items.append(judge(project, PairFactory(project=project, query=query, code=code), votes))
    return items
