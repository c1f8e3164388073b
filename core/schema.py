"""Names in the OpenAPI schema: the Input and Output nested in an API class carry that class's name."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance, is_list_serializer


class QuarrySchema(AutoSchema):
    """VotesApi.Input becomes VotesInput; serializers of their own keep their names."""

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:
        name: str = super()._get_serializer_name(serializer, direction, bypass_extensions)
        instance = force_instance(serializer)
        kind = type(instance.child if is_list_serializer(instance) else instance)
        outer = kind.__qualname__.split(".")[:-1]
        return f"{outer[-1].removesuffix('Api')}{name}" if outer and outer[-1] != "<locals>" else name
