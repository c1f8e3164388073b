"""`/health/` for load balancers and people."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.health import FAIL, health_report


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 while pages can be served, 503 when not; statuses for everybody, details for staff."""
    user = getattr(request, "user", None)
    report = health_report(with_details=bool(user and user.is_authenticated and user.is_staff))
    return JsonResponse(report, status=503 if report["status"] == FAIL else 200)
