"""The API of search logs."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.errors import NotFoundError
from core.models import Role
from core.paging import keyset_page
from curation.models import BadRow, LogImport, LogUpload
from curation.reading import DELIMITERS, LogFormat, LogShape, Preview
from curation.selectors.queries import import_report, second_import_report
from curation.services.log_uploads import (
    discard_upload,
    keep_upload,
    preview_upload,
    start_upload,
    store_permitted_file,
)
from curation.services.logs import IngestStart, StoredLog, start_ingest_log, start_undo_import, store_log

READERS = (Role.ADJUDICATOR, Role.READER)
LOG_FORMATS = [each.value for each in LogFormat]
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


class ShapeInput(serializers.Serializer[Any]):
    """How a log is to be read. Whatever is left out is found out; `-` for a column means that none is read."""

    format = serializers.ChoiceField(choices=LOG_FORMATS, default=LogFormat.AUTO.value)
    column = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    count_column = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    user_column = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    url_column = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)
    delimiter = serializers.ChoiceField(choices=list(DELIMITERS), required=False, allow_blank=True)
    header = serializers.BooleanField(required=False, allow_null=True, default=None)
    quotes = serializers.BooleanField(required=False, allow_null=True, default=None)
    member = serializers.CharField(
        max_length=300, required=False, default="", allow_blank=True, help_text="The file inside a zip archive."
    )

    def shape(self) -> LogShape:
        """The checked input as a shape."""
        given = self.validated_data
        names = ("column", "count_column", "user_column", "url_column", "header", "quotes", "member")
        delimiter = DELIMITERS.get(given.get("delimiter") or "", "")
        return LogShape(LogFormat(given["format"]), delimiter=delimiter, **{name: given[name] for name in names})


class LogInput(ShapeInput):
    """A log file, or the path of one in a permitted folder of the server, and how to read it."""

    file = serializers.FileField(allow_empty_file=True, required=False)
    path = serializers.CharField(max_length=1000, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("file" in attrs) == ("path" in attrs):
            raise serializers.ValidationError("Give a file or a path.")
        return attrs

    def store(self) -> StoredLog:
        """Keeps a copy of the file."""
        given = self.validated_data
        if "path" in given:
            return store_permitted_file(given["path"])
        return store_log(given["file"].chunks(), name=given["file"].name or "")


class PreviewColumnOutput(serializers.Serializer[Any]):
    """A column; `use` is query, count, user, clicked URL, or empty where it is not read."""

    number = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="What most values are: number, time, URL, text, word, other.")
    use = serializers.CharField(allow_blank=True)
    samples = serializers.ListField(child=serializers.CharField())


class PreviewRowOutput(serializers.Serializer[Any]):
    """A row as it would be read, private parts masked; people are only numbered (0: nobody named)."""

    line = serializers.IntegerField()
    query = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()
    person = serializers.IntegerField()
    url = serializers.CharField(allow_blank=True)
    bad = serializers.CharField(allow_blank=True)
    private = serializers.CharField(allow_blank=True)


class PreviewShapeOutput(serializers.Serializer[Any]):
    """The shape as far as it could be settled."""

    format = serializers.CharField()
    column = serializers.CharField(allow_blank=True)
    count_column = serializers.CharField(allow_blank=True)
    user_column = serializers.CharField(allow_blank=True)
    url_column = serializers.CharField(allow_blank=True)
    delimiter = serializers.CharField(allow_blank=True, help_text="The mark itself.")
    header = serializers.BooleanField(allow_null=True)
    quotes = serializers.BooleanField(allow_null=True)
    member = serializers.CharField(allow_blank=True)


class LogPreviewOutput(serializers.Serializer[Any]):
    """What a stored file would be read as. `problem` says what has to be chosen before it can be."""

    upload = serializers.IntegerField()
    name = serializers.CharField()
    known = serializers.CharField(allow_blank=True, help_text="The known shape that it was recognised as.")
    packing = serializers.CharField(allow_blank=True)
    members = serializers.ListField(child=serializers.CharField())
    shape = PreviewShapeOutput()
    reasons = serializers.ListField(child=serializers.CharField())
    problem = serializers.CharField(allow_blank=True)
    ready = serializers.BooleanField()
    columns = PreviewColumnOutput(many=True)
    rows = PreviewRowOutput(many=True)


class LogPhaseOutput(serializers.Serializer[Any]):
    """Reading, sorting or writing: how far, how fast. `percent` and `lines_per_s` are null before it began."""

    name = serializers.CharField()
    percent = serializers.IntegerField(allow_null=True)
    lines = serializers.IntegerField()
    seconds = serializers.FloatField()
    lines_per_s = serializers.IntegerField(allow_null=True)


class LogReportOutput(serializers.Serializer[Any]):
    """read = new + known + bad; `distinct` and `quarantined` count queries."""

    log_import = serializers.IntegerField()
    job = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    format = serializers.CharField()
    column = serializers.CharField()
    count_column = serializers.CharField()
    user_column = serializers.CharField()
    url_column = serializers.CharField()
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
    phases = LogPhaseOutput(many=True)
    being_undone = serializers.BooleanField()


class UndoImportOutput(serializers.Serializer[Any]):
    log_import = serializers.IntegerField()
    job = serializers.IntegerField()


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
        user: Any = request.user
        start = start_ingest_log(project=project, stored=form.store(), shape=form.shape(), user=user)
        return _started(start)


class PreviewLogApi(APIView):
    parser_classes = (MultiPartParser, FormParser)

    @extend_schema(
        operation_id="preview_log", request={"multipart/form-data": LogInput}, responses={201: LogPreviewOutput}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Keeps a log for a day and says what it would be read as; nothing is imported."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = LogInput(data=request.data)
        form.is_valid(raise_exception=True)
        user: Any = request.user
        upload, preview = keep_upload(project=project, stored=form.store(), shape=form.shape(), user=user)
        return Response(_previewed(upload, preview), status=201)


class LogUploadApi(APIView):
    parser_classes = (JSONParser, MultiPartParser, FormParser)

    @extend_schema(operation_id="log_upload", parameters=[ShapeInput], responses=LogPreviewOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """What a stored log would be read as: with the last shape, or with the one that the parameters give."""
        upload = self._upload(request, slug, pk)
        given = ShapeInput(data=request.query_params)
        given.is_valid(raise_exception=True)
        preview = preview_upload(upload=upload, shape=given.shape() if request.query_params else None)
        return Response(_previewed(upload, preview))

    @extend_schema(
        operation_id="start_log_upload", request=ShapeInput, responses={202: LogReportOutput, 200: LogReportOutput}
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Starts the import of a stored log with the last shape, or with the one given."""
        upload = self._upload(request, slug, pk)
        given = ShapeInput(data=request.data)
        given.is_valid(raise_exception=True)
        user: Any = request.user
        return _started(start_upload(upload=upload, shape=given.shape() if request.data else None, user=user))

    @extend_schema(operation_id="discard_log_upload", responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Removes a stored log that is not wanted."""
        discard_upload(upload=self._upload(request, slug, pk))
        return Response(status=204)

    def _upload(self, request: Request, slug: str, pk: int) -> LogUpload:
        project = project_for(request.user, slug, Role.CURATOR)
        upload = project.log_uploads.filter(pk=pk).first()
        if upload is None:
            raise NotFoundError(what="uploaded log", name=pk)
        return upload


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


def _previewed(upload: LogUpload, preview: Preview) -> dict[str, Any]:
    data = {
        "upload": upload.pk,
        "name": upload.name,
        "known": preview.shape.known,
        "ready": preview.is_ready,
        **{name: getattr(preview, name) for name in ("packing", "members", "shape", "reasons", "problem")},
        "columns": preview.columns,
        "rows": preview.rows,
    }
    return dict(LogPreviewOutput(data).data)


def _started(start: IngestStart) -> Response:
    if start.job is None:
        return Response(_report(start.log_import, second_import_report(start.log_import)))
    return Response(_report(start.log_import, import_report(start.log_import)), status=202)


class UndoImportApi(APIView):
    @extend_schema(operation_id="undo_import", request=None, responses={202: UndoImportOutput})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Queues the removal of an import and of queries that only it brought; 409 where they are used."""
        project = project_for(request.user, slug, Role.CURATOR)
        log_import = project.log_imports.filter(pk=pk).first()
        if log_import is None:
            raise NotFoundError(what="search log", name=pk)
        user: Any = request.user
        job = start_undo_import(log_import=log_import, user=user)
        return Response(UndoImportOutput({"log_import": pk, "job": job.pk}).data, status=202)


def _report(log_import: LogImport, report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "job": log_import.job_id}
