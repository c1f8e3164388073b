"""What the annotation stage adds to a project's overview: from open pairs to a release."""

from typing import Any

from django.db.models import Count, F, Q
from django.utils.translation import gettext

from annotation.models import Batch, Item, Purpose, Release, ReleaseState
from annotation.selectors.queue import progress_of
from core.access import roles_in
from core.menu import VOTERS, section_address
from core.models import Project
from core.overview import Branch, Contribution, PersonalNumber, Stage, Step


def contribution(project: Project) -> Contribution:
    """Counts and steps of the project's batches, judged pairs and releases."""
    items = Item.objects.filter(project=project, purpose=Purpose.LIVE).aggregate(
        all=Count("id"),
        judged=Count("id", filter=Q(done=F("target"))),
        aside=Count("id", filter=Q(is_set_aside=True, done__lt=F("target"))),
    )
    release = (
        Release.objects.filter(project=project, state__in=[ReleaseState.DRAFT, ReleaseState.PUBLISHED])
        .order_by("-id")
        .first()
    )
    return Contribution(
        stages=[_judged(project, items), _released(project, release)],
        steps=_steps(project, items, is_released=release is not None),
    )


def _judged(project: Project, items: dict[str, int]) -> Stage:
    batches = section_address("annotation:batches", project)
    waiting = items["all"] - items["judged"] - items["aside"]
    branches = [
        Branch("opened, waiting for votes", waiting, batches),
        Branch("set aside: could not be judged", items["aside"], batches),
    ]
    return Stage(
        "judged", "Judged pairs", items["judged"], batches, branches=[branch for branch in branches if branch.value]
    )


def _released(project: Project, release: Release | None) -> Stage:
    releases = section_address("annotation:releases", project)
    n_pairs = int((release.stats or {}).get("pairs", 0)) if release else 0
    return Stage("released", f"Released in {release.name}" if release else "Released pairs", n_pairs, releases)


def _steps(project: Project, items: dict[str, int], *, is_released: bool) -> list[Step]:
    return [
        Step(
            "Open a batch",
            "Pairs wait for votes once they are opened for annotation.",
            Batch.objects.filter(project=project).exists(),
            section_address("annotation:batches", project),
            "Open a batch",
        ),
        Step(
            "Judge the pairs",
            f"{items['judged']:,} of {items['all']:,} opened pairs have all their votes.",
            0 < items["all"] == items["judged"] + items["aside"],
            section_address("annotation:judge", project),
            "Judge",
        ),
        Step(
            "Freeze a release",
            "A version of the dataset that never changes, with splits, statistics and hashes.",
            is_released,
            section_address("annotation:releases", project),
            "Open releases",
        ),
    ]


def personal_numbers(project: Project, user: Any) -> list[PersonalNumber]:
    """Own votes, and pairs that wait for this person; nothing for people who do not vote here."""
    if not roles_in(user, project) & VOTERS or not Batch.objects.filter(project=project).exists():
        return []
    progress = progress_of(project, user)
    return [
        PersonalNumber(gettext("Your votes"), progress.mine, section_address("annotation:history", project)),
        PersonalNumber(gettext("Pairs left for you"), progress.left, section_address("annotation:judge", project)),
    ]
