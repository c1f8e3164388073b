"""Files and folders on the server that pages and the API may read: inside permitted folders, links resolved first.

Every path that somebody names in a page or over the API passes `permitted_path` before anything is opened. Commands
are given by the server's own administrator and may read anything. The folders: QUARRY_IMPORT_FOLDERS, and the uploads
below QUARRY_HOME.
"""

from pathlib import Path

from django.conf import settings

from core.errors import BadInputError

MAX_PATH_CHARS = 1_000


class PathNotPermittedError(BadInputError):
    """A server path that pages and the API may not read."""

    code = "path_not_permitted"


def import_folders() -> list[Path]:
    """The folders that pages and the API may read from, as the administrator named them."""
    return [Path(folder) for folder in settings.IMPORT_FOLDERS if folder.strip()]


def permitted_path(text: str) -> Path:
    """An existing file or folder inside a permitted folder, links resolved. A relative path is looked for in each.

    Raises PathNotPermittedError, with one text for what is outside and what is not there: it tells nobody which files
    the server has.
    """
    if "\0" in text or len(text) > MAX_PATH_CHARS:
        raise PathNotPermittedError(problem=f"A path has at most {MAX_PATH_CHARS} characters, and no NUL.")
    roots = [folder.resolve() for folder in (*import_folders(), Path(settings.QUARRY_HOME, "uploads"))]
    place = Path(text)
    for candidate in [place] if place.is_absolute() else [root / place for root in roots]:
        try:
            resolved = candidate.resolve(strict=True)
        except (OSError, RuntimeError):  # not there, a loop of links, or a name the system refuses
            continue
        if any(resolved.is_relative_to(root) for root in roots):
            return resolved
    raise PathNotPermittedError(problem=f"{text} is no file or folder that this server may read. {_advice()}")


def _advice() -> str:
    folders = import_folders()
    if folders:
        return f"Put it below {', '.join(map(str, folders))}."
    return "Ask the administrator to name its folder in QUARRY_IMPORT_FOLDERS."
