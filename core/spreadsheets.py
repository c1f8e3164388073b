"""Text for spreadsheets, which take some cells for formulas and run them."""

from typing import Any

FORMULA_TRIGGERS = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_cell(value: Any) -> str:
    """A CSV cell that no spreadsheet takes for a formula: a leading trigger character gets an apostrophe before it.

    This changes the value, so JSON Lines is the lossless form.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_TRIGGERS) else text
