"""What the whole project decides about its code: licences left out, near duplicates, and the counts that follow."""

from typing import Any

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Q

from core.db import run_in_chunks, write_transaction
from core.errors import BadInputError, ConflictError
from core.jobs import RunningJob, create_job
from core.models import Job, JobState, Project, User
from curation.code_filters import KEPT, LICENCE, NEAR_DUPLICATE
from curation.models import Code, CodeOccurrence, CodeSettings, CodeSource, Pair
from curation.near_duplicates import DEFAULT_THRESHOLD, NearDuplicate, NearDuplicateFinder

FIND_NEAR_DUPLICATES = "curation.find_near_duplicates"
CHOSEN_KINDS = ("cosqa", "mbpp")
MIN_THRESHOLD = 0.5  # below it, most pairs that share anything would count


def code_settings(project: Project) -> CodeSettings:
    """The project's settings of code; not stored until somebody changes them."""
    return CodeSettings.objects.filter(project=project).first() or CodeSettings(project=project)


def threshold_of(project: Project) -> float:
    """The similarity from which two codes of the project are near duplicates."""
    return code_settings(project).near_duplicate_threshold or DEFAULT_THRESHOLD


def set_code_settings(
    *, project: Project, left_out_licences: list[str] | None = None, near_duplicate_threshold: float | None = None
) -> CodeSettings:
    """Stores what the project leaves out; `find_near_duplicates` then applies it. None keeps what is set."""
    if near_duplicate_threshold is not None and not MIN_THRESHOLD <= near_duplicate_threshold <= 1:
        raise BadInputError(problem=f"The near-duplicate threshold lies between {MIN_THRESHOLD} and 1.")
    with write_transaction():
        stored, _ = CodeSettings.objects.get_or_create(project=project)
        if left_out_licences is not None:
            stored.left_out_licences = sorted({licence.strip()[:100] for licence in left_out_licences})
        if near_duplicate_threshold is not None:
            stored.near_duplicate_threshold = near_duplicate_threshold
        stored.save()
    return stored


def start_find_near_duplicates(*, project: Project, user: User | None = None, inline: bool = False) -> Job:
    """Queues the settling of the project's code: licences left out, then near duplicates."""
    waiting = Job.objects.filter(
        project=project, kind=FIND_NEAR_DUPLICATES, state__in=[JobState.QUEUED, JobState.RUNNING]
    ).first()
    if waiting is not None:
        raise ConflictError(problem=f"Near duplicates are being looked for already (job {waiting.pk}).")
    return create_job(
        kind=FIND_NEAR_DUPLICATES,
        title="Find near duplicates and apply licences",
        params={"project_id": project.pk},
        project=project,
        user=user,
        inline=inline,
    )


def settle_code(*, project: Project, run: RunningJob) -> dict[str, Any]:
    """Applies the project's licences and finds near duplicates among what is left; a second run changes nothing."""
    _leave_out_licences(project)
    run.check()
    n_looked_at, n_dropped = _find_near_duplicates(project, run)
    for source in CodeSource.objects.filter(project=project):
        run.check()
        recount(source)
    return {
        "compared": n_looked_at,
        "near_duplicates": n_dropped,
        "left_out_by_licence": Code.objects.filter(project=project, filter_reason=LICENCE).count(),
    }


# --- licences -------------------------------------------------------------------------------------------------------


def _leave_out_licences(project: Project) -> None:
    """Codes all of whose places have a licence that is left out, and those that no longer do."""
    left_out = code_settings(project).left_out_licences
    places = CodeOccurrence.objects.filter(code=OuterRef("pk"))
    has_other = Exists(places.exclude(licence__in=left_out))
    codes = Code.objects.filter(project=project)
    # Near duplicates are looked for again afterwards, so both verdicts of the project start anew here.
    unsettled = Q(filter_reason="", is_paired=True) | Q(filter_reason=NEAR_DUPLICATE)
    with write_transaction():
        codes.filter(has_other | ~Exists(places), filter_reason=LICENCE).update(is_paired=True, filter_reason="")
        if left_out:
            codes.filter(unsettled, ~has_other, Exists(places)).update(
                is_paired=False, filter_reason=LICENCE, near_duplicate_of=None, near_duplicate_score=None
            )


