"""Clicked URLs as logs write them: one in a cell, or several with marks between them."""

import re

_BETWEEN = re.compile(r"[\"'\]\s]*[\s,;|][\"'\[\s]*(?=https?://)", re.IGNORECASE)


def split_urls(cell: str) -> list[str]:
    """The URLs of a cell, without brackets and quotes around them; [] for an empty one."""
    return [url for url in _BETWEEN.split(cell.strip("[]\"' \t")) if url]


def one_url_each(cells: list[str]) -> tuple[list[str], list[int] | None]:
    """One URL a row, and the place of the cell of each; None for the places when no cell holds several."""
    several = {
        cell: split_urls(cell) for cell in set(cells) if cell.count("://") > 1 or cell.startswith(("[", '"', "'"))
    }
    if not any(len(urls) != 1 or urls[0] != cell for cell, urls in several.items()):
        return cells, None
    urls, places = [], []
    for place, cell in enumerate(cells):
        for url in several.get(cell, [cell]):
            urls.append(url)
            places.append(place)
    return urls, places
