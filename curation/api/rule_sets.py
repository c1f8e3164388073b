"""The API of rule sets: drafts, edits with their preview, differences, adoptions."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.access import project_for
from core.models import Project, Role
from curation.intent import MAX_FORM_CHARS, MAX_NOTE_CHARS, MAX_RULE_SET_CHARS, RuleKind, read_rule
from curation.models import Adoption, RuleSet
from curation.rule_text import RuleEdit, rule_data
from curation.selectors.queries import current_rule_set, rule_sets
from curation.services.rule_preview import preview_edit, preview_rule_set
from curation.services.rule_sets import (
    diff_rule_sets,
    discard_draft,
    draft_rule_set,
    edit_rule,
    edit_rule_set_text,
    find_rule_set,
    import_rule_set,
    profile_of,
)
from curation.services.rules import start_adopt_rule_set

READERS = (Role.ADJUDICATOR, Role.READER)


class RuleOutput(serializers.Serializer[Any]):
    """One rule."""

    category = serializers.CharField()
    form = serializers.CharField()
    kind = serializers.CharField(help_text=f"One of {', '.join(RuleKind)}.")
    note = serializers.CharField(allow_blank=True)
    digits = serializers.BooleanField()
    stem = serializers.BooleanField()


class RuleInput(serializers.Serializer[Any]):
    """One rule; digits goes with exact, stem with the gap kinds."""

    category = serializers.CharField(max_length=60)
    form = serializers.CharField(max_length=MAX_FORM_CHARS)
    kind = serializers.CharField(max_length=20, help_text=f"One of {', '.join(RuleKind)}.")
    note = serializers.CharField(max_length=MAX_NOTE_CHARS, required=False, allow_blank=True, default="")
    digits = serializers.BooleanField(required=False, default=False)
    stem = serializers.BooleanField(required=False, default=False)


class RuleEditInput(serializers.Serializer[Any]):
    """`rule` takes the place of the rule `old`. Without old it is added, without rule the old one is removed."""

    old = serializers.CharField(max_length=MAX_FORM_CHARS, required=False, allow_blank=True, default="")
    rule = RuleInput(required=False, allow_null=True, default=None)
    seen = serializers.CharField(
        max_length=32, required=False, allow_blank=True, default="", help_text="content_hash of the draft you know."
    )


class RuleSetTextInput(serializers.Serializer[Any]):
    """A rule set as TOML."""

    text = serializers.CharField(max_length=MAX_RULE_SET_CHARS, trim_whitespace=False)
    seen = serializers.CharField(max_length=32, required=False, allow_blank=True, default="")


class OneRuleSetOutput(serializers.Serializer[Any]):
    """A rule set with its rules and its TOML text."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    content_hash = serializers.CharField()
    is_shipped = serializers.BooleanField()
    is_draft = serializers.BooleanField()
    is_current = serializers.BooleanField()
    based_on = serializers.IntegerField(allow_null=True)
    rules = RuleOutput(many=True)
    text = serializers.CharField()


def _shown(project: Project, rule_set: RuleSet) -> dict[str, Any]:
    return {
        "id": rule_set.pk,
        "name": rule_set.name,
        "version": rule_set.version,
        "content_hash": rule_set.content_hash,
        "is_shipped": rule_set.project_id is None,
        "is_draft": rule_set.is_draft,
        "is_current": rule_set == current_rule_set(project),
        "based_on": rule_set.based_on_id,
        "rules": [rule_data(rule) for rule in profile_of(rule_set).rules],
        "text": rule_set.text,
    }


def _rule_set(project: Project, pk: int) -> RuleSet:
    return get_object_or_404(rule_sets(project), pk=pk)


def _edit(data: dict[str, Any]) -> RuleEdit:
    return RuleEdit(data["old"], read_rule(dict(data["rule"])) if data["rule"] else None)


