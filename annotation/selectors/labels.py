"""Reads of consensus labels, for those who show them beside something else (search)."""

from collections import defaultdict
from collections.abc import Collection

from annotation.consensus import Tally, verdict
from annotation.models import Vote
from annotation.selectors.adjudication import LABEL_OF, decisions_on_query
from annotation.selectors.releases import imported_labels
from annotation.selectors.votes import counted_votes
from core.models import Project


def labels_of_query(project: Project, *, query_hash: str, code_ids: Collection[int]) -> dict[int, int]:
    """Code id -> label of the query's pairs with these codes, where it is known.

    What an adjudicator decided goes first, then the consensus of the votes; an imported single label stands where
    nobody voted. Unresolved pairs and queries without intent have no label.
    """
    wanted = set(code_ids)
    imported = imported_labels(project).filter(pair__query__content_hash=query_hash, pair__code__in=wanted)
    labels = dict(imported.values_list("pair__code_id", "label"))
    votes = list(counted_votes(project).filter(item__query__content_hash=query_hash).select_related("item__pair"))
    pool = Tally.of(votes)
    for code_id, group in _by_code(votes).items():
        if code_id in wanted:
            labels.pop(code_id, None)
            label = verdict(group, query=pool).label
            if label is not None:
                labels[code_id] = label
    for code_id, decision in decisions_on_query(project, query_hash).items():
        if code_id in wanted:
            labels.pop(code_id, None)
            if (label := LABEL_OF[decision]) is not None:
                labels[code_id] = label
    return labels


def _by_code(votes: list[Vote]) -> dict[int, list[Vote]]:
    groups: dict[int, list[Vote]] = defaultdict(list)
    for vote in votes:
        if vote.item.pair is not None:  # intent-only items have none
            groups[vote.item.pair.code_id].append(vote)
    return groups
