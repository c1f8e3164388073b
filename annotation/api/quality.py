"""Agreement over the API."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.inputs import valid_input
from annotation.card import describe_rule
from annotation.consensus import Keep
from annotation.criteria import read_rule
from annotation.models import Reason
from annotation.quality import Scheme, scheme_expected
from annotation.selectors.agreement import (
    agreement_report,
    cases_report,
    item_alpha_u,
    people_report,
    rule_report,
    with_chosen_rule,
)
from annotation.selectors.tallies import DIFFERING, ItemFilter, counted_items, filtered_items
from annotation.services.keep_rules import choose_keep_rule
from annotation.services.tallies import catch_up, start_recount_agreement
from core.access import project_for, roles_in
from core.menu import WATCHERS
from core.models import Project, Role
from core.paging import keyset_page

REASONS = list(Reason.values)


def _asked(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    """What the address asks for; DRF turns what does not fit into a 400."""
    given = serializer(data=request.query_params)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")


class AlphaOutput(serializers.Serializer):
    """Krippendorff's alpha; null with a reason where it is undefined."""

    alpha = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField(help_text="Votes on pairs with at least two.")
    units = serializers.IntegerField(help_text="Pairs with at least two votes.")
    undefined = serializers.CharField(required=False)
    interval = serializers.ListField(
        child=serializers.FloatField(), required=False, help_text="95 % bootstrap interval over pairs."
    )


class MeasureOutput(AlphaOutput):
    """Alpha with percent agreement and Gwet's AC1 beside it."""

    percent = serializers.FloatField(allow_null=True, help_text="Share of agreeing pairs of votes, mean over pairs.")
    ac1 = serializers.FloatField(allow_null=True, help_text="Gwet's AC1.")


class SchemesOutput(serializers.Serializer):
    """Agreement in each of the three ways to compare votes."""

    intent = MeasureOutput(help_text="yes, no")
    answer = MeasureOutput(help_text="1, 0")
    combined = MeasureOutput(help_text="no intent, 0, 1")


class KeptOutput(serializers.Serializer):
    """What a keep rule leaves."""

    rule = serializers.DictField()
    name = serializers.CharField()
    text = serializers.CharField()
    kept = serializers.IntegerField()
    ones = serializers.IntegerField()
    zeros = serializers.IntegerField()
    share_of_ones = serializers.FloatField(allow_null=True)
    removed = serializers.DictField(child=serializers.IntegerField())
    answer_kept = AlphaOutput(help_text="Selected: the rule removed pairs because people differed.")


class PatternOutput(serializers.Serializer):
    """A way of voting under the rule."""

    pattern = serializers.CharField()
    share = serializers.FloatField()
    alpha_u = serializers.FloatField(allow_null=True)
    is_kept = serializers.BooleanField()


class WhatIfOutput(KeptOutput):
    patterns = PatternOutput(many=True)


class KeepRuleInput(serializers.Serializer):
    """A keep rule; what is left out comes from the project's chosen one."""

    keep = serializers.ChoiceField(choices=[str(rule) for rule in Keep], required=False)
    min_votes = serializers.IntegerField(required=False)
    min_share = serializers.CharField(required=False, max_length=20)
    min_alpha_u = serializers.CharField(required=False, max_length=20)


