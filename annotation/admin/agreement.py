"""Counts of agreement in the admin; the services keep these rows."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import AgreementCount, AgreementState, ChosenKeepRule, ItemTally, TallyMark


@admin.register(TallyMark)
class TallyMarkAdmin(ReadOnlyAdmin):
    list_display = ["id", "project_id", "item_id"]


@admin.register(ItemTally)
class ItemTallyAdmin(ReadOnlyAdmin):
    list_display = ["item_id", "project_id", "batch", "n_yes", "n_no", "n_unclear", "n_one", "n_zero"]
    list_select_related = ["batch"]


@admin.register(AgreementCount)
class AgreementCountAdmin(ReadOnlyAdmin):
    list_display = ["project_id", "kind", "key", "n"]
    list_filter = ["kind"]


@admin.register(AgreementState)
class AgreementStateAdmin(ReadOnlyAdmin):
    list_display = ["project", "version", "counted_at"]
    list_select_related = ["project"]


@admin.register(ChosenKeepRule)
class ChosenKeepRuleAdmin(ReadOnlyAdmin):
    list_display = ["project", "rule", "chosen_by", "chosen_at"]
    list_select_related = ["project", "chosen_by"]
