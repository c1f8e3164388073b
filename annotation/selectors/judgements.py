"""What people judged, as curation compares it with scores: registered when Django starts."""

from collections.abc import Iterator

from annotation.models import Item, Purpose
from annotation.selectors.plans import judged_scores
from annotation.selectors.pools import labels_of_pairs
from annotation.selectors.releases import imported_labels
from core.models import Project
from curation.judgements import JudgedPair, JudgedScore
from curation.models import CandidateRun, Pair

AT_ONCE = 500


def judged_pairs(project: Project) -> Iterator[JudgedPair]:
    """Every pair with a label, by consensus or from an import, in the order of the content hashes."""
    voted = Item.objects.filter(project=project, purpose=Purpose.LIVE, done__gt=0).values_list("pair_id", flat=True)
    wanted = {pair for pair in voted if pair} | set(imported_labels(project).values_list("pair_id", flat=True))
    labels = labels_of_pairs(project, sorted(wanted)).labels
    ordered = sorted(_hashes(list(labels)))
    for start in range(0, len(ordered), AT_ONCE):
        chunk = [pair for _, _, pair in ordered[start : start + AT_ONCE]]
        rows = Pair.objects.select_related("query", "code").in_bulk(chunk)
        for pair in (rows[pk] for pk in chunk):
            yield JudgedPair(pair.query.text, pair.code.text, labels[pair.pk].label, pair.query_id, pair.code_id)


def _hashes(pairs: list[int]) -> Iterator[tuple[str, str, int]]:
    """(query hash, code hash, pair id) of pairs of which nothing is quarantined."""
    for start in range(0, len(pairs), AT_ONCE):
        rows = Pair.objects.filter(
            pk__in=pairs[start : start + AT_ONCE], query__quarantine_reason="", code__quarantine_reason=""
        )
        yield from rows.values_list("query__content_hash", "code__content_hash", "pk")


def scores_of_run(run: CandidateRun) -> list[JudgedScore]:
    """Scores of a run beside the labels of the pairs; see `judged_scores`."""
    return [JudgedScore(score, label) for score, label in judged_scores(run)]
