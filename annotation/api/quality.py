"""Agreement over the API."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.consensus import Keep
from annotation.criteria import read_rule
from annotation.selectors.agreement import agreement_report
from core.access import project_for, roles_in
from core.menu import WATCHERS
from core.models import Role

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


class AgreementApi(APIView):
    """Alpha of all votes before filtering, by batch and annotator, and what keep rules would leave."""

    @extend_schema_serializer(component_name="AgreementInput")
    class Input(serializers.Serializer):
        keep = serializers.ChoiceField(choices=[str(rule) for rule in Keep], required=False)
        min_votes = serializers.IntegerField(required=False, default=3)
        min_share = serializers.CharField(required=False, default="3/4", max_length=20)
        min_alpha_u = serializers.CharField(required=False, max_length=20)

    @extend_schema_serializer(component_name="Agreement")
    class Output(serializers.Serializer):
        @extend_schema_serializer(component_name="BatchAgreement")
        class Batch(serializers.Serializer):
            id = serializers.IntegerField()
            name = serializers.CharField()
            is_pilot = serializers.BooleanField()
            intent = AlphaOutput()
            answer = AlphaOutput()

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

        project = serializers.CharField()
        intent = AlphaOutput()
        answer = AlphaOutput()
        paper = serializers.FloatField(help_text="CoSQA's alpha, after its filter.")
        batches = Batch(many=True)
        raters = Rater(many=True)
        rules = KeptOutput(many=True)
        note = serializers.CharField()
        what_if = WhatIfOutput(required=False)

    @extend_schema(operation_id="agreement", parameters=[PROJECT, Input], responses=Output)
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        asked = self.Input(data=request.query_params)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = asked.validated_data
        rule = read_rule(**given) if "keep" in given else None
        curates = Role.CURATOR in roles_in(request.user, project)
        report = agreement_report(project, rule=rule, with_names=curates)
        return Response(self.Output(report).data)
