"""Reading what a caller of the API sent."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request


def valid_input(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    """The request's data as the serializer reads it; DRF turns what does not fit into a 400."""
    given = serializer(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
