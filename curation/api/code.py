"""The API of code: sources, functions, what the project leaves out."""

from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.errors import BadInputError
from core.models import Role
from core.paging import keyset_page
from core.server_files import permitted_path
from curation.code_sources import KINDS
from curation.languages import LANGUAGES
from curation.models import Code, CodeOccurrence, CodeSettings, CodeSource
from curation.near_duplicates import DEFAULT_THRESHOLD
from curation.selectors.code import browse_codes, code_sources, licence_counts
from curation.services.code import start_ingest_code
from curation.services.code_settling import (
    MIN_THRESHOLD,
    code_settings,
    set_code_settings,
    start_find_near_duplicates,
)
from curation.services.uploads import start_ingest_upload
from curation.views.code import STATES, read_filters

READERS = (Role.ADJUDICATOR, Role.READER)
AFTER = OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before.")
MAX_PLACES = 200


class CodeSourceOutput(serializers.ModelSerializer[CodeSource]):
    """A code source and what came of it: `counts` maps a filter's reason (or `kept`) to functions."""

    class Meta:
        model = CodeSource
        fields = [
            "id",
            "kind",
            "name",
            "version",
            "licence",
            "remote",
            "n_functions",
            "n_new",
            "counts",
            "n_problems",
            "job",
            "created_at",
        ]
        read_only_fields = fields


