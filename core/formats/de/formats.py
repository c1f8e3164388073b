"""German formats.

A bare number in a template keeps its decimal point, because it may stand in an attribute or in a drawing. Numbers for
people go through the filters `number`, `percent` and `duration` of `{% load quarry %}`, which write a comma.
"""

DECIMAL_SEPARATOR = "."
