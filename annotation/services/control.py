"""What follows from a vote on an item whose answer is known."""

from annotation.models import Purpose, Vote
from annotation.services import standing, training


def after_vote(vote: Vote) -> None:
    """Call in the transaction of the vote, before the next pair is handed out; most purposes ask for nothing."""
    if vote.item.purpose == Purpose.GOLD:
        standing.after_gold_vote(vote.project, vote.person)
    elif vote.item.purpose in training.PURPOSES:
        training.after_vote(vote)