class RuleSetApi(APIView):
    @extend_schema(operation_id="rule_set", responses=OneRuleSetOutput)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One rule set; its text is the export."""
        project = project_for(request.user, slug, *READERS)
        return Response(_shown(project, _rule_set(project, pk)))

    @extend_schema(operation_id="edit_rule_set_text", request=RuleSetTextInput, responses=OneRuleSetOutput)
    def put(self, request: Request, slug: str, pk: int) -> Response:
        """Replaces the text of a draft."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = RuleSetTextInput(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        return Response(
            _shown(
                project,
                edit_rule_set_text(draft=_rule_set(project, pk), text=given["text"], seen=given.get("seen", "")),
            )
        )

    @extend_schema(operation_id="discard_draft", responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Removes a draft."""
        project = project_for(request.user, slug, Role.CURATOR)
        discard_draft(draft=_rule_set(project, pk))
        return Response(status=204)


class EditRuleApi(APIView):
    @extend_schema(operation_id="edit_rule", request=RuleEditInput, responses=OneRuleSetOutput)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Adds, changes or removes one rule of a draft."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = RuleEditInput(data=request.data)
        form.is_valid(raise_exception=True)
        change = _edit(form.validated_data)
        draft = edit_rule(draft=_rule_set(project, pk), edit=change, seen=form.validated_data["seen"])
        return Response(_shown(project, draft))


class RulePreviewAmountOutput(serializers.Serializer[Any]):
    """A number of queries; margin is the half width of its 95 % interval, 0 where it was counted."""

    n = serializers.IntegerField()
    margin = serializers.IntegerField()


class RulePreviewExampleOutput(serializers.Serializer[Any]):
    query = serializers.IntegerField()
    text = serializers.CharField()
    rules = serializers.ListField(child=serializers.CharField())


class RulePreviewOutput(serializers.Serializer[Any]):
    """What a change would do: exact, or estimated from a random share of the project."""

    queries = serializers.IntegerField()
    looked_at = serializers.IntegerField()
    is_exact = serializers.BooleanField()
    share = serializers.FloatField()
    milliseconds = serializers.IntegerField()
    removed = RulePreviewAmountOutput()
    brought_back = RulePreviewAmountOutput()
    rejected_anyway = RulePreviewAmountOutput()
    removed_examples = RulePreviewExampleOutput(many=True)
    brought_back_examples = RulePreviewExampleOutput(many=True)
    rejected_anyway_examples = RulePreviewExampleOutput(many=True)


class PreviewRuleApi(APIView):
    @extend_schema(operation_id="preview_rule", request=RuleEditInput, responses=RulePreviewOutput)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """What an edit of a rule set would do to the queries; an empty edit: the whole set against the one in use."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = RuleEditInput(data=request.data)
        form.is_valid(raise_exception=True)
        change, profile = _edit(form.validated_data), profile_of(_rule_set(project, pk))
        if change == RuleEdit():
            before = profile_of(current_rule_set(project))
            return Response(preview_rule_set(project=project, before=before, after=profile, seed=pk).as_data())
        return Response(preview_edit(project=project, profile=profile, edit=change, seed=pk).as_data())


class DraftRuleSetInput(serializers.Serializer[Any]):
    rule_set = serializers.CharField(max_length=80, help_text="NAME or NAME@VERSION of a shipped or own rule set.")
    name = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")


class DraftRuleSetApi(APIView):
    @extend_schema(operation_id="draft_rule_set", request=DraftRuleSetInput, responses={201: OneRuleSetOutput})
    def post(self, request: Request, slug: str) -> Response:
        """A draft that begins as a copy of a rule set."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = DraftRuleSetInput(data=request.data)
        form.is_valid(raise_exception=True)
        source = find_rule_set(project, form.validated_data["rule_set"])
        user: Any = request.user
        draft = draft_rule_set(project=project, source=source, name=form.validated_data["name"], user=user)
        return Response(_shown(project, draft), status=201)


class ImportRuleSetInput(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_RULE_SET_CHARS, trim_whitespace=False, help_text="TOML")
    name = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")


class ImportRuleSetApi(APIView):
    @extend_schema(operation_id="import_rule_set", request=ImportRuleSetInput, responses={201: OneRuleSetOutput})
    def post(self, request: Request, slug: str) -> Response:
        """A draft from a TOML text."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = ImportRuleSetInput(data=request.data)
        form.is_valid(raise_exception=True)
        user: Any = request.user
        return Response(_shown(project, import_rule_set(project=project, user=user, **form.validated_data)), status=201)


class RuleChangeOutput(serializers.Serializer[Any]):
    before = RuleOutput()
    after = RuleOutput()
    fields = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]


class RuleSetDiffOutput(serializers.Serializer[Any]):
    """What it takes to get from one rule set to the other; `same` is the number of unchanged rules."""

    before = serializers.CharField()
    after = serializers.CharField()
    added = RuleOutput(many=True)
    removed = RuleOutput(many=True)
    changed = RuleChangeOutput(many=True)
    same = serializers.IntegerField()
    language_inside_words = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))


class DiffRuleSetsApi(APIView):
    @extend_schema(
        operation_id="diff_rule_sets",
        parameters=[
            OpenApiParameter(name, OpenApiTypes.STR, required=True, description="NAME or NAME@VERSION")
            for name in ("before", "after")
        ],
        responses=RuleSetDiffOutput,
    )
    def get(self, request: Request, slug: str) -> Response:
        """The rules added, removed and changed from one rule set to another."""
        project = project_for(request.user, slug, *READERS)
        before, after = (
            find_rule_set(project, request.query_params.get(name, ""), drafts=True) for name in ("before", "after")
        )
        return Response({"before": str(before), "after": str(after), **diff_rule_sets(before, after).as_data()})


class AdoptRuleSetInput(serializers.Serializer[Any]):
    rule_set = serializers.CharField(max_length=80, help_text="NAME or NAME@VERSION; a draft becomes a version.")


class AdoptionStartedOutput(serializers.Serializer[Any]):
    job = serializers.IntegerField()
    rule_set = serializers.CharField()


class AdoptionOutput(serializers.Serializer[Any]):
    """An adoption; adopted_at is null until every query is judged. The report counts what changed, by rule."""

    id = serializers.IntegerField()
    rule_set = serializers.CharField()
    previous = serializers.CharField(allow_null=True)
    language = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    adopted_at = serializers.DateTimeField(allow_null=True)
    job = serializers.IntegerField(source="job_id", allow_null=True)
    report = serializers.DictField()


class AdoptRuleSetApi(APIView):
    @extend_schema(operation_id="adopt_rule_set", request=AdoptRuleSetInput, responses={202: AdoptionStartedOutput})
    def post(self, request: Request, slug: str) -> Response:
        """Queues judging all queries by a rule set, which is then the project's current one."""
        project = project_for(request.user, slug, Role.CURATOR)
        form = AdoptRuleSetInput(data=request.data)
        form.is_valid(raise_exception=True)
        rule_set = find_rule_set(project, form.validated_data["rule_set"], drafts=True)
        user: Any = request.user
        job = start_adopt_rule_set(project=project, rule_set=rule_set, user=user)
        return Response({"job": job.pk, "rule_set": f"{rule_set.name} v{rule_set.version}"}, status=202)


class AdoptionsApi(APIView):
    @extend_schema(operation_id="adoptions", responses=AdoptionOutput(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The adoptions of the project, newest first (at most 100)."""
        project = project_for(request.user, slug, *READERS)
        rows = Adoption.objects.filter(project=project).select_related("rule_set", "previous")[:100]
        return Response(AdoptionOutput(rows, many=True).data)
