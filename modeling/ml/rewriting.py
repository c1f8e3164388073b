"""Query rewriting for CoCLR (CoSQA section 4.3): delete a word, copy a word, switch two words.

Words are drawn by position with a generator seeded by (run seed, row), never by the order of a set, so a rewrite
is the same in every process.
"""

import hashlib
import random

MODES = ("delete", "copy", "switch")


def rewrite(query: str, mode: str, *, seed: int, row: str) -> str:
    """The query with one word deleted or copied or two switched; unchanged where that is impossible.

    A word is what spaces separate. `row` names the example; the same seed and row give the same rewrite.
    """
    words = query.split()
    chance = random.Random(stable_seed(seed, row))
    match mode:
        case "delete":
            _delete(words, chance)
        case "copy":
            _copy(words, chance)
        case "switch":
            _switch(words, chance)
        case _:
            raise ValueError(f"There is no rewriting {mode}; use one of {MODES}.")
    return " ".join(words)


def stable_seed(*parts: object) -> int:
    """A 64-bit seed from values; the same in every process, unlike hash()."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _delete(words: list[str], chance: random.Random) -> None:
    if len(words) > 1:
        del words[chance.randrange(len(words))]


def _copy(words: list[str], chance: random.Random) -> None:
    if words:
        word = words[chance.randrange(len(words))]
        words.insert(chance.randrange(len(words) + 1), word)


def _switch(words: list[str], chance: random.Random) -> None:
    if len(set(words)) < 2:
        return
    first = chance.randrange(len(words))
    second = chance.choice([place for place, word in enumerate(words) if word != words[first]])
    words[first], words[second] = words[second], words[first]
