"""A look at some queries before a full run: histogram, examples, the share that passes, and the time for all."""

import random
import time
from dataclasses import asdict, dataclass
from typing import Any

from core.encoding import Encoder
from core.errors import BadInputError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from core.vectors import text_hash
from curation.assignment import Match, assign
from curation.selectors.code import proposable_codes
from curation.selectors.queries import proposable_queries
from curation.services.candidates.figures import histogram_of, warnings_about, warnings_of_search
from curation.services.candidates.inputs import QUERY_VIEW, code_texts, query_rows, vector_store
from curation.services.candidates.inputs import code_ids as ids_of
from curation.services.candidates.runs import NothingToProposeError, check_inputs
from curation.services.candidates.search import loaded_encoder, search
from curation.services.candidates.settings import RunSettings, checked_settings

PREVIEW_CANDIDATES = "curation.preview_candidates"
QUERIES = 200
CODES = 2000  # codes that a preview looks at, at least, where their vectors have to be made first
LEAST_NEW = 64  # texts that are encoded to measure the encoder's speed, if there is anything to encode
EXAMPLES = 12
CLICK_FACTS = ("clicks", "clicks_used", "clicks_elsewhere")


def start_preview_candidates(
    *,
    project: Project,
    n_queries: int = QUERIES,
    n_codes: int = CODES,
    seed: int = 0,
    user: User | None = None,
    inline: bool = False,
    **options: Any,
) -> Job:
    """Queues a preview of a run with these settings (see `checked_settings`); its result stands in the job."""
    wanted = checked_settings(project, **options)
    if not 1 <= n_queries <= 5000:
        raise BadInputError(problem=f"A preview looks at 1 to 5,000 queries, not {n_queries}.")
    if n_codes < 0:
        raise BadInputError(problem=f"{n_codes} codes make no sense; 0 looks at all of them.")
    check_inputs(project, wanted)
    return create_job(
        kind=PREVIEW_CANDIDATES,
        title=f"Preview candidates with {wanted.encoder or 'clicks'}"[:200],
        params={
            "project_id": project.pk,
            "settings": asdict(wanted),
            "n_queries": n_queries,
            "n_codes": n_codes,
            "seed": seed,
        },
        project=project,
        user=user,
        inline=inline,
    )


@dataclass(frozen=True)
class Sample:
    """What a preview looks at: all ids and those it takes, in order, and how many texts have no vector yet."""

    query_ids: list[int]
    code_ids: list[int]
    queries: list[int]
    texts: list[str]
    codes: list[int]
    new_queries: int
    new_codes: int


def preview_candidates(
    *, run: RunningJob, project: Project, settings: dict[str, Any], n_queries: int, n_codes: int, seed: int
) -> dict[str, Any]:
    """Searches a seeded sample of the queries, in all codes or in a sample of them, and estimates the full run.

    Codes whose vectors are stored cost nothing, so all of them are looked at; of the others as many as make `n_codes`
    together, drawn by the seed. Vectors made here are kept: the full run finds them. Texts stay out of the result,
    because a text may be quarantined later.
    """
    wanted = RunSettings(**{**settings, "shards": 1})
    encoder = loaded_encoder(run, wanted) if wanted.needs_vectors else None
    sample = _draw(run, project, wanted, encoder, n_queries, n_codes, random.Random(seed))
    started = time.perf_counter()
    found = search(run, wanted, sample.queries, sample.texts, sample.codes, encoder)
    seconds = time.perf_counter() - started
    matches = list(found.matches)
    assignment = assign(matches, threshold=wanted.threshold, cap=wanted.cap, policy=wanted.policy, top_k=wanted.top_k)
    passing = int((found.best >= wanted.threshold).sum())
    return {
        "settings": asdict(wanted),
        "seed": seed,
        "queries": len(sample.query_ids),
        "codes": len(sample.code_ids),
        "sampled": len(sample.queries),
        "searched_codes": len(sample.codes),
        "passing": passing,
        "share_passing": passing / len(sample.queries),
        "pairs": len(assignment.kept),
        "unmatched": len(sample.queries) - len(found.best),
        "histogram": histogram_of(found.best),
        "warnings": [
            *warnings_about(found.best, wanted.threshold, wanted.retriever),
            *warnings_of_search(found.facts),
        ],
        "examples": _examples(sample, matches, wanted.threshold),
        "clicks": {name: found.facts[name] for name in CLICK_FACTS if name in found.facts},
        **_cost(sample, found.facts, seconds),
    }


