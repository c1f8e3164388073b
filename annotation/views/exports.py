"""The full export of judged pairs with their votes, as a download."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from annotation.models import Batch
from annotation.selectors.export import CONTENT_TYPES, PAIRS, export_votes
from core.access import project_for
from core.errors import BadInputError
from core.models import Project, Role


@login_required
@require_safe
def export(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    """Every judged pair of the project, or of one batch, with its votes; streamed."""
    project = project_for(request.user, slug, Role.CURATOR)
    asked = request.GET
    return export_response(
        project, _batch(project, asked.get("batch", "")), asked.get("format", "jsonl"), asked.get("shape", PAIRS)
    )


def _batch(project: Project, number: str) -> Batch | None:
    if not number:
        return None
    if not (number.isascii() and number.isdigit() and len(number) < 18):
        raise BadInputError(problem=f"{number[:40]} is no number of a batch.")
    return get_object_or_404(project.batches, pk=int(number))


def export_response(project: Project, batch: Batch | None, file_format: str, shape: str) -> StreamingHttpResponse:
    """The export as a file that browsers save and never show. Raises BadInputError."""
    pieces = export_votes(project, batch=batch, file_format=file_format, shape=shape)
    of_batch = f"-batch-{batch.pk}" if batch is not None else ""
    name = (
        f"{project.slug}{of_batch}-{'votes' if shape != PAIRS else 'pairs'}-{timezone.now():%Y%m%d-%H%M}.{file_format}"
    )
    response = StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[file_format])
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response
