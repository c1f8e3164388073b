"""Freezing a release: one consistent read decides, a second pass writes. Same votes and criteria, same bytes.

Memory holds one line of keys per pair; texts and votes stream through a spool file in QUARRY_HOME/tmp.
"""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from annotation.agreement import alpha
from annotation.card import card, describe_removal, describe_rule
from annotation.consensus import Removal, Tally, decide
from annotation.criteria import ReleaseCriteria
from annotation.exporters import FileFacts, HashedFile, ReleasedPair, ReleaseWriter
from annotation.models import Decision, RaterKind
from annotation.quality import SET_ASIDE, answer_patterns, expected_disagreement, headline
from annotation.selectors.adjudication import LABEL_OF, decisions_by_hashes
from annotation.selectors.pools import Qrels, judged_pools, qrels_of
from annotation.selectors.releases import imported_labels
from annotation.selectors.votes import counted_votes, item_patterns
from annotation.splits import Edge, Split, SplitSizeError, split_pairs
from annotation.statistics import ReleaseStatistics
from core.db import consistent_reads
from core.errors import BadInputError
from core.models import Project
from curation.models import Code, CodeOccurrence, Query
from curation.selectors import codes_only_under

FORMAT = 1  # of the files together; part of the manifest
MANIFEST = "manifest.json"
CHUNK = 500
FROM_VOTES, IMPORTED, ADJUDICATED = "votes", "imported", "adjudicated"
LICENCE = "licence"
Progress = Callable[[int, int, str], None]


class VoteRow(NamedTuple):
    """A counted vote as it goes into the spool."""

    intent: str
    answer: int | None
    code_unclear: bool
    reason: str
    guideline: int | None
    rater: str  # username: the stable id behind the pseudonym
    kind: str
    may_be_published: bool


class PairRow(NamedTuple):
    """A counted vote, or an imported label, of a pair; rows come sorted by the hashes."""

    query_hash: str
    code_hash: str
    query_id: int
    code_id: int
    is_set_aside: bool
    vote: VoteRow | None
    label: int | None


@dataclass(slots=True)
class Kept:
    """What the first pass leaves in memory."""

    edges: list[Edge] = field(default_factory=list)
    removed: Counter[str] = field(default_factory=Counter)
    kept_patterns: Counter[tuple[int, ...]] = field(default_factory=Counter)
    raters: dict[str, str] = field(default_factory=dict)  # username -> kind, of all votes on kept pairs
    published: set[str] = field(default_factory=set)  # usernames of those whose votes may be published
    n_votes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


def build_release(
    *, project: Project, criteria: ReleaseCriteria, folder: Path, on_progress: Progress
) -> tuple[dict[str, Any], list[FileFacts]]:
    """Writes all payload files of a release into `folder`; returns its facts and the files.

    Raises BadInputError when nothing would be kept or a split cannot have its size.
    """
    spool = folder / "spool"
    on_progress(0, 0, "reading votes")
    with consistent_reads():
        items = item_patterns(project)
        kept = _decide_all(project, criteria, expected_disagreement(items), spool)
        qrels = qrels_of(project, judged_pools(project))
    if not kept.edges:
        raise BadInputError(problem=nothing_kept(criteria, kept.removed))
    split = _split(kept, criteria)
    statistics, n_published, files = _write_pairs(project, kept, split.of_pair, folder, spool, on_progress)
    spool.unlink()
    files += _write_qrels(qrels, kept, split.of_pair, folder)
    facts = {
        "language": project.language,
        "criteria": criteria.to_dict(),
        "statistics": statistics.to_dict(),
        "agreement": {**headline(items).to_dict(), "answer_kept": alpha(kept.kept_patterns, resamples=1000).to_dict()},
        # [zeros, ones, pairs] of all answers before filtering: enough to compute alpha again
        "votes_before": [[*pattern, n] for pattern, n in sorted(answer_patterns(items).items())],
        "removed": dict(sorted(kept.removed.items())),
        "split_report": split.report,
        "votes": {
            "on_kept_pairs": kept.n_votes,
            "published": n_published,
            "raters": dict(sorted(Counter(kept.raters.values()).items())),
        },
    }
    if qrels.rows:
        facts["qrels"] = qrels.facts
    return facts, _write_documents(facts, files, folder)


