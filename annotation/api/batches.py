"""The batches, over the same services as the pages."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.inputs import valid_input
from annotation.models import Batch
from annotation.selectors.queue import batches_of
from annotation.services import batches
from core.access import person_of, project_for
from core.models import Role
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

    class Meta:
        model = Batch
        fields = [
            "id",
            "name",
            "overlap",
            "max_extra_votes",
            "is_pilot",
            "is_paused",
            "is_closed",
            "created_at",
            "n_items",
            "n_finished",
            "n_aside",
            "n_votes",
            "n_wanted",
        ]


class BatchesApi(APIView):
    """Lists the batches, opens one."""

    class Input(serializers.Serializer):
        name = serializers.CharField(allow_blank=True, default="", max_length=100)
        overlap = serializers.IntegerField(allow_null=True, default=None, min_value=1, max_value=batches.MAX_OVERLAP)
        max_extra = serializers.IntegerField(allow_null=True, default=None, min_value=0, max_value=batches.MAX_OVERLAP)
        limit = serializers.IntegerField(allow_null=True, default=None, min_value=1)
        run = serializers.IntegerField(allow_null=True, default=None, help_text="Candidate run; all when left out.")
        is_pilot = serializers.BooleanField(default=False)

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


class BatchActApi(APIView):
    """Pauses, resumes, closes or reopens a batch."""

    class Input(serializers.Serializer):
        act = serializers.ChoiceField(sorted(ACTS))

    @extend_schema(operation_id="change_batch", parameters=[PROJECT], request=Input, responses=BatchOutput)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        batch = get_object_or_404(project.batches, pk=pk)
        ACTS[valid_input(self.Input, request)["act"]](batch=batch)
        return Response(BatchOutput(batches_of(project).get(pk=pk)).data)
