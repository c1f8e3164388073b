"""Simulated annotators: seeded, imperfect, and called simulated wherever they show. No Django.

What such a person answers is a function of (seed, pair, person) alone, so a demo run twice gives the same votes. The
hidden truth of a pair is drawn once from its score: the higher the cosine, the likelier the code answers. It is a
stand-in for people, not a claim about the pairs.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SimulatedAnnotator:
    """How often this person errs in each step, and how often the code defeats them."""

    name: str
    intent_error: float
    answer_error: float
    unclear: float = 0.01


@dataclass(frozen=True)
class SimulatedVote:
    """Both steps; `answer` is None after no intent and when the code could not be judged."""

    intent: Literal["yes", "no"]
    answer: int | None
    code_unclear: bool
    seconds: float


# Three judge every pair; the other two only take the extra votes that unresolved pairs ask for.
PANEL = (
    SimulatedAnnotator("sim-ada", intent_error=0.02, answer_error=0.06),
    SimulatedAnnotator("sim-bo", intent_error=0.03, answer_error=0.10),
    SimulatedAnnotator("sim-cy", intent_error=0.05, answer_error=0.18),
)
EXTRA = (
    SimulatedAnnotator("sim-dee", intent_error=0.03, answer_error=0.08),
    SimulatedAnnotator("sim-eli", intent_error=0.03, answer_error=0.08),
)
NO_INTENT_SHARE = 0.06
MIDPOINT = 0.55  # the cosine at which half of the pairs are said to answer
SLOPE = 12.0


def uniform(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone, the same in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def hidden_truth(pair_hash: str, score: float, *, seed: int) -> tuple[bool, int]:
    """(has intent, answer) that the simulated people try to see."""
    has_intent = uniform(seed, "intent", pair_hash) >= NO_INTENT_SHARE
    chance = 1 / (1 + math.exp(-SLOPE * (score - MIDPOINT)))
    return has_intent, int(uniform(seed, "answer", pair_hash) < chance)


def simulated_vote(person: SimulatedAnnotator, pair_hash: str, score: float, *, seed: int) -> SimulatedVote:
    """What `person` says of the pair with this score (cosine, -1 to 1)."""
    has_intent, answer = hidden_truth(pair_hash, score, seed=seed)

    def errs(step: str, rate: float) -> bool:
        return uniform(seed, person.name, step, pair_hash) < rate

    seconds = round(4 + 16 * uniform(seed, person.name, "seconds", pair_hash), 1)
    if has_intent == errs("intent", person.intent_error):
        return SimulatedVote("no", None, False, seconds)
    if errs("unclear", person.unclear):
        return SimulatedVote("yes", None, True, seconds)
    return SimulatedVote("yes", answer ^ errs("answer", person.answer_error), False, seconds)
