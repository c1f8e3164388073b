"""Reading what a caller of the API sent."""

from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request


@cache
def _reader(serializer: type[serializers.Serializer]) -> serializers.Serializer:
    """One that reads again and again: DRF copies all fields for each new one, which costs more than reading."""
    reader = serializer()
    assert reader.fields is not None  # made now, before several threads use it
    return reader


def valid_input(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    """The request's data as the serializer reads it; DRF turns what does not fit into a 400."""
    try:
        return dict(_reader(serializer).run_validation(request.data))
    except serializers.ValidationError:  # read once more, for a refusal in DRF's own words
        given = serializer(data=request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)
