"""The full export over the API."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from annotation.models import Batch
from annotation.selectors.export import FORMATS, PAIRS, SHAPES
from annotation.views.exports import export_response
from core.access import project_for
from core.errors import NotFoundError
from core.models import Role

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")


class _AnyContent(BaseContentNegotiation):
    """A file is a file, whatever the client says it accepts."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ExportVotesApi(APIView):
    """Judged pairs with their votes as they stand now."""

    content_negotiation_class = _AnyContent

    class Asked(serializers.Serializer[Any]):
        file_format = serializers.ChoiceField(choices=list(FORMATS), default="jsonl")
        shape = serializers.ChoiceField(choices=list(SHAPES), default=PAIRS)
        batch = serializers.IntegerField(required=False, min_value=1, max_value=2**62)

    @extend_schema(
        operation_id="export_votes",
        parameters=[
            PROJECT,
            OpenApiParameter("file_format", OpenApiTypes.STR, enum=list(FORMATS), description="Default: jsonl."),
            OpenApiParameter(
                "shape",
                OpenApiTypes.STR,
                enum=list(SHAPES),
                description="pairs: a row per pair with its votes (default); long: a row per vote.",
            ),
            OpenApiParameter("batch", OpenApiTypes.INT, description="Only pairs of this batch."),
        ],
        responses={
            (200, "application/x-ndjson"): OpenApiResponse(
                OpenApiTypes.STR,
                description="One JSON object a line; `state` of a vote: counted, retracted, set_aside, late.",
            ),
            (200, "text/csv"): OpenApiResponse(
                OpenApiTypes.STR,
                description="The same for spreadsheets: a cell that begins like a formula gets an apostrophe.",
            ),
        },
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """Every judged pair with its votes, streamed; what privacy holds back is left out."""
        project = project_for(request.user, slug, Role.CURATOR)
        asked = self.Asked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        batch: Batch | None = None
        if "batch" in given:
            batch = project.batches.filter(pk=given["batch"]).first()
            if batch is None:
                raise NotFoundError(what="batch", name=given["batch"])
        return export_response(project, batch, given["file_format"], given["shape"])