def _split(kept: Kept, criteria: ReleaseCriteria) -> Split:
    try:
        split = split_pairs(kept.edges, dev=criteria.dev, test=criteria.test, seed=criteria.seed, by=criteria.split_by)
    except SplitSizeError as error:
        raise BadInputError(problem=str(error)) from error
    if split.report["dropped"]:
        kept.removed["dropped_by_split"] = split.report["dropped"]
    return split


def nothing_kept(criteria: ReleaseCriteria, removed: Mapping[str, int]) -> str:
    """Why there is nothing to release."""
    why = "; ".join(f"{describe_removal(reason)}: {n:,}" for reason, n in sorted(removed.items()))
    nothing = "There are no votes yet" + (", and no imported labels." if criteria.include_imported else ".")
    return f"No pair would be kept by this rule: {describe_rule(criteria.rule.to_dict())}. " + (
        f"What was judged falls out like this: {why}." if why else nothing
    )


# --- first pass: decide ------------------------------------------------------------------------------------------


def _decide_all(project: Project, criteria: ReleaseCriteria, expected: Fraction, spool: Path) -> Kept:
    kept = Kept()
    kept.digest.update(json.dumps(criteria.to_dict(), sort_keys=True).encode())
    rows: Iterator[PairRow] = _vote_rows(project)
    if criteria.include_imported:
        rows = merge(rows, _label_rows(project), key=lambda row: row[:2])
    left_out = codes_only_under(project, criteria.left_out_licences)
    decisions = decisions_by_hashes(project)
    with spool.open("w", encoding="utf-8") as out:
        for _, of_query in groupby(rows, key=lambda row: row.query_hash):
            pairs = [list(of_pair) for _, of_pair in groupby(of_query, key=lambda row: row.code_hash)]
            tallies = [Tally.of(row.vote for row in pair if row.vote) for pair in pairs]
            pool = sum(tallies, Tally())
            for pair, tally in zip(pairs, tallies, strict=True):
                decided = _adjudicated(decisions.get((pair[0].query_hash, pair[0].code_hash)))
                decided = decided or _decide_pair(pair, tally, pool, criteria, expected)
                if decided.label is not None and pair[0].code_id in left_out:
                    decided = Decided(None, LICENCE, "")
                if decided.label is None:
                    kept.removed[decided.reason] += 1
                else:
                    _keep(kept, pair, tally, decided, out)
    return kept


def _vote_rows(project: Project) -> Iterator[PairRow]:
    rows = counted_votes(project).order_by("item__query__content_hash", "item__pair__code__content_hash", "id")
    for row in rows.values_list(
        "item__query__content_hash",
        "item__pair__code__content_hash",
        "item__query_id",
        "item__pair__code_id",
        "item__is_set_aside",
        "intent",
        "answer",
        "code_unclear",
        "reason",
        "guideline__version",
        "person__username",
        "rater_kind",
        "person__publishes_votes",
    ).iterator(chunk_size=2000):
        intent, answer, code_unclear, reason, guideline, rater, kind, agreed = row[5:]
        is_published = agreed or kind != RaterKind.HUMAN
        vote = VoteRow(intent, answer, code_unclear, reason, guideline, rater, kind, is_published)
        yield PairRow(*row[:5], vote, None)


def _label_rows(project: Project) -> Iterator[PairRow]:
    rows = imported_labels(project).order_by("pair__query__content_hash", "pair__code__content_hash", "source")
    for query_hash, code_hash, query_id, code_id, label in rows.values_list(
        "pair__query__content_hash", "pair__code__content_hash", "pair__query_id", "pair__code_id", "label"
    ).iterator(chunk_size=2000):
        yield PairRow(query_hash, code_hash, query_id, code_id, False, None, label)


