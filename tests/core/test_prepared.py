"""Queries whose SQL is made once answer as their querysets do."""

import uuid

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Exists, F, OuterRef, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import Slot, SlotState, TallyMark, Vote
from core.models import Membership, Project, Role
from core.prepared import Param, Prepared, PreparedInsert, PreparedUpdate, PreparedUpdateReturning
from tests.factories import PairFactory, ProjectFactory, UserFactory, member

pytestmark = pytest.mark.django_db


def fields_of(row: models.Model) -> dict:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_rows_are_those_of_the_queryset():
    project = ProjectFactory(slug="one")
    for name in ("ada", "bob", "cyd"):
        member(project, Role.ANNOTATOR, username=name)
    of_role = Prepared(lambda role: Membership.objects.filter(role=role).order_by("id"), role=models.CharField())
    plain = list(Membership.objects.filter(role="annotator").order_by("id"))
    assert [fields_of(row) for row in of_role.all(role="annotator")] == [fields_of(row) for row in plain]
    assert of_role.all(role="curator") == []


def test_related_rows_and_annotations_come_along():
    project = ProjectFactory(slug="one")
    person = member(project, Role.CURATOR, username="ada")
    query = Prepared(
        lambda person: (
            Membership.objects.filter(user=person)
            .select_related("project", "user")
            .annotate(is_lead=Exists(Project.objects.filter(pk=OuterRef("project"))), answer=Value(42))
        )
    )
    found = query.first(person=person.pk)
    assert (found.project, found.user, found.is_lead, found.answer) == (project, person, True, 42)
    assert fields_of(found.project) == fields_of(Project.objects.get())


def test_a_missing_related_row_is_none():
    slot_of = Prepared(lambda pk: Slot.objects.filter(pk=pk).select_related("person", "pair"))
    assert slot_of.first(pk=0) is None


def test_values_are_written_as_their_fields_say(queue_of):
    slot = queue_of(1)
    slot.token = uuid.uuid4()
    by_token = Prepared(
        lambda token: Slot.objects.filter(token=token).select_related("person"), token=models.UUIDField()
    )
    person = UserFactory()
    Slot.objects.filter(pk=slot.pk).update(
        token=slot.token, state=SlotState.LEASED, person=person, lane=0, expires_at="2030-01-01T00:00:00Z"
    )
    found = by_token.first(token=slot.token)
    assert found == slot
    assert found.token == slot.token
    assert found.expires_at.year == 2030
    assert found.person == person
    assert by_token.first(token=uuid.uuid4()) is None


def test_an_object_can_be_changed_and_saved():
    project = ProjectFactory(slug="one", title="before")
    by_slug = Prepared(lambda slug: Project.objects.filter(slug=slug), slug=models.CharField())
    found = by_slug.first(slug="one")
    found.title = "after"
    found.save()
    project.refresh_from_db()
    assert project.title == "after"
    assert by_slug.first(slug="one").title == "after"


def test_only_some_columns_leave_the_others_deferred(django_assert_num_queries):
    ProjectFactory(slug="one", title="A title")
    by_slug = Prepared(lambda slug: Project.objects.filter(slug=slug).only("pk", "slug"), slug=models.CharField())
    with django_assert_num_queries(2):
        found = by_slug.first(slug="one")
        assert found.slug == "one"
        assert found.title == "A title"


def test_the_sql_is_written_once():
    ProjectFactory(slug="one")
    made = []

    def make(slug):
        made.append(slug)
        return Project.objects.filter(slug=slug)

    by_slug = Prepared(make, slug=models.CharField())
    assert [by_slug.first(slug=slug) is None for slug in ("one", "two", "one")] == [False, True, False]
    assert len(made) == 1


def test_a_value_that_is_not_given_is_refused():
    by_slug = Prepared(lambda slug: Project.objects.filter(slug=slug), slug=models.CharField())
    with pytest.raises(KeyError):
        by_slug.first()


def test_quotes_in_values_stay_values():
    by_slug = Prepared(lambda slug: Project.objects.filter(slug=slug), slug=models.CharField())
    assert by_slug.first(slug="' OR 1=1 --") is None


