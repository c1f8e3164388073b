"""The dashboard, scorecards, pay and the human ceiling over the API."""

from datetime import date
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.quality import AlphaOutput
from annotation.selectors.board import Board, board_of, live_of
from annotation.selectors.ceiling import human_ceiling_of
from annotation.selectors.scorecards import HOW_TIME_IS_COUNTED, pay_rows, scorecard, scorecards
from annotation.views.board import FIRST_BUDGET_S, fresh_state
from annotation.views.scorecards import people_of
from core.access import person_of, project_for
from core.menu import WATCHERS
from core.models import Role

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")
PERSON = OpenApiParameter("username", str, OpenApiParameter.PATH, description="The person's user name.")


# --- the dashboard ----------------------------------------------------------------------------------------------------
class WorkDayOutput(serializers.Serializer):
    """The work of one day (UTC)."""

    day = serializers.DateField()
    votes = serializers.IntegerField()
    people = serializers.IntegerField()
    median_s = serializers.FloatField(allow_null=True, help_text="Median seconds per vote, to within 5 %.")
    p90_s = serializers.FloatField(allow_null=True)
    active_s = serializers.FloatField()
    intent_share = serializers.FloatField(allow_null=True)
    answer_share = serializers.FloatField(allow_null=True)
    unjudged_share = serializers.FloatField(allow_null=True)
    retracted = serializers.IntegerField()
    corrected = serializers.IntegerField()


class WeekAlphaOutput(serializers.Serializer):
    """Alpha over the pairs whose newest vote was given in the week."""

    monday = serializers.DateField()
    intent = serializers.FloatField(allow_null=True)
    answer = serializers.FloatField(allow_null=True)
    pairs = serializers.IntegerField()


