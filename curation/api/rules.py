"""The API of queries and intent rules."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.models import Project, Role
from curation.models import RuleSet
from curation.selectors.queries import (
    current_rule_set,
    rule_counts,
    rule_sets,
)
from curation.services.rule_sets import find_rule_set
from curation.services.rules import start_apply_rules
from curation.views.rules import measure_upload

READERS = (Role.ADJUDICATOR, Role.READER)


class RuleSetOutput(serializers.ModelSerializer[RuleSet]):
    """A rule set with its readable text."""

    is_shipped = serializers.SerializerMethodField()

    class Meta:
        model = RuleSet
        fields = ["id", "name", "version", "content_hash", "is_shipped", "is_draft", "text"]
        read_only_fields = fields

    def get_is_shipped(self, rule_set: RuleSet) -> bool:
        return rule_set.project_id is None


class RuleCountsOutput(serializers.Serializer[Any]):
    """quarantined + accepted + rejected + unjudged = queries; a query may count for several rules."""

    queries = serializers.IntegerField()
    quarantined = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    unjudged = serializers.IntegerField()
    withheld = serializers.IntegerField()
    by_rule = serializers.DictField(child=serializers.IntegerField())
    by_category = serializers.DictField(child=serializers.IntegerField())


class RuleSetsOutput(serializers.Serializer[Any]):
    current = serializers.IntegerField()
    counts = RuleCountsOutput()
    results = RuleSetOutput(many=True)


class RuleSetsApi(APIView):
    @extend_schema(operation_id="rule_sets", responses=RuleSetsOutput)
    def get(self, request: Request, slug: str) -> Response:
        """The rule sets a project may use, and the counts of the current one."""
        project = project_for(request.user, slug, *READERS)
        current = current_rule_set(project)
        counts = rule_counts(project, current).as_data()
        data = {"current": current.pk, "counts": counts, "results": rule_sets(project)}
        return Response(RuleSetsOutput(data).data)


class ApplyRulesInput(serializers.Serializer[Any]):
    rule_set = serializers.CharField(max_length=60, required=False, help_text="Name; default: the current one.")


class RulesJobOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    rule_set = serializers.CharField()


class ApplyRulesApi(APIView):
    @extend_schema(operation_id="apply_rules", request=ApplyRulesInput, responses={202: RulesJobOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues a rule set over all queries of the project."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = ApplyRulesInput(data=request.data)
        form.is_valid(raise_exception=True)
        rule_set = _named(project, form.validated_data.get("rule_set", ""))
        user: Any = request.user
        job = start_apply_rules(project=project, rule_set=rule_set, user=user)
        return Response({"job": job.pk, "rule_set": str(rule_set)}, status=202)


def _named(project: Project, name: str) -> RuleSet:
    return find_rule_set(project, name) if name else current_rule_set(project)


class EvaluateRulesInput(serializers.Serializer[Any]):
    """CSV or JSON Lines with the columns query and label (1 = has intent)."""

    file = serializers.FileField(allow_empty_file=True)
    rule_set = serializers.CharField(max_length=60, required=False)


class EvaluateRulesApi(APIView):
    parser_classes = (MultiPartParser, FormParser, JSONParser)

    @extend_schema(
        operation_id="evaluate_rules",
        request={"multipart/form-data": EvaluateRulesInput},
        responses={200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Accuracy, both F1s (0 to 1), confusion with no intent as positive, and the hits and costs of each rule."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = EvaluateRulesInput(data=request.data)
        form.is_valid(raise_exception=True)
        rule_set = _named(project, form.validated_data.get("rule_set", ""))
        quality = measure_upload(project, rule_set, form.validated_data["file"])
        return Response({"rule_set": str(rule_set), **quality.as_data()})
