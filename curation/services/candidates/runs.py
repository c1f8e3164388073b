"""Candidate runs: encode, search, assign, store; everything needed to say why a pair was or was not proposed."""

from typing import Any

from core.db import write_transaction
from core.errors import QuarryError
from core.jobs import RunningJob, create_job
from core.models import Job, Project, User
from curation.assignment import BELOW, KEPT, OVER_CAP, Assignment, assign
from curation.models import CandidateRun, QueryClick
from curation.selectors.candidates import summary
from curation.selectors.code import proposable_codes
from curation.selectors.queries import current_rule_set, proposable_queries
from curation.services.candidates.figures import code_frequency, histogram_of, warnings_about, warnings_of_search
from curation.services.candidates.inputs import code_ids as ids_of
from curation.services.candidates.inputs import query_rows
from curation.services.candidates.search import Found, search
from curation.services.candidates.settings import CLICKED, RunSettings, checked_settings
from curation.services.candidates.storing import store_assignment

PROPOSE_PAIRS = "curation.propose_pairs"


class NothingToProposeError(QuarryError):
    """Queries or codes are missing."""

    code, status = "nothing_to_propose", 409
    template = "{problem}"


def start_propose_pairs(
    *, project: Project, user: User | None = None, inline: bool = False, **options: Any
) -> tuple[CandidateRun, Job]:
    """Checks the settings (see `checked_settings`) and that there is something to pair, and queues a candidate run."""
    wanted = checked_settings(project, **options)
    check_inputs(project, wanted)
    clicked = wanted.retriever == CLICKED
    title = "Propose clicked pairs" if clicked else f"Propose pairs with {wanted.encoder}"
    with write_transaction():
        run = CandidateRun.objects.create(
            project=project,
            origin=CLICKED if clicked else "encoder",
            rule_set=current_rule_set(project),
            **wanted.columns(),
        )
        run.job = create_job(
            kind=PROPOSE_PAIRS,
            title=title[:200],
            params={"candidate_run_id": run.pk},
            project=project,
            user=user,
            inline=inline,
        )
        run.save(update_fields=["job"])
    return run, run.job


def check_inputs(project: Project, wanted: RunSettings) -> None:
    """Raises NothingToProposeError when queries, codes or, where they are needed, clicks are missing."""
    if not proposable_queries(project).exists():
        raise NothingToProposeError(
            problem="No query may be proposed yet. Ingest a search log and apply the intent rules first."
        )
    if not proposable_codes(project).exists():
        raise NothingToProposeError(problem="No code may be proposed yet. Add a code source first.")
    if wanted.retriever == CLICKED and not QueryClick.objects.filter(query__project=project).exists():
        raise NothingToProposeError(
            problem="No clicked address is stored. Import a search log and choose its column of clicked URLs."
        )


def propose_pairs(*, run: RunningJob, candidate_run: CandidateRun) -> dict[str, Any]:
    """Finds the best codes of every query and stores candidates; a run that is complete is left as it is.

    Given stored vectors the candidates depend on nothing but queries, codes and settings: both are taken in the order
    of their content hashes, scores are exact (core.index), ties go to the smaller hash.
    """
    if candidate_run.is_complete:
        return summary(candidate_run)
    wanted = RunSettings.of(candidate_run)
    run.progress(0, 0, "reading queries and codes")
    query_ids, queries = query_rows(proposable_queries(candidate_run.project, candidate_run.rule_set))
    code_ids = ids_of(proposable_codes(candidate_run.project))
    if not query_ids or not code_ids:
        raise NothingToProposeError(problem="The queries or codes of this run are gone. Start a new one.")
    found = search(run, wanted, query_ids, queries, code_ids)
    run.progress(0, 0, "assigning codes to queries")
    assignment = assign(
        found.matches, threshold=wanted.threshold, cap=wanted.cap, policy=wanted.policy, top_k=wanted.top_k
    )
    store_assignment(run, candidate_run, assignment, query_ids, code_ids)
    _complete(candidate_run, wanted, found, assignment, len(query_ids), len(code_ids))
    return summary(candidate_run)


def _complete(
    candidate_run: CandidateRun,
    wanted: RunSettings,
    found: Found,
    assignment: Assignment,
    n_queries: int,
    n_codes: int,
) -> None:
    outcomes = assignment.query_outcomes()
    candidate_run.fingerprint = found.fingerprint
    candidate_run.params = {
        **candidate_run.params,
        **found.facts,
        "matches": {KEPT: len(assignment.kept), BELOW: len(assignment.below), OVER_CAP: len(assignment.over_cap)},
    }
    candidate_run.n_queries = n_queries
    candidate_run.n_codes = n_codes
    candidate_run.n_kept = len(assignment.kept)
    candidate_run.n_below_threshold = outcomes[BELOW]
    candidate_run.n_over_cap = outcomes[OVER_CAP]
    candidate_run.n_not_searched = n_queries - outcomes.total()
    candidate_run.histogram = histogram_of(found.best)
    candidate_run.code_frequency = code_frequency(assignment)
    candidate_run.warnings = [
        *warnings_about(found.best, wanted.threshold, wanted.retriever),
        *warnings_of_search(found.facts),
    ]
    candidate_run.is_complete = True
    with write_transaction():
        candidate_run.save()
