"""Intent samples, measured rules, keyword suggestions and the second opinion over the API."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.intent_samples import DEFAULT_BANDS, DEFAULT_MINIMUM, DEFAULT_N, DEFAULT_SECONDS, MAX_N
from annotation.models import IntentClassifier, IntentSample
from annotation.selectors.intent import (
    CELLS,
    SIDES,
    STATES,
    JudgedQuery,
    RowFilter,
    judged_queries,
    keywords_of,
    labels_of,
    measure,
    order_of,
    progress_of_sample,
    rows_behind,
    sample_report,
    second_opinions,
)
from annotation.services.batches import MAX_OVERLAP
from annotation.services.imports import save_upload
from annotation.services.intent_classifier import (
    find_classifier,
    start_score_intent,
    start_train_intent_classifier,
)
from annotation.services.intent_samples import (
    SampleSettings,
    find_sample,
    plan_intent_sample,
    start_sample_intent,
)
from annotation.views.intent import MAX_LABELLED_BYTES, chosen_rules
from core.access import person_of, project_for
from core.errors import BadInputError, QuarryError
from core.menu import WATCHERS
from core.models import Project, Role
from core.paging import keyset_page
from curation.selectors import current_rule_set

PROJECT = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The project.")
SAMPLE = OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The sample.")
RULE_SET = OpenApiParameter("rule_set", int, description="Id of a rule set, drafts included; default: the current one.")
AFTER = OpenApiParameter("after", str, description="`next` of the page before.")
BEFORE = OpenApiParameter("before", str, description="`previous` of the page after.")


def _person(request: Request) -> Any:
    return person_of(request._request)


# --- samples -------------------------------------------------------------------------------------------------
@extend_schema_serializer(component_name="IntentSampleSettings")
class SampleInput(serializers.Serializer):
    """What to draw. Everything has a default."""

    n = serializers.IntegerField(default=DEFAULT_N, min_value=1, max_value=MAX_N)
    rejected_share = serializers.FloatField(
        default=None, allow_null=True, min_value=0, max_value=1, help_text="Null: as in the log."
    )
    minimum = serializers.IntegerField(
        default=DEFAULT_MINIMUM, min_value=0, max_value=MAX_N, help_text="At least from each stratum."
    )
    bands = serializers.ListField(
        child=serializers.IntegerField(min_value=2),
        default=list(DEFAULT_BANDS),
        max_length=6,
        help_text="Where popularity bands begin, in times asked, rising.",
    )
    seed = serializers.IntegerField(default=0, min_value=0, max_value=2**31 - 1)
    overlap = serializers.IntegerField(default=None, allow_null=True, min_value=1, max_value=MAX_OVERLAP)
    max_extra = serializers.IntegerField(default=None, allow_null=True, min_value=0, max_value=MAX_OVERLAP)
    comes_first = serializers.BooleanField(default=True, help_text="Before whatever else is open in the queue.")
    seconds = serializers.FloatField(
        default=DEFAULT_SECONDS, min_value=0.5, max_value=600, help_text="Per query, for the estimate."
    )
    name = serializers.CharField(default="", allow_blank=True, max_length=100, help_text="Of the batch.")
    classifier = serializers.IntegerField(
        default=None, allow_null=True, help_text="Id of a scored second opinion that adds its strata."
    )

    def settings(self) -> SampleSettings:
        """The settings of valid data."""
        given: dict[str, Any] = self.validated_data
        names = ("n", "rejected_share", "minimum", "seed", "overlap", "max_extra", "comes_first")
        return SampleSettings(**{name: given[name] for name in names}, bands=tuple(given["bands"]))

    def classifier_of(self, project: Project) -> IntentClassifier | None:
        pk = self.validated_data["classifier"]
        return find_classifier(project, pk) if pk is not None else None


@extend_schema_serializer(component_name="IntentStratum")
class StratumOutput(serializers.Serializer):
    key = serializers.CharField()
    side = serializers.CharField(help_text="accepted or rejected")
    band = serializers.IntegerField()
    band_name = serializers.CharField()
    opinion = serializers.CharField(allow_blank=True, help_text="What the second opinion says of the rules.")
    size = serializers.IntegerField(help_text="Queries of the log.")
    drawn = serializers.IntegerField()


@extend_schema_serializer(component_name="IntentSamplePlan")
class PlanOutput(serializers.Serializer):
    rule_set = serializers.CharField()
    n = serializers.IntegerField()
    frame = serializers.IntegerField(help_text="Queries that could be drawn.")
    votes = serializers.IntegerField()
    seconds_per_query = serializers.FloatField()
    hours = serializers.FloatField(help_text="Of people's time, in all.")
    strata = StratumOutput(many=True)


@extend_schema_serializer(component_name="IntentSample")
class SampleOutput(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    batch = serializers.IntegerField()
    rule_set = serializers.CharField()
    seed = serializers.IntegerField()
    is_complete = serializers.BooleanField(help_text="All its queries are open.")
    progress = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="queries = labelled + open + undecided + aside; votes and votes_wanted.",
    )
    strata = StratumOutput(many=True)


def _sample_data(sample: IntentSample) -> dict[str, Any]:
    return {
        "id": sample.pk,
        "name": sample.batch.name,
        "batch": sample.batch_id,
        "rule_set": str(sample.rule_set),
        "seed": sample.seed,
        "is_complete": sample.is_complete,
        "progress": progress_of_sample(sample, judged_queries(sample)).as_data(),
        "strata": sample.strata,
    }


class IntentSamplesApi(APIView):
    """Samples of queries judged for their intent alone."""

    @extend_schema_serializer(component_name="IntentSampleStarted")
    class Started(serializers.Serializer):
        sample = serializers.IntegerField()
        batch = serializers.IntegerField()
        job = serializers.IntegerField()

    @extend_schema(operation_id="intent_samples", parameters=[PROJECT], responses=SampleOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        samples = project.intent_samples.select_related("batch", "rule_set")[:100]
        return Response(SampleOutput([_sample_data(sample) for sample in samples], many=True).data)

    @extend_schema(operation_id="sample_intent", parameters=[PROJECT], request=SampleInput, responses={202: Started})
    def post(self, request: Request, slug: str) -> Response:
        """Queues the drawing of a sample and the opening of its batch."""
        project = project_for(request.user, slug, Role.CURATOR)
        asked = SampleInput(data=request.data)
        asked.is_valid(raise_exception=True)
        sample, job = start_sample_intent(
            project=project,
            settings=asked.settings(),
            classifier=asked.classifier_of(project),
            name=asked.validated_data["name"],
            user=_person(request),
        )
        return Response({"sample": sample.pk, "batch": sample.batch_id, "job": job.pk}, status=202)


class IntentSamplePlanApi(APIView):
    """What a sample would hold and cost; opens nothing."""

    @extend_schema(operation_id="plan_intent_sample", parameters=[PROJECT], request=SampleInput, responses=PlanOutput)
    def post(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        asked = SampleInput(data=request.data)
        asked.is_valid(raise_exception=True)
        plan = plan_intent_sample(
            project=project,
            settings=asked.settings(),
            classifier=asked.classifier_of(project),
            seconds=asked.validated_data["seconds"],
        )
        return Response(PlanOutput(plan.as_data()).data)


class IntentSampleApi(APIView):
    """A rule set measured on the judgements of a sample."""

    @extend_schema(
        operation_id="measure_rules",
        parameters=[PROJECT, SAMPLE, RULE_SET, OpenApiParameter("against", int, description="Another one beside it.")],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Progress, agreement, accuracy and F1 with intervals, rules with their costs, estimates for the whole log,
        categories people gave. Shares from 0 to 1; the paper's figures stand under `paper`."""
        project = project_for(request.user, slug, *WATCHERS)
        given = request.query_params
        rule_set = chosen_rules(project, given.get("rule_set", "")) or current_rule_set(project)
        against = chosen_rules(project, given.get("against", ""))
        return Response(sample_report(find_sample(project, pk), rule_set, against=against).as_data())


