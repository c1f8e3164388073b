"""The API of queries and intent rules."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for, roles_in
from core.errors import BadInputError
from core.models import Project, Role
from core.paging import keyset_page
from curation.models import RuleSet
from curation.selectors.queries import (
    ORDERS,
    VERDICTS,
    QueryFilter,
    current_rule_set,
    filtered_queries,
    rule_counts,
    rule_sets,
)
from curation.services.rule_sets import find_rule_set
from curation.services.rules import start_apply_rules
from curation.views.rules import chosen_order, chosen_rule_set, measure_upload, query_rows

READERS = (Role.ADJUDICATOR, Role.READER)
PARAMETERS = {
    "verdict": OpenApiParameter("verdict", OpenApiTypes.STR, enum=VERDICTS),
    "rule": OpenApiParameter("rule", OpenApiTypes.STR, description="A rule's printed form."),
    "category": OpenApiParameter("category", OpenApiTypes.STR),
    "reason": OpenApiParameter("reason", OpenApiTypes.STR, description="Reason of quarantine."),
    "text": OpenApiParameter("text", OpenApiTypes.STR, description="Part of the text; leaves quarantined queries out."),
    "log": OpenApiParameter("log", OpenApiTypes.INT, description="Id of an import."),
    "new_in": OpenApiParameter("new_in", OpenApiTypes.INT, description="Id of the import that brought them."),
    "rule_set": OpenApiParameter("rule_set", OpenApiTypes.INT, description="Id; default: the current one."),
    "order": OpenApiParameter("order", OpenApiTypes.STR, enum=list(ORDERS)),
    "after": OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before."),
    "before": OpenApiParameter("before", OpenApiTypes.STR, description="`previous` of the page after."),
}


class QueryOutput(serializers.Serializer[Any]):
    """A query. Of a quarantined one a curator sees the masked text, others none; rules are not shown for it."""

    id = serializers.IntegerField(source="query.id")
    content_hash = serializers.CharField(source="query.content_hash")
    text = serializers.CharField(allow_blank=True)
    n_seen = serializers.IntegerField(source="query.n_seen")
    quarantine_reason = serializers.CharField(source="query.quarantine_reason", allow_blank=True)
    has_intent = serializers.BooleanField(allow_null=True)
    hits = serializers.ListField(child=serializers.CharField())


class QueryPageOutput(serializers.Serializer[Any]):
    rule_set = serializers.CharField()
    results = QueryOutput(many=True)
    next = serializers.CharField(allow_blank=True)
    previous = serializers.CharField(allow_blank=True)


class QueriesApi(APIView):
    @extend_schema(operation_id="queries", parameters=list(PARAMETERS.values()), responses=QueryPageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Distinct queries under a filter, most asked first."""
        project = project_for(request.user, slug, *READERS)
        given = request.query_params
        _refuse_unknown(given)
        rule_set = chosen_rule_set(project, given.get("rule_set", ""))
        rows = filtered_queries(project, rule_set, QueryFilter.parse(given))
        page = keyset_page(rows, request._request, order=chosen_order(given.get("order", "")))
        curates = Role.CURATOR in roles_in(request.user, project)
        data = {
            "rule_set": str(rule_set),
            "results": query_rows(page, rule_set, may_see_masked=curates),
            "next": page.next,
            "previous": page.previous,
        }
        return Response(QueryPageOutput(data).data)


def _refuse_unknown(given: Any) -> None:
    for name in given:
        if name not in PARAMETERS:
            raise BadInputError(problem=f"There is no filter {name[:40]}. There are: {', '.join(PARAMETERS)}.")


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


class JobStartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    rule_set = serializers.CharField()


class ApplyRulesApi(APIView):
    @extend_schema(operation_id="apply_rules", request=ApplyRulesInput, responses={202: JobStartedOutput})
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
