"""The judge page's endpoints, over the same services as the page."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.inputs import valid_input
from annotation.models import Intent, Reason, Slot, Standing
from annotation.selectors.people import annotator_of
from annotation.selectors.queue import progress_of
from annotation.selectors.shown import guideline_version, pair_html, shown_pair
from annotation.services import leases, votes
from annotation.services.preferences import see_guideline
from annotation.services.training import feedback_for
from annotation.services.votes import Judgement
from core.access import person_of, project_for
from core.models import Project, Role, User

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")


# --- what every answer to the judge page carries --------------------------------------------------------
class LeaseOutput(serializers.Serializer):
    """A leased pair. `html` is left out for tokens that the caller says it has."""

    token = serializers.UUIDField()
    lane = serializers.IntegerField(help_text="0: on screen, 1: fetched ahead.")
    item = serializers.IntegerField()
    has_code = serializers.BooleanField(help_text="False: only the intent of the query is asked for; send no answer.")
    key = serializers.UUIDField(required=False, help_text="Send it with the vote on this pair.")
    html = serializers.CharField(required=False)


class TurnOutput(serializers.Serializer):
    """The person's leases now, the pair on screen first, and the key of the vote or skip that undo would take back."""

    leases = LeaseOutput(many=True)
    last = serializers.UUIDField(allow_null=True)
    guideline = serializers.IntegerField(help_text="Newest version of the guideline; read it before the next pair.")


def turn(project: Project, person: User, held: list[Slot], have: list[Any]) -> dict[str, Any]:
    """The data of a TurnOutput."""
    last = votes.last_act(project=project, person=person)
    return _turn(project, held, have, last.key if last else None)


def _turn(project: Project, held: list[Slot], have: list[Any], last: UUID | None) -> dict[str, Any]:
    known = {str(token) for token in have}
    return {
        "leases": [_lease(slot, is_known=str(slot.token) in known) for slot in held],
        "last": str(last) if last else None,
        "guideline": guideline_version(project),
    }


def _lease(slot: Slot, *, is_known: bool) -> dict[str, Any]:
    lease: dict[str, Any] = {"token": str(slot.token), "lane": slot.lane, "item": slot.item_id}
    lease["has_code"] = slot.pair_id is not None
    if not is_known:
        pair = shown_pair(slot)
        lease |= {"key": str(pair.key), "html": pair_html(pair)}
    return lease


class HaveInput(serializers.Serializer):
    have = serializers.ListField(
        child=serializers.UUIDField(), default=list, max_length=10, help_text="Tokens of the pairs at hand."
    )


# --- judging -----------------------------------------------------------------------------------------------
class LeasesApi(APIView):
    """Fills both lanes."""

    @extend_schema(operation_id="claim", parameters=[PROJECT], request=HaveInput, responses=TurnOutput)
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        given = valid_input(HaveInput, request)
        held = leases.fill_lanes(project=project, person=person_of(request))
        return Response(turn(project, person_of(request), held, given["have"]))


class HeartbeatApi(APIView):
    """Renews leases by token and tells which are still good."""

    class Input(serializers.Serializer):
        tokens = serializers.ListField(child=serializers.UUIDField(), max_length=10)

    class Output(serializers.Serializer):
        alive = serializers.ListField(child=serializers.UUIDField())
        mine = serializers.IntegerField()
        left = serializers.IntegerField()
        guideline = serializers.IntegerField()
        standing = serializers.ChoiceField(Standing.choices)
        reason = serializers.CharField(allow_blank=True, help_text="Why the person is warned or paused.")

    @extend_schema(operation_id="heartbeat", parameters=[PROJECT], request=Input, responses=Output)
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        given = valid_input(self.Input, request)
        alive = leases.renew(project=project, person=person_of(request), tokens=given["tokens"])
        progress = progress_of(project, person_of(request))
        stands = annotator_of(project, person_of(request))
        return Response(
            {
                "alive": alive,
                "mine": progress.mine,
                "left": progress.left,
                "guideline": guideline_version(project),
                "standing": stands.standing,
                "reason": stands.told_reason,
            }
        )


class FeedbackOutput(serializers.Serializer):
    """After a vote on a training item: whether it is right, the right judgement, and why."""

    is_right = serializers.BooleanField()
    intent = serializers.ChoiceField(Intent.choices)
    answer = serializers.IntegerField(min_value=0, max_value=1, allow_null=True)
    why = serializers.CharField(allow_blank=True)


