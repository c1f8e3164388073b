"""Planned batches and gold results over the API."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.batches import BatchOutput
from annotation.planning import BANDS, MIXES, ORDERS
from annotation.selectors.gold import gold_results
from annotation.selectors.queue import batches_of
from annotation.services.plans import make_plan, read_settings, start_plan_batch
from core.access import person_of, project_for
from core.models import Role

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")
BATCH = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The batch.")


def _optional(help_text: str) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=15, decimal_places=6, required=False, allow_null=True, help_text=help_text
    )


class PlanInput(serializers.Serializer):
    """What is left out takes the project's default: its measured pace, its overlap, the newest run, the default mix."""

    runs = serializers.ListField(child=serializers.IntegerField(), required=False, help_text="Candidate runs.")
    budget = _optional("Money for the batch.")
    pairs = serializers.IntegerField(required=False, allow_null=True, min_value=1, help_text="Pairs at most.")
    overlap = serializers.IntegerField(required=False, help_text="Votes per pair.")
    max_extra = serializers.IntegerField(required=False, help_text="Extra votes at most.")
    seconds = _optional("Seconds per vote.")
    extra = _optional("Extra votes expected per pair.")
    wage = _optional("Per hour, in the money of the budget.")
    people = serializers.IntegerField(required=False, help_text="Annotators.")
    hours = _optional("Hours of judging per person and day.")
    mix = serializers.DictField(
        child=serializers.DecimalField(max_digits=7, decimal_places=4),
        required=False,
        help_text=f"Per cent of the pairs, 100 in all; of: {', '.join(MIXES)}.",
    )
    bands = serializers.DictField(
        child=serializers.DecimalField(max_digits=7, decimal_places=4),
        required=False,
        help_text=f"Per cent by popularity, 100 in all; of: {', '.join(BANDS)}. Empty: as popular as they come.",
    )
    order = serializers.ChoiceField(list(ORDERS), required=False)
    group_near = serializers.BooleanField(required=False, help_text="Ask one of near-duplicate queries.")
    per_query = serializers.IntegerField(required=False, help_text="Pairs per query at most.")
    near_score = _optional("What `near` is measured from; left out: each run's threshold.")
    gold_share = _optional("Per cent of gold in what each person gets.")
    gold_source = serializers.CharField(required=False, help_text="judged, imported, or imported:NAME.")
    seed = serializers.IntegerField(required=False)
    name = serializers.CharField(required=False, allow_blank=True, max_length=100)
    is_pilot = serializers.BooleanField(required=False)
    expected_sha256 = serializers.CharField(
        required=False, max_length=64, help_text="Of a preview: refuses to open other pairs than it showed."
    )


def _given(request: Request) -> dict[str, Any]:
    form = PlanInput(data=request.data)
    form.is_valid(raise_exception=True)
    given = dict(form.validated_data)
    given |= {f"mix_{name}": share for name, share in given.pop("mix", {}).items()}
    given |= {f"band_{name}": share for name, share in given.pop("bands", {}).items()}
    return given


class PlanPreviewApi(APIView):
    """What a plan would open, with costs, strata, funnel and examples; opens nothing."""

    @extend_schema(
        operation_id="preview_plan",
        parameters=[PROJECT],
        request=PlanInput,
        responses=OpenApiResponse(OpenApiTypes.OBJECT, description="Settings, estimate, strata, funnel, examples."),
    )
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        return Response(make_plan(project=project, settings=read_settings(project, _given(request))).to_dict())


class PlanBatchApi(APIView):
    """Opens a batch by a plan, and keeps the plan with it. A big one is opened by a job: see `opening_job`."""

    @extend_schema(operation_id="plan_batch", parameters=[PROJECT], request=PlanInput, responses={201: BatchOutput})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        given = _given(request)
        expected = given.pop("expected_sha256", "")
        settings = read_settings(project, given)
        batch, _ = start_plan_batch(project=project, settings=settings, user=person_of(request), expected=expected)
        return Response(BatchOutput(batches_of(project).get(pk=batch.pk)).data, status=201)


class GoldResultOutput(serializers.Serializer):
    """How a person did on the gold of a batch."""

    person = serializers.CharField(source="person.username")
    seen = serializers.IntegerField()
    right = serializers.IntegerField()
    wrong = serializers.IntegerField()
    unclear = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="Right among those judged.")


class BatchPlanOutput(serializers.Serializer):
    """A stored plan and the gold results so far."""

    options = serializers.DictField()
    estimate = serializers.DictField()
    strata = serializers.ListField(child=serializers.DictField())
    funnel = serializers.ListField(child=serializers.ListField())
    chosen_sha256 = serializers.CharField()


class BatchPlanApi(APIView):
    """The plan of a batch."""

    @extend_schema(operation_id="read_plan", parameters=[PROJECT, BATCH], responses=BatchPlanOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(project.batches.filter(plan__isnull=False).select_related("plan"), pk=pk)
        return Response(BatchPlanOutput(batch.plan).data)


class GoldResultsApi(APIView):
    """Gold seen and right per person, for curators only."""

    @extend_schema(operation_id="gold_results", parameters=[PROJECT, BATCH], responses=GoldResultOutput(many=True))
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(project.batches, pk=pk)
        return Response(GoldResultOutput(gold_results(project, batch), many=True).data)
