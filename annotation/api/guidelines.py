"""The guideline over the API: versions, changes, examples."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.adjudication import PROJECT
from annotation.api.inputs import valid_input
from annotation.models import Guideline
from annotation.selectors.guidelines import changes_between, examples_in_force
from annotation.services.guidelines import (
    MAX_CHARS,
    MAX_NOTE_CHARS,
    MAX_WHY_CHARS,
    add_example,
    current_guideline,
    publish_guideline,
    remove_example,
)
from core.access import person_of, project_for
from core.errors import NotFoundError
from core.models import Role


class GuidelineVersionOutput(serializers.ModelSerializer):
    """A version of the guideline, without its text."""

    author = serializers.SerializerMethodField()

    class Meta:
        model = Guideline
        fields = ["version", "note", "author", "created_at"]

    def get_author(self, guideline: Guideline) -> str:
        return guideline.author.username if guideline.author else ""


class GuidelineApi(APIView):
    """The newest guideline with its history; posting puts a new version in force."""

    class Input(serializers.Serializer):
        text = serializers.CharField(max_length=MAX_CHARS, trim_whitespace=False)
        note = serializers.CharField(max_length=MAX_NOTE_CHARS, allow_blank=True, default="")
        based_on = serializers.IntegerField(
            allow_null=True, default=None, help_text="Refused (409) when a newer version than this one is in force."
        )

    class Output(serializers.Serializer):
        version = serializers.IntegerField()
        text = serializers.CharField()
        versions = GuidelineVersionOutput(many=True)

    @extend_schema(operation_id="guideline", parameters=[PROJECT], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug)
        newest = current_guideline(project)
        versions = project.guidelines.select_related("author")
        return Response(self.Output({"version": newest.version, "text": newest.text, "versions": versions}).data)

    @extend_schema(
        operation_id="publish_guideline", parameters=[PROJECT], request=Input, responses={201: GuidelineVersionOutput}
    )
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        published = publish_guideline(project=project, author=person_of(request), **valid_input(self.Input, request))
        return Response(GuidelineVersionOutput(published).data, status=201)


class GuidelineExampleOutput(serializers.Serializer):
    """A judged pair shown beside the guideline."""

    id = serializers.IntegerField()
    query = serializers.CharField(source="pair.query.text")
    code = serializers.CharField(source="pair.code.text")
    intent = serializers.CharField()
    answer = serializers.IntegerField(allow_null=True)
    why = serializers.CharField()
    since = serializers.IntegerField(source="since.version", help_text="First guideline version with it.")


class GuidelineChangesApi(APIView):
    """What changed between two versions, by section, paragraph and word."""

    class Output(serializers.Serializer):
        class GuidelineSectionChange(serializers.Serializer):
            class GuidelineBlockChange(serializers.Serializer):
                class GuidelinePiece(serializers.Serializer):
                    op = serializers.CharField(help_text="same, added or removed")
                    text = serializers.CharField()

                op = serializers.CharField(help_text="added, removed or changed")
                pieces = GuidelinePiece(many=True)

            title = serializers.CharField()
            op = serializers.CharField(help_text="added, removed or changed")
            blocks = GuidelineBlockChange(many=True, source="changed_blocks")

        since = serializers.IntegerField()
        version = serializers.IntegerField()
        notes = serializers.ListField(child=serializers.CharField())
        sections = GuidelineSectionChange(many=True)
        examples_added = serializers.ListField(child=serializers.IntegerField())
        n_examples_removed = serializers.IntegerField()

    FROM = OpenApiParameter("from", OpenApiTypes.INT, description="The older version; default: the one before `to`.")
    TO = OpenApiParameter("to", OpenApiTypes.INT, description="The newer version; default: the one in force.")

    @extend_schema(operation_id="guideline_changes", parameters=[PROJECT, FROM, TO], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug)
        new = _version(request.query_params.get("to", ""), current_guideline(project).version)
        old = _version(request.query_params.get("from", ""), new - 1)
        changes = changes_between(project, old, new)
        if changes is None or old >= new:
            raise NotFoundError(what="pair of versions, older and newer,", name=f"{old} and {new}")
        found = {
            "since": old,
            "version": new,
            "notes": [note.note for note in changes.notes if note.note],
            "sections": changes.sections,
            "examples_added": [example.id for example in changes.examples_added],
            "n_examples_removed": changes.n_examples_removed,
        }
        return Response(self.Output(found).data)


def _version(given: str, default: int) -> int:
    return int(given) % 2**31 if given.isdecimal() else default


class GuidelineExamplesApi(APIView):
    """Examples in force; posting makes a finished pair one, from a new version on."""

    class Input(serializers.Serializer):
        item = serializers.IntegerField()
        intent = serializers.CharField(max_length=8, help_text="yes or no")
        answer = serializers.IntegerField(min_value=0, max_value=1, allow_null=True, default=None)
        why = serializers.CharField(max_length=MAX_WHY_CHARS)

    @extend_schema(
        operation_id="list_guideline_examples", parameters=[PROJECT], responses=GuidelineExampleOutput(many=True)
    )
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug)
        return Response(GuidelineExampleOutput(examples_in_force(project), many=True).data)

    @extend_schema(
        operation_id="add_guideline_example",
        parameters=[PROJECT],
        request=Input,
        responses={201: GuidelineExampleOutput},
    )
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        given: dict[str, Any] = valid_input(self.Input, request)
        items = project.items.select_related("batch", "query", "pair__query", "pair__code")
        item = get_object_or_404(items, pk=given.pop("item"))
        made = add_example(project=project, item=item, user=person_of(request), **given)
        return Response(GuidelineExampleOutput(made).data, status=201)


class GuidelineExampleApi(APIView):
    """Takes an example out of the guideline, from a new version on."""

    EXAMPLE = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The example.")

    @extend_schema(
        operation_id="remove_guideline_example", parameters=[PROJECT, EXAMPLE], request=None, responses={204: None}
    )
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        remove_example(project=project, example_id=pk, user=person_of(request))
        return Response(status=204)
