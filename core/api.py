"""What every API endpoint shares: errors as problem+json (RFC 9457) with a stable code."""

from typing import Any

from rest_framework.response import Response
from rest_framework.views import exception_handler

from core.errors import QuarryError


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: QuarryError and DRF's own errors in one shape, anything else is a crash."""
    if isinstance(error, QuarryError):
        body = {"code": error.code, "status": error.status, "detail": str(error), **{"fields": error.fields}}
        return Response(body, status=error.status, content_type="application/problem+json")
    response = exception_handler(error, context)
    if response is None:
        return None
    detail = response.data.get("detail") if isinstance(response.data, dict) else None
    code = getattr(detail, "code", None) or "invalid"
    body = {
        "code": code,
        "status": response.status_code,
        "detail": str(detail) if detail else "The request does not fit.",
        "fields": {} if detail else response.data,
    }
    return Response(
        body, status=response.status_code, headers=dict(response.headers), content_type="application/problem+json"
    )
