"""The API of the query list: browsing, bulk acts, export, saved filters."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import person_of, project_for, roles_in
from core.errors import BadInputError
from core.models import Role
from curation.models import SavedFilter
from curation.selectors.privacy import HAND_REASONS
from curation.selectors.query_browse import browse_queries
from curation.selectors.query_filter import ORDERS, VERDICTS, QueryFilter, chosen_order
from curation.services.queries import (
    BULK_ACTS,
    EXPORT_FORMATS,
    act_on_queries,
    delete_filter,
    save_filter,
    start_bulk_queries,
)
from curation.views.queries import MAX_TICKED, chosen_rule_set, export_response, query_rows

READERS = (Role.ADJUDICATOR, Role.READER)
FILTERS = {
    "verdict": OpenApiParameter("verdict", OpenApiTypes.STR, enum=VERDICTS),
    "rule": OpenApiParameter("rule", OpenApiTypes.STR, description="A rule's printed form."),
    "category": OpenApiParameter("category", OpenApiTypes.STR),
    "reason": OpenApiParameter("reason", OpenApiTypes.STR, description="Reason of quarantine."),
    "text": OpenApiParameter("text", OpenApiTypes.STR, description="Part of the text; leaves quarantined queries out."),
    "left_out": OpenApiParameter("left_out", OpenApiTypes.STR, enum=["yes", "no"]),
    "log": OpenApiParameter("log", OpenApiTypes.INT, description="Id of an import that holds them."),
    "new_in": OpenApiParameter("new_in", OpenApiTypes.INT, description="Id of the import that brought them."),
    "asked_from": OpenApiParameter("asked_from", OpenApiTypes.INT, description="Asked at least so often."),
    "asked_to": OpenApiParameter("asked_to", OpenApiTypes.INT, description="Asked at most so often."),
    "rule_set": OpenApiParameter("rule_set", OpenApiTypes.INT, description="Id; default: the current one."),
}
PARAMETERS = {
    **FILTERS,
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
    is_left_out = serializers.BooleanField(source="query.is_left_out")
    has_intent = serializers.BooleanField(allow_null=True)
    hits = serializers.ListField(child=serializers.CharField())


class QueryPageOutput(serializers.Serializer[Any]):
    """`count`: queries found, or at least (`count_is_lower_bound`), or null when they were not counted.

    `searched` above 0: the page is not full because only so many queries were looked through; `next` goes on.
    """

    rule_set = serializers.CharField()
    results = QueryOutput(many=True)
    count = serializers.IntegerField(allow_null=True)
    count_is_lower_bound = serializers.BooleanField()
    searched = serializers.IntegerField()
    next = serializers.CharField(allow_blank=True)
    previous = serializers.CharField(allow_blank=True)


class QueriesApi(APIView):
    @extend_schema(operation_id="queries", parameters=list(PARAMETERS.values()), responses=QueryPageOutput)
    def get(self, request: Request, slug: str) -> Response:
        """Distinct queries under a filter, most asked first."""
        project = project_for(request.user, slug, *READERS)
        given = request.query_params
        _refuse_unknown(given, PARAMETERS)
        rule_set = chosen_rule_set(project, given.get("rule_set", ""))
        order = chosen_order(given.get("order", ""))
        wanted = QueryFilter.parse(given)
        found = browse_queries(project, rule_set, wanted, request._request, order=order)
        curates = Role.CURATOR in roles_in(request.user, project)
        data = {
            "rule_set": str(rule_set),
            "results": query_rows(found, rule_set, may_see_masked=curates),
            "count": found.count if wanted.as_params() else project.queries.count(),
            "count_is_lower_bound": found.is_more,
            "searched": found.page.searched,
            "next": found.page.next,
            "previous": found.page.previous,
        }
        return Response(QueryPageOutput(data).data)


def _refuse_unknown(given: Any, known: Any) -> None:
    for name in given:
        if name not in known:
            raise BadInputError(problem=f"There is no filter {name[:40]}. There are: {', '.join(known)}.")


class BulkQueriesInput(serializers.Serializer[Any]):
    """Either `ids`, or `all` with a filter."""

    act = serializers.ChoiceField(choices=list(BULK_ACTS))
    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), max_length=MAX_TICKED, required=False)
    all = serializers.BooleanField(default=False, help_text="Everything that the filter finds, as a job.")
    filter = serializers.DictField(child=serializers.CharField(), default=dict, help_text="As of the list.")
    rule_set = serializers.IntegerField(required=False)
    reason = serializers.CharField(required=False, help_text=f"For quarantine: {', '.join(HAND_REASONS)}.")
    note = serializers.CharField(max_length=300, default="", allow_blank=True)


class BulkQueriesOutput(serializers.Serializer[Any]):
    changed = serializers.IntegerField(allow_null=True, help_text="Null while the job is to do it.")
    job = serializers.IntegerField(allow_null=True)


class BulkQueriesApi(APIView):
    @extend_schema(
        operation_id="bulk_queries",
        request=BulkQueriesInput,
        responses={200: BulkQueriesOutput, 202: BulkQueriesOutput},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Leaves out, takes back, quarantines or releases many queries."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = BulkQueriesInput(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        how = {"act": given["act"], "reason": given.get("reason", ""), "note": given["note"]}
        if given["all"]:
            _refuse_unknown(given["filter"], FILTERS)
            rule_set = chosen_rule_set(project, str(given.get("rule_set", "")))
            wanted = QueryFilter.parse(given["filter"])
            job = start_bulk_queries(project=project, rule_set=rule_set, wanted=wanted, user=person_of(request), **how)
            return Response({"changed": None, "job": job.pk}, status=202)
        if not given.get("ids"):
            raise BadInputError(problem="Name queries with `ids`, or choose `all` that the filter finds.")
        changed = act_on_queries(project=project, ids=given["ids"], person=person_of(request), **how)
        return Response({"changed": changed, "job": None})


class _AnyContent(BaseContentNegotiation):
    """A file is a file, whatever the client says it accepts."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ExportQueriesApi(APIView):
    content_negotiation_class = _AnyContent

    @extend_schema(
        operation_id="export_queries",
        parameters=[
            *FILTERS.values(),
            OpenApiParameter("file_format", OpenApiTypes.STR, enum=list(EXPORT_FORMATS), description="Default: csv."),
        ],
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR},
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """Everything that the filter finds, streamed; quarantined queries are left out."""
        project = project_for(request.user, slug, *READERS)
        given = request.query_params
        _refuse_unknown(given, [*FILTERS, "file_format"])
        file_format = given.get("file_format", "csv")
        if file_format not in EXPORT_FORMATS:
            raise BadInputError(problem=f"There is no format {file_format[:20]}. There are: csv, jsonl.")
        rule_set = chosen_rule_set(project, given.get("rule_set", ""))
        return export_response(project, rule_set, QueryFilter.parse(given), None, file_format)


