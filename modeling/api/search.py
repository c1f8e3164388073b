"""REST: search."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.api_jobs import JobOutput
from core.models import Role
from modeling import selectors
from modeling.services import search as services
from modeling.views.runs import WATCHERS


class SearchApi(APIView):
    """Ranked functions for a query."""

    @extend_schema_serializer(component_name="SearchQuery")
    class Input(serializers.Serializer):
        """?q=, ?checkpoint= (empty: the project's own), ?top=."""

        q = serializers.CharField(max_length=services.MAX_QUERY_CHARS)
        checkpoint = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)
        top = serializers.IntegerField(min_value=1, max_value=services.MAX_TOP, required=False, default=10)

    @extend_schema_serializer(component_name="SearchAnswer")
    class Output(serializers.Serializer):
        """The answer; `common_words` only says what overlaps, `judged` is the consensus where the pair was judged."""

        @extend_schema_serializer(component_name="SearchResult")
        class Result(serializers.Serializer):
            """One ranked function."""

            rank = serializers.IntegerField()
            score = serializers.FloatField()
            code_id = serializers.IntegerField(source="code.pk")
            content_hash = serializers.CharField(source="code.content_hash")
            name = serializers.CharField(source="code.name")
            summary = serializers.CharField()
            place = serializers.CharField()
            common_words = serializers.ListField(child=serializers.CharField(), source="words")
            judged = serializers.IntegerField(allow_null=True, source="label")
            code = serializers.CharField(source="code.text")

        query = serializers.CharField()
        checkpoint = serializers.CharField(source="checkpoint.key")
        n_codes = serializers.IntegerField()
        max_length = serializers.IntegerField()
        milliseconds = serializers.FloatField()
        results = Result(many=True)

    @extend_schema(
        operation_id="search",
        parameters=[
            OpenApiParameter("q", str, required=True),
            OpenApiParameter("checkpoint", str),
            OpenApiParameter("top", int),
        ],
        responses=Output,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Ranks the code base for a query."""
        project = project_for(request.user, slug, *WATCHERS)
        form = self.Input(data=request.query_params)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        checkpoint = selectors.find_checkpoint(project, given["checkpoint"])
        answer = services.search(project=project, query=given["q"], checkpoint=checkpoint, top=given["top"])
        return Response(self.Output(answer).data)


class SearchIndexApi(APIView):
    """Build the index that a checkpoint's searches need."""

    @extend_schema_serializer(component_name="SearchIndexBuild")
    class Input(serializers.Serializer):
        """Which checkpoint; empty: the project's own."""

        checkpoint = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)

    @extend_schema(operation_id="search_index_build", request=Input, responses={202: JobOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues the build; an unfinished one is returned as it is."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = self.Input(data=request.data)
        form.is_valid(raise_exception=True)
        checkpoint = selectors.find_checkpoint(project, form.validated_data["checkpoint"])
        job = services.start_index(project=project, checkpoint=checkpoint, user=request.user)
        return Response(JobOutput(job).data, status=202)
