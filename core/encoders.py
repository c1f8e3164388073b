"""Where the house gets an encoder. The model library is named in the settings, so the kernel imports none."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from core.encoding import Encoder, HashingEncoder


def load_encoder(name: str, **options: Any) -> Encoder:
    """`hashing`, `minilm`, `codebert`, a folder (transformers model or Quarry checkpoint) or a hub name.

    `checkpoints/...` is a folder below QUARRY_HOME: rows hold relative paths.

    Raises modeling.ml.errors.UnknownEncoderError when it cannot be loaded.
    """
    if name == "hashing":
        return HashingEncoder()
    if name.startswith("checkpoints/"):
        name = str(settings.QUARRY_HOME / name)
    encoder: Encoder = import_string(settings.ENCODER_LOADER)(name, **options)
    return encoder