class CodeSourcePageOutput(serializers.Serializer[Any]):
    results = CodeSourceOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class CodeSourceInput(serializers.Serializer[Any]):
    """`source` names stdlib, an installed package, or a path in a permitted folder; `file` is an archive or file.

    `licence` is what holds where the source states none; `kind` settles what a file's content leaves open.
    """

    source = serializers.CharField(max_length=500, required=False)  # type: ignore[assignment]
    file = serializers.FileField(required=False)
    licence = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    kind = serializers.CharField(
        max_length=20, required=False, allow_blank=True, default="", help_text=f"One of {', '.join(KINDS)}."
    )


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

    @extend_schema(operation_id="ingest_code", request=CodeSourceInput, responses={202: CodeSourceStartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues the reading of a code source."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = CodeSourceInput(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        upload, spec, kind = given.get("file"), given.get("source", ""), given["kind"]
        if bool(upload) == bool(spec):
            raise BadInputError(problem="Give either a source or a file.")
        user: Any = request.user
        licence = given["licence"]
        if upload:
            source, job = start_ingest_upload(project=project, upload=upload, licence=licence, user=user)
        elif "/" in spec or "\\" in spec or spec.startswith("."):
            place = permitted_path(spec)
            kind = kind or ("folder" if place.is_dir() else "")
            source, job = start_ingest_code(project=project, spec=str(place), kind=kind, licence=licence, user=user)
        else:
            kind = "stdlib" if spec == "stdlib" else "package"
            source, job = start_ingest_code(project=project, spec=spec, kind=kind, user=user)
        return Response(CodeSourceStartedOutput({"code_source": source.pk, "job": job.pk}).data, status=202)


class LicenceOutput(serializers.Serializer[Any]):
    """A licence ('' where places state none) with its places and distinct codes."""

    licence = serializers.CharField(allow_blank=True)
    n = serializers.IntegerField()
    codes = serializers.IntegerField()


class CodeSourceDetailOutput(CodeSourceOutput):
    """One source with its lengths, problems and licences."""

    licences = serializers.SerializerMethodField()

    class Meta(CodeSourceOutput.Meta):
        fields = [*CodeSourceOutput.Meta.fields, "lengths", "problems", "licences"]
        read_only_fields = fields

    @extend_schema_field(LicenceOutput(many=True))
    def get_licences(self, source: CodeSource) -> list[dict[str, Any]]:
        return licence_counts(source.project, source)


class CodeSourceApi(APIView):
    @extend_schema(operation_id="code_source", responses=CodeSourceDetailOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One code source: counts by reason, lengths ([lines, functions]), problems ([path, reason]), licences."""
        project = project_for(request.user, slug, *READERS)
        found = get_object_or_404(CodeSource, project=project, pk=pk)
        return Response(CodeSourceDetailOutput(found).data)


class CodeOutput(serializers.ModelSerializer[Code]):
    """A code; the texts of a quarantined one are withheld. `near_duplicate_of` is the code that is kept instead."""

    class Meta:
        model = Code
        fields = [
            "id",
            "content_hash",
            "name",
            "language",
            "text",
            "docstring",
            "n_lines",
            "is_paired",
            "filter_reason",
            "near_duplicate_of",
            "near_duplicate_score",
            "quarantine_reason",
        ]
        read_only_fields = fields

    def to_representation(self, instance: Code) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if instance.quarantine_reason:
            withheld = {"text", "docstring", "header", "body", "comments"}
            shown.update(dict.fromkeys(withheld & shown.keys()))
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
            OpenApiParameter("language", OpenApiTypes.STR, enum=list(LANGUAGES)),
            OpenApiParameter("licence", OpenApiTypes.STR, description="As stored, or `not stated`."),
            OpenApiParameter("group", OpenApiTypes.INT, description="Id of a kept code: it and its near duplicates."),
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
        page = keyset_page(rows.defer("comments"), request._request, order="id")
        return Response(CodePageOutput({"results": page.rows, "next": page.next}).data)


class OccurrenceOutput(serializers.ModelSerializer[CodeOccurrence]):
    """A place where a code stands; `address` opens it in a browser where that is known."""

    address = serializers.CharField(read_only=True, allow_blank=True)

    class Meta:
        model = CodeOccurrence
        fields = [
            "source",
            "repository",
            "path",
            "commit",
            "start_line",
            "end_line",
            "qualified_name",
            "licence",
            "filter_reason",
            "address",
        ]
        read_only_fields = fields


class CodeDetailOutput(CodeOutput):
    """One code with its parts, in-line comments ([first line, last line, text]) and places (at most 200)."""

    occurrences = serializers.SerializerMethodField()

    class Meta(CodeOutput.Meta):
        fields = [*CodeOutput.Meta.fields, "header", "body", "comments", "occurrences"]
        read_only_fields = fields

    @extend_schema_field(OccurrenceOutput(many=True))
    def get_occurrences(self, code: Code) -> list[dict[str, Any]]:
        places = code.occurrences.select_related("source").order_by("id")[:MAX_PLACES]
        return [dict(OccurrenceOutput(place).data) for place in places]


class CodeApi(APIView):
    @extend_schema(operation_id="code", responses=CodeDetailOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One code with its parts, comments and places."""
        project = project_for(request.user, slug, *READERS)
        code = Code.objects.filter(project=project, pk=pk).first()
        if code is None:
            raise Http404("There is no such code in this project.")
        return Response(CodeDetailOutput(code).data)


class CodeSettingsOutput(serializers.ModelSerializer[CodeSettings]):
    """What the project leaves out; a threshold of null stands for the default."""

    class Meta:
        model = CodeSettings
        fields = ["left_out_licences", "near_duplicate_threshold"]
        read_only_fields = fields


class CodeSettingsInput(serializers.Serializer[Any]):
    """`left_out_licences`: as stored, '' for places that state none. What is not given stays as it is."""

    left_out_licences = serializers.ListField(
        child=serializers.CharField(max_length=100, allow_blank=True), required=False, max_length=200
    )
    near_duplicate_threshold = serializers.FloatField(
        required=False, min_value=MIN_THRESHOLD, max_value=1, help_text=f"{DEFAULT_THRESHOLD} is the default."
    )


class JobStartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class CodeSettingsApi(APIView):
    @extend_schema(operation_id="code_settings", responses=CodeSettingsOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What the project leaves out of its code."""
        project = project_for(request.user, slug, *READERS)
        return Response(CodeSettingsOutput(code_settings(project)).data)

    @extend_schema(operation_id="set_code_settings", request=CodeSettingsInput, responses={202: JobStartedOutput})
    def put(self, request: Request, slug: str) -> Response:
        """Stores what the project leaves out and queues the sorting of its code by it."""
        project = project_for(request.user, slug, Role.CURATOR)
        given = CodeSettingsInput(data=request.data)
        given.is_valid(raise_exception=True)
        set_code_settings(project=project, **given.validated_data)
        user: Any = request.user
        return Response({"job": start_find_near_duplicates(project=project, user=user).pk}, status=202)


class FindNearDuplicatesApi(APIView):
    @extend_schema(operation_id="find_near_duplicates", request=None, responses={202: JobStartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues the search for near duplicates (and the licences left out) over all code of the project."""
        project = project_for(request.user, slug, Role.CURATOR)
        user: Any = request.user
        return Response({"job": start_find_near_duplicates(project=project, user=user).pk}, status=202)
