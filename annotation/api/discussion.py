"""Discussion, flags and questions over the API."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.adjudication import ITEM, PAGING, PROJECT, TallyOutput
from annotation.api.inputs import valid_input
from annotation.models import Comment, GuidelineQuestion
from annotation.selectors.discussion import flags_of, questions_of, thread_of
from annotation.services import discussion as services
from annotation.views.discussion import SPEAKERS, is_staff_in, readable_item
from core.access import person_of, project_for, roles_in
from core.models import Project, Role
from core.paging import keyset_page


class ResolutionOutput(serializers.Serializer):
    """What a curator did about a flag."""

    note = serializers.CharField()
    person = serializers.CharField(source="person.username")
    created_at = serializers.DateTimeField()


class RemarkOutput(serializers.ModelSerializer):
    """A remark or a flag in the thread of a pair."""

    person = serializers.CharField(source="person.username")
    resolution = serializers.SerializerMethodField()

    class Meta:
        model = Comment
        fields = ["id", "item", "person", "text", "is_flag", "resolution", "created_at"]

    @extend_schema(responses=ResolutionOutput(allow_null=True))
    def get_resolution(self, comment: Comment) -> dict[str, Any] | None:
        made = getattr(comment, "resolution", None)
        return dict(ResolutionOutput(made).data) if made is not None else None


class DiscussionApi(APIView):
    """The thread of a pair. Before the own vote only one's own remarks; others' votes once all are in."""

    class Input(serializers.Serializer):
        text = serializers.CharField(max_length=services.MAX_TEXT_CHARS)

    class Output(serializers.Serializer):
        is_open = serializers.BooleanField(help_text="False: others' remarks are hidden until the person has voted.")
        votes = TallyOutput(allow_null=True)
        remarks = RemarkOutput(many=True)

    class Said(serializers.Serializer):
        remark = serializers.IntegerField()
        was_masked = serializers.BooleanField(help_text="Private text in it was masked before it was kept.")

    @extend_schema(operation_id="discussion", parameters=[PROJECT, ITEM], responses=Output)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, *SPEAKERS)
        item, is_staff = readable_item(request, project, pk)
        thread = thread_of(item, person_of(request), is_staff=is_staff)
        found = {"is_open": thread.is_open, "votes": thread.tally, "remarks": thread.comments}
        return Response(self.Output(found).data)

    @extend_schema(operation_id="say", parameters=[PROJECT, ITEM], request=Input, responses={201: Said})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, *SPEAKERS)
        item, is_staff = readable_item(request, project, pk)
        text = valid_input(self.Input, request)["text"]
        said = services.say(project=project, person=person_of(request), item_id=item.pk, text=text, is_staff=is_staff)
        return Response({"remark": said.pk, "was_masked": said.was_masked}, status=201)


def _project(request: Request, slug: str) -> tuple[Project, bool, bool]:
    """The project, whether the person curates or adjudicates there, and whether they curate."""
    project = project_for(request.user, slug, *SPEAKERS)
    return project, is_staff_in(request, project), Role.CURATOR in roles_in(request.user, project)


# --- flags ----------------------------------------------------------------------------------------------------
class FlagsApi(APIView):
    """The curator's inbox of flags."""

    class Output(serializers.Serializer):
        results = RemarkOutput(many=True)
        next = serializers.CharField(allow_blank=True)
        previous = serializers.CharField(allow_blank=True)

    SHOW = OpenApiParameter("show", OpenApiTypes.STR, enum=["open", "resolved", "all"], default="open")

    @extend_schema(operation_id="list_flags", parameters=[PROJECT, SHOW, *PAGING], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        page = keyset_page(flags_of(project, request.query_params.get("show", "open")), request._request)
        return Response(self.Output({"results": page.rows, "next": page.next, "previous": page.previous}).data)


class FlagApi(APIView):
    """Resolves a flag with a note, or opens it again."""

    class Input(serializers.Serializer):
        note = serializers.CharField(max_length=services.MAX_TEXT_CHARS)

    FLAG = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The flag, by the id of its remark.")

    @extend_schema(
        operation_id="resolve_flag", parameters=[PROJECT, FLAG], request=Input, responses={200: ResolutionOutput}
    )
    def put(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        note = valid_input(self.Input, request)["note"]
        made = services.resolve_flag(project=project, comment_id=pk, note=note, user=person_of(request))
        return Response(ResolutionOutput(made).data)

    @extend_schema(operation_id="reopen_flag", parameters=[PROJECT, FLAG], request=None, responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        services.reopen_flag(project=project, comment_id=pk, user=person_of(request))
        return Response(status=204)


# --- questions ------------------------------------------------------------------------------------------------
class GuidelineQuestionOutput(serializers.ModelSerializer):
    """A question to the guideline. `item` shows to curators alone."""

    person = serializers.CharField(source="person.username")
    answered_by = serializers.SerializerMethodField()
    adopted = serializers.SerializerMethodField(help_text="Guideline version that took the answer in.")
    item = serializers.SerializerMethodField()

    class Meta:
        model = GuidelineQuestion
        fields = [
            *["id", "text", "person", "item", "created_at", "answer", "answered_by", "answered_at", "adopted"],
        ]

    def get_answered_by(self, question: GuidelineQuestion) -> str | None:
        return question.answered_by.username if question.answered_by else None

    def get_adopted(self, question: GuidelineQuestion) -> int | None:
        return question.adopted.version if question.adopted else None

    def get_item(self, question: GuidelineQuestion) -> int | None:
        return question.item_id if self.context.get("is_curator") else None


class QuestionsApi(APIView):
    """Questions that the person may read; posting asks one."""

    class Input(serializers.Serializer):
        text = serializers.CharField(max_length=services.MAX_TEXT_CHARS)
        item = serializers.IntegerField(allow_null=True, default=None, help_text="The pair it came up at.")

    class Output(serializers.Serializer):
        results = GuidelineQuestionOutput(many=True)
        next = serializers.CharField(allow_blank=True)
        previous = serializers.CharField(allow_blank=True)

    SHOW = OpenApiParameter("show", OpenApiTypes.STR, enum=["open", "answered", "adopted"])

    @extend_schema(operation_id="list_questions", parameters=[PROJECT, SHOW, *PAGING], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project, _, is_curator = _project(request, slug)
        show = request.query_params.get("show", "")
        found = questions_of(project, person_of(request), is_curator=is_curator, show=show)
        page = keyset_page(found, request._request)
        data = {"results": page.rows, "next": page.next, "previous": page.previous}
        return Response(self.Output(data, context={"is_curator": is_curator}).data)

    @extend_schema(
        operation_id="ask_question", parameters=[PROJECT], request=Input, responses={201: GuidelineQuestionOutput}
    )
    def post(self, request: Request, slug: str) -> Response:
        project, is_staff, is_curator = _project(request, slug)
        given = valid_input(self.Input, request)
        asked = services.ask_question(
            project=project, person=person_of(request), text=given["text"], item_id=given["item"], is_staff=is_staff
        )
        return Response(GuidelineQuestionOutput(asked, context={"is_curator": is_curator}).data, status=201)


class QuestionApi(APIView):
    """Answers a question, or puts its answer into the guideline."""

    class Input(serializers.Serializer):
        answer = serializers.CharField(max_length=services.MAX_TEXT_CHARS)

    class Adopted(serializers.Serializer):
        version = serializers.IntegerField()

    QUESTION = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The question.")

    @extend_schema(
        operation_id="answer_question",
        parameters=[PROJECT, QUESTION],
        request=Input,
        responses={200: GuidelineQuestionOutput},
    )
    def put(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        answer = valid_input(self.Input, request)["answer"]
        answered = services.answer_question(project=project, question_id=pk, answer=answer, user=person_of(request))
        return Response(GuidelineQuestionOutput(answered, context={"is_curator": True}).data)

    @extend_schema(operation_id="adopt_answer", parameters=[PROJECT, QUESTION], request=None, responses=Adopted)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        published = services.adopt_answer(project=project, question_id=pk, user=person_of(request))
        return Response({"version": published.version})
