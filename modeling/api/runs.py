"""REST: training runs and evaluations."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.api_jobs import JobOutput
from core.models import Project, Role
from core.paging import keyset_page
from modeling import selectors
from modeling.models import Evaluation, TrainingRun
from modeling.services.evaluations import start_evaluation
from modeling.services.runs import cancel_training, resume_training, start_training
from modeling.views.runs import WATCHERS


class EvaluationOutput(serializers.Serializer):
    """A measurement; `metrics` is empty until its job is done."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Evaluation.Kind.choices)
    checkpoint = serializers.CharField()
    run = serializers.CharField(source="run.name", default=None)
    release = serializers.CharField(source="release.name", default=None)
    split = serializers.CharField()
    params = serializers.JSONField()
    metrics = serializers.JSONField()
    job = JobOutput(allow_null=True)
    created_at = serializers.DateTimeField()


class RunOutput(serializers.Serializer):
    """A training run; `metrics` holds the last value of every curve."""

    name = serializers.CharField()
    recipe = serializers.CharField()
    encoder = serializers.CharField()
    seed = serializers.IntegerField()
    release = serializers.CharField(source="release.name", default=None)
    config = serializers.JSONField()
    data_sha256 = serializers.CharField()
    metrics = serializers.JSONField()
    evaluations = EvaluationOutput(many=True)
    job = JobOutput(allow_null=True)
    created_at = serializers.DateTimeField()


class TrainingRunsApi(APIView):
    """List runs, start one."""

    @extend_schema_serializer(component_name="TrainingRunStart")
    class Input(serializers.Serializer):
        """What a new run needs; `settings` overrides the recipe's own."""

        recipe = serializers.CharField(max_length=60)
        release = serializers.CharField(max_length=100)
        encoder = serializers.CharField(max_length=300, required=False, default="")
        seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, default=0)
        settings = serializers.DictField(required=False, default=dict)
        name = serializers.CharField(max_length=60, required=False, default="")

    @extend_schema_serializer(component_name="TrainingRunPage")
    class Output(serializers.Serializer):
        """One page of runs, newest first; pass `next` as ?after=."""

        results = RunOutput(many=True)
        next = serializers.CharField()
        previous = serializers.CharField()

    @extend_schema(operation_id="training_runs_list", responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        """Runs of the project, newest first."""
        project = project_for(request.user, slug, *WATCHERS)
        page = keyset_page(selectors.training_runs(project), request._request)
        return Response(self.Output({"results": page.rows, "next": page.next, "previous": page.previous}).data)

    @extend_schema(operation_id="training_runs_start", request=Input, responses={202: RunOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Checks everything and queues the training."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = self.Input(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        job = start_training(
            project=project,
            release=selectors.find_release(project, given["release"]),
            recipe=given["recipe"],
            encoder=given["encoder"],
            seed=given["seed"],
            overrides=given["settings"],
            name=given["name"],
            user=request.user,
        )
        return Response(RunOutput(selectors.training_runs(project).get(job=job)).data, status=202)


class TrainingRunApi(APIView):
    """One run."""

    @extend_schema(operation_id="training_runs_read", responses=RunOutput)
    def get(self, request: Request, slug: str, name: str) -> Response:
        """Settings, state, last metrics and evaluations of a run."""
        return Response(RunOutput(_run(request, slug, name, *WATCHERS)).data)


class TrainingCurvesApi(APIView):
    """The curves of a run."""

    @extend_schema_serializer(component_name="TrainingCurves")
    class Output(serializers.Serializer):
        """Metric name -> points [step, value]."""

        curves = serializers.DictField(child=serializers.ListField(child=serializers.ListField()))

    @extend_schema(operation_id="training_runs_curves", responses=Output)
    def get(self, request: Request, slug: str, name: str) -> Response:
        """Loss and metrics over steps, so far."""
        run = _run(request, slug, name, *WATCHERS)
        return Response({"curves": selectors.curves(selectors.metric_rows(run))})


class TrainingCancelApi(APIView):
    """Stop a run."""

    @extend_schema(operation_id="training_runs_cancel", request=None, responses={202: RunOutput})
    def post(self, request: Request, slug: str, name: str) -> Response:
        """Asks the training to stop; it can be resumed."""
        cancel_training(run=_run(request, slug, name, Role.CURATOR))
        return Response(RunOutput(_run(request, slug, name)).data, status=202)


class TrainingResumeApi(APIView):
    """Go on with a run."""

    @extend_schema(operation_id="training_runs_resume", request=None, responses={202: RunOutput})
    def post(self, request: Request, slug: str, name: str) -> Response:
        """Goes on from the last saved step."""
        resume_training(run=_run(request, slug, name, Role.CURATOR), user=request.user)
        return Response(RunOutput(_run(request, slug, name)).data, status=202)


class EvaluationsApi(APIView):
    """List evaluations, start one."""

    @extend_schema_serializer(component_name="EvaluationStart")
    class Input(serializers.Serializer):
        """What to measure, of which checkpoint, on which release and split."""

        kind = serializers.ChoiceField(choices=Evaluation.Kind.choices)
        checkpoint = serializers.CharField(max_length=300, help_text="An encoder name, or run:NAME.")
        release = serializers.CharField(max_length=100)
        split = serializers.ChoiceField(choices=["dev", "test"], default="test")

    @extend_schema_serializer(component_name="EvaluationPage")
    class Output(serializers.Serializer):
        """One page of evaluations, newest first."""

        results = EvaluationOutput(many=True)
        next = serializers.CharField()
        previous = serializers.CharField()

    @extend_schema(operation_id="evaluations_list", responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        """Evaluations of the project, newest first."""
        project = project_for(request.user, slug, *WATCHERS)
        page = keyset_page(project.evaluations.select_related("run", "release", "job"), request._request)
        return Response(self.Output({"results": page.rows, "next": page.next, "previous": page.previous}).data)

    @extend_schema(operation_id="evaluations_start", request=Input, responses={202: EvaluationOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues a measurement."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = self.Input(data=request.data)
        form.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(form.validated_data)
        given["release"] = selectors.find_release(project, given["release"])
        job = start_evaluation(project=project, user=request.user, **given)
        return Response(EvaluationOutput(project.evaluations.get(job=job)).data, status=202)


def _run(request: Request, slug: str, name: str, *roles: Role) -> TrainingRun:
    project: Project = project_for(request.user, slug, *roles)
    return get_object_or_404(selectors.training_runs(project), name=name)
