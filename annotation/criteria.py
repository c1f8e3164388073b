"""What a release is asked to hold: keep rule, splits, seed; read from text, written as JSON. No Django."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from annotation.consensus import DEFAULT_RULE, Keep, KeepRule
from annotation.splits import Size
from core.errors import BadInputError

MAX_VOTES = 99
MAX_SEED = 2**31 - 1
MAX_LICENCES, MAX_LICENCE_CHARS = 200, 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9}|/\d{1,9})?")


@dataclass(frozen=True, slots=True)
class ReleaseCriteria:
    """Everything that decides what a release holds, apart from the votes."""

    rule: KeepRule = field(default=DEFAULT_RULE)
    include_imported: bool = True
    dev: Size = Fraction(1, 10)
    test: Size = Fraction(1, 10)
    split_by: str = "group"
    seed: int = 0
    left_out_licences: tuple[str, ...] = ()  # "" where a place states none

    def to_dict(self) -> dict[str, Any]:
        facts = {
            "keep_rule": self.rule.to_dict(),
            "include_imported": self.include_imported,
            "dev": _size_text(self.dev),
            "test": _size_text(self.test),
            "split_by": self.split_by,
            "seed": self.seed,
        }
        if self.left_out_licences:
            facts["left_out_licences"] = list(self.left_out_licences)
        return facts

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> "ReleaseCriteria":
        rule = facts["keep_rule"]
        return read_criteria(**{**facts, "keep_rule": None, **rule})


def _size_text(size: Size) -> str:
    return str(size) if isinstance(size, int) else f"{size.numerator}/{size.denominator}"


def read_criteria(
    *,
    keep: str = "majority",
    min_votes: int | str = 3,
    min_share: str = "3/4",
    min_alpha_u: str | float | None = None,
    include_imported: bool = True,
    dev: str = "1/10",
    test: str = "1/10",
    split_by: str = "group",
    seed: int | str = 0,
    left_out_licences: Iterable[str] = (),
    **_ignored: Any,
) -> ReleaseCriteria:
    """Criteria from what a form, a request or a command line gave. Raises BadInputError that names the field."""
    if split_by not in {"group", "code"}:
        raise BadInputError(problem=f"split_by is group or code, not {split_by}.", field="split_by")
    return ReleaseCriteria(
        rule=read_rule(keep=keep, min_votes=min_votes, min_share=min_share, min_alpha_u=min_alpha_u),
        include_imported=include_imported,
        dev=read_size(dev, "dev"),
        test=read_size(test, "test"),
        split_by=split_by,
        seed=_whole(seed, "seed", 0, MAX_SEED),
        left_out_licences=_licences(left_out_licences),
    )


def _licences(names: Iterable[str]) -> tuple[str, ...]:
    found = sorted(set(names))
    if len(found) > MAX_LICENCES or any(len(name) > MAX_LICENCE_CHARS for name in found):
        raise BadInputError(
            problem=f"At most {MAX_LICENCES} licences of {MAX_LICENCE_CHARS} characters can be left out.",
            field="left_out_licences",
        )
    return tuple(found)


def read_rule(
    *,
    keep: str = "majority",
    min_votes: int | str = 3,
    min_share: str = "3/4",
    min_alpha_u: str | float | None = None,
) -> KeepRule:
    """A keep rule from text. Raises BadInputError that names the field."""
    if keep not in set(Keep):
        raise BadInputError(problem=f"keep is one of {', '.join(Keep)}, not {keep}.", field="keep")
    share = read_fraction(min_share, "min_share")
    if not Fraction(1, 2) <= share <= 1:
        raise BadInputError(problem=f"min_share is a share from 1/2 to 1, not {min_share}.", field="min_share")
    if keep == Keep.ALPHA_U and min_alpha_u in (None, ""):
        raise BadInputError(problem="The rule alpha-u needs min_alpha_u, such as 0.", field="min_alpha_u")
    return KeepRule(
        keep=Keep(keep),
        min_votes=_whole(min_votes, "min_votes", 1, MAX_VOTES),
        min_share=share,
        min_alpha_u=Fraction(0) if min_alpha_u in (None, "") else read_fraction(str(min_alpha_u), "min_alpha_u"),
    )


def read_fraction(text: str, name: str) -> Fraction:
    """3/4, 0.75 or 75% as an exact fraction."""
    cleaned = str(text).strip()
    number = cleaned.removesuffix("%").strip()
    if not _NUMBER.fullmatch(number) or re.search(r"/0+$", number):
        raise BadInputError(problem=f"{name} is a number such as 3/4, 0.75 or 75%, not {cleaned[:40]}.", field=name)
    return Fraction(number) / (100 if cleaned.endswith("%") else 1)


def read_size(text: str, name: str) -> Size:
    """A whole number of pairs (604), or a share of all (1/10, 0.1, 10%)."""
    cleaned = str(text).strip()
    if cleaned.isascii() and cleaned.isdigit() and len(cleaned) <= 9:
        return int(cleaned)
    share = read_fraction(cleaned, name)
    if not 0 <= share < 1:
        raise BadInputError(problem=f"{name} is a number of pairs or a share below 1, not {cleaned[:40]}.", field=name)
    return share


def _whole(value: int | str, name: str, low: int, high: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = low - 1
    if not low <= number <= high:
        raise BadInputError(problem=f"{name} is a whole number from {low} to {high}, not {value}.", field=name)
    return number


def is_release_name(name: str) -> bool:
    """Whether a release may be called this."""
    return _NAME.fullmatch(name) is not None


def read_release_name(name: str) -> str:
    """A release's name: letters, digits, dots, dashes and underscores. Raises BadInputError."""
    cleaned = name.strip()
    if not is_release_name(cleaned):
        raise BadInputError(
            problem=f"A release is named with letters, digits, '.', '-' and '_' (at most 60), not {cleaned[:80]!r}.",
            field="name",
        )
    return cleaned
