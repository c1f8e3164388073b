"""Ready pairs from an uploaded file, over the API."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.models import Role
from curation.api.candidates import CandidateJobOutput
from curation.services.pair_uploads import keep_pairs_file, kept_pairs_file, look_at_pairs, start_import_pairs

PROJECT = OpenApiParameter("slug", OpenApiTypes.STR, OpenApiParameter.PATH, description="The project.")


class PairsFileInput(serializers.Serializer[Any]):
    """CSV or JSON Lines with query (or doc), code and optionally score; or CoSQA JSON. Labels are not read."""

    file = serializers.FileField(allow_empty_file=True)
    name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)


class BadPairOutput(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    reason = serializers.CharField()


class PairsPreviewOutput(serializers.Serializer[Any]):
    """What an import would do: read = new + known + held_back + bad."""

    format = serializers.CharField()
    read = serializers.IntegerField()
    new = serializers.IntegerField(help_text="Pairs that the project lacks.")
    known = serializers.IntegerField(help_text="Pairs that it has, or that come again in the file.")
    held_back = serializers.IntegerField(help_text="Rows with private text: stored, shown to nobody.")
    bad = serializers.IntegerField()
    with_score = serializers.IntegerField()
    is_whole = serializers.BooleanField(help_text="False: only the first rows of a long file were looked at.")
    problems = BadPairOutput(many=True)


class ImportPairsApi(APIView):
    """Imports an uploaded file of ready pairs."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="import_pairs", parameters=[PROJECT], request=PairsFileInput, responses={202: CandidateJobOutput}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Queues the import; the job's result says read, new, known, held_back, bad, and the bad rows by number."""
        project = project_for(request.user, slug, Role.CURATOR)
        asked = PairsFileInput(data=request.data)
        asked.is_valid(raise_exception=True)
        file = asked.validated_data["file"]
        path = kept_pairs_file(project=project, token=keep_pairs_file(project=project, upload=file))
        user: Any = request.user
        job = start_import_pairs(project=project, path=path, name=asked.validated_data["name"] or file.name, user=user)
        return Response(CandidateJobOutput({"job": job.pk}).data, status=202)


class PreviewPairsApi(APIView):
    """Says what importing a file would do."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="preview_import_pairs", parameters=[PROJECT], request=PairsFileInput, responses=PairsPreviewOutput
    )
    def post(self, request: Request, slug: str) -> Response:
        """Looks at an uploaded file; nothing is kept."""
        project = project_for(request.user, slug, Role.CURATOR)
        asked = PairsFileInput(data=request.data)
        asked.is_valid(raise_exception=True)
        token = keep_pairs_file(project=project, upload=asked.validated_data["file"])
        path = kept_pairs_file(project=project, token=token)
        try:
            preview = look_at_pairs(project=project, path=path)
        finally:
            path.unlink(missing_ok=True)
        return Response(PairsPreviewOutput(preview.as_data()).data)
