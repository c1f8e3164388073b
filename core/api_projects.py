"""The API of projects: list, look, make."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for, roles_in
from core.models import Project
from core.overview import overview_of
from core.paging import keyset_page
from core.services.projects import create_project

PAGE_SIZE = 50


class ProjectOutput(serializers.ModelSerializer[Project]):
    """A project and its settings."""

    class Meta:
        model = Project
        fields = [
            "slug",
            "title",
            "description",
            "language",
            "overlap",
            "max_extra_votes",
            "k_anonymity",
            "encoder",
            "created_at",
        ]
        read_only_fields = fields


class ProjectPageOutput(serializers.Serializer[Any]):
    """A page of projects, newest first; `next` goes into ?after=, empty on the last page."""

    results = ProjectOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class StageOutput(serializers.Serializer[Any]):
    """A stage of the funnel from log line to release."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.IntegerField()


class ProjectDetailOutput(ProjectOutput):
    """A project with the roles of the person who asks and the counts along its road."""

    roles = serializers.ListField(child=serializers.CharField())
    stages = StageOutput(many=True)

    class Meta(ProjectOutput.Meta):
        fields = [*ProjectOutput.Meta.fields, "roles", "stages"]
        read_only_fields = fields


class ProjectsApi(APIView):
    """Projects of the person who asks."""

    class Input(serializers.Serializer[Any]):
        slug = serializers.SlugField(max_length=60)
        title = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
        language = serializers.CharField(max_length=20, required=False, allow_blank=True, default="python")

    @extend_schema(
        operation_id="list_projects",
        parameters=[OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before.")],
        responses=ProjectPageOutput,
    )
    def get(self, request: Request) -> Response:
        """Lists the projects, newest first."""
        page = keyset_page(Project.objects.for_user(request.user), request._request, size=PAGE_SIZE)
        return Response(ProjectPageOutput({"results": page.rows, "next": page.next}).data)

    @extend_schema(operation_id="create_project", request=Input, responses={201: ProjectOutput})
    def post(self, request: Request) -> Response:
        """Makes a project; its maker becomes its curator."""
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        project = create_project(**given.validated_data, user=request.user)  # type: ignore[arg-type]
        return Response(ProjectOutput(project).data, status=201)


class ProjectApi(APIView):
    """One project."""

    @extend_schema(operation_id="get_project", responses=ProjectDetailOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The project's settings, your roles in it, and how many things stand at each stage."""
        project = project_for(request.user, slug)
        roles = sorted(role.value for role in roles_in(request.user, project))
        stages = [{"key": s.key, "label": s.label, "value": s.value} for s in overview_of(project).stages]
        return Response({**ProjectOutput(project).data, "roles": roles, "stages": stages})