@extend_schema_serializer(component_name="JudgedQuery")
class JudgedOutput(serializers.Serializer):
    id = serializers.IntegerField(help_text="Of the query.")
    item = serializers.IntegerField()
    text = serializers.CharField()
    n_seen = serializers.IntegerField()
    stratum = serializers.CharField()
    probability = serializers.FloatField(help_text="Chance of being drawn.")
    state = serializers.ChoiceField(list(STATES))
    has_intent = serializers.BooleanField(allow_null=True, help_text="The majority's label.")
    yes = serializers.IntegerField()
    no = serializers.IntegerField()
    unclear = serializers.IntegerField()
    reasons = serializers.DictField(child=serializers.IntegerField())
    is_rejected = serializers.BooleanField(allow_null=True, help_text="By the rule set; null without a label.")
    hits = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(component_name="JudgedQueryPage")
class JudgedPageOutput(serializers.Serializer):
    count = serializers.IntegerField()
    results = JudgedOutput(many=True)
    next = serializers.CharField(allow_blank=True)
    previous = serializers.CharField(allow_blank=True)


def _judged_data(query: JudgedQuery, outcome: Any) -> dict[str, Any]:
    return {
        "id": query.query_id,
        "item": query.item_id,
        "text": query.text,
        "n_seen": query.n_seen,
        "stratum": query.stratum,
        "probability": query.probability,
        "state": query.state,
        "has_intent": query.has_intent,
        "yes": query.n_yes,
        "no": query.n_no,
        "unclear": query.n_unclear,
        "reasons": dict(query.reasons),
        "is_rejected": outcome.is_rejected if outcome else None,
        "hits": list(outcome.hits) if outcome else [],
    }


