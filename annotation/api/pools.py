"""Test pools over the API."""

from typing import Any

from django.http import FileResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.models import Pool
from annotation.selectors.pools import pool_report, pools_of
from annotation.services.pools import start_build_pool
from annotation.views.pools import qrels_file
from core.access import person_of, project_for
from core.models import Role
from curation.text_views import VIEWS

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")
POOL = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The pool.")
SHAPE = OpenApiParameter("shape", str, description="`json`: with texts and the pool's depth; else TREC's text.")


class PoolOutput(serializers.ModelSerializer):
    """A pool; `report` is there once it is complete."""

    n_queries = serializers.SerializerMethodField()
    report = serializers.SerializerMethodField()

    class Meta:
        model = Pool
        fields = [
            *["id", "name", "systems", "k", "options", "n_queries", "n_pairs", "batch", "is_complete", "job"],
            *["created_at", "report"],
        ]

    def get_n_queries(self, pool: Pool) -> int:
        return len(pool.query_hashes)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get_report(self, pool: Pool) -> dict[str, Any] | None:
        return pool_report(pool) if pool.is_complete else None


class PoolsApi(APIView):
    """Lists the pools, builds one."""

    class Input(serializers.Serializer):
        name = serializers.CharField(allow_blank=True, default="", max_length=100)
        systems = serializers.ListField(child=serializers.CharField(max_length=300), help_text="bm25 and encoders.")
        k = serializers.IntegerField(default=10, help_text="Depth.")
        n_queries = serializers.IntegerField(allow_null=True, default=50, help_text="Drawn at random; null: all.")
        text = serializers.CharField(allow_blank=True, default="", max_length=200, help_text="Part of the query.")
        queries = serializers.ListField(
            child=serializers.CharField(max_length=2000), allow_null=True, default=None, help_text="Exactly these."
        )
        seed = serializers.IntegerField(default=0)
        overlap = serializers.IntegerField(allow_null=True, default=None)
        max_extra = serializers.IntegerField(allow_null=True, default=None)
        text_view = serializers.ChoiceField(list(VIEWS), default="full")

    @extend_schema(operation_id="list_pools", parameters=[PROJECT], responses=PoolOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.READER, Role.CURATOR)
        return Response(PoolOutput(pools_of(project)[:200], many=True).data)

    @extend_schema(operation_id="build_pool", parameters=[PROJECT], request=Input, responses={201: PoolOutput})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        pool, _ = start_build_pool(project=project, user=person_of(request), **given.validated_data)
        return Response(PoolOutput(pool).data, status=201)


class PoolApi(APIView):
    """One pool with its report."""

    @extend_schema(operation_id="read_pool", parameters=[PROJECT, POOL], responses=PoolOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.READER, Role.CURATOR)
        return Response(PoolOutput(get_object_or_404(pools_of(project), pk=pk)).data)


class QrelsApi(APIView):
    """Every judged pair of a pool, as a file."""

    @extend_schema(
        operation_id="export_qrels",
        parameters=[PROJECT, POOL, SHAPE],
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file.")},
    )
    def get(self, request: Request, slug: str, pk: int) -> FileResponse:
        project = project_for(request.user, slug, Role.READER, Role.CURATOR)
        return qrels_file(get_object_or_404(pools_of(project), pk=pk), request.query_params.get("shape", ""))