class BoardBatchOutput(serializers.Serializer):
    """Progress of a batch."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    is_pilot = serializers.BooleanField()
    state = serializers.CharField()
    n_items = serializers.IntegerField()
    n_finished = serializers.IntegerField()
    n_aside = serializers.IntegerField()
    n_votes = serializers.IntegerField()
    n_wanted = serializers.IntegerField()
    left = serializers.IntegerField()
    extra = serializers.FloatField(allow_null=True, help_text="Mean of extra votes on finished items.")


class ForecastOutput(serializers.Serializer):
    """When the votes left will be there, with an 80 % interval; `reason` says why there is no date."""

    left = serializers.IntegerField()
    pace = serializers.FloatField(allow_null=True, help_text="Votes per calendar day.")
    n_days = serializers.IntegerField(help_text="Full days that the pace comes from.")
    finish = serializers.DateField(allow_null=True)
    earliest = serializers.DateField(allow_null=True)
    latest = serializers.DateField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


class OnlineOutput(serializers.Serializer):
    """A person who holds a pair or voted within five minutes."""

    username = serializers.CharField()
    holds = serializers.IntegerField()
    last_vote = serializers.DateTimeField(allow_null=True)
    votes_today = serializers.IntegerField()


class DashboardApi(APIView):
    """The curator's dashboard: progress, forecast, pace by day, alpha by week, queue, people at work."""

    @extend_schema_serializer(component_name="Dashboard")
    class Output(serializers.Serializer):
        counted_at = serializers.DateTimeField(allow_null=True)
        share_counted = serializers.FloatField()
        totals = serializers.DictField()
        alpha_intent = serializers.FloatField(allow_null=True)
        alpha_answer = serializers.FloatField(allow_null=True)
        forecast = ForecastOutput()
        batches = BoardBatchOutput(many=True)
        queue = serializers.DictField(child=serializers.IntegerField())
        people = OnlineOutput(many=True)
        days = WorkDayOutput(many=True)
        weeks = WeekAlphaOutput(many=True)

    @extend_schema(operation_id="dashboard", parameters=[PROJECT], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        state = fresh_state(project, budget_s=FIRST_BUDGET_S)
        return Response(self.Output(facts_of(board_of(project, state, live_of(project), days=None))).data)


def facts_of(board: Board) -> dict[str, Any]:
    """The dashboard as JSON."""
    return {
        "counted_at": board.state.counted_at,
        "share_counted": board.state.share_done,
        "totals": board.totals,
        "alpha_intent": board.alpha[0],
        "alpha_answer": board.alpha[1],
        "forecast": board.forecast,
        "batches": board.batches,
        "queue": {
            **board.health,
            "leases": board.live.leases,
            "run_out": board.live.run_out,
            "expired_in_7_days": board.n_expired,
        },
        "people": board.live.people,
        "days": [day.to_dict() for day in board.days],
        "weeks": board.weeks,
    }


# --- scorecards -------------------------------------------------------------------------------------------------------
class AccuracyOutput(serializers.Serializer):
    """A share of right comparisons with its 95 % interval; null of nothing."""

    accuracy = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()
    pairs = serializers.IntegerField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class GoldAccuracyOutput(AccuracyOutput):
    """Gold judged right; gold that could not be judged is apart."""

    unclear = serializers.IntegerField()
    bar = serializers.FloatField()


class RateOutput(serializers.Serializer):
    """A share of yes, beside what the others said of the same pairs."""

    n = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    low = serializers.FloatField()
    high = serializers.FloatField()
    others = serializers.FloatField(allow_null=True)
    is_unusual = serializers.BooleanField()


class SpeedOutput(serializers.Serializer):
    """Votes faster than 95 % of everybody else's on as much code, and far below the own median."""

    compared = serializers.IntegerField()
    fast = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    rushed = serializers.IntegerField()
    is_suspicious = serializers.BooleanField()


class SelfAgreementOutput(serializers.Serializer):
    """Pairs that came a second time, judged alike."""

    alike = serializers.IntegerField()
    n = serializers.IntegerField()
    alpha = serializers.FloatField(allow_null=True)


class ScorecardOutput(serializers.Serializer):
    """All figures of one person in one project."""

    person = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    standing = serializers.CharField()
    votes = serializers.IntegerField()
    active_s = serializers.FloatField()
    days = serializers.IntegerField()
    first = serializers.DateField(allow_null=True)
    last = serializers.DateField(allow_null=True)
    median_s = serializers.FloatField(allow_null=True)
    p90_s = serializers.FloatField(allow_null=True)
    speed = SpeedOutput()
    gold = GoldAccuracyOutput()
    alpha_intent = AlphaOutput(allow_null=True)
    alpha_answer = AlphaOutput(allow_null=True)
    consensus_intent = AccuracyOutput(help_text="Like the majority of the other votes.")
    consensus_answer = AccuracyOutput(help_text="Like the majority of the other votes.")
    intent_rate = RateOutput()
    answer_rate = RateOutput()
    cannot_judge_share = serializers.FloatField(allow_null=True)
    retracted = serializers.IntegerField()
    corrected = serializers.IntegerField()
    set_aside = serializers.IntegerField()
    untimed = serializers.IntegerField()
    skips = serializers.IntegerField()
    late = serializers.IntegerField()
    flags = serializers.IntegerField()
    comments = serializers.IntegerField()
    self_agreement = SelfAgreementOutput()
    findings = serializers.ListField(child=serializers.CharField(), help_text="fast, gold, agreement, rates.")


class ScorecardsApi(APIView):
    """Everybody's scorecards, for curators."""

    @extend_schema(operation_id="list_scorecards", parameters=[PROJECT], responses=ScorecardOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        fresh_state(project, budget_s=FIRST_BUDGET_S)
        return Response(ScorecardOutput([card.to_dict() for card in scorecards(project)], many=True).data)


class ScorecardApi(APIView):
    """One person's scorecard, for curators."""

    @extend_schema(operation_id="read_scorecard", parameters=[PROJECT, PERSON], responses=ScorecardOutput)
    def get(self, request: Request, slug: str, username: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        person = get_object_or_404(people_of(project), username=username)
        fresh_state(project, budget_s=FIRST_BUDGET_S)
        return Response(ScorecardOutput(scorecard(project, person).to_dict()).data)


class OwnScorecardApi(APIView):
    """One's own scorecard: without findings, and gold only to the end of last week."""

    @extend_schema(operation_id="read_own_scorecard", parameters=[PROJECT], responses=ScorecardOutput)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.ANNOTATOR)
        fresh_state(project, budget_s=FIRST_BUDGET_S)
        card = scorecard(project, person_of(request), is_own=True)
        return Response(ScorecardOutput({**card.to_dict(), "findings": []}).data)


# --- pay --------------------------------------------------------------------------------------------------------------
class PayRowOutput(serializers.Serializer):
    """A person's work of one week."""

    week = serializers.DateField(help_text="Its Monday (UTC).")
    person = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    votes = serializers.IntegerField()
    taken_back = serializers.IntegerField()
    set_aside = serializers.IntegerField()
    untimed = serializers.IntegerField(help_text="Votes that came without a time.")
    active_s = serializers.FloatField(help_text=HOW_TIME_IS_COUNTED)
    hours = serializers.FloatField()
    amount = serializers.FloatField(required=False, help_text="Hours times the rate, where one is given.")


class PayApi(APIView):
    """Votes and active time by week and person, newest week first."""

    @extend_schema_serializer(component_name="PayInput")
    class Input(serializers.Serializer):
        first = serializers.DateField(required=False, help_text="A day of the first week.")
        last = serializers.DateField(required=False, help_text="A day of the last week.")
        rate = serializers.FloatField(required=False, min_value=0, help_text="Pay per hour.")

    @extend_schema(operation_id="pay_report", parameters=[PROJECT, Input], responses=PayRowOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        asked = self.Input(data=request.query_params)
        asked.is_valid(raise_exception=True)
        fresh_state(project, budget_s=FIRST_BUDGET_S)
        first: date | None = asked.validated_data.get("first")
        rows = pay_rows(project, first=first, last=asked.validated_data.get("last"))
        rate = asked.validated_data.get("rate")
        return Response(PayRowOutput([row.to_dict(rate) for row in rows], many=True).data)


# --- the human ceiling ------------------------------------------------------------------------------------------------
class CeilingApi(APIView):
    """How often an annotator's answer matches the majority of the others, to be read beside models."""

    @extend_schema_serializer(component_name="HumanCeiling")
    class Output(serializers.Serializer):
        all_pairs = AccuracyOutput(help_text="Before any pair is removed.")
        kept = AccuracyOutput(help_text="On the pairs that the keep rule leaves: selected, and therefore high.")
        has_simulated = serializers.BooleanField()

    @extend_schema(operation_id="human_ceiling", parameters=[PROJECT], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        return Response(self.Output(human_ceiling_of(project).to_dict()).data)
