"""Quality control over the API: people, training, settings, gold, and the audit log. For curators only."""

from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.inputs import valid_input
from annotation.models import Asked, Batch, BatchKind, GoldAct, Item, Purpose, SetAside, Standing
from annotation.selectors import control
from annotation.selectors.people import annotation_settings
from annotation.services.gate import GateState
from annotation.services.planting import plant_gold, share_of
from annotation.services.settings import FIELDS, change_settings
from annotation.services.standing import set_standing, start_restore, start_set_aside
from annotation.services.training import (
    MAX_ITEMS,
    add_training_item,
    change_item,
    grant_attempt,
    known_answers,
    let_through,
    open_known,
    send_back,
    take_out_item,
)
from core.access import person_of, project_for
from core.models import Project, Role
from core.paging import keyset_page
from curation.models import Pair

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")
PERSON = OpenApiParameter("username", str, OpenApiParameter.PATH, description="The person's name.")
BATCH = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The batch.")
ITEM = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The item.")
KINDS_TOLD = "training or qualification"


# --- people -----------------------------------------------------------------------------------------------------------
class AttemptOutput(serializers.Serializer):
    """A go at qualification; n_right and is_passed are null while it is under way."""

    number = serializers.IntegerField()
    size = serializers.IntegerField()
    bar = serializers.FloatField()
    n_right = serializers.IntegerField(allow_null=True)
    is_passed = serializers.BooleanField(allow_null=True)


class PersonAtWorkOutput(serializers.Serializer):
    """How a person stands in the project."""

    person = serializers.CharField(source="person.username")
    standing = serializers.ChoiceField(Standing.choices, source="row.standing")
    reason = serializers.CharField(source="row.reason")
    evidence = serializers.DictField(source="row.evidence")
    standing_since = serializers.DateTimeField(source="row.standing_since", allow_null=True)
    gate = serializers.ChoiceField([state.value for state in GateState], help_text="What they get next.")
    trained_at = serializers.DateTimeField(source="row.trained_at", allow_null=True)
    qualified_at = serializers.DateTimeField(source="row.qualified_at", allow_null=True)
    failed_at = serializers.DateTimeField(source="row.failed_at", allow_null=True)
    attempts = AttemptOutput(many=True)
    gold_seen = serializers.SerializerMethodField()
    gold_share = serializers.SerializerMethodField(help_text="Right among the gold judged.")
    votes_aside = serializers.IntegerField(source="n_aside")
    is_removed = serializers.BooleanField()

    def get_gold_seen(self, one: control.PersonAtWork) -> int:
        return one.gold.seen if one.gold else 0

    def get_gold_share(self, one: control.PersonAtWork) -> float | None:
        return one.gold.share if one.gold else None


def _person(project: Project, username: str) -> control.PersonAtWork:
    shown = control.person_at_work(project, username)
    if shown is None:
        raise Http404(f"Nobody called {username} judges in this project.")
    return shown


