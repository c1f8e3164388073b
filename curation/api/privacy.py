"""The API of the quarantine: counts, lists, decisions of curators, and scanning again."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import person_of, project_for
from core.errors import BadInputError
from core.models import Role
from core.paging import keyset_page
from curation.models import PrivacyDecision, TextKind
from curation.selectors.privacy import HAND_REASONS, counts_of_quarantine, held_back, shown_private
from curation.selectors.queries import current_rule_set, withheld_preview
from curation.services.privacy import quarantine_texts, release_texts, reveal_text, start_scan_privacy

READERS = (Role.ADJUDICATOR, Role.READER)
MAX_IDS = 1000
PAGING = [
    OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before."),
    OpenApiParameter("before", OpenApiTypes.STR, description="`previous` of the page after."),
]


class CountsByReasonOutput(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    by_reason = serializers.DictField(child=serializers.IntegerField())


class QuarantineOutput(serializers.Serializer[Any]):
    """Texts held back by kind and reason; `acts` counts what people did: release, quarantine, reveal."""

    queries = CountsByReasonOutput()
    codes = CountsByReasonOutput()
    masked_paths = serializers.IntegerField()
    acts = serializers.DictField(child=serializers.IntegerField())


class QuarantineApi(APIView):
    @extend_schema(operation_id="quarantine", responses=QuarantineOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What privacy holds back in the project."""
        project = project_for(request.user, slug, *READERS)
        return Response(QuarantineOutput(counts_of_quarantine(project).as_data()).data)


class PrivateTextOutput(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    content_hash = serializers.CharField()
    reason = serializers.CharField()
    masked = serializers.CharField()


class PrivateTextPageOutput(serializers.Serializer[Any]):
    results = PrivateTextOutput(many=True)
    next = serializers.CharField(allow_blank=True)
    previous = serializers.CharField(allow_blank=True)


class QuarantinedTextsApi(APIView):
    @extend_schema(
        operation_id="quarantined_texts",
        parameters=[OpenApiParameter("reason", OpenApiTypes.STR), *PAGING],
        responses=PrivateTextPageOutput,
    )
    def get(self, request: Request, slug: str, kind: str) -> Response:
        """Quarantined queries or codes with their private parts masked; for curators."""
        project = project_for(request.user, slug, Role.CURATOR)
        which = text_kind(kind)
        rows = held_back(project, which, request.query_params.get("reason", "")[:60])
        page = keyset_page(rows, request._request)
        results = [
            {
                "id": row.pk,
                "content_hash": row.content_hash,
                "reason": row.quarantine_reason,
                "masked": shown_private(row, which),
            }
            for row in page
        ]
        return Response(PrivateTextPageOutput({"results": results, "next": page.next, "previous": page.previous}).data)


def text_kind(given: str) -> TextKind:
    """The kind of text of this name; BadInputError for another."""
    if given not in TextKind.values:
        raise BadInputError(problem=f"There is no kind {given[:20]}. There are: {', '.join(TextKind.values)}.")
    return TextKind(given)


class DecisionInput(serializers.Serializer[Any]):
    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=MAX_IDS)
    note = serializers.CharField(max_length=300, default="", allow_blank=True, help_text="Why.")


class QuarantineTextsInput(DecisionInput):
    reason = serializers.CharField(max_length=60, help_text=f"One of: {', '.join(HAND_REASONS)}.")


class ChangedOutput(serializers.Serializer[Any]):
    changed = serializers.IntegerField()


class QuarantineTextsApi(APIView):
    @extend_schema(operation_id="quarantine_texts", request=QuarantineTextsInput, responses=ChangedOutput)
    def post(self, request: Request, slug: str, kind: str) -> Response:
        """Holds texts back by hand."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = QuarantineTextsInput(data=request.data)
        form.is_valid(raise_exception=True)
        changed = quarantine_texts(
            project=project, kind=text_kind(kind), person=person_of(request), **form.validated_data
        )
        return Response({"changed": changed})


class ReleaseTextsApi(APIView):
    @extend_schema(operation_id="release_texts", request=DecisionInput, responses=ChangedOutput)
    def post(self, request: Request, slug: str, kind: str) -> Response:
        """Releases texts after looking; they stay released."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = DecisionInput(data=request.data)
        form.is_valid(raise_exception=True)
        changed = release_texts(project=project, kind=text_kind(kind), person=person_of(request), **form.validated_data)
        return Response({"changed": changed})


class RevealedOutput(serializers.Serializer[Any]):
    text = serializers.CharField()


class RevealTextApi(APIView):
    @extend_schema(operation_id="reveal_text", request=None, responses=RevealedOutput)
    def post(self, request: Request, slug: str, kind: str, pk: int) -> Response:
        """The whole quarantined text; who looked and when is kept."""
        project = project_for(request.user, slug, Role.CURATOR)
        text = reveal_text(project=project, kind=text_kind(kind), pk=pk, person=person_of(request))
        response = Response({"text": text})
        response["Cache-Control"] = "no-store"
        return response


class PrivacyDecisionOutput(serializers.ModelSerializer[PrivacyDecision]):
    kind = serializers.CharField(help_text="query or code")
    act = serializers.CharField(help_text="release, quarantine or reveal")
    person = serializers.CharField(source="person.username", default="", allow_blank=True)

    class Meta:
        model = PrivacyDecision
        fields = ["id", "kind", "content_hash", "act", "reason", "note", "person", "created_at"]
        read_only_fields = fields


class PrivacyDecisionPageOutput(serializers.Serializer[Any]):
    results = PrivacyDecisionOutput(many=True)
    next = serializers.CharField(allow_blank=True)
    previous = serializers.CharField(allow_blank=True)


class PrivacyDecisionsApi(APIView):
    @extend_schema(operation_id="privacy_decisions", parameters=PAGING, responses=PrivacyDecisionPageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Who looked at, released or held back what, latest first."""
        project = project_for(request.user, slug, Role.CURATOR)
        page = keyset_page(project.privacy_decisions.select_related("person"), request._request)
        data = {"results": page.rows, "next": page.next, "previous": page.previous}
        return Response(PrivacyDecisionPageOutput(data).data)


class ScanStartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()


class ScanPrivacyApi(APIView):
    @extend_schema(operation_id="scan_privacy", request=None, responses={202: ScanStartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues today's detectors over all texts of the project."""
        project = project_for(request.user, slug, Role.CURATOR)
        job = start_scan_privacy(project=project, user=person_of(request))
        return Response({"job": job.pk}, status=202)


class AnonymityOutput(serializers.Serializer[Any]):
    """`withheld`: k -> accepted queries that fewer than k people asked (fewer times, where no log names people)."""

    k = serializers.IntegerField()
    withheld = serializers.DictField(child=serializers.IntegerField())


class KAnonymityApi(APIView):
    @extend_schema(operation_id="k_anonymity", responses=AnonymityOutput)
    def get(self, request: Request, slug: str) -> Response:
        """What the project's k withholds, and what others would."""
        project = project_for(request.user, slug, *READERS)
        preview = withheld_preview(project, current_rule_set(project))
        data = {"k": project.k_anonymity, "withheld": {str(k): n for k, n in preview.items()}}
        return Response(AnonymityOutput(data).data)
