"""Words for judgements in templates: `{% load judging %}`."""

from typing import Any

from django import template

from annotation.models import Reason

register = template.Library()


@register.filter
def reason_label(reason: Any) -> str:
    """The words of a stored reason category; what is none stays as it is."""
    return str(Reason(reason).label) if reason in Reason.values else str(reason or "")