def _draw(
    run: RunningJob,
    project: Project,
    wanted: RunSettings,
    encoder: Encoder | None,
    n_queries: int,
    n_codes: int,
    chance: random.Random,
) -> Sample:
    run.progress(0, 0, "reading queries and codes")
    query_ids, texts = query_rows(proposable_queries(project))
    code_ids = ids_of(proposable_codes(project))
    if not query_ids or not code_ids:
        raise NothingToProposeError(problem="There is nothing to preview any more.")
    places = sorted(chance.sample(range(len(query_ids)), min(n_queries, len(query_ids))))
    new_queries, new_codes = 0, list[int]()
    if encoder is not None:
        new_queries = len(vector_store(encoder, QUERY_VIEW).missing([text_hash(text) for text in texts]))
        run.progress(0, 0, "looking up which codes are encoded already")
        hashes = [text_hash(text) for text in code_texts(code_ids, wanted.text_view)]
        new_codes = vector_store(encoder, wanted.text_view).missing(hashes)
    return Sample(
        query_ids,
        code_ids,
        [query_ids[place] for place in places],
        [texts[place] for place in places],
        [code_ids[place] for place in _places_to_search(len(code_ids), new_codes, n_codes, chance)],
        new_queries,
        len(new_codes),
    )


def _places_to_search(n: int, new: list[int], n_codes: int, chance: random.Random) -> list[int]:
    """Places of all codes with stored vectors, and of enough others; 0: of all."""
    if not n_codes:
        return list(range(n))
    wanted = max(n_codes - (n - len(new)), LEAST_NEW)
    skipped = set(new).difference(chance.sample(new, min(wanted, len(new))))
    return [place for place in range(n) if place not in skipped]


def _examples(sample: Sample, matches: list[Match], threshold: float) -> list[dict[str, Any]]:
    """Best matches at even distances from the highest to the lowest score."""
    firsts = sorted((match for match in matches if match.rank == 1), key=lambda match: (-match.score, match.query))
    step = max(1.0, len(firsts) / EXAMPLES)
    return [
        {
            "query": sample.queries[match.query],
            "code": sample.codes[match.code],
            "score": match.score,
            "passes": match.score >= threshold,
        }
        for match in (firsts[int(place * step)] for place in range(min(EXAMPLES, len(firsts))))
    ]


def _cost(sample: Sample, facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What came from the cache, the measured speeds (texts per second), and an estimate of the time for all.

    The search grows with queries x codes; encoding with what has no vector yet. A speed that was not measured is taken
    from the other kind of text.
    """
    speeds = {
        what: round(facts[f"encoded_{what}"] / facts[f"encoding_{what}_s"], 2)
        for what in ("queries", "codes")
        if facts.get(f"encoded_{what}") and facts[f"encoding_{what}_s"]
    }
    left = {
        "queries": max(0, sample.new_queries - facts.get("encoded_queries", 0)),
        "codes": max(0, sample.new_codes - facts.get("encoded_codes", 0)),
    }
    known = min(speeds.values(), default=None)
    encoding = sum(n / speeds.get(what, known) for what, n in left.items() if known) if known else 0.0
    share = len(sample.queries) * len(sample.codes) / (len(sample.query_ids) * len(sample.code_ids))
    searching = facts.get("search_s", seconds) / share
    return {
        "cached_queries": len(sample.query_ids) - sample.new_queries,
        "cached_codes": len(sample.code_ids) - sample.new_codes,
        "to_encode": left,
        "texts_per_s": speeds,
        "estimate": {
            "encoding_s": round(encoding, 1),
            "searching_s": round(searching, 1),
            "total_s": round(encoding + searching, 1),
        },
    }
