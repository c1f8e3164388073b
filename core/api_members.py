"""The API of a project's members and invitations, for its curators."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import person_of, project_for
from core.models import Invitation, Role, User
from core.paging import keyset_page
from core.services.invitations import MAX_DAYS, MAX_USES, make_invitation, revoke_invitation
from core.services.members import add_member, members_of, set_roles

PAGE_SIZE = 50
AFTER = OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before.")


class MemberOutput(serializers.Serializer[Any]):
    """A member of a project."""

    username = serializers.CharField(source="user.username")
    roles = serializers.ListField(child=serializers.CharField())
    is_simulated = serializers.BooleanField(source="user.is_simulated")
    has_two_factor = serializers.BooleanField(source="user.has_two_factor")
    last_seen_at = serializers.DateTimeField(source="user.last_seen_at", allow_null=True)
    since = serializers.DateTimeField()


class AddedMemberOutput(serializers.Serializer[Any]):
    """Who was added; `password` is the one-time password of an account made for them, given here only."""

    username = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    password = serializers.CharField(allow_blank=True)


class InvitationOutput(serializers.ModelSerializer[Invitation]):
    """An invitation; its link is given once, by the request that makes it."""

    state = serializers.CharField(read_only=True)
    created_by: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(slug_field="username", read_only=True)
    people = serializers.SerializerMethodField()

    class Meta:
        model = Invitation
        fields = [
            *("id", "roles", "note", "state", "max_uses", "n_uses"),
            *("expires_at", "revoked_at", "created_by", "people"),
        ]
        read_only_fields = fields

    def get_people(self, invitation: Invitation) -> list[str]:
        return [use.person.username for use in invitation.uses.all()]


class MadeInvitationOutput(InvitationOutput):
    """An invitation with its link."""

    link = serializers.CharField()

    class Meta(InvitationOutput.Meta):
        fields = [*InvitationOutput.Meta.fields, "link"]
        read_only_fields = fields


class InvitationPageOutput(serializers.Serializer[Any]):
    """A page of invitations, newest first."""

    results = InvitationOutput(many=True)
    next = serializers.CharField(allow_blank=True)


class MembersApi(APIView):
    """Members of a project."""

    class Input(serializers.Serializer[Any]):
        username = serializers.CharField(max_length=150)
        roles = serializers.ListField(child=serializers.ChoiceField(choices=Role.values), allow_empty=False)

    @extend_schema(operation_id="list_members", responses=MemberOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Everybody who holds a role in the project."""
        project = project_for(request.user, slug, Role.CURATOR)
        return Response(MemberOutput(members_of(project), many=True).data)

    @extend_schema(operation_id="add_member", request=Input, responses={201: AddedMemberOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Adds somebody by name; makes an account where nobody has that name."""
        project = project_for(request.user, slug, Role.CURATOR)
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        added = add_member(project=project, by=person_of(request), **given.validated_data)
        shown = {
            "username": added.user.username,
            "roles": given.validated_data["roles"],
            "password": added.password,
        }
        return Response(AddedMemberOutput(shown).data, status=201)


class MemberApi(APIView):
    """One member of a project."""

    class Input(serializers.Serializer[Any]):
        roles = serializers.ListField(child=serializers.ChoiceField(choices=Role.values))

    @extend_schema(operation_id="set_member_roles", request=Input, responses=MemberOutput(many=True))
    def put(self, request: Request, slug: str, username: str) -> Response:
        """Replaces the roles; none takes the person out. Votes stay."""
        project = project_for(request.user, slug, Role.CURATOR)
        person = get_object_or_404(User.objects.filter(memberships__project=project).distinct(), username=username)
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        set_roles(project=project, user=person, by=person_of(request), **given.validated_data)
        return Response(MemberOutput(members_of(project), many=True).data)


class InvitationsApi(APIView):
    """Invitations to a project."""

    class Input(serializers.Serializer[Any]):
        roles = serializers.ListField(child=serializers.ChoiceField(choices=Role.values), allow_empty=False)
        max_uses = serializers.IntegerField(min_value=1, max_value=MAX_USES, default=1)
        days = serializers.IntegerField(min_value=1, max_value=MAX_DAYS, default=7)
        note = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")

    @extend_schema(operation_id="list_invitations", parameters=[AFTER], responses=InvitationPageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Invitations with their uses, newest first."""
        project = project_for(request.user, slug, Role.CURATOR)
        rows = project.invitations.select_related("created_by").prefetch_related("uses__person")
        page = keyset_page(rows, request._request, size=PAGE_SIZE)
        return Response(InvitationPageOutput({"results": page.rows, "next": page.next}).data)

    @extend_schema(operation_id="make_invitation", request=Input, responses={201: MadeInvitationOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Makes a link; it is in this answer only."""
        project = project_for(request.user, slug, Role.CURATOR)
        given = self.Input(data=request.data)
        given.is_valid(raise_exception=True)
        made = make_invitation(project=project, user=person_of(request), **given.validated_data)
        link = request.build_absolute_uri(reverse("core:invited", args=[made.secret]))
        return Response({**InvitationOutput(made.invitation).data, "link": link}, status=201)


class RevokeInvitationApi(APIView):
    """The end of an invitation."""

    @extend_schema(operation_id="revoke_invitation", request=None, responses=InvitationOutput)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Ends the link; whoever came in by it stays."""
        project = project_for(request.user, slug, Role.CURATOR)
        invitation = get_object_or_404(project.invitations, pk=pk)
        revoke_invitation(invitation=invitation, user=person_of(request))
        invitation.refresh_from_db()
        return Response(InvitationOutput(invitation).data)