class Decided(NamedTuple):
    """A label and where it comes from, or why there is none."""

    label: int | None
    reason: str
    origin: str


def _adjudicated(decision: Decision | None) -> Decided | None:
    """An adjudicator's word goes before votes, the keep rule and imported labels; None where there is none."""
    if decision is None:
        return None
    label = LABEL_OF[decision]
    return Decided(label, "" if label is not None else f"{ADJUDICATED}_{decision}", ADJUDICATED)


def _decide_pair(
    pair: list[PairRow], tally: Tally, pool: Tally, criteria: ReleaseCriteria, expected: Fraction
) -> Decided:
    """Votes decide. Imported labels speak only where votes are too few, under a rule of their own: one is enough, and
    several must agree."""
    if any(row.is_set_aside for row in pair):
        return Decided(None, SET_ASIDE, "")
    decision = decide(tally, criteria.rule, query=pool, expected_disagreement=expected)
    labels = {row.label for row in pair if row.label is not None}
    if decision.removal == Removal.TOO_FEW_VOTES and labels:
        return Decided(None, "imported_conflict", "") if len(labels) > 1 else Decided(labels.pop(), "", IMPORTED)
    return Decided(decision.label, str(decision.removal or ""), FROM_VOTES)


def _keep(kept: Kept, pair: list[PairRow], tally: Tally, decided: Decided, out: TextIO) -> None:
    first = pair[0]
    votes = [row.vote for row in pair if row.vote]
    if decided.origin == IMPORTED:
        votes, tally = [], Tally()  # the few votes on it do not carry the label
    else:
        kept.kept_patterns[tally.n_zero, tally.n_one] += 1
    for vote in votes:
        kept.raters[vote.rater] = vote.kind
        if vote.may_be_published:
            kept.published.add(vote.rater)
    kept.n_votes += len(votes)
    kept.edges.append(Edge(first.query_hash, first.code_hash, decided.label or 0))
    votes_for = tally.n_one if decided.label else tally.n_zero
    counts = [votes_for, tally.n_answers, tally.n_yes, tally.n_no]
    out.write(json.dumps([first.query_id, first.code_id, decided.origin, counts, votes]) + "\n")
    frozen = [
        first.query_hash,
        first.code_hash,
        decided.label,
        decided.origin,
        sorted(json.dumps(v[:5]) for v in votes),
    ]
    kept.digest.update(repr(frozen).encode())


# --- second pass: write ------------------------------------------------------------------------------------------


def _write_pairs(
    project: Project, kept: Kept, of_pair: list[str | None], folder: Path, spool: Path, on_progress: Progress
) -> tuple[ReleaseStatistics, int, list[FileFacts]]:
    """Writes every data file; returns the statistics, the number of votes published, and the files."""
    pseudonyms = _pseudonyms(project, kept)
    statistics = ReleaseStatistics()
    writer = ReleaseWriter(folder)
    numbers: Counter[str] = Counter()
    n_published = 0
    with spool.open(encoding="utf-8") as lines:
        rows = zip(map(json.loads, lines), kept.edges, of_pair, strict=True)
        for start in range(0, len(kept.edges), CHUNK):
            on_progress(start, len(kept.edges), "writing pairs")
            chunk = [(row, edge, split) for row, edge, split in islice(rows, CHUNK) if split]
            texts = _texts([row[0] for row, _, _ in chunk], [row[1] for row, _, _ in chunk])
            for row, edge, split in chunk:
                pair = _released(row, edge, split, f"{split}-{numbers[split]}", texts)
                votes = _published_votes(row[-1], pseudonyms)
                numbers[split] += 1
                n_published += len(votes)
                statistics.add(pair)
                writer.add(pair, votes)
    return statistics, n_published, writer.close()


def _write_qrels(qrels: Qrels, kept: Kept, of_pair: list[str | None], folder: Path) -> list[FileFacts]:
    """Judged test pools, where there are any: every judged pair, whatever the keep rule says, each with the split that
    its query stands in, so that nobody tests on what was trained on."""
    if not qrels.rows:
        return []
    split_of = {edge.query: split for edge, split in zip(kept.edges, of_pair, strict=True) if split}
    for row in qrels.rows:
        row["split"] = split_of.get(row["query_hash"])
    return [write_text(folder, "qrels.txt", qrels.text()), write_text(folder, "qrels.json", qrels.json())]


