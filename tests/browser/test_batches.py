"""A batch in a browser: changed and filled while people judge it, and what the page says when nothing is left."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from annotation.models import Annotator, Batch
from annotation.services import leases
from annotation.services.batches import pause_batch
from annotation.services.leases import claim_next
from annotation.services.opening import start_open_batch
from annotation.services.votes import LateVoteError, submit_vote
from core.models import Job, Project, User
from tests.annotation.conftest import YES_1, annotators, make_batch, vote
from tests.annotation.intent import log, sample_of
from tests.annotation.test_queue_pages import propose
from tests.browser.conftest import axe_violations, overflow_of

pytestmark = pytest.mark.django_db(transaction=True)


def address(live_server: Any, name: str, *args: Any) -> str:
    return live_server.url + reverse(f"annotation:{name}", args=["demo", *args])


def check(page: Any) -> None:
    assert axe_violations(page) == []
    assert overflow_of(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_pages_of_batches_fit_and_axe_finds_nothing(
    new_page: Callable[..., Any], live_server: Any, project: Project, curator: User, width: int, theme: str
) -> None:
    people = annotators(project, 3)
    batch = make_batch(project, 3, max_votes_per_day=50, max_votes_per_person=200, is_invited_only=True)
    batch.members.create(person=people[0])
    slot = claim_next(project=project, person=people[0])
    leases.release_leases(person=people[0])
    with pytest.raises(LateVoteError):
        submit_vote(
            project=project, person=people[0], item_id=slot.item_id, token=slot.token, key=slot.token, judgement=YES_1
        )
    propose(project, 4)
    opening, _ = start_open_batch(project=project, name="being opened", limit=3)
    broken, job = start_open_batch(project=project, name="broken off", limit=3)
    Job.objects.filter(pk=job.pk).update(state="failed", error="The disk was full.")
    page = new_page(width=width, theme=theme, user=curator)
    for where in (
        address(live_server, "batches"),
        address(live_server, "batch", batch.pk),
        address(live_server, "batch", batch.pk) + "?show=late",
        address(live_server, "batch", opening.pk),
        address(live_server, "batch", broken.pk),
        address(live_server, "batch-settings", batch.pk),
    ):
        page.goto(where)
        check(page)


def test_a_curator_raises_the_votes_per_pair_and_invites(
    new_page: Callable[..., Any], live_server: Any, project: Project, curator: User
) -> None:
    annotators(project, 2)
    batch = make_batch(project, 3)
    page = new_page(user=curator)
    page.goto(address(live_server, "batch", batch.pk))
    page.get_by_role("link", name="Settings", exact=True).last.click()
    page.get_by_label("Votes per pair").fill("5")
    page.get_by_label("Priority").fill("-2")
    page.get_by_label("For invited people only").check()
    page.get_by_role("button", name="Save", exact=True).click()
    assert "Saved" in page.inner_text("main")
    page.get_by_label("rater1").check()
    page.get_by_role("button", name="Save the list").click()
    batch.refresh_from_db()
    assert (batch.overlap, batch.priority, batch.is_invited_only) == (5, -2, True)
    assert batch.slots.count() == 15
    assert [member.person.username for member in batch.members.all()] == ["rater1"]
    page.get_by_role("link", name="Back to the batch").click()
    assert "1 invited person" in page.inner_text("main")


@pytest.mark.parametrize("width", [1280, 360])
def test_an_empty_queue_says_why(
    new_page: Callable[..., Any], live_server: Any, project: Project, annotator: User, curator: User, width: int
) -> None:
    page = new_page(width=width, user=annotator)

    def shown() -> str:
        page.goto(address(live_server, "judge"))
        check(page)
        text: str = page.inner_text("main")
        return text

    assert "No batch is open" in shown()
    batch = make_batch(project, 2, overlap=1, max_extra=0, max_votes_per_day=1)
    vote(project, annotator)
    assert "You can go on from" in shown()
    Batch.objects.update(max_votes_per_day=None, is_invited_only=True)
    assert "for invited people" in shown()
    Batch.objects.update(is_invited_only=False)
    leases.release_leases(person=annotator)
    claim_next(project=project, person=curator)
    assert "comes back at the latest" in shown()
    pause_batch(batch=Batch.objects.get(pk=batch.pk))
    assert "The open batches are paused" in shown()
    row = Annotator.objects.get_or_create(project=project, person=annotator)[0]
    Annotator.objects.filter(pk=row.pk).update(standing="paused", reason="Please talk to the curator.")
    assert "Please talk to the curator." in shown()


def test_an_empty_queue_of_queries_and_pairs_names_both(
    new_page: Callable[..., Any], live_server: Any, project: Project, annotator: User
) -> None:
    log(project, ["python sort list"])
    sample_of(project)
    make_batch(project, 1)
    while vote(project, annotator, _judgement(project, annotator)) is not None:
        pass
    page = new_page(user=annotator)
    page.goto(address(live_server, "judge"))
    assert "No pairs and queries are left for you" in page.inner_text("main")


def _judgement(project: Project, person: User) -> Any:
    from tests.annotation.conftest import NO

    return NO
