"""Checkpoints leave the house: as a zip, and as the project's next encoder."""

import tempfile
import zipfile
from pathlib import Path
from typing import IO

from django.conf import settings

from core.errors import ConflictError
from core.models import Project
from modeling.models import TrainingRun
from modeling.selectors import checkpoint_folder, checkpoint_name, has_vectors, is_trained

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # same checkpoint, same bytes


class NotTrainedError(ConflictError):
    code = "not_trained"
    template = "Run {name} has no checkpoint yet: its training has not ended well."


class NoEncoderError(ConflictError):
    code = "no_encoder"
    template = "Run {name} compares words, not vectors; it cannot propose pairs."


def zip_checkpoint(run: TrainingRun) -> IO[bytes]:
    """The run's checkpoint folder as an open zip file; weights hardly compress, so nothing is compressed."""
    if not is_trained(run):
        raise NotTrainedError(name=run.name)
    folder = checkpoint_folder(run)
    scratch = Path(settings.QUARRY_HOME) / "tmp"
    scratch.mkdir(exist_ok=True)
    archive_file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - the response closes it
    with zipfile.ZipFile(archive_file, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(f"{run.name}/{path.relative_to(folder).as_posix()}", ZIP_TIME)
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while block := source.read(2**20):
                    target.write(block)
    archive_file.seek(0)
    return archive_file


def use_as_encoder(*, run: TrainingRun) -> Project:
    """The project's next candidate runs encode with this checkpoint.

    Raises NotTrainedError, or NoEncoderError for a run of BM25.
    """
    if not is_trained(run):
        raise NotTrainedError(name=run.name)
    if not has_vectors(run):
        raise NoEncoderError(name=run.name)
    project = run.project
    project.encoder = checkpoint_name(run)
    project.save(update_fields=["encoder"])
    return project