def _pseudonyms(project: Project, kept: Kept) -> dict[str, str]:
    """Username -> r1, r2, ...: ranks by a keyed hash over the frozen inputs, so that no two releases can be linked."""
    inputs = kept.digest.hexdigest()

    def rank_key(username: str) -> bytes:
        return hmac.digest(project.secret.encode(), f"{inputs} {username}".encode(), "sha256")

    return {name: f"r{rank}" for rank, name in enumerate(sorted(kept.published, key=rank_key), start=1)}


def _published_votes(votes: list[list[Any]], pseudonyms: dict[str, str]) -> list[dict[str, Any]]:
    made = []
    for vote in (VoteRow(*vote) for vote in votes):
        if vote.rater in pseudonyms:
            made.append(
                {
                    "rater": pseudonyms[vote.rater],
                    "rater_kind": vote.kind,
                    "intent": vote.intent,
                    "answer": vote.answer,
                    "code_unclear": vote.code_unclear,
                    "reason": vote.reason,
                    "guideline": vote.guideline,
                }
            )
    return sorted(made, key=lambda vote: int(vote["rater"][1:]))


class Texts(NamedTuple):
    """Texts of a chunk of pairs, by id."""

    queries: dict[int, str]
    codes: dict[int, dict[str, Any]]
    places: dict[int, list[dict[str, Any]]]


PLACE_FIELDS = ["repository", "path", "commit", "start_line", "end_line", "qualified_name", "licence"]


def _texts(query_ids: list[int], code_ids: list[int]) -> Texts:
    queries = dict(Query.objects.filter(pk__in=set(query_ids)).values_list("pk", "text"))
    codes = Code.objects.filter(pk__in=set(code_ids)).values("pk", "text", "language", "name", "docstring")
    places: dict[int, list[dict[str, Any]]] = {}
    for code_id, *place in CodeOccurrence.objects.filter(code__in=set(code_ids)).values_list("code_id", *PLACE_FIELDS):
        places.setdefault(code_id, []).append(dict(zip(PLACE_FIELDS, place, strict=True)))
    for found in places.values():
        found.sort(key=json.dumps)
    return Texts(queries, {code["pk"]: dict(code) for code in codes}, places)


def _released(row: list[Any], edge: Edge, split: str, idx: str, texts: Texts) -> ReleasedPair:
    query_id, code_id, origin, (votes_for, votes_of, intent_yes, intent_no), _ = row
    code = texts.codes[code_id]
    return ReleasedPair(
        idx=idx,
        split=split,
        query=texts.queries[query_id],
        code=code["text"],
        label=edge.label,
        query_hash=edge.query,
        code_hash=edge.code,
        language=code["language"],
        name=code["name"],
        docstring=code["docstring"],
        origin=origin,
        votes_for=votes_for,
        votes_of=votes_of,
        intent_yes=intent_yes,
        intent_no=intent_no,
        provenance=texts.places.get(code_id, []),
    )


def _write_documents(facts: dict[str, Any], files: list[FileFacts], folder: Path) -> list[FileFacts]:
    """Card, statistics and, last, the manifest: its SHA-256 is the release's content hash."""
    made = [
        *files,
        write_text(folder, "README.md", card(facts)),
        write_text(folder, "statistics.json", json.dumps(facts, indent=1, sort_keys=True) + "\n"),
    ]
    made.sort(key=lambda file: file.path)
    manifest = {"format": FORMAT, "criteria": facts["criteria"], "files": [asdict(file) for file in made]}
    return [*made, write_text(folder, MANIFEST, json.dumps(manifest, indent=1) + "\n")]


def write_text(folder: Path, path: str, text: str) -> FileFacts:
    """Writes a small file."""
    out = HashedFile(folder, path)
    out.write(text)
    return out.close()