class PeopleApi(APIView):
    """Everybody who judges in the project."""

    @extend_schema(operation_id="list_people", parameters=[PROJECT], responses=PersonAtWorkOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        return Response(PersonAtWorkOutput(control.people_at_work(project), many=True).data)


class PersonApi(APIView):
    """One person: reads how they stand."""

    @extend_schema(operation_id="read_person", parameters=[PROJECT, PERSON], responses=PersonAtWorkOutput)
    def get(self, request: Request, slug: str, username: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        return Response(PersonAtWorkOutput(_person(project, username)).data)


class StandingApi(APIView):
    """Warns, pauses or reinstates a person."""

    class Input(serializers.Serializer):
        standing = serializers.ChoiceField(Standing.choices)
        reason = serializers.CharField(max_length=1000, help_text="The person reads it.")

    @extend_schema(
        operation_id="change_standing", parameters=[PROJECT, PERSON], request=Input, responses=PersonAtWorkOutput
    )
    def post(self, request: Request, slug: str, username: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        shown, given = _person(project, username), valid_input(self.Input, request)
        set_standing(project=project, person=shown.person, user=person_of(request), **given)
        return Response(PersonAtWorkOutput(_person(project, username)).data)


GATE_ACTS = {"let_through": let_through, "send_back": send_back}


class PersonGateApi(APIView):
    """Lets a person through training and qualification, sends them back, or grants one more attempt."""

    class Input(serializers.Serializer):
        act = serializers.ChoiceField([*GATE_ACTS, "grant_attempt"])
        kind = serializers.CharField(default=str(BatchKind.QUALIFICATION), help_text=KINDS_TOLD)
        reason = serializers.CharField(max_length=1000)

    @extend_schema(
        operation_id="change_gate", parameters=[PROJECT, PERSON], request=Input, responses=PersonAtWorkOutput
    )
    def post(self, request: Request, slug: str, username: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        shown, given = _person(project, username), valid_input(self.Input, request)
        about: dict[str, Any] = {"project": project, "person": shown.person, "reason": given["reason"]}
        about["user"] = person_of(request)
        if given["act"] == "grant_attempt":
            grant_attempt(**about)
        else:
            GATE_ACTS[given["act"]](**about, kind=given["kind"])
        return Response(PersonAtWorkOutput(_person(project, username)).data)


class SetAsideOutput(serializers.ModelSerializer):
    """A decision that votes of a person no longer count."""

    class Meta:
        model = SetAside
        fields = [
            "id",
            "batch",
            "since",
            "reason",
            "n_votes",
            "n_restored",
            "is_complete",
            "taken_back_at",
            "created_at",
            "job",
        ]


class SetAsidesApi(APIView):
    """Lists the decisions about a person's votes, sets votes aside."""

    class Input(serializers.Serializer):
        reason = serializers.CharField(max_length=1000)
        batch = serializers.IntegerField(allow_null=True, default=None, help_text="Left out: every batch.")
        since = serializers.DateTimeField(allow_null=True, default=None, help_text="Left out: from the first vote on.")

    @extend_schema(operation_id="list_set_asides", parameters=[PROJECT, PERSON], responses=SetAsideOutput(many=True))
    def get(self, request: Request, slug: str, username: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        shown = _person(project, username)
        return Response(SetAsideOutput(control.set_asides_of(project, shown.person), many=True).data)

    @extend_schema(
        operation_id="set_votes_aside", parameters=[PROJECT, PERSON], request=Input, responses={202: SetAsideOutput}
    )
    def post(self, request: Request, slug: str, username: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        shown, given = _person(project, username), valid_input(self.Input, request)
        batch = get_object_or_404(project.batches, pk=given.pop("batch")) if given["batch"] else given.pop("batch")
        job = start_set_aside(project=project, person=shown.person, user=person_of(request), batch=batch, **given)
        return Response(SetAsideOutput(SetAside.objects.get(job=job)).data, status=202)


class RestoreApi(APIView):
    """Counts the votes of a decision again, where nobody has taken their place."""

    class Input(serializers.Serializer):
        reason = serializers.CharField(max_length=1000)

    @extend_schema(
        operation_id="restore_votes",
        parameters=[PROJECT, PERSON, OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The decision.")],
        request=Input,
        responses={202: SetAsideOutput},
    )
    def post(self, request: Request, slug: str, username: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        act = get_object_or_404(control.set_asides_of(project, _person(project, username).person), pk=pk)
        start_restore(act=act, reason=valid_input(self.Input, request)["reason"], user=person_of(request))
        return Response(SetAsideOutput(SetAside.objects.get(pk=pk)).data, status=202)


# --- training ---------------------------------------------------------------------------------------------------------
class KnownItemOutput(serializers.Serializer):
    """A training or qualification item with its right answer."""

    id = serializers.IntegerField(source="item.pk")
    pair = serializers.IntegerField(source="item.pair_id")
    intent = serializers.CharField(source="known.intent")
    answer = serializers.IntegerField(source="known.answer", allow_null=True)
    why = serializers.CharField(source="known.why")
    origin = serializers.CharField(source="known.origin")
    place = serializers.IntegerField(source="item.priority")
    is_out = serializers.BooleanField(source="item.is_set_aside")
    n_judged = serializers.IntegerField()
    n_right = serializers.IntegerField()


class KnownBatchOutput(serializers.Serializer):
    """A training or qualification batch."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    kind = serializers.CharField(help_text=KINDS_TOLD)
    is_closed = serializers.BooleanField()
    n_items = serializers.IntegerField(source="n_shown")
    n_out = serializers.IntegerField()
    n_people = serializers.IntegerField()
    n_votes = serializers.IntegerField(source="n_judged")


class TrainingsApi(APIView):
    """Lists training and qualification batches, opens one from pairs whose answer is known."""

    class Input(serializers.Serializer):
        kind = serializers.CharField(help_text=KINDS_TOLD)
        source = serializers.CharField(  # type: ignore[assignment]
            help_text="judged, adjudicated, imported, or imported:NAME."
        )
        n = serializers.IntegerField(min_value=1, max_value=MAX_ITEMS, default=10)
        seed = serializers.IntegerField(min_value=0, default=0)
        name = serializers.CharField(allow_blank=True, default="", max_length=100)
        spare_present = serializers.BooleanField(default=True, help_text="Who has judged live pairs is past it.")

    @extend_schema(operation_id="list_training", parameters=[PROJECT], responses=KnownBatchOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        return Response(KnownBatchOutput(control.gate_batches(project), many=True).data)

    @extend_schema(operation_id="open_training", parameters=[PROJECT], request=Input, responses={201: KnownBatchOutput})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        given = valid_input(self.Input, request)
        known = known_answers(project, source=given.pop("source"), n=given.pop("n"), seed=given["seed"])
        batch = open_known(project=project, known=known, user=person_of(request), **given)
        return Response(KnownBatchOutput(control.gate_batches(project).get(pk=batch.pk)).data, status=201)


class TrainingApi(APIView):
    """The items of a training or qualification batch."""

    @extend_schema(operation_id="read_training", parameters=[PROJECT, BATCH], responses=KnownItemOutput(many=True))
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(control.gate_batches(project), pk=pk)
        return Response(KnownItemOutput(control.gate_items(batch), many=True).data)


class _AnswerInput(serializers.Serializer):
    intent = serializers.CharField(max_length=8, help_text="yes or no")
    answer = serializers.IntegerField(min_value=0, max_value=1, allow_null=True, default=None)
    why = serializers.CharField(allow_blank=True, default="", max_length=1000, help_text="Needed for training.")


class TrainingItemsApi(APIView):
    """Adds a pair with its right answer to the newest open batch of the kind."""

    class Input(_AnswerInput):
        pair = serializers.IntegerField(help_text="Number of the pair.")
        kind = serializers.CharField(default=str(BatchKind.TRAINING), help_text=KINDS_TOLD)

    @extend_schema(
        operation_id="add_training_item", parameters=[PROJECT], request=Input, responses={201: KnownItemOutput}
    )
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        given = valid_input(self.Input, request)
        pairs = Pair.objects.filter(project=project).select_related("query", "code")
        pair = get_object_or_404(pairs, pk=given.pop("pair"))
        item = add_training_item(project=project, pair=pair, user=person_of(request), **given)
        return Response(KnownItemOutput(control.GateItem(item, item.gold, 0, 0)).data, status=201)


class TrainingItemApi(APIView):
    """Changes the right answer of an item, its explanation or its place, or takes it out."""

    class Input(_AnswerInput):
        place = serializers.IntegerField(min_value=0, max_value=10**9, allow_null=True, default=None)
        is_out = serializers.BooleanField(allow_null=True, default=None, help_text="Shown to nobody any more.")

    @extend_schema(
        operation_id="change_training_item", parameters=[PROJECT, ITEM], request=Input, responses=KnownItemOutput
    )
    def put(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        purposes = (Purpose.TRAINING, Purpose.QUALIFICATION)
        items = Item.objects.filter(project=project, purpose__in=purposes).select_related("project", "gold", "batch")
        item, given = get_object_or_404(items, pk=pk), valid_input(self.Input, request)
        is_out = given.pop("is_out")
        change_item(item=item, user=person_of(request), **given)
        if is_out is not None:
            take_out_item(item=item, is_out=is_out, user=person_of(request))
        shown = next(one for one in control.gate_items(item.batch) if one.item.pk == pk)
        return Response(KnownItemOutput(shown).data)


class PlantGoldApi(APIView):
    """Hides gold in an open batch; a share of 0 ends it."""

    class Input(serializers.Serializer):
        share = serializers.IntegerField(min_value=0, max_value=50, help_text="Per cent of what each person gets.")
        source = serializers.CharField(  # type: ignore[assignment]
            default="judged", help_text="judged, adjudicated, imported, or imported:NAME."
        )

    class Output(serializers.Serializer):
        gold_pairs = serializers.IntegerField()

    @extend_schema(operation_id="plant_gold", parameters=[PROJECT, BATCH], request=Input, responses=Output)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch: Batch = get_object_or_404(project.batches, pk=pk)
        given = valid_input(self.Input, request)
        n = plant_gold(batch=batch, share=share_of(given["share"]), source=given["source"], user=person_of(request))
        return Response({"gold_pairs": n})


# --- settings ---------------------------------------------------------------------------------------------------------
class AnnotationSettingsOutput(serializers.Serializer):
    """What the curator asks of annotators; shares from 0 to 1."""

    reasons = serializers.ChoiceField(Asked.choices, required=False)
    search_url = serializers.CharField(required=False, allow_blank=True, max_length=200)
    qualification_bar = serializers.FloatField(required=False, min_value=0, max_value=1)
    qualification_size = serializers.IntegerField(required=False, min_value=1)
    qualification_attempts = serializers.IntegerField(required=False, min_value=1)
    gold_act = serializers.ChoiceField(GoldAct.choices, required=False)
    gold_bar = serializers.FloatField(required=False, min_value=0, max_value=1)
    gold_window = serializers.IntegerField(required=False, min_value=2)
    gold_min_failures = serializers.IntegerField(required=False, min_value=2)
    repeat_share = serializers.FloatField(required=False, min_value=0, max_value=0.5)
    repeat_after_days = serializers.IntegerField(required=False, min_value=1)


class AnnotationSettingsApi(APIView):
    """Reads and changes the settings; what is left out stays."""

    @extend_schema(operation_id="read_annotation_settings", parameters=[PROJECT], responses=AnnotationSettingsOutput)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        return Response(AnnotationSettingsOutput(annotation_settings(project)).data)

    @extend_schema(
        operation_id="change_annotation_settings",
        parameters=[PROJECT],
        request=AnnotationSettingsOutput,
        responses=AnnotationSettingsOutput,
    )
    def put(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        given = valid_input(AnnotationSettingsOutput, request)
        row = change_settings(
            project=project, given={name: given[name] for name in FIELDS if name in given}, user=person_of(request)
        )
        return Response(AnnotationSettingsOutput(row).data)


# --- the audit log ----------------------------------------------------------------------------------------------------
class AuditEntryOutput(serializers.Serializer):
    """A change of a judgement or of a person's standing."""

    id = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    act = serializers.CharField()
    actor = serializers.CharField(source="actor.username", allow_null=True, default=None, help_text="Null: by rule.")
    person = serializers.CharField(source="person.username", allow_null=True, default=None)
    subject_kind = serializers.CharField()
    subject_id = serializers.IntegerField(allow_null=True)
    before = serializers.DictField()
    after = serializers.DictField()
    reason = serializers.CharField()


class AuditPageOutput(serializers.Serializer):
    """Entries, newest first, and the cursor of the next page (empty at the end)."""

    entries = AuditEntryOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class AuditApi(APIView):
    """The audit log of a project."""

    class Query(serializers.Serializer):
        act = serializers.CharField(default="", max_length=60)
        person = serializers.CharField(default="", max_length=150)
        actor = serializers.CharField(default="", max_length=150)
        first = serializers.DateField(default=None)
        last = serializers.DateField(default=None)

    @extend_schema(
        operation_id="read_audit",
        parameters=[
            PROJECT,
            Query,
            OpenApiParameter("after", OpenApiTypes.STR, description="Cursor: `next` of a page."),
        ],
        responses=AuditPageOutput,
    )
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        query = self.Query(data=request.query_params)
        query.is_valid(raise_exception=True)
        entries = control.audit_entries(project, control.AuditFilter(**query.validated_data))
        page = keyset_page(entries, request, size=100)
        return Response(AuditPageOutput({"entries": page.rows, "next": page.next}).data)
