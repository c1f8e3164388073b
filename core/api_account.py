"""The API of one's own account: who am I, and the decision on consent."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import person_of
from core.models import ConsentDecision, Membership, User
from core.services.consent import MAX_YEARS, current_text, decision_of, give_consent, text_in_language, withdraw_consent


class ConsentDecisionOutput(serializers.ModelSerializer[ConsentDecision]):
    """A decision on the consent text."""

    version = serializers.IntegerField(source="text.version", read_only=True)

    class Meta:
        model = ConsentDecision
        fields = ["act", "publishes", "years", "version", "created_at"]
        read_only_fields = fields


class OwnRoleOutput(serializers.ModelSerializer[Membership]):
    """A role held in a project."""

    project = serializers.CharField(source="project.slug", read_only=True)

    class Meta:
        model = Membership
        fields = ["project", "role"]
        read_only_fields = fields


class OwnAccountOutput(serializers.Serializer[Any]):
    """The person who asks."""

    username = serializers.CharField()
    language = serializers.CharField(allow_blank=True, help_text="Empty: as the browser asks for.")
    has_two_factor = serializers.BooleanField()
    must_consent = serializers.BooleanField()
    publishes_votes = serializers.BooleanField()
    consent = ConsentDecisionOutput(allow_null=True)
    roles = OwnRoleOutput(many=True)


class ConsentOutput(serializers.Serializer[Any]):
    """The text that holds, in the language of the request, and the last decision."""

    version = serializers.IntegerField()
    language = serializers.CharField()
    text = serializers.CharField(help_text="Markdown.")
    decision = ConsentDecisionOutput(allow_null=True)


class OwnAccountApi(APIView):
    """One's own account."""

    @extend_schema(operation_id="get_own_account", responses=OwnAccountOutput)
    def get(self, request: Request) -> Response:
        """Name, language, roles, second factor and consent of the person who asks."""
        person = person_of(request)
        data = {
            **{name: getattr(person, name) for name in ("username", "language", "has_two_factor")},
            **{name: getattr(person, name) for name in ("must_consent", "publishes_votes")},
            "consent": decision_of(person),
            "roles": Membership.objects.filter(user=person).select_related("project").order_by("project__slug", "role"),
        }
        return Response(OwnAccountOutput(data).data)


class ConsentApi(APIView):
    """The consent text and the decision on it."""

    class Input(serializers.Serializer[Any]):
        agrees = serializers.BooleanField()
        publishes = serializers.BooleanField(help_text="Single votes may be published under a pseudonym.")
        years = serializers.IntegerField(
            min_value=0, max_value=MAX_YEARS, required=False, allow_null=True, default=None
        )

    @extend_schema(operation_id="get_consent", responses=ConsentOutput)
    def get(self, request: Request) -> Response:
        """The text that holds, and what was decided last."""
        return Response(_shown(person_of(request)))

    @extend_schema(operation_id="give_consent", request=Input, responses={201: ConsentOutput})
    def post(self, request: Request) -> Response:
        """Keeps a decision; refusing publication is as good as allowing it."""
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        give_consent(person=person_of(request), **given.validated_data)
        return Response(_shown(person_of(request)), status=201)

    @extend_schema(operation_id="withdraw_consent", responses=ConsentOutput)
    def delete(self, request: Request) -> Response:
        """Withdraws the consent; it stays on record."""
        withdraw_consent(person=person_of(request))
        return Response(_shown(person_of(request)))


def _shown(person: User) -> dict[str, Any]:
    text = current_text()
    markdown, language = text_in_language(text)
    shown = {"version": text.version, "language": language, "text": markdown, "decision": decision_of(person)}
    return dict(ConsentOutput(shown).data)
