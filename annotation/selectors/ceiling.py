"""The human ceiling: how well people meet the consensus of the others, to be read beside what models reach."""

from dataclasses import dataclass
from typing import Any

from annotation.ceiling import Accuracy, ceiling_of_items
from annotation.quality import decide_item, expected_disagreement
from annotation.selectors.agreement import chosen_rule
from annotation.selectors.tallies import counted_items
from core.models import Project


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Rater-against-consensus accuracy of the answers, each vote against the majority of the *other* votes.

    `all_pairs` is before any filter; `kept` over the pairs that the project's keep rule leaves, which were selected
    because people agreed, so it lies too high for people and says how clean the kept labels are.
    """

    all_pairs: Accuracy
    kept: Accuracy
    has_simulated: bool

    @property
    def is_known(self) -> bool:
        return bool(self.all_pairs.n)

    def to_dict(self) -> dict[str, Any]:
        return {
            "all_pairs": self.all_pairs.to_dict(),
            "kept": self.kept.to_dict(),
            "has_simulated": self.has_simulated,
        }


def human_ceiling_of(project: Project) -> Ceiling:
    """The human ceiling of code question answering in a project, from the kept counts; pilots are left out."""
    items, _ = counted_items(project)
    rule, expected = chosen_rule(project), expected_disagreement(items)
    kept = [row for row in items if not decide_item(row, rule, expected)[1]]
    simulated = project.work_hours.filter(person__is_simulated=True, n_votes__gt=0)
    return Ceiling(ceiling_of_items(items), ceiling_of_items(kept), bool(items) and simulated.exists())
