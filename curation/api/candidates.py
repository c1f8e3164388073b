"""The API of candidate runs and pairs."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.models import Role
from core.paging import keyset_page
from curation.assignment import POLICIES
from curation.models import CandidateRun, Pair
from curation.selectors.candidates import candidate_runs, shown_pairs
from curation.services.candidates import start_propose_pairs
from curation.text_views import VIEWS

READERS = (Role.ADJUDICATOR, Role.READER)
AFTER = OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before.")


class CandidateRunOutput(serializers.ModelSerializer[CandidateRun]):
    """A candidate run: settings, what was kept and why, histogram of best cosines, warnings."""

    class Meta:
        model = CandidateRun
        fields = [
            "id",
            "origin",
            "name",
            "encoder",
            "fingerprint",
            "threshold",
            "cap",
            "policy",
            "text_view",
            "n_queries",
            "n_codes",
            "n_kept",
            "n_below_threshold",
            "n_over_cap",
            "histogram",
            "code_frequency",
            "warnings",
            "is_complete",
            "job",
            "created_at",
        ]
        read_only_fields = fields


class CandidateRunPageOutput(serializers.Serializer[Any]):
    results = CandidateRunOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class CandidateRunInput(serializers.Serializer[Any]):
    """Settings of a run; an empty encoder means the project's."""

    encoder = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    threshold = serializers.FloatField(min_value=-1, max_value=1, default=0.5)
    cap = serializers.IntegerField(min_value=1, max_value=10_000, default=10)
    policy = serializers.ChoiceField(choices=POLICIES, default="default")
    text_view = serializers.ChoiceField(choices=list(VIEWS), default="full")


class CandidateRunStartedOutput(serializers.Serializer[Any]):
    candidate_run = serializers.IntegerField()
    job = serializers.IntegerField()


class CandidateRunsApi(APIView):
    @extend_schema(operation_id="candidate_runs", parameters=[AFTER], responses=CandidateRunPageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Candidate runs, newest first."""
        project = project_for(request.user, slug, *READERS)
        page = keyset_page(candidate_runs(project), request._request)
        return Response(CandidateRunPageOutput({"results": page.rows, "next": page.next}).data)

    @extend_schema(operation_id="propose_pairs", request=CandidateRunInput, responses={202: CandidateRunStartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues a candidate run."""
        project = project_for(request.user, slug, Role.CURATOR)
        given = CandidateRunInput(data=request.data)
        given.is_valid(raise_exception=True)
        user: Any = request.user
        run, job = start_propose_pairs(project=project, user=user, **given.validated_data)
        return Response(CandidateRunStartedOutput({"candidate_run": run.pk, "job": job.pk}).data, status=202)


class CandidateRunApi(APIView):
    @extend_schema(operation_id="candidate_run", responses=CandidateRunOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One candidate run."""
        project = project_for(request.user, slug, *READERS)
        return Response(CandidateRunOutput(get_object_or_404(candidate_runs(project), pk=pk)).data)


class PairOutput(serializers.ModelSerializer[Pair]):
    """A pair with its texts. Scores belong to runs."""

    query = serializers.CharField(source="query.text")
    code_id = serializers.IntegerField()
    code_name = serializers.CharField(source="code.name")
    code_hash = serializers.CharField(source="code.content_hash")

    class Meta:
        model = Pair
        fields = ["id", "query_id", "query", "code_id", "code_name", "code_hash", "text_view"]
        read_only_fields = fields


class PairPageOutput(serializers.Serializer[Any]):
    results = PairOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class PairFilterInput(serializers.Serializer[Any]):
    run = serializers.IntegerField(min_value=1, max_value=2**62, required=False)


class PairsApi(APIView):
    @extend_schema(
        operation_id="pairs",
        parameters=[OpenApiParameter("run", OpenApiTypes.INT, description="Only pairs of this candidate run."), AFTER],
        responses=PairPageOutput,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Pairs in the order of their ids; a pair with something quarantined is left out."""
        project = project_for(request.user, slug, *READERS)
        chosen = PairFilterInput(data=request.query_params)
        chosen.is_valid(raise_exception=True)
        number = chosen.validated_data.get("run")
        run = get_object_or_404(candidate_runs(project), pk=number) if number else None
        page = keyset_page(shown_pairs(project, run), request._request, order="id")
        return Response(PairPageOutput({"results": page.rows, "next": page.next}).data)
