"""The API of jobs: list, look, cancel, retry."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.job_selectors import job_for, jobs_of_person, jobs_with_state
from core.jobs import cancel_job, retry_job
from core.models import Job, JobState
from core.paging import keyset_page


class JobOutput(serializers.ModelSerializer[Job]):
    """A job as the API shows it."""

    project: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    created_by: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(slug_field="username", read_only=True)
    percent = serializers.IntegerField(read_only=True)

    class Meta:
        model = Job
        fields = [
            "id",
            "kind",
            "title",
            "project",
            "queue",
            "state",
            "attempt",
            "max_attempts",
            "progress_done",
            "progress_total",
            "progress_note",
            "percent",
            "cancel_requested",
            "result",
            "error_code",
            "error",
            "created_by",
            "created_at",
            "started_at",
            "finished_at",
            "run_after",
        ]
        read_only_fields = fields


class JobPageOutput(serializers.Serializer[Any]):
    """A page of jobs, newest first; `next` goes into ?after=, empty on the last page."""

    results = JobOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class JobFilterInput(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=JobState.choices, required=False)


LIST_PARAMETERS = [
    OpenApiParameter("state", OpenApiTypes.STR, enum=list(JobState.values), description="Only jobs in this state."),
    OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before."),
]


def _page(request: Request, jobs: QuerySet[Job]) -> Response:
    chosen = JobFilterInput(data=request.query_params)
    chosen.is_valid(raise_exception=True)
    rows = jobs_with_state(jobs.select_related("project", "created_by"), chosen.validated_data.get("state", ""))
    page = keyset_page(rows, request._request, size=50)
    return Response(JobPageOutput({"results": page.rows, "next": page.next}).data)


class JobsApi(APIView):
    @extend_schema(operation_id="jobs", parameters=LIST_PARAMETERS, responses=JobPageOutput)
    def get(self, request: Request) -> Response:
        """Jobs of all projects of the person asking."""
        return _page(request, jobs_of_person(request.user))


class ProjectJobsApi(APIView):
    @extend_schema(operation_id="project_jobs", parameters=LIST_PARAMETERS, responses=JobPageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Jobs of one project."""
        return _page(request, project_for(request.user, slug).jobs.all())


class JobApi(APIView):
    @extend_schema(operation_id="job", responses=JobOutput)
    def get(self, request: Request, pk: int) -> Response:
        """One job with its progress, result or error."""
        return Response(JobOutput(job_for(request.user, pk)).data)


class JobCancelApi(APIView):
    @extend_schema(operation_id="cancel_job", request=None, responses=JobOutput)
    def post(self, request: Request, pk: int) -> Response:
        """Asks a job to stop; one that is over stays as it is."""
        return Response(JobOutput(cancel_job(job=job_for(request.user, pk, to_manage=True))).data)


class JobRetryApi(APIView):
    @extend_schema(operation_id="retry_job", request=None, responses=JobOutput)
    def post(self, request: Request, pk: int) -> Response:
        """Queues a failed or cancelled job again; 409 in any other state."""
        return Response(JobOutput(retry_job(job=job_for(request.user, pk, to_manage=True))).data)