@pytest.fixture
def queue_of():
    from annotation.services.batches import open_batch

    def make(n):
        project = ProjectFactory()
        open_batch(project=project, pairs=PairFactory.create_batch(n, project=project), overlap=2, max_extra=0)
        return Slot.objects.order_by("id").first()

    return make


def test_nothing_is_kept_of_the_rows(queue_of):
    slot = queue_of(2)
    free = Prepared(lambda project: Slot.objects.filter(project=project, state=0).order_by("id"))
    assert len(free.all(project=slot.project_id)) == 4
    Slot.objects.filter(pk=slot.pk).delete()
    with CaptureQueriesContext(connection) as seen:
        assert len(free.all(project=slot.project_id)) == 3
    assert len(seen) == 1
    assert not Vote.objects.exists()


def test_an_update_changes_the_rows_of_its_queryset_alone(queue_of):
    slot = queue_of(2)
    token = uuid.uuid4()
    lease = PreparedUpdate(
        lambda pk: Slot.objects.filter(pk=pk, state=SlotState.FREE),
        {
            "state": SlotState.LEASED,
            "person": Param("person"),
            "lane": Param("lane"),
            "token": Param("token", models.UUIDField()),
            "expires_at": Param("expires_at", models.DateTimeField()),
            "priority": F("priority") + 5,
        },
    )
    person, now = UserFactory(), timezone.now()
    given = {"pk": slot.pk, "person": person.pk, "lane": 1, "token": token, "expires_at": now}
    assert lease(**given) == 1
    slot.refresh_from_db()
    assert (slot.state, slot.person, slot.lane, slot.token, slot.expires_at, slot.priority) == (
        SlotState.LEASED,
        person,
        1,
        token,
        now,
        5,
    )
    assert lease(**given) == 0  # not free any more
    assert Slot.objects.filter(state=SlotState.LEASED).count() == 1


def test_an_update_can_write_null(queue_of):
    slot = queue_of(1)
    Slot.objects.filter(pk=slot.pk).update(leased_at=timezone.now())
    assert PreparedUpdate(lambda pk: Slot.objects.filter(pk=pk), {"leased_at": None})(pk=slot.pk) == 1
    slot.refresh_from_db()
    assert slot.leased_at is None


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_that_no_column_holds_finds_nothing(number):
    ProjectFactory(slug="one")
    assert Prepared(lambda pk: Project.objects.filter(pk=pk)).all(pk=number) == []
    assert PreparedUpdate(lambda pk: Project.objects.filter(pk=pk), {"title": "x"})(pk=number) == 0


def test_objects_are_as_django_makes_them():
    project = ProjectFactory(slug="one")
    member(project, Role.ANNOTATOR, username="ada")
    rows = Membership.objects.select_related("project", "user").defer("created_at", "project__title")
    plain, made = rows.get(), Prepared(lambda: rows).first()
    for one, other in ((plain, made), (plain.project, made.project), (plain.user, made.user)):
        assert type(one) is type(other)
        assert one.get_deferred_fields() == other.get_deferred_fields()
        assert {**vars(one), "_state": None} == {**vars(other), "_state": None}
        assert (one._state.adding, one._state.db) == (other._state.adding, other._state.db)
    assert made.project is made.project
    made.project_id = 0  # as with Django's own objects, another id forgets the related row
    assert not Membership.project.is_cached(made)


def test_an_object_whose_making_others_follow_is_made_by_django():
    seen = []

    def note(sender, instance, **kwargs):
        seen.append(instance.slug)

    ProjectFactory(slug="one")
    models.signals.post_init.connect(note, sender=Project)
    try:
        found = Prepared(lambda slug: Project.objects.filter(slug=slug), slug=models.CharField()).first(slug="one")
    finally:
        models.signals.post_init.disconnect(note, sender=Project)
    assert found == Project.objects.get()
    assert seen == ["one"]


