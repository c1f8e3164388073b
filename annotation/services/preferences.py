"""Changing one's own judge page (keys and display), and what one has been shown there."""

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.judge_keys import ACTS, as_key, clashes_in, keys_of, own_keys
from annotation.models import Annotator, JudgePreferences, TextSize
from core.db import retry_when_busy, write_transaction
from core.errors import BadInputError, QuarryError
from core.models import Project, User


class KeysClashError(QuarryError):
    """Keys that cannot be told apart, or are none. `acts` names the field of each complaint: {act: sentence}."""

    code, status = "keys_clash", 422
    template = gettext_lazy("These keys cannot be used together.")

    def __init__(self, acts: Mapping[str, str]) -> None:
        super().__init__(acts=dict(acts))
        self.acts = dict(acts)


@retry_when_busy()
def change_preferences(
    *,
    person: User,
    keys: Mapping[str, str] | None = None,
    wraps_code: bool | None = None,
    text_size: str | None = None,
) -> JudgePreferences:
    """Changes what is named and leaves the rest; `keys` are those of the acts named in it.

    Raises KeysClashError (keys that clash, or that are no keys) and BadInputError (an unknown act or size).
    """
    with write_transaction():
        preferences, _made = JudgePreferences.objects.get_or_create(person=person)
        if keys is not None:
            preferences.keys = own_keys(_checked(preferences, keys))
        if wraps_code is not None:
            preferences.wraps_code = wraps_code
        if text_size is not None:
            if text_size not in TextSize.values:
                raise BadInputError(problem=_("Unknown text size: %(size)s.") % {"size": text_size})
            preferences.text_size = text_size
        preferences.save()
        return preferences


def reset_preferences(*, person: User) -> None:
    """Keys and display as they come with Quarry."""
    with write_transaction():
        JudgePreferences.objects.filter(person=person).delete()


def _checked(preferences: JudgePreferences, given: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(given) - set(ACTS))
    if unknown:
        raise BadInputError(problem=_("Unknown act: %(acts)s.") % {"acts": ", ".join(unknown)})
    read = {name: as_key(text) for name, text in given.items()}
    bad = {name: _("Not a key that can be used here.") for name, key in read.items() if key is None}
    if bad:
        raise KeysClashError(bad)
    wanted = keys_of(preferences.keys) | {name: key or "" for name, key in read.items()}
    clashes = clashes_in(wanted)
    if clashes:
        raise KeysClashError({name: clash_in_words(wanted[name], others) for name, others in clashes.items()})
    return wanted


def clash_in_words(key: str, others: list[str]) -> str:
    """Which other acts the key does."""
    labels = "; ".join(str(ACTS[other].label) for other in others)
    return _("“%(key)s” also stands for: %(acts)s.") % {"key": key, "acts": labels}


@retry_when_busy()
def see_guideline(*, project: Project, person: User, version: int) -> None:
    """Stamps that the person was shown this version of the guideline; an older one changes nothing."""
    with write_transaction():
        row, _made = Annotator.objects.get_or_create(project=project, person=person)
        Annotator.objects.filter(pk=row.pk, guideline_seen__lt=version).update(guideline_seen=version)
