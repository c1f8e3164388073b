"""Refusals of the model library; the same shape as the rest of the house (core.errors is plain Python)."""

from core.errors import QuarryError


class MLError(QuarryError):
    """Base of everything the library refuses."""

    code, status = "ml_error", 400
    template = "{problem}"


class UnknownEncoderError(MLError):
    """An encoder that cannot be loaded: no such name or folder, weights missing or unsafe."""

    code, status = "unknown_encoder", 400
    template = "The encoder {name} cannot be loaded: {problem}"


class BadCheckpointError(MLError):
    """A checkpoint folder that is missing, incomplete, or of another shape than it says."""

    code, status = "bad_checkpoint", 400
    template = "The checkpoint {path} cannot be loaded: {problem}"


class BadDataError(MLError):
    """A file of pairs, queries or code that cannot be used; `place` names file and row."""

    code, status = "bad_data", 400
    template = "{place}: {problem}"


class UnknownRecipeError(MLError):
    """No recipe of this name."""

    code, status = "unknown_recipe", 400
    template = "There is no recipe {name}. There are: {known}."


class BadSettingError(MLError):
    """A recipe's setting that does not exist, is of another type or out of bounds."""

    code, status = "bad_setting", 400
    template = "Setting {key}: {problem}"


class NotTrainableError(MLError):
    """Examples that cannot train the recipe (too few, one class, nothing to contrast)."""

    code, status = "not_trainable", 422
    template = "{problem}"


class TrainingDivergedError(MLError):
    """The loss stopped being a number; names the rows of the batch."""

    code, status = "training_diverged", 422
    template = (
        "The loss is {loss} at step {step} (rows {rows}). The last good checkpoint is untouched. "
        "Try a smaller learning rate, for example --set learning_rate={smaller_rate:g}."
    )


class NotFiniteError(MLError):
    """NaN or infinity where a number must stand; such scores are never ranked."""

    code, status = "not_finite", 422
    template = "{what} contain NaN or infinity, first at {place}. The model is damaged; it is not evaluated."