class IntentSampleQueriesApi(APIView):
    """The judged queries of a sample, narrowed."""

    @extend_schema(
        operation_id="judged_queries",
        parameters=[
            *[PROJECT, SAMPLE, RULE_SET, AFTER, BEFORE],
            OpenApiParameter("cell", str, enum=list(CELLS), description="People against rules; positive: no intent."),
            OpenApiParameter("state", str, enum=list(STATES)),
            OpenApiParameter("rule", str, description="A rule that hits."),
            OpenApiParameter("reason", str, description="A category that somebody gave."),
            OpenApiParameter("stratum", str),
        ],
        responses=JudgedPageOutput,
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        sample = find_sample(project, pk)
        rule_set = chosen_rules(project, request.query_params.get("rule_set", "")) or current_rule_set(project)
        judged = judged_queries(sample)
        outcomes = measure(sample, judged, rule_set).quality.outcomes
        wanted = RowFilter.parse(request.query_params.dict())
        found = {query.pk: (query, outcome) for query, outcome in rows_behind(judged, outcomes, wanted)}
        page = keyset_page(sample.queries.filter(pk__in=list(found)), request._request, size=100, order="id")
        data = {
            "count": len(found),
            "results": [_judged_data(*found[row.pk]) for row in page],
            "next": page.next,
            "previous": page.previous,
        }
        return Response(JudgedPageOutput(data).data)


class IntentKeywordsApi(APIView):
    """Keywords that could become rules, each with its measured cost."""

    @extend_schema_serializer(component_name="SuggestedKeyword")
    class Output(serializers.Serializer):
        term = serializers.CharField()
        kind = serializers.CharField(help_text="exact or phrase")
        z = serializers.FloatField(help_text="Log-odds in standard deviations; an order, not a proof.")
        no_intent = serializers.IntegerField()
        intent = serializers.IntegerField()
        removes = serializers.IntegerField(help_text="Judged queries without intent that it would newly reject.")
        loses = serializers.IntegerField(help_text="Judged queries with intent that it would newly reject.")
        removes_in_log = serializers.FloatField(help_text="Estimated.")
        loses_in_log = serializers.FloatField(help_text="Estimated.")
        lost = serializers.ListField(child=serializers.CharField())

    @extend_schema(operation_id="suggest_keywords", parameters=[PROJECT, SAMPLE, RULE_SET], responses=Output(many=True))
    def get(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        rule_set = chosen_rules(project, request.query_params.get("rule_set", "")) or current_rule_set(project)
        found = keywords_of(find_sample(project, pk), rule_set)
        return Response(self.Output([keyword.as_data() for keyword in found], many=True).data)


# --- the second opinion ----------------------------------------------------------------------------------------
@extend_schema_serializer(component_name="IntentClassifier")
class ClassifierOutput(serializers.ModelSerializer):
    """`report` holds the figures out of fold, beside the rules on the same queries, and the reliability table."""

    rule_set = serializers.CharField(source="rule_set.__str__", read_only=True)

    class Meta:
        model = IntentClassifier
        fields = ["id", "encoder", "fingerprint", "rule_set", "training", "report", "n_scored", "is_complete"]
        read_only_fields = fields


class IntentClassifiersApi(APIView):
    """Second opinions on intent, and training one."""

    parser_classes = (MultiPartParser, FormParser, JSONParser)

    @extend_schema_serializer(component_name="TrainIntentClassifier")
    class Input(serializers.Serializer):
        file = serializers.FileField(required=False, help_text="Columns query and label (1 = has intent).")
        encoder = serializers.CharField(default="", allow_blank=True, max_length=300)
        seed = serializers.IntegerField(default=0, min_value=0, max_value=2**31 - 1)
        samples = serializers.ListField(
            child=serializers.IntegerField(), required=False, help_text="Ids; default: all of the project's."
        )

    @extend_schema_serializer(component_name="IntentClassifierStarted")
    class Started(serializers.Serializer):
        classifier = serializers.IntegerField()
        job = serializers.IntegerField()

    @extend_schema(operation_id="intent_classifiers", parameters=[PROJECT], responses=ClassifierOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        rows = project.intent_classifiers.select_related("rule_set")[:50]
        return Response(ClassifierOutput(rows, many=True).data)

    @extend_schema(
        operation_id="train_intent_classifier", parameters=[PROJECT], request=Input, responses={202: Started}
    )
    def post(self, request: Request, slug: str) -> Response:
        """Queues the training; refused below the minimum of judged queries of each kind."""
        project = project_for(request.user, slug, Role.CURATOR)
        asked = self.Input(data=request.data)
        asked.is_valid(raise_exception=True)
        given: dict[str, Any] = asked.validated_data
        upload = given.get("file")
        if upload is not None and (upload.size or 0) > MAX_LABELLED_BYTES:
            raise BadInputError(problem=f"The file is larger than {MAX_LABELLED_BYTES // 2**20} MB.")
        samples = [find_sample(project, pk) for pk in given["samples"]] if given.get("samples") else None
        path = save_upload(upload) if upload is not None else None
        try:
            classifier, job = start_train_intent_classifier(
                project=project,
                samples=samples,
                labelled=path,
                labelled_name=upload.name if upload is not None else "",
                encoder=given["encoder"],
                seed=given["seed"],
                user=_person(request),
            )
        except QuarryError:
            if path is not None:
                path.unlink(missing_ok=True)
            raise
        return Response({"classifier": classifier.pk, "job": job.pk}, status=202)


class ScoreIntentApi(APIView):
    """Asks a second opinion about every query that has no score yet."""

    @extend_schema_serializer(component_name="ScoreIntentStarted")
    class Started(serializers.Serializer):
        job = serializers.IntegerField()

    @extend_schema(
        operation_id="score_intent",
        parameters=[PROJECT, OpenApiParameter("pk", int, OpenApiParameter.PATH, description="The classifier.")],
        request=None,
        responses={202: Started},
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        project = project_for(request.user, slug, Role.CURATOR)
        classifier = get_object_or_404(project.intent_classifiers, pk=pk)
        job = start_score_intent(project=project, classifier=classifier, user=_person(request))
        return Response({"job": job.pk}, status=202)


class IntentOpinionsApi(APIView):
    """Queries on which rules and second opinion differ, the widest difference first. Changes no decision."""

    @extend_schema_serializer(component_name="IntentOpinionPage")
    class Output(serializers.Serializer):
        @extend_schema_serializer(component_name="IntentOpinion")
        class Row(serializers.Serializer):
            id = serializers.IntegerField(help_text="Of the query.")
            text = serializers.CharField()
            n_seen = serializers.IntegerField()
            chance = serializers.FloatField(help_text="Calibrated chance of intent.")
            has_intent = serializers.BooleanField(allow_null=True, help_text="What people say; null: not judged.")

        classifier = serializers.IntegerField()
        rule_set = serializers.CharField()
        results = Row(many=True)
        next = serializers.CharField(allow_blank=True)
        previous = serializers.CharField(allow_blank=True)

    @extend_schema(
        operation_id="intent_opinions",
        parameters=[PROJECT, OpenApiParameter("side", str, enum=list(SIDES)), AFTER, BEFORE],
        responses=Output,
    )
    def get(self, request: Request, slug: str) -> Response:
        project = project_for(request.user, slug, *WATCHERS)
        side = request.query_params.get("side", "accepted")
        if side not in SIDES:
            raise BadInputError(problem=f"There is no side {side[:40]}. There are: {', '.join(SIDES)}.")
        rule_set, classifier = current_rule_set(project), find_classifier(project)
        rows = second_opinions(classifier, rule_set, side)
        page = keyset_page(rows, request._request, size=100, order=order_of(side))
        labels = labels_of(score.query_id for score in page)
        data = {
            "classifier": classifier.pk,
            "rule_set": str(rule_set),
            "results": [
                {
                    "id": score.query_id,
                    "text": score.query.text,
                    "n_seen": score.query.n_seen,
                    "chance": score.chance,
                    "has_intent": labels.get(score.query_id),
                }
                for score in page
            ],
            "next": page.next,
            "previous": page.previous,
        }
        return Response(self.Output(data).data)
