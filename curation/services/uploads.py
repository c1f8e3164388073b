"""Uploaded code: kept below QUARRY_HOME/uploads under a name that we make."""

import re
import uuid
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from core.errors import BadInputError, QuarryError
from core.models import Job, Project, User
from curation.languages import language_of
from curation.models import CodeSource
from curation.services.code import start_ingest_code

MAX_UPLOAD_BYTES = 256 * 2**20


def start_ingest_upload(
    *, project: Project, upload: UploadedFile, licence: str = "", user: User | None = None
) -> tuple[CodeSource, Job]:
    """Keeps an uploaded archive or file and queues the reading of it; a refused one is removed again.

    What it is, its content says: a zip, wheel or tar archive, JSON Lines of CodeSearchNet or MBPP, a CoSQA code base;
    one source file is known by its name.
    """
    if (upload.size or 0) > MAX_UPLOAD_BYTES:
        raise BadInputError(
            problem=f"The file is larger than {MAX_UPLOAD_BYTES // 2**20} MB. Put it on the server and name its path."
        )
    name = shown_name(upload.name or "")
    ending = Path(name).suffix.lower() if language_of(name) else ""
    place = Path(settings.QUARRY_HOME, "uploads", "code", f"{uuid.uuid4().hex}{ending}")
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        for chunk in upload.chunks():
            file.write(chunk)
    try:
        return start_ingest_code(project=project, spec=str(place), kind="", name=name, licence=licence, user=user)
    except QuarryError:
        place.unlink()
        raise


def shown_name(name: str) -> str:
    """An uploaded file's own name, for showing only: its last part, without control characters."""
    last = re.split(r"[\\/]", name)[-1]
    return "".join(character for character in last if character.isprintable()).strip()[:100] or "code base"