class AgreementApi(APIView):
    """Agreement of all votes before filtering, by group and annotator, and what keep rules would leave."""

    @extend_schema_serializer(component_name="Agreement")
    class Output(SchemesOutput):
        @extend_schema_serializer(component_name="BatchAgreement")
        class Batch(SchemesOutput):
            id = serializers.IntegerField()
            name = serializers.CharField()
            is_pilot = serializers.BooleanField()
            items = serializers.IntegerField(help_text="Counted pairs.")

        @extend_schema_serializer(component_name="WeekAgreement")
        class Week(SchemesOutput):
            monday = serializers.DateField(help_text="Of the week of a pair's newest vote, in UTC.")
            items = serializers.IntegerField()

        @extend_schema_serializer(component_name="GuidelineAgreement")
        class Guideline(SchemesOutput):
            name = serializers.CharField()
            version = serializers.IntegerField(allow_null=True, help_text="Null: several versions, or none stamped.")
            items = serializers.IntegerField()

        @extend_schema_serializer(component_name="ScoreBandAgreement")
        class Band(SchemesOutput):
            low = serializers.FloatField(allow_null=True, help_text="Null: pairs without a score.")
            high = serializers.FloatField(allow_null=True)
            items = serializers.IntegerField()

        @extend_schema_serializer(component_name="RaterAgreement")
        class Rater(serializers.Serializer):
            name = serializers.CharField(help_text="A number instead of the name, unless a curator asks.")
            kind = serializers.CharField()
            votes = serializers.IntegerField()
            cannot_judge = serializers.IntegerField()
            intent_share = serializers.FloatField(allow_null=True)
            answer_share = serializers.FloatField(allow_null=True)
            intent = AlphaOutput()
            answer = AlphaOutput()
            combined = AlphaOutput()

        project = serializers.CharField()
        paper = serializers.FloatField(help_text="CoSQA's alpha, after its filter.")
        batches = Batch(many=True)
        weeks = Week(many=True)
        guidelines = Guideline(many=True)
        bands = Band(many=True)
        raters = Rater(many=True)
        rules = KeptOutput(many=True)
        note = serializers.CharField()
        waiting = serializers.IntegerField(help_text="Changed pairs that are not counted yet.")
        what_if = WhatIfOutput(required=False)

    @extend_schema(operation_id="agreement", parameters=[PROJECT, KeepRuleInput], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        given = _asked(KeepRuleInput, request)
        rule = read_rule(**given) if "keep" in given else None
        catch_up(project)
        report = agreement_report(project, rule=rule, with_names=curates(request, project))
        return Response(self.Output(report).data)


def curates(request: Request, project: Project) -> bool:
    return Role.CURATOR in roles_in(request.user, project)


class AnnotatorPairsApi(APIView):
    """Agreement of every two annotators on the pairs that both judged, the least agreeing first."""

    @extend_schema_serializer(component_name="AnnotatorPairsInput")
    class Input(serializers.Serializer):
        scheme = serializers.ChoiceField(choices=[str(scheme) for scheme in Scheme], default=str(Scheme.ANSWER))

    @extend_schema_serializer(component_name="AnnotatorPairs")
    class Output(serializers.Serializer):
        @extend_schema_serializer(component_name="AnnotatorPair")
        class Row(MeasureOutput):
            @extend_schema_serializer(component_name="AnnotatorName")
            class Who(serializers.Serializer):
                number = serializers.IntegerField(help_text="By votes, most first.")
                name = serializers.CharField(help_text="A number instead of the name, unless a curator asks.")
                kind = serializers.CharField()

            one = Who()
            other = Who()

        scheme = serializers.CharField()
        n_people = serializers.IntegerField()
        pairs = Row(many=True)

    @extend_schema(operation_id="agreement_of_annotators", parameters=[PROJECT, Input], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        given = _asked(self.Input, request)
        catch_up(project)
        report = people_report(project, Scheme(given["scheme"]), with_names=curates(request, project))
        return Response(self.Output(report).data)


class KeepRuleApi(APIView):
    """What a keep rule leaves; and the rule that the project's releases start from."""

    @extend_schema_serializer(component_name="KeepRuleReport")
    class Output(WhatIfOutput):
        @extend_schema_serializer(component_name="KeepRuleStep")
        class Step(KeptOutput):
            bar = serializers.FloatField(help_text="The majority share or alpha_u asked for.")

        @extend_schema_serializer(component_name="BorderlinePair")
        class Borderline(serializers.Serializer):
            item = serializers.IntegerField()
            query = serializers.CharField()
            code = serializers.CharField()
            ones = serializers.IntegerField()
            zeros = serializers.IntegerField()
            no_intent = serializers.IntegerField()
            cannot_judge = serializers.IntegerField()
            alpha_u = serializers.FloatField(allow_null=True)
            is_kept = serializers.BooleanField()

        judged = serializers.IntegerField(help_text="Pairs with a counted vote.")
        sweep = Step(many=True, help_text="The same rule with each bar that the votes at hand can tell apart.")
        borderline = Borderline(many=True, help_text="The pairs nearest to the bar, on both sides.")
        chosen = serializers.DictField(help_text="The rule that releases start from.")
        waiting = serializers.IntegerField()

    @extend_schema_serializer(component_name="ChosenKeepRule")
    class Chosen(serializers.Serializer):
        rule = serializers.DictField()
        text = serializers.CharField()

    @extend_schema(operation_id="keep_rule", parameters=[PROJECT, KeepRuleInput], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        rule = read_rule(**with_chosen_rule(project, _asked(KeepRuleInput, request)))
        catch_up(project)
        return Response(self.Output(rule_report(project, rule)).data)

    @extend_schema(operation_id="choose_keep_rule", parameters=[PROJECT], request=KeepRuleInput, responses=Chosen)
    def put(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        rule = read_rule(**with_chosen_rule(project, valid_input(KeepRuleInput, request)))
        chosen = choose_keep_rule(project=project, rule=rule, user=request.user)
        return Response(self.Chosen({"rule": chosen.rule, "text": describe_rule(chosen.rule)}).data)


class AgreementCasesApi(APIView):
    """Where people differ: values given side by side, reason categories, strata."""

    @extend_schema_serializer(component_name="AgreementCases")
    class Output(serializers.Serializer):
        @extend_schema_serializer(component_name="Confusion")
        class Confusion(serializers.Serializer):
            one = serializers.CharField()
            other = serializers.CharField()
            pairs = serializers.IntegerField(help_text="Pairs on which both were given.")
            votes = serializers.IntegerField(help_text="Pairs of votes that differ so.")
            share = serializers.FloatField(help_text="Of all judged pairs.", allow_null=True)
            section = serializers.CharField(help_text="Of the guideline.")

        @extend_schema_serializer(component_name="ReasonAgreement")
        class Reason(serializers.Serializer):
            reason = serializers.CharField()
            name = serializers.CharField()
            votes = serializers.IntegerField()
            others = serializers.IntegerField(help_text="Votes of others on the same pairs.")
            agreeing = serializers.FloatField(allow_null=True, help_text="Share of them with the same label.")

        @extend_schema_serializer(component_name="StratumAgreement")
        class Stratum(SchemesOutput):
            stratum = serializers.CharField(help_text="Empty: opened without a plan.")
            items = serializers.IntegerField()

        confusions = Confusion(many=True)
        reasons = Reason(many=True)
        strata = Stratum(many=True)
        waiting = serializers.IntegerField()

    @extend_schema(operation_id="agreement_cases", parameters=[PROJECT], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        catch_up(project)
        return Response(self.Output(cases_report(project)).data)


class DisagreementsApi(APIView):
    """Pairs on which people differ most, page by page: for curators."""

    @extend_schema_serializer(component_name="DisagreementsInput")
    class Input(serializers.Serializer):
        scheme = serializers.ChoiceField(choices=[str(Scheme.ANSWER), str(Scheme.INTENT)], default=str(Scheme.ANSWER))
        batch = serializers.IntegerField(required=False)
        differing = serializers.ChoiceField(choices=list(DIFFERING), required=False)
        reason = serializers.ChoiceField(choices=REASONS, required=False)
        stratum = serializers.CharField(required=False, max_length=40, allow_blank=True)
        after = serializers.CharField(required=False, help_text="`next` of the page before.")
        before = serializers.CharField(required=False)

    @extend_schema_serializer(component_name="Disagreements")
    class Output(serializers.Serializer):
        @extend_schema_serializer(component_name="DisagreeingPair")
        class Row(serializers.Serializer):
            item = serializers.IntegerField(source="item_id")
            batch = serializers.IntegerField(source="batch_id")
            query = serializers.CharField(source="item.query.text")
            code = serializers.CharField(source="item.pair.code.name")
            ones = serializers.IntegerField(source="n_one")
            zeros = serializers.IntegerField(source="n_zero")
            no_intent = serializers.IntegerField(source="n_no")
            cannot_judge = serializers.IntegerField()
            alpha_u = serializers.FloatField(allow_null=True)

        results = Row(many=True)
        next = serializers.CharField()
        previous = serializers.CharField()

    @extend_schema(operation_id="disagreements", parameters=[PROJECT, Input], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        _asked(self.Input, request)
        catch_up(project)
        wanted = ItemFilter.read(project, request.query_params)
        page = keyset_page(filtered_items(project, wanted), request._request, size=50, order=wanted.order)
        expected = scheme_expected(counted_items(project)[0], wanted.scheme)
        for row in page.rows:
            row.alpha_u = item_alpha_u(row, expected, wanted.scheme)
        return Response(self.Output({"results": page.rows, "next": page.next, "previous": page.previous}).data)


class RecountAgreementApi(APIView):
    """Counting all votes anew."""

    @extend_schema_serializer(component_name="RecountQueued")
    class Output(serializers.Serializer):
        job = serializers.IntegerField()

    @extend_schema(operation_id="recount_agreement", parameters=[PROJECT], request=None, responses={202: Output})
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        job = start_recount_agreement(project=project, user=request.user)  # type: ignore[arg-type]
        return Response(self.Output({"job": job.pk}).data, status=202)
