"""Consensus and adjudication over the API."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.inputs import valid_input
from annotation.consensus import Tally
from annotation.models import Adjudication, Cause, Consensus, ConsensusRun, Decision
from annotation.selectors.adjudication import (
    Waiting,
    consensus_rows,
    current_consensus,
    decisions_of,
    rater_competence,
    waiting_counts,
    waiting_items,
    with_votes,
)
from annotation.services.adjudication import MAX_REASON_CHARS, adjudicate, take_back_adjudication
from annotation.services.consensus import DEFAULT_RESTARTS, MAX_RESTARTS, MAX_SEED, start_compute_consensus
from core.access import person_of, project_for, roles_in
from core.menu import WATCHERS
from core.models import Role
from core.paging import keyset_page

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")
ITEM = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The item, as votes name it.")
PAGING = [
    OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before."),
    OpenApiParameter("before", OpenApiTypes.STR, description="`previous` of the page after."),
]


class TallyOutput(serializers.Serializer):
    """Counted votes. `n_yes` includes those that could not judge the code."""

    n_yes = serializers.IntegerField()
    n_no = serializers.IntegerField()
    n_unclear = serializers.IntegerField()
    n_one = serializers.IntegerField()
    n_zero = serializers.IntegerField()


class WaitingOutput(serializers.Serializer):
    """A pair that waits for a decision."""

    item = serializers.IntegerField(source="pk")
    query = serializers.CharField(source="query.text")
    code = serializers.CharField(source="pair.code.text")
    batch = serializers.IntegerField(source="batch_id")
    votes = serializers.SerializerMethodField()
    is_contested = serializers.BooleanField(help_text="All votes are in and split.")
    is_set_aside = serializers.BooleanField(help_text="Two people could not judge it.")
    methods_differ = serializers.SerializerMethodField()

    @extend_schema(responses=TallyOutput)
    def get_votes(self, item: Any) -> dict[str, Any]:
        return dict(TallyOutput(Tally.of(item.counted_votes)).data)

    def get_methods_differ(self, item: Any) -> bool:
        return any(row.differs for row in item.methods)


class AdjudicationOutput(serializers.ModelSerializer):
    """A decision in force."""

    label = serializers.IntegerField(  # type: ignore[assignment]
        allow_null=True, help_text="Null where the pair has none."
    )
    person = serializers.CharField(source="person.username")
    votes = TallyOutput(help_text="Counted votes when it was decided.")

    class Meta:
        model = Adjudication
        fields = ["id", "item", "decision", "label", "reason", "cause", "person", "had_voted", "votes", "created_at"]


class AdjudicationsApi(APIView):
    """Pairs that wait for a decision, and how many of each kind there are."""

    class Output(serializers.Serializer):
        counts = serializers.DictField(child=serializers.IntegerField())
        results = WaitingOutput(many=True)
        next = serializers.CharField(allow_blank=True)
        previous = serializers.CharField(allow_blank=True)

    SHOW = OpenApiParameter(
        "show", str, enum=[str(why) for why in Waiting if why], description="Why they wait; without it: any reason."
    )

    @extend_schema(operation_id="list_waiting_pairs", parameters=[PROJECT, SHOW, *PAGING], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ADJUDICATOR)
        waiting = with_votes(waiting_items(project, request.query_params.get("show", "")))
        page = keyset_page(waiting, request._request, order="id")
        counts = {why or "any": n for why, n in waiting_counts(project).items()}
        found = {"counts": counts, "results": page.rows, "next": page.next, "previous": page.previous}
        return Response(self.Output(found).data)


class DecisionsApi(APIView):
    """Decisions in force, newest first."""

    class Output(serializers.Serializer):
        results = AdjudicationOutput(many=True)
        next = serializers.CharField(allow_blank=True)
        previous = serializers.CharField(allow_blank=True)

    @extend_schema(operation_id="list_adjudications", parameters=[PROJECT, *PAGING], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ADJUDICATOR)
        page = keyset_page(decisions_of(project), request._request)
        return Response(self.Output({"results": page.rows, "next": page.next, "previous": page.previous}).data)


class ItemAdjudicationApi(APIView):
    """Decides a pair, or takes the decision back. Votes are never changed by it."""

    class Input(serializers.Serializer):
        decision = serializers.ChoiceField(Decision.choices)
        reason = serializers.CharField(max_length=MAX_REASON_CHARS)
        cause = serializers.ChoiceField(Cause.choices, allow_blank=True, default="")
        replaces = serializers.IntegerField(
            allow_null=True,
            required=False,
            help_text="Id of the decision seen standing, null for none: refused (409) when another one stands by now.",
        )

    class TakeBackInput(serializers.Serializer):
        reason = serializers.CharField(max_length=MAX_REASON_CHARS)

    @extend_schema(
        operation_id="adjudicate", parameters=[PROJECT, ITEM], request=Input, responses={200: AdjudicationOutput}
    )
    def put(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.ADJUDICATOR)
        given = valid_input(self.Input, request)
        made = adjudicate(project=project, item_id=pk, person=person_of(request), **given)
        return Response(AdjudicationOutput(made).data)

    @extend_schema(
        operation_id="take_back_adjudication",
        parameters=[PROJECT, ITEM],
        request=TakeBackInput,
        responses={200: AdjudicationOutput},
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.ADJUDICATOR)
        given = valid_input(self.TakeBackInput, request)
        ended = take_back_adjudication(project=project, item_id=pk, person=person_of(request), reason=given["reason"])
        return Response(AdjudicationOutput(ended).data)


# --- consensus ------------------------------------------------------------------------------------------------
class RaterCompetenceOutput(serializers.Serializer):
    """How far each method trusts a person. `name` is a number for all but curators."""

    name = serializers.CharField()
    votes = serializers.IntegerField()
    dawid_skene = serializers.FloatField()
    mace = serializers.FloatField()


class ConsensusOutput(serializers.ModelSerializer):
    """The last finished computation."""

    report = serializers.DictField()
    raters = RaterCompetenceOutput(many=True)

    class Meta:
        model = ConsensusRun
        fields = ["id", "seed", "restarts", "report", "raters", "created_at", "finished_at"]


class ConsensusApi(APIView):
    """The consensus by majority, Dawid-Skene and MACE; posting computes it anew."""

    class Input(serializers.Serializer):
        seed = serializers.IntegerField(default=0, min_value=0, max_value=MAX_SEED)
        restarts = serializers.IntegerField(default=DEFAULT_RESTARTS, min_value=1, max_value=MAX_RESTARTS)

    class Started(serializers.Serializer):
        job = serializers.IntegerField()

    @extend_schema(operation_id="consensus", parameters=[PROJECT], responses=ConsensusOutput)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        run = current_consensus(project)
        if run is None:
            run = get_object_or_404(ConsensusRun.objects.none())
        is_curator = Role.CURATOR in roles_in(request.user, project)
        run.report = dict(run.report)
        found = {
            **{name: getattr(run, name) for name in ("id", "seed", "restarts", "report", "created_at", "finished_at")},
            "raters": [
                {
                    "name": rater.person.username if is_curator else f"annotator {number}",
                    "votes": rater.n_votes,
                    "dawid_skene": rater.dawid_skene,
                    "mace": rater.mace,
                }
                for number, rater in enumerate(rater_competence(run), start=1)
            ],
        }
        return Response(ConsensusOutput(found).data)

    @extend_schema(operation_id="compute_consensus", parameters=[PROJECT], request=Input, responses={202: Started})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        _, job = start_compute_consensus(project=project, user=person_of(request), **valid_input(self.Input, request))
        return Response({"job": job.pk}, status=202)


class ConsensusPairOutput(serializers.ModelSerializer):
    """A pair's label by each method: 1, 0, no (intent), or empty where the majority gives none."""

    query = serializers.CharField(source="item.query.text")
    majority = serializers.CharField(allow_blank=True)
    dawid_skene = serializers.CharField()
    mace = serializers.CharField()

    class Meta:
        model = Consensus
        fields = [
            *["item", "query", "n_votes", "majority", "majority_share", "dawid_skene", "dawid_skene_share"],
            *["mace", "mace_share", "differs"],
        ]


class ConsensusPairsApi(APIView):
    """Labels by each method, pair by pair."""

    class Output(serializers.Serializer):
        results = ConsensusPairOutput(many=True)
        next = serializers.CharField(allow_blank=True)
        previous = serializers.CharField(allow_blank=True)

    DIFFERS = OpenApiParameter("differs", bool, description="Only pairs on which the methods differ.")

    @extend_schema(operation_id="consensus_pairs", parameters=[PROJECT, DIFFERS, *PAGING], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        run = current_consensus(project) or get_object_or_404(ConsensusRun.objects.none())
        only = request.query_params.get("differs", "").lower() in {"1", "true"}
        page = keyset_page(consensus_rows(run, only_differing=only), request._request, order="id")
        return Response(self.Output({"results": page.rows, "next": page.next, "previous": page.previous}).data)
