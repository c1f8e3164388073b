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
from core.index import RECALL
from core.models import Role
from core.paging import keyset_page
from curation.assignment import POLICIES
from curation.models import BestMatch, CandidateRun, Outcome, Pair
from curation.retrieval import POOL, RETRIEVERS
from curation.selectors.candidate_comparison import compare_runs
from curation.selectors.candidate_previews import preview_examples, previews
from curation.selectors.candidates import best_matches, candidate_runs, shown_pairs
from curation.services.candidates import start_preview_candidates, start_propose_pairs
from curation.services.candidates.preview import CODES, QUERIES
from curation.services.candidates.settings import CLICKED, MAX_CAP, MAX_SHARDS, MAX_TOP_K
from curation.services.encoder_quality import MAX_ENCODERS, start_evaluate_encoders
from curation.text_views import VIEWS

READERS = (Role.ADJUDICATOR, Role.READER)
AFTER = OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before.")


class CandidateRunOutput(serializers.ModelSerializer[CandidateRun]):
    """A candidate run: settings, what was kept and why, histogram of best scores, warnings."""

    n_queries_kept = serializers.IntegerField(read_only=True, help_text="Queries with at least one pair.")

    class Meta:
        model = CandidateRun
        fields = [
            "id",
            "origin",
            "name",
            "retriever",
            "encoder",
            "fingerprint",
            "top_k",
            "threshold",
            "cap",
            "policy",
            "text_view",
            "params",
            "n_queries",
            "n_codes",
            "n_kept",
            "n_below_threshold",
            "n_over_cap",
            "n_not_searched",
            "n_queries_kept",
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


class CandidateSettingsInput(serializers.Serializer[Any]):
    """Settings of a run; an empty encoder means the project's, no threshold the retriever's default."""

    retriever = serializers.ChoiceField(choices=[*RETRIEVERS, CLICKED], default="dense")
    encoder = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    top_k = serializers.IntegerField(min_value=1, max_value=MAX_TOP_K, default=1, help_text="Codes per query.")
    threshold = serializers.FloatField(
        required=False, allow_null=True, default=None, help_text="Lowest score that is kept: 0.5 for cosines, else 0."
    )
    cap = serializers.IntegerField(min_value=1, max_value=MAX_CAP, default=10)
    policy = serializers.ChoiceField(choices=POLICIES, default="default")
    text_view = serializers.ChoiceField(choices=list(VIEWS), default="full")
    weight = serializers.FloatField(min_value=0, max_value=1, default=0.5, help_text="hybrid_sum: of the cosine.")
    pool = serializers.IntegerField(min_value=1, max_value=1000, default=POOL, help_text="Hybrids: codes of each list.")


class CandidateRunInput(CandidateSettingsInput):
    """Settings of a full run."""

    recall = serializers.FloatField(
        min_value=0.5, max_value=1, default=RECALL, help_text="Share of the best codes an inexact index must find."
    )
    shards = serializers.IntegerField(min_value=1, max_value=MAX_SHARDS, default=1)


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


class BestMatchOutput(serializers.ModelSerializer[BestMatch]):
    """A code of a query in a run and what became of it; slot 1 says what became of the query."""

    query = serializers.CharField(source="query.__str__")
    code_name = serializers.CharField(source="code.name")

    class Meta:
        model = BestMatch
        fields = ["query_id", "query", "code_id", "code_name", "slot", "rank", "score", "outcome"]
        read_only_fields = fields


class BestMatchPageOutput(serializers.Serializer[Any]):
    results = BestMatchOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class BestMatchFilterInput(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=Outcome.choices, required=False, default="")
    by_query = serializers.BooleanField(required=False, default=False)
    low = serializers.FloatField(required=False)
    high = serializers.FloatField(required=False)


class BestMatchesApi(APIView):
    @extend_schema(
        operation_id="candidate_run_matches",
        parameters=[
            OpenApiParameter("outcome", OpenApiTypes.STR, enum=Outcome.values, description="Only those that ended so."),
            OpenApiParameter("by_query", OpenApiTypes.BOOL, description="One row per query."),
            OpenApiParameter("low", OpenApiTypes.FLOAT, description="Best scores from here."),
            OpenApiParameter("high", OpenApiTypes.FLOAT, description="Best scores below this."),
            AFTER,
        ],
        responses=BestMatchPageOutput,
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """The best codes of a run's queries, highest score first."""
        project = project_for(request.user, slug, *READERS)
        run = get_object_or_404(candidate_runs(project), pk=pk)
        chosen = BestMatchFilterInput(data=request.query_params)
        chosen.is_valid(raise_exception=True)
        page = keyset_page(best_matches(run, **chosen.validated_data), request._request, order="-score")
        return Response(BestMatchPageOutput({"results": page.rows, "next": page.next}).data)


class ComparedCandidateOutput(serializers.Serializer[Any]):
    code_id = serializers.IntegerField()
    code = serializers.CharField()
    score = serializers.FloatField(allow_null=True)
    rank = serializers.IntegerField()


class ComparedQueryOutput(serializers.Serializer[Any]):
    query_id = serializers.IntegerField()
    query = serializers.CharField()
    same = serializers.BooleanField()
    a = ComparedCandidateOutput(allow_null=True)
    b = ComparedCandidateOutput(allow_null=True)


class DifferingSettingOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    a = serializers.CharField()
    b = serializers.CharField()


class RunComparisonOutput(serializers.Serializer[Any]):
    """Pairs of two runs, differing settings, histograms of best scores, uses of codes, random queries."""

    a = serializers.IntegerField()
    b = serializers.IntegerField()
    both = serializers.IntegerField()
    only_a = serializers.IntegerField()
    only_b = serializers.IntegerField()
    share_common = serializers.FloatField(allow_null=True)
    settings = DifferingSettingOutput(many=True)
    histograms = serializers.DictField()
    code_frequency = serializers.DictField()
    examples = ComparedQueryOutput(many=True)


class RunComparisonInput(serializers.Serializer[Any]):
    a = serializers.IntegerField(min_value=1, max_value=2**62)
    b = serializers.IntegerField(min_value=1, max_value=2**62)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)


class CompareRunsApi(APIView):
    @extend_schema(
        operation_id="compare_runs",
        parameters=[
            OpenApiParameter("a", OpenApiTypes.INT, required=True, description="A complete candidate run."),
            OpenApiParameter("b", OpenApiTypes.INT, required=True, description="Another one."),
            OpenApiParameter("seed", OpenApiTypes.INT, description="Draws the queries that are shown."),
        ],
        responses=RunComparisonOutput,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Compares two candidate runs."""
        project = project_for(request.user, slug, *READERS)
        given = RunComparisonInput(data=request.query_params)
        given.is_valid(raise_exception=True)
        a, b = (get_object_or_404(candidate_runs(project), pk=given.validated_data[name]) for name in "ab")
        return Response(RunComparisonOutput(compare_runs(a, b, seed=given.validated_data["seed"]).as_data()).data)


class PreviewInput(CandidateSettingsInput):
    """Settings of a run, and what its preview looks at."""

    n_queries = serializers.IntegerField(min_value=1, max_value=5000, default=QUERIES, help_text="Random queries.")
    n_codes = serializers.IntegerField(
        min_value=0, max_value=10**9, default=CODES, help_text="Codes, beyond those encoded already; 0: all."
    )
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)


class PreviewExampleOutput(serializers.Serializer[Any]):
    query_id = serializers.IntegerField(source="query.pk")
    query = serializers.CharField(source="query.text")
    code_id = serializers.IntegerField(source="code.pk")
    code_name = serializers.CharField(source="code.name")
    score = serializers.FloatField()
    passes = serializers.BooleanField()


class PreviewOutput(serializers.Serializer[Any]):
    """A preview: its job's state, and the result once it is done."""

    job = serializers.IntegerField()
    state = serializers.CharField()
    result = serializers.DictField(help_text="Figures and estimates; empty until the job is done.")
    examples = PreviewExampleOutput(many=True)


class CandidateJobOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class PreviewsApi(APIView):
    @extend_schema(operation_id="preview_candidates", request=PreviewInput, responses={202: CandidateJobOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues a preview of a candidate run."""
        project = project_for(request.user, slug, Role.CURATOR)
        given = PreviewInput(data=request.data)
        given.is_valid(raise_exception=True)
        user: Any = request.user
        job = start_preview_candidates(project=project, user=user, **given.validated_data)
        return Response(CandidateJobOutput({"job": job.pk}).data, status=202)


class PreviewApi(APIView):
    @extend_schema(operation_id="candidate_preview", responses=PreviewOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One preview, by the number of its job."""
        project = project_for(request.user, slug, *READERS)
        job: Any = get_object_or_404(previews(project), pk=pk)
        result = job.result or {}
        shown = {name: value for name, value in result.items() if name != "examples"}
        data = {"job": job.pk, "state": job.state, "result": shown, "examples": preview_examples(result)}
        return Response(PreviewOutput(data).data)


class EncodersInput(serializers.Serializer[Any]):
    encoders = serializers.ListField(
        child=serializers.CharField(max_length=300), min_length=1, max_length=MAX_ENCODERS, help_text="bm25 is one."
    )
    text_view = serializers.ChoiceField(choices=list(VIEWS), default="full")


class EvaluateEncodersApi(APIView):
    @extend_schema(operation_id="evaluate_encoders", request=EncodersInput, responses={202: CandidateJobOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues a comparison of encoders on the project's judged pairs; the job's result holds the table."""
        project = project_for(request.user, slug, Role.CURATOR)
        given = EncodersInput(data=request.data)
        given.is_valid(raise_exception=True)
        user: Any = request.user
        job = start_evaluate_encoders(project=project, user=user, **given.validated_data)
        return Response(CandidateJobOutput({"job": job.pk}).data, status=202)


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
