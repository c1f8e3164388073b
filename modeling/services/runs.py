"""Training runs: start, resume, and the training itself in a process of its own."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError

from annotation.selectors import release_folder
from core.db import write_transaction
from core.errors import BadInputError, ConflictError, QuarryError
from core.jobs import RunningJob, cancel_job, create_job
from core.models import Job, Project
from modeling.ml_process import run_ml
from modeling.models import Evaluation, TrainingRun
from modeling.releases import count_pairs, release_files
from modeling.selectors import checkpoint_folder, find_location, run_folder

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
MIN_POSITIVE_PAIRS = 2


class NotTrainableReleaseError(QuarryError):
    code, status = "not_trainable", 422
    template = "Release {release} cannot train {recipe}: {problem}"


def start_training(
    *,
    project: Project,
    release: Any,
    recipe: str,
    encoder: str = "",
    seed: int = 0,
    overrides: dict[str, Any] | None = None,
    name: str = "",
    user: Any = None,
) -> Job:
    """Checks recipe, settings, encoder and data, makes the run, and queues its training.

    Raises the recipe's own refusals (unknown recipe, bad setting), NotTrainableReleaseError where the release cannot
    train anything, ConflictError where the project has a run of that name.
    """
    from modeling.ml.recipes import resolve

    config = resolve(recipe, overrides or {})
    _check_release(release, recipe)
    encoder = encoder or project.encoder or settings.QUARRY_ENCODER
    find_location(project, encoder)
    run = _create_run(
        project=project,
        release=release,
        name=_checked_name(project, name or "", recipe),
        recipe=recipe,
        encoder=encoder,
        seed=seed,
        config=config.to_dict(),
    )
    return _queue(run, user)