class VotesApi(APIView):
    """Submits a vote; a repeat with the same key and content is the same vote."""

    class Input(HaveInput):
        key = serializers.UUIDField(help_text="Made when the pair is shown.")
        token = serializers.UUIDField(help_text="The lease.")
        item = serializers.IntegerField()
        intent = serializers.ChoiceField(Intent.choices)
        answer = serializers.IntegerField(min_value=0, max_value=1, allow_null=True, default=None)
        code_unclear = serializers.BooleanField(default=False)
        reason = serializers.ChoiceField(Reason.choices, allow_blank=True, default="")
        seconds = serializers.FloatField(default=0.0, min_value=0)
        guideline = serializers.IntegerField(allow_null=True, default=None, help_text="Version that was shown.")

    class Output(TurnOutput):
        vote = serializers.IntegerField()
        is_repeat = serializers.BooleanField()
        feedback = FeedbackOutput(allow_null=True, help_text="Of training items only; show it before the next pair.")

    @extend_schema(operation_id="vote", parameters=[PROJECT], request=Input, responses=Output)
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        given = valid_input(self.Input, request)
        receipt = votes.submit_vote(
            project=project,
            person=person_of(request),
            item_id=given["item"],
            token=given["token"],
            key=given["key"],
            judgement=Judgement(given["intent"], given["answer"], given["code_unclear"], given["reason"]),
            seconds=given["seconds"],
            guideline_version=given["guideline"],
        )
        after = _turn(project, receipt.leases, given["have"], votes.last_key(receipt))
        feedback = feedback_for(receipt.vote)
        return Response(
            {
                **after,
                "vote": receipt.vote.pk,
                "is_repeat": receipt.is_repeat,
                "feedback": feedback.to_dict() if feedback else None,
            }
        )


class VoteApi(APIView):
    """Corrects an own vote while its batch is open."""

    class Input(serializers.Serializer):
        intent = serializers.ChoiceField(Intent.choices)
        answer = serializers.IntegerField(min_value=0, max_value=1, allow_null=True, default=None)
        code_unclear = serializers.BooleanField(default=False)
        reason = serializers.ChoiceField(Reason.choices, allow_blank=True, default="")

    class Output(serializers.Serializer):
        vote = serializers.IntegerField()

    @extend_schema(operation_id="correct_vote", parameters=[PROJECT], request=Input, responses=Output)
    def put(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        vote = votes.correct_vote(
            project=project,
            person=person_of(request),
            vote_id=pk,
            judgement=Judgement(**valid_input(self.Input, request)),
        )
        return Response({"vote": vote.pk})


class UndoApi(APIView):
    """Takes back the newest vote or skip; `key` names it, so that a repeat changes nothing."""

    class Input(HaveInput):
        key = serializers.UUIDField(allow_null=True, default=None, help_text="Of the vote, or the token passed over.")

    class Output(TurnOutput):
        is_vote = serializers.BooleanField(help_text="A vote was taken back; false: a skip, or nothing (a repeat).")

    @extend_schema(operation_id="undo", parameters=[PROJECT], request=Input, responses=Output)
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        given = valid_input(self.Input, request)
        vote, held = votes.undo(project=project, person=person_of(request), key=given["key"])
        return Response({**turn(project, person_of(request), held, given["have"]), "is_vote": vote is not None})


class SkipApi(APIView):
    """Passes over the pair leased under `token`."""

    class Input(HaveInput):
        token = serializers.UUIDField()

    @extend_schema(operation_id="skip", parameters=[PROJECT], request=Input, responses=TurnOutput)
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        given = valid_input(self.Input, request)
        held = votes.skip(project=project, person=person_of(request), token=given["token"])
        return Response(turn(project, person_of(request), held, given["have"]))


class CommentsApi(APIView):
    """Leaves a remark on, or a flag at, a pair that one has or has had in hand."""

    class Input(serializers.Serializer):
        item = serializers.IntegerField()
        text = serializers.CharField(allow_blank=True, default="", max_length=4000)
        is_flag = serializers.BooleanField(default=False)

    class Output(serializers.Serializer):
        comment = serializers.IntegerField()
        was_masked = serializers.BooleanField(help_text="Private text in it was masked before it was kept.")

    @extend_schema(operation_id="comment", parameters=[PROJECT], request=Input, responses={201: Output})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        given = valid_input(self.Input, request)
        comment = votes.add_comment(
            project=project,
            person=person_of(request),
            item_id=given["item"],
            text=given["text"],
            is_flag=given["is_flag"],
        )
        return Response({"comment": comment.pk, "was_masked": comment.was_masked}, status=201)


class GuidelineSeenApi(APIView):
    """Stamps that the caller has read this version of the guideline, so that its changes are not shown again."""

    class Input(serializers.Serializer):
        version = serializers.IntegerField(min_value=1)

    @extend_schema(operation_id="see_guideline", parameters=[PROJECT], request=Input, responses={204: None})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        version = min(valid_input(self.Input, request)["version"], guideline_version(project))
        see_guideline(project=project, person=person_of(request), version=version)
        return Response(status=204)
