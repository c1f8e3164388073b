"""Runs, evaluations and indexes in the Django admin. Results are read there, never edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from modeling.models import CodeIndex, Evaluation, TrainingRun


class ResultAdmin(admin.ModelAdmin):
    """Rows that work wrote: nobody adds or changes them by hand."""

    list_select_related = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(TrainingRun)
class TrainingRunAdmin(ResultAdmin):
    list_display = ["name", "project", "release", "recipe", "encoder", "seed", "created_at"]
    list_filter = ["recipe", "project"]
    search_fields = ["name", "encoder"]


@admin.register(Evaluation)
class EvaluationAdmin(ResultAdmin):
    list_display = ["id", "kind", "checkpoint", "project", "release", "split", "created_at"]
    list_filter = ["kind", "project"]
    search_fields = ["checkpoint"]


@admin.register(CodeIndex)
class CodeIndexAdmin(ResultAdmin):
    list_display = ["checkpoint", "project", "n_codes", "built_at"]
    list_filter = ["project"]