# --- near duplicates ------------------------------------------------------------------------------------------------


def _find_near_duplicates(project: Project, run: RunningJob) -> tuple[int, int]:
    """(codes looked at, near duplicates among them). Stores the groups: every dropped code names the kept one.

    Codes that may be shown are kept before quarantined ones, codes in pairs before others, then the smaller content
    hash is: so a new source never unseats what people have judged. Code that its authors chose one by one (CoSQA, MBPP)
    is never dropped.
    """
    passing = Q(is_paired=True, filter_reason="") | Q(filter_reason=NEAR_DUPLICATE)
    codes = Code.objects.filter(passing, project=project)
    in_pairs = Exists(Pair.objects.filter(code=OuterRef("pk")))
    chosen = Exists(CodeOccurrence.objects.filter(code=OuterRef("pk"), source__kind__in=CHOSEN_KINDS))
    is_shown = ExpressionWrapper(Q(quarantine_reason=""), output_field=BooleanField())
    rows = codes.annotate(in_pairs=in_pairs, chosen=chosen, is_shown=is_shown)
    rows = rows.order_by("-is_shown", "-in_pairs", "-chosen", "content_hash")
    finder = NearDuplicateFinder(threshold_of(project))
    ids: list[int] = []
    total = codes.count()
    fields = ("pk", "header", "body", "language", "chosen")
    for pk, header, body, language, is_chosen in rows.values_list(*fields).iterator(chunk_size=1000):
        finder.add(f"{header}\n{body}", language, always_kept=is_chosen)
        ids.append(pk)
        if len(ids) % 500 == 0:
            run.progress(len(ids), total, "comparing code")
    found = {ids[one.dropped]: one for one in finder.groups()}
    _store_groups(codes, ids, found, run)
    return len(ids), len(found)


def _store_groups(codes: Any, ids: list[int], found: dict[int, NearDuplicate], run: RunningJob) -> None:
    """Writes what changed, in short commits."""
    before = dict(codes.filter(filter_reason=NEAR_DUPLICATE).values_list("pk", "near_duplicate_of"))
    freed = [pk for pk in before if pk not in found]
    changed = [(pk, one) for pk, one in found.items() if before.get(pk, 0) != ids[one.kept]]

    def free(chunk: list[int]) -> None:
        Code.objects.filter(pk__in=chunk).update(
            is_paired=True, filter_reason="", near_duplicate_of=None, near_duplicate_score=None
        )

    def drop(chunk: list[tuple[int, NearDuplicate]]) -> None:
        Code.objects.bulk_update(
            [
                Code(
                    pk=pk,
                    is_paired=False,
                    filter_reason=NEAR_DUPLICATE,
                    near_duplicate_of_id=ids[one.kept],
                    near_duplicate_score=round(one.similarity, 6),
                )
                for pk, one in chunk
            ],
            ["is_paired", "filter_reason", "near_duplicate_of", "near_duplicate_score"],
        )

    run_in_chunks(freed, free, max_rows=500, on_chunk=lambda _: run.check())
    run_in_chunks(changed, drop, max_rows=200, on_chunk=lambda _: run.check())


# --- counts ---------------------------------------------------------------------------------------------------------


def recount(source: CodeSource) -> None:
    """The reasons of a source's places as the project sees them now, and their counts."""
    if source.kind == "import" or source.state:
        return
    places = source.occurrences.all()
    with write_transaction():
        for reason in (LICENCE, NEAR_DUPLICATE):
            places.filter(filter_reason=reason).exclude(code__filter_reason=reason).update(filter_reason="")
            places.filter(filter_reason__in=["", LICENCE, NEAR_DUPLICATE], code__filter_reason=reason).update(
                filter_reason=reason
            )
        found = source.occurrences.values("filter_reason").annotate(n=Count("id"))
        counts = {row["filter_reason"] or KEPT: row["n"] for row in found}
        source.counts = dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
        source.n_functions = sum(counts.values())
        source.save(update_fields=["counts", "n_functions"])
