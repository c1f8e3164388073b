"""Lets simulated annotators work through an open batch, by the same services that the judge page calls."""

import uuid
from collections.abc import Callable, Sequence

from django.db.models import Max

from annotation.models import Batch, Slot
from annotation.services.leases import fill_lanes
from annotation.services.votes import Judgement, submit_vote
from core.models import Membership, Role, User
from curation.models import Candidate
from demo.simulate import SimulatedAnnotator, SimulatedVote, simulated_vote

OnVote = Callable[[int], None]


def simulate_votes(batch: Batch, panel: Sequence[SimulatedAnnotator], *, seed: int, on_vote: OnVote) -> int:
    """Every person of the panel judges what the queue hands them until it has nothing left; returns votes cast."""
    scores = _scores(batch)
    cast = 0
    for annotator in panel:
        person = simulated_person(batch, annotator)
        leases = fill_lanes(project=batch.project, person=person, ahead=False)
        while leases:
            leases = _judge(batch, person, annotator, leases[0], scores, seed)
            cast += 1
            on_vote(cast)
    return cast


def simulated_person(batch: Batch, annotator: SimulatedAnnotator) -> User:
    """The account behind a simulated annotator of a project: marked as simulated, without a password."""
    name = f"{annotator.name}-{batch.project.slug}"
    person, is_new = User.objects.get_or_create(
        username=name, defaults={"is_simulated": True, "first_name": annotator.name, "last_name": "(simulated)"}
    )
    if is_new:
        person.set_unusable_password()
        person.save(update_fields=["password"])
    Membership.objects.get_or_create(project=batch.project, user=person, role=Role.ANNOTATOR)
    return person


def _judge(
    batch: Batch, person: User, annotator: SimulatedAnnotator, slot: Slot, scores: dict[int, float], seed: int
) -> list[Slot]:
    pair = slot.item.pair
    if pair is None or slot.token is None:
        raise AssertionError("a batch of pairs leases slots with a pair and a token")
    identity = f"{pair.query.content_hash}-{pair.code.content_hash}"
    vote = simulated_vote(annotator, identity, scores.get(pair.pk, 0.0), seed=seed)
    receipt = submit_vote(
        project=batch.project,
        person=person,
        item_id=slot.item_id,
        token=slot.token,
        key=uuid.uuid5(uuid.NAMESPACE_URL, f"{batch.pk}/{person.username}/{identity}"),
        judgement=_judgement(vote),
        seconds=vote.seconds,
        ahead=False,
    )
    return receipt.leases


def _judgement(vote: SimulatedVote) -> Judgement:
    return Judgement(intent=vote.intent, answer=vote.answer, code_unclear=vote.code_unclear)


def _scores(batch: Batch) -> dict[int, float]:
    """Pair id -> its best score in any candidate run."""
    found = Candidate.objects.filter(pair__items__batch=batch).values("pair").annotate(best=Max("score"))
    return {row["pair"]: row["best"] or 0.0 for row in found}
