"""The API of code: sources and functions."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.errors import BadInputError
from core.models import Role
from core.paging import keyset_page
from curation.models import Code, CodeSource
from curation.selectors.code import browse_codes, code_sources
from curation.services.code import permitted_path, start_ingest_code
from curation.services.uploads import start_ingest_upload
from curation.views.code import STATES, read_filters

READERS = (Role.ADJUDICATOR, Role.READER)
AFTER = OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before.")


class CodeSourceOutput(serializers.ModelSerializer[CodeSource]):
    """A code source and what came of it: `counts` maps a filter's reason (or `kept`) to functions."""

    class Meta:
        model = CodeSource
        fields = ["id", "kind", "name", "version", "licence", "n_functions", "n_new", "counts", "job", "created_at"]
        read_only_fields = fields


class CodeSourcePageOutput(serializers.Serializer[Any]):
    results = CodeSourceOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class CodeSourceInput(serializers.Serializer[Any]):
    """`source` names stdlib, an installed package, or a path in a permitted folder; `file` is a CoSQA code base."""

    source = serializers.CharField(max_length=500, required=False)  # type: ignore[assignment]
    file = serializers.FileField(required=False)


class CodeSourceStartedOutput(serializers.Serializer[Any]):
    code_source = serializers.IntegerField()
    job = serializers.IntegerField()


class CodeSourcesApi(APIView):
    parser_classes = (JSONParser, MultiPartParser, FormParser)

    @extend_schema(operation_id="code_sources", parameters=[AFTER], responses=CodeSourcePageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Code sources, newest first."""
        project = project_for(request.user, slug, *READERS)
        page = keyset_page(code_sources(project), request._request)
        return Response(CodeSourcePageOutput({"results": page.rows, "next": page.next}).data)

    @extend_schema(operation_id="add_code_source", request=CodeSourceInput, responses={202: CodeSourceStartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues the reading of a code source."""
        project = project_for(request.user, slug, Role.CURATOR)
        given = CodeSourceInput(data=request.data)
        given.is_valid(raise_exception=True)
        upload, spec = given.validated_data.get("file"), given.validated_data.get("source", "")
        if bool(upload) == bool(spec):
            raise BadInputError(problem="Give either a source or a file.")
        user: Any = request.user
        if upload:
            source, job = start_ingest_upload(project=project, upload=upload, user=user)
        elif "/" in spec or "\\" in spec or spec.startswith("."):
            source, job = start_ingest_code(project=project, spec=str(permitted_path(spec)), user=user)
        else:
            kind = "stdlib" if spec == "stdlib" else "package"
            source, job = start_ingest_code(project=project, spec=spec, kind=kind, user=user)
        return Response(CodeSourceStartedOutput({"code_source": source.pk, "job": job.pk}).data, status=202)


class CodeOutput(serializers.ModelSerializer[Code]):
    """A code; the texts of a quarantined one are withheld."""

    class Meta:
        model = Code
        fields = [
            "id",
            "content_hash",
            "name",
            "language",
            "text",
            "docstring",
            "is_paired",
            "filter_reason",
            "quarantine_reason",
        ]
        read_only_fields = fields

    def to_representation(self, instance: Code) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if instance.quarantine_reason:
            shown["text"] = shown["docstring"] = None
        return shown


class CodePageOutput(serializers.Serializer[Any]):
    results = CodeOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class CodesApi(APIView):
    @extend_schema(
        operation_id="codes",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=[state for state in STATES if state]),
            OpenApiParameter("reason", OpenApiTypes.STR, description="`kept`, or the reason of a filter."),
            OpenApiParameter("source", OpenApiTypes.INT, description="Id of a code source."),
            OpenApiParameter("q", OpenApiTypes.STR, description="Text in name or documentation."),
            AFTER,
        ],
        responses=CodePageOutput,
    )
    def get(self, request: Request, slug: str) -> Response:
        """Distinct codes in the order of their ids."""
        project = project_for(request.user, slug, *READERS)
        chosen, source = read_filters(project, request.query_params)
        rows = browse_codes(project, source=source.pk if source else None, **chosen)
        page = keyset_page(rows, request._request, order="id")
        return Response(CodePageOutput({"results": page.rows, "next": page.next}).data)
