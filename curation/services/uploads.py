"""Uploaded code bases: kept below QUARRY_HOME/uploads under a name that we make."""

import re
import uuid
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from core.errors import BadInputError, QuarryError
from core.models import Job, Project, User
from curation.models import CodeSource
from curation.services.code import start_ingest_code

MAX_UPLOAD_BYTES = 64 * 2**20


def start_ingest_upload(*, project: Project, upload: UploadedFile, user: User | None = None) -> tuple[CodeSource, Job]:
    """Keeps an uploaded CoSQA code base and queues the reading of it; a refused one is removed again."""
    if (upload.size or 0) > MAX_UPLOAD_BYTES:
        raise BadInputError(
            problem=f"The file is larger than {MAX_UPLOAD_BYTES // 2**20} MB. Put it on the server and name its path."
        )
    place = Path(settings.QUARRY_HOME, "uploads", "code", f"{uuid.uuid4().hex}.json")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    try:
        return start_ingest_code(
            project=project, spec=str(place), kind="cosqa", name=shown_name(upload.name or ""), user=user
        )
    except QuarryError:
        place.unlink()
        raise


def shown_name(name: str) -> str:
    """An uploaded file's own name, for showing only: its last part, without control characters."""
    last = re.split(r"[\\/]", name)[-1]
    return "".join(character for character in last if character.isprintable()).strip()[:100] or "code base"