class SavedFilterOutput(serializers.ModelSerializer[SavedFilter]):
    class Meta:
        model = SavedFilter
        fields = ["id", "name", "params", "created_at"]
        read_only_fields = fields


class SavedFilterInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    filter = serializers.DictField(child=serializers.CharField(), help_text="As of the list.")
    order = serializers.ChoiceField(choices=list(ORDERS), required=False)


class SavedFiltersApi(APIView):
    @extend_schema(operation_id="saved_filters", responses=SavedFilterOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The filters that curators saved."""
        project = project_for(request.user, slug, *READERS)
        return Response(SavedFilterOutput(project.saved_filters.all(), many=True).data)

    @extend_schema(operation_id="save_filter", request=SavedFilterInput, responses={201: SavedFilterOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Keeps a filter under a name; the same name again replaces it."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = SavedFilterInput(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        _refuse_unknown(given["filter"], FILTERS)
        saved = save_filter(
            project=project,
            name=given["name"],
            wanted=QueryFilter.parse(given["filter"]),
            order=given.get("order", ""),
            person=person_of(request),
        )
        return Response(SavedFilterOutput(saved).data, status=201)


class SavedFilterApi(APIView):
    @extend_schema(operation_id="delete_filter", responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Removes a saved filter."""
        delete_filter(project=project_for(request.user, slug, Role.CURATOR), pk=pk)
        return Response(status=204)
