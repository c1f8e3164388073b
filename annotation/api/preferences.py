"""One's own keys and display of the judge page, over the same services as its page."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.inputs import valid_input
from annotation.judge_keys import keys_of
from annotation.models import JudgePreferences, TextSize
from annotation.selectors.preferences import preferences_of
from annotation.services.preferences import change_preferences, reset_preferences
from core.access import person_of


class JudgePreferencesApi(APIView):
    """Keys (the key of every act; empty: none), whether long lines are broken, and the size of the text."""

    class Input(serializers.Serializer):
        keys = serializers.DictField(
            child=serializers.CharField(allow_blank=True, max_length=20, trim_whitespace=False),
            required=False,
            help_text="Acts named here get this key; the others keep theirs.",
        )
        wraps_code = serializers.BooleanField(required=False)
        text_size = serializers.ChoiceField(TextSize.choices, required=False)

    class Output(serializers.Serializer):
        keys = serializers.DictField(child=serializers.CharField(allow_blank=True))
        wraps_code = serializers.BooleanField()
        text_size = serializers.ChoiceField(TextSize.choices)

    @extend_schema(operation_id="judge_preferences", responses=Output)
    def get(self, request: Request) -> Response:
        return Response(_shown(preferences_of(person_of(request))))

    @extend_schema(operation_id="change_judge_preferences", request=Input, responses=Output)
    def patch(self, request: Request) -> Response:
        return Response(_shown(change_preferences(person=person_of(request), **valid_input(self.Input, request))))

    @extend_schema(operation_id="reset_judge_preferences", request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        reset_preferences(person=person_of(request))
        return Response(status=204)


def _shown(preferences: JudgePreferences) -> dict[str, Any]:
    return {
        "keys": keys_of(preferences.keys),
        "wraps_code": preferences.wraps_code,
        "text_size": preferences.text_size,
    }