def test_an_update_gives_back_columns_of_what_it_changed(queue_of):
    slot = queue_of(1)
    close = PreparedUpdateReturning(
        lambda pk, is_open: Slot.objects.filter(pk=pk, is_open=is_open),
        {"is_open": False, "priority": F("priority") + 2},
        ("id", "priority", "person_id"),
        is_open=models.BooleanField(),
    )
    assert close(pk=slot.pk, is_open=True) == (slot.pk, 2, None)
    assert close(pk=slot.pk, is_open=True) is None
    assert close(pk=2**70, is_open=False) is None
    assert close(pk=slot.pk, is_open=False) == (slot.pk, 4, None)
    slot.refresh_from_db()
    assert (slot.is_open, slot.priority) == (False, 4)


def votes_for(slots, people, **change):
    return [
        Vote(
            slot=slot,
            item=slot.item,
            project=slot.project,
            person=person,
            key=uuid.uuid4(),
            payload_sha256="0" * 64,
            intent="yes",
            **{"answer": 1, "seconds": 1.25, **change},
        )
        for slot, person in zip(slots, people, strict=True)
    ]


@pytest.mark.parametrize("change", [{}, {"answer": None, "code_unclear": True}, {"reason": "half", "seconds": 0}])
def test_an_insert_stores_what_save_stores(queue_of, change):
    queue_of(1)
    store = PreparedInsert(Vote)
    plain, stored = votes_for(Slot.objects.order_by("id"), [UserFactory(), UserFactory()], **change)
    plain.save()
    before = timezone.now()
    assert store(stored) is stored
    assert before <= stored.created_at <= timezone.now()
    assert (stored._state.adding, stored._state.db) == (plain._state.adding, plain._state.db)
    found = Vote.objects.get(pk=stored.pk)
    assert fields_of(found) == {**fields_of(stored), "seconds": float(stored.seconds)}
    own = {"id", "slot_id", "person_id", "key", "created_at"}
    of_plain = fields_of(Vote.objects.get(pk=plain.pk))
    assert {name: value for name, value in fields_of(found).items() if name not in own} == {
        name: value for name, value in of_plain.items() if name not in own
    }
    stored.reason = "full"
    stored.save()
    assert Vote.objects.count() == 2


def test_an_insert_sends_no_signals(queue_of):
    queue_of(1)
    [vote] = votes_for(Slot.objects.order_by("id")[:1], [UserFactory()])
    PreparedInsert(Vote)(vote)
    assert not TallyMark.objects.exists()


def test_constraints_refuse_an_insert(queue_of):
    queue_of(1)
    store = PreparedInsert(Vote)
    person = UserFactory()
    first, second = votes_for(Slot.objects.order_by("id"), [person, person])
    store(first)
    with pytest.raises(IntegrityError), transaction.atomic():
        store(second)  # the same person twice
    assert second.pk is None
    assert Vote.objects.count() == 1


def test_constant_numbers_stand_in_the_statement(queue_of):
    """So that planners see that a partial index fits; values that are named at each use stay out of it."""
    slot = queue_of(1)
    free = Prepared(lambda project: Slot.objects.filter(project=project, state=SlotState.FREE, is_open=True))
    close = PreparedUpdate(lambda pk: Slot.objects.filter(pk=pk, state=SlotState.FREE), {"lane": None, "priority": 7})
    with CaptureQueriesContext(connection) as seen:
        assert len(free.all(project=slot.project_id)) == 2
        assert close(pk=slot.pk) == 1
    plans = [next(iter(free._plans.values())).sql, next(iter(close._plans.values()))[0]]
    assert all('"state" = 0' in sql for sql in plans)
    assert '"priority" = 7' in plans[1]
    assert all("%s" in sql for sql in plans)
    assert len(seen) == 2
    slot.refresh_from_db()
    assert slot.priority == 7


def test_a_percent_sign_in_a_statement_stays_one():
    ProjectFactory(slug="one", title="100 % of it")
    ProjectFactory(slug="two", title="none of it")
    having = Prepared(
        lambda slug: Project.objects.filter(slug=slug, title__contains="0 %").annotate(whole=Value("50%s of 3")),
        slug=models.CharField(),
    )
    assert having.first(slug="one").whole == "50%s of 3"
    assert having.first(slug="two") is None
