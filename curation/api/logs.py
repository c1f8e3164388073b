"""The API of search logs."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.errors import NotFoundError
from core.models import Role
from core.paging import keyset_page
from curation.models import BadRow, LogImport
from curation.reading import LogFormat, LogShape
from curation.selectors.queries import import_report, second_import_report
from curation.services.logs import start_ingest_log, store_log

READERS = (Role.ADJUDICATOR, Role.READER)
AFTER = OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before.")


class LogOutput(serializers.ModelSerializer[LogImport]):
    """An import; n_read = n_new + n_known + n_bad."""

    class Meta:
        model = LogImport
        fields = [
            "id",
            "name",
            "sha256",
            "format",
            "column",
            "size_bytes",
            "n_read",
            "n_new",
            "n_known",
            "n_bad",
            "is_complete",
            "job",
            "created_at",
        ]
        read_only_fields = fields


class LogPageOutput(serializers.Serializer[Any]):
    results = LogOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class LogInput(serializers.Serializer[Any]):
    """A log file and how to read it."""

    file = serializers.FileField(allow_empty_file=True)
    format = serializers.ChoiceField(choices=[each.value for each in LogFormat], default=LogFormat.AUTO.value)
    column = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    count_column = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    user_column = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)


class LogReportOutput(serializers.Serializer[Any]):
    """read = new + known + bad; `distinct` and `quarantined` count queries."""

    log_import = serializers.IntegerField()
    job = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    format = serializers.CharField()
    column = serializers.CharField()
    count_column = serializers.CharField()
    user_column = serializers.CharField()
    sha256 = serializers.CharField()
    complete = serializers.BooleanField()
    already_imported = serializers.BooleanField()
    read = serializers.IntegerField()
    new = serializers.IntegerField()
    known = serializers.IntegerField()
    bad = serializers.IntegerField()
    bad_reasons = serializers.DictField(child=serializers.IntegerField())
    distinct = serializers.IntegerField()
    quarantined = serializers.IntegerField()


class BadRowOutput(serializers.ModelSerializer[BadRow]):
    class Meta:
        model = BadRow
        fields = ["line", "reason", "excerpt"]
        read_only_fields = fields


class LogDetailOutput(LogReportOutput):
    bad_rows = BadRowOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class LogsApi(APIView):
    parser_classes = (MultiPartParser, FormParser)

    @extend_schema(operation_id="logs", parameters=[AFTER], responses=LogPageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Imports of search logs, newest first."""
        project = project_for(request.user, slug, *READERS)
        page = keyset_page(project.log_imports.all(), request._request)
        return Response(LogPageOutput({"results": page.rows, "next": page.next}).data)

    @extend_schema(
        operation_id="ingest_log",
        request={"multipart/form-data": LogInput},
        responses={202: LogReportOutput, 200: LogReportOutput},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Queues the import of a log (202); a file that was imported before adds nothing (200)."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = LogInput(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        shape = LogShape(LogFormat(given["format"]), given["column"], given["count_column"], given["user_column"])
        user: Any = request.user
        stored = store_log(given["file"].chunks(), name=given["file"].name or "")
        start = start_ingest_log(project=project, stored=stored, shape=shape, user=user)
        if start.job is None:
            return Response(_report(start.log_import, second_import_report(start.log_import)))
        return Response(_report(start.log_import, import_report(start.log_import)), status=202)


class LogApi(APIView):
    @extend_schema(operation_id="log", parameters=[AFTER], responses=LogDetailOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One import with its bad rows, a page at a time."""
        project = project_for(request.user, slug, *READERS)
        log_import = project.log_imports.filter(pk=pk).first()
        if log_import is None:
            raise NotFoundError(what="search log", name=pk)
        page = keyset_page(log_import.bad_rows.all(), request._request, order="line")
        data = {**_report(log_import, import_report(log_import)), "bad_rows": page.rows, "next": page.next}
        return Response(LogDetailOutput(data).data)


def _report(log_import: LogImport, report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "job": log_import.job_id}
