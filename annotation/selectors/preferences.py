"""Reads of a person's judge page: keys and display."""

from annotation.judge_keys import Key, keys_of
from annotation.models import JudgePreferences
from core.models import User


def preferences_of(person: User) -> JudgePreferences:
    """The person's row; an unsaved one with the defaults where they have changed nothing."""
    return JudgePreferences.objects.filter(person=person).first() or JudgePreferences(person=person)


def shown_keys(preferences: JudgePreferences) -> dict[str, Key]:
    """The key of every act, as the buttons show it."""
    return {name: Key(key) for name, key in keys_of(preferences.keys).items()}
