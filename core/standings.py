"""How members stand at work. The shell must not know annotation, which registers its answer when Django starts."""

from collections.abc import Callable

from core.models import Project

Source = Callable[[Project], dict[int, str]]
_sources: list[Source] = []


def register_standings(source: Source) -> None:
    """Adds a function project -> {person id: a word such as "warned"}; people in good standing are left out."""
    _sources.append(source)


def standings_in(project: Project) -> dict[int, str]:
    """Everybody who does not stand well, with the word for it."""
    return {person: word for source in _sources for person, word in source(project).items()}
