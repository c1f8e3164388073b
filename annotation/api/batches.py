"""The batches, over the same services as the pages."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.inputs import valid_input
from annotation.models import Batch, BatchMember, LateSubmission
from annotation.selectors.queue import batches_of, late_votes_of
from annotation.services import batch_changes, batches, opening
from core.access import person_of, project_for
from core.errors import NotFoundError
from core.models import Role, User
from curation.models import CandidateRun
from curation.selectors import pairs_to_open

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")


# --- batches -----------------------------------------------------------------------------------------------
class BatchOutput(serializers.ModelSerializer):
    n_items = serializers.IntegerField(help_text="Pairs.")
    n_finished = serializers.IntegerField(help_text="Pairs with all the votes they want.")
    n_aside = serializers.IntegerField(help_text="Pairs set aside for the curator.")
    n_votes = serializers.IntegerField()
    n_wanted = serializers.IntegerField(help_text="Votes wanted, extra votes included.")
    opening_job = serializers.IntegerField(
        allow_null=True, help_text="Job that opens the rest of its pairs; null when all are open."
    )

    class Meta:
        model = Batch
        fields = [
            "id",
            "name",
            "kind",
            "priority",
            "overlap",
            "max_extra_votes",
            "max_votes_per_person",
            "max_votes_per_day",
            "min_lease_s",
            "is_invited_only",
            "is_pilot",
            "is_paused",
            "is_closed",
            "created_at",
            "n_items",
            "n_finished",
            "n_aside",
            "n_votes",
            "n_wanted",
            "opening_job",
        ]


def _lowest_first(help_text: str = "Lower comes first.") -> serializers.IntegerField:
    bounds = batch_changes.PRIORITIES
    return serializers.IntegerField(
        required=False, min_value=bounds.start, max_value=bounds.stop - 1, help_text=help_text
    )


def _limit(help_text: str) -> serializers.IntegerField:
    return serializers.IntegerField(required=False, allow_null=True, min_value=1, help_text=help_text)


class BatchesApi(APIView):
    """Lists the batches, opens one."""

    class Input(serializers.Serializer):
        name = serializers.CharField(allow_blank=True, default="", max_length=100)
        overlap = serializers.IntegerField(allow_null=True, default=None, min_value=1, max_value=batches.MAX_OVERLAP)
        max_extra = serializers.IntegerField(allow_null=True, default=None, min_value=0, max_value=batches.MAX_OVERLAP)
        limit = serializers.IntegerField(allow_null=True, default=None, min_value=1)
        run = serializers.IntegerField(allow_null=True, default=None, help_text="Candidate run; all when left out.")
        is_pilot = serializers.BooleanField(default=False)
        priority = _lowest_first()
        is_invited_only = serializers.BooleanField(default=False)
        max_votes_per_person = _limit("Null: no limit.")
        max_votes_per_day = _limit("Of one person, from midnight UTC on. Null: no limit.")

    @extend_schema(operation_id="list_batches", parameters=[PROJECT], responses=BatchOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ADJUDICATOR, Role.READER)
        return Response(BatchOutput(batches_of(project), many=True).data)

    @extend_schema(operation_id="open_batch", parameters=[PROJECT], request=Input, responses={201: BatchOutput})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        given = valid_input(self.Input, request)
        run_id = given.pop("run")
        run = get_object_or_404(CandidateRun, project=project, pk=run_id) if run_id is not None else None
        if opening.is_big(project, run=run, limit=given["limit"]):
            batch, _ = opening.start_open_batch(project=project, run=run, user=person_of(request), **given)
        else:
            batch = batches.open_batch(
                project=project, pairs=pairs_to_open(project, run=run), user=person_of(request), **given
            )
        return Response(BatchOutput(batches_of(project).get(pk=batch.pk)).data, status=201)


ACTS = {
    "pause": batches.pause_batch,
    "resume": batches.resume_batch,
    "close": batches.close_batch,
    "reopen": batches.reopen_batch,
}


class BatchApi(APIView):
    """One batch: read it, change its settings, pause, resume, close or reopen it."""

    class Settings(serializers.Serializer):
        """What is left out stays as it is."""

        name = serializers.CharField(required=False, max_length=100)
        priority = _lowest_first()
        overlap = serializers.IntegerField(required=False, min_value=1, max_value=batches.MAX_OVERLAP)
        max_extra_votes = serializers.IntegerField(required=False, min_value=0, max_value=batches.MAX_OVERLAP)
        is_pilot = serializers.BooleanField(required=False)
        is_invited_only = serializers.BooleanField(required=False)
        max_votes_per_person = _limit("Null: no limit.")
        max_votes_per_day = _limit("Of one person, from midnight UTC on. Null: no limit.")
        min_lease_s = serializers.IntegerField(
            required=False,
            min_value=batch_changes.LEASES_S.start,
            max_value=batch_changes.LEASES_S.stop - 1,
            help_text="Shortest lease, seconds.",
        )

    class Changed(BatchOutput):
        job = serializers.IntegerField(allow_null=True, help_text="Job that opens or closes slots; null: done.")

        class Meta(BatchOutput.Meta):
            fields = [*BatchOutput.Meta.fields, "job"]

    class Input(serializers.Serializer):
        act = serializers.ChoiceField(sorted(ACTS))

    @extend_schema(operation_id="read_batch", parameters=[PROJECT], responses=BatchOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.ADJUDICATOR, Role.READER)
        return Response(BatchOutput(get_object_or_404(batches_of(project), pk=pk)).data)

    @extend_schema(operation_id="set_batch", parameters=[PROJECT], request=Settings, responses=Changed)
    def patch(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(project.batches.select_related("project"), pk=pk)
        _, job = batch_changes.start_change_batch(
            batch=batch, changes=valid_input(self.Settings, request), user=person_of(request)
        )
        shown = BatchOutput(batches_of(project).get(pk=pk)).data
        return Response({**shown, "job": job.pk if job is not None else None})

    @extend_schema(operation_id="change_batch", parameters=[PROJECT], request=Input, responses=BatchOutput)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(project.batches, pk=pk)
        ACTS[valid_input(self.Input, request)["act"]](batch=batch, user=person_of(request))
        return Response(BatchOutput(batches_of(project).get(pk=pk)).data)


class BatchPeopleApi(APIView):
    """Who may judge an invited-only batch."""

    class Input(serializers.Serializer):
        people = serializers.ListField(child=serializers.CharField(max_length=150), help_text="Usernames.")

    @extend_schema(operation_id="list_batch_people", parameters=[PROJECT], responses=Input)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        return self._listed(get_object_or_404(project.batches, pk=pk))

    @extend_schema(operation_id="invite_to_batch", parameters=[PROJECT], request=Input, responses=Input)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(project.batches.select_related("project"), pk=pk)
        names = valid_input(self.Input, request)["people"]
        found = {person.username: person for person in User.objects.filter(username__in=names)}
        if missing := [name for name in names if name not in found]:
            raise NotFoundError(what="person", name=missing[0])
        batch_changes.invite_to_batch(batch=batch, people=found.values(), user=person_of(request))
        return self._listed(batch)

    def _listed(self, batch: Batch) -> Response:
        members = BatchMember.objects.filter(batch=batch).order_by("person__username")
        return Response({"people": list(members.values_list("person__username", flat=True))})


class BatchPersonApi(APIView):
    """Takes a person off the list of an invited-only batch; what they hold of it goes back, their votes stay."""

    @extend_schema(operation_id="uninvite_from_batch", parameters=[PROJECT], request=None, responses={204: None})
    def delete(self, request: Request, slug: str, pk: int, username: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(project.batches.select_related("project"), pk=pk)
        person = User.objects.filter(username=username).first()
        if person is None:
            raise NotFoundError(what="invited person of this batch", name=username)
        batch_changes.uninvite_from_batch(batch=batch, person=person, user=person_of(request))
        return Response(status=204)


class LateVoteOutput(serializers.ModelSerializer):
    """A vote that came too late: kept, never counted. `payload` is what was sent."""

    person = serializers.CharField(source="person.username")
    payload = serializers.DictField()

    class Meta:
        model = LateSubmission
        fields = ["id", "item", "person", "payload", "created_at"]


class LateVotesApi(APIView):
    """Late votes of a batch, newest first, at most 1,000."""

    @extend_schema(operation_id="list_late_votes", parameters=[PROJECT], responses=LateVoteOutput(many=True))
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        late = late_votes_of(get_object_or_404(project.batches, pk=pk)).order_by("-id")
        return Response(LateVoteOutput(late[:1000], many=True).data)
