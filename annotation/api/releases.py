"""Releases and vote imports over the API."""

from typing import Any

from django.http import FileResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.criteria import read_criteria
from annotation.exporters import FORMATS
from annotation.models import Release, ReleaseState
from annotation.selectors.agreement import with_chosen_rule
from annotation.selectors.releases import find_release, open_file, visible_releases
from annotation.services.imports import save_upload, start_import_votes
from annotation.services.releases import (
    publish_release,
    start_export_release,
    start_freeze_release,
    withdraw_release,
)
from annotation.views.releases import download
from core.access import project_for
from core.menu import WATCHERS
from core.models import Role
from core.paging import keyset_page

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")
NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, description="The release.")
MAX_UPLOAD_BYTES = 512 * 2**20


class ReleaseOutput(serializers.ModelSerializer):
    """A release; `stats` holds statistics, agreement, splits and what was removed."""

    files = serializers.SerializerMethodField()

    class Meta:
        model = Release
        fields = [
            *["name", "state", "criteria", "content_sha256", "stats", "created_at", "published_at", "withdrawn_at"],
            *["withdrawn_reason", "files"],
        ]

    @extend_schema_serializer(component_name="ReleaseFile")
    class File(serializers.Serializer):
        id = serializers.IntegerField()
        path = serializers.CharField()
        sha256 = serializers.CharField()
        size_bytes = serializers.IntegerField()

    @extend_schema(responses=File(many=True))
    def get_files(self, release: Release) -> list[dict[str, Any]]:
        return [dict(self.File(file).data) for file in release.files.all()]


class QueuedJobOutput(serializers.Serializer):
    """The queued job."""

    job = serializers.IntegerField()


class ReleasesApi(APIView):
    """The project's releases, and freezing one."""

    @extend_schema_serializer(component_name="FreezeRelease")
    class Input(serializers.Serializer):
        name = serializers.CharField(max_length=60)
        keep = serializers.CharField(
            required=False, max_length=20, help_text="What is left out of the keep rule comes from the chosen one."
        )
        min_votes = serializers.IntegerField(required=False)
        min_share = serializers.CharField(required=False, max_length=20)
        min_alpha_u = serializers.CharField(required=False, max_length=20)
        include_imported = serializers.BooleanField(default=True)
        dev = serializers.CharField(default="1/10", max_length=20)
        test = serializers.CharField(default="1/10", max_length=20)
        split_by = serializers.CharField(default="group", max_length=10)
        seed = serializers.IntegerField(default=0)
        left_out_licences = serializers.ListField(
            child=serializers.CharField(max_length=100, allow_blank=True),
            default=list,
            help_text="Code that stands under these alone is left out; empty text: no licence stated.",
        )

    @extend_schema_serializer(component_name="ReleaseList")
    class Output(serializers.Serializer):
        results = ReleaseOutput(many=True)
        next = serializers.CharField()
        previous = serializers.CharField()

    @extend_schema_serializer(component_name="FreezingRelease")
    class Accepted(QueuedJobOutput):
        release = serializers.CharField(help_text="PROJECT/NAME")

    @extend_schema(operation_id="releases", parameters=[PROJECT], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        rows = visible_releases(project, request.user).prefetch_related("files")  # type: ignore[arg-type]
        page = keyset_page(rows, request._request, size=50)
        return Response(self.Output({"results": page.rows, "next": page.next, "previous": page.previous}).data)

    @extend_schema(operation_id="freeze_release", parameters=[PROJECT], request=Input, responses={202: Accepted})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        asked = self.Input(data=request.data)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = asked.validated_data
        release, job = start_freeze_release(
            project=project,
            name=given["name"],
            criteria=read_criteria(**with_chosen_rule(project, given)),
            user=request.user,  # type: ignore[arg-type]
        )
        return Response(self.Accepted({"release": str(release), "job": job.pk}).data, status=202)


class ReleaseApi(APIView):
    """One release; a curator publishes or withdraws it."""

    @extend_schema_serializer(component_name="ChangeRelease")
    class Input(serializers.Serializer):
        state = serializers.ChoiceField(choices=[str(ReleaseState.PUBLISHED), str(ReleaseState.WITHDRAWN)])
        reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)

    @extend_schema(operation_id="release", parameters=[PROJECT, NAME], responses=ReleaseOutput)
    def get(self, request: Request, slug: str, name: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        release = find_release(project, request.user, name)  # type: ignore[arg-type]
        return Response(ReleaseOutput(release).data)

    @extend_schema(operation_id="change_release", parameters=[PROJECT, NAME], request=Input, responses=ReleaseOutput)
    def patch(self, request: Request, slug: str, name: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        release = find_release(project, request.user, name)  # type: ignore[arg-type]
        asked = self.Input(data=request.data)
        asked.is_valid(raise_exception=True)
        if asked.validated_data["state"] == ReleaseState.PUBLISHED:
            release = publish_release(release=release)
        else:
            release = withdraw_release(release=release, reason=asked.validated_data["reason"])
        return Response(ReleaseOutput(release).data)


class ReleaseFileApi(APIView):
    """A file of a release."""

    @extend_schema(
        operation_id="release_file",
        parameters=[PROJECT, NAME],
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY)},
    )
    def get(self, request: Request, slug: str, name: str, pk: int) -> FileResponse:
        project = project_for(request.user, slug, *WATCHERS)
        release = find_release(project, request.user, name)  # type: ignore[arg-type]
        file = get_object_or_404(release.files, pk=pk)
        return download(open_file(release, file), f"{project.slug}-{release.name}-{file.path}")


class ReleaseExportsApi(APIView):
    """Writing a release in one format, on the server."""

    @extend_schema_serializer(component_name="ExportRelease")
    class Input(serializers.Serializer):
        format = serializers.ChoiceField(choices=list(FORMATS))

    @extend_schema(
        operation_id="export_release", parameters=[PROJECT, NAME], request=Input, responses={202: QueuedJobOutput}
    )
    def post(self, request: Request, slug: str, name: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        release = find_release(project, request.user, name)  # type: ignore[arg-type]
        asked = self.Input(data=request.data)
        asked.is_valid(raise_exception=True)
        job = start_export_release(
            release=release,
            format=asked.validated_data["format"],
            user=request.user,  # type: ignore[arg-type]
        )
        return Response(QueuedJobOutput({"job": job.pk}).data, status=202)


class ImportVotesApi(APIView):
    """Votes or labels from an uploaded file: CSV, JSON Lines or CoSQA JSON."""

    parser_classes = [MultiPartParser]

    @extend_schema_serializer(component_name="ImportVotes")
    class Input(serializers.Serializer):
        file = serializers.FileField(allow_empty_file=True)

        def validate_file(self, file: Any) -> Any:
            if file.size > MAX_UPLOAD_BYTES:
                raise serializers.ValidationError(f"At most {MAX_UPLOAD_BYTES // 2**20} MB.")
            return file

    @extend_schema(operation_id="import_votes", parameters=[PROJECT], request=Input, responses={202: QueuedJobOutput})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        asked = self.Input(data=request.data)
        asked.is_valid(raise_exception=True)
        file = asked.validated_data["file"]
        job = start_import_votes(
            project=project,
            path=save_upload(file),
            name=file.name[:100],
            user=request.user,  # type: ignore[arg-type]
        )
        return Response(QueuedJobOutput({"job": job.pk}).data, status=202)
