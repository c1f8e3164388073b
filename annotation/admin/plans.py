"""Plans, gold and pools in the admin: shown, not edited."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import BatchPlan, GoldAnswer, GoldTurn, Pool, PoolEntry


@admin.register(BatchPlan)
class BatchPlanAdmin(ReadOnlyAdmin):
    list_display = ["batch", "chosen_sha256", "created_by", "created_at"]
    list_select_related = ["batch", "created_by"]


@admin.register(GoldAnswer)
class GoldAnswerAdmin(ReadOnlyAdmin):
    list_display = ["item_id", "intent", "answer", "origin"]
    list_filter = ["origin"]


@admin.register(GoldTurn)
class GoldTurnAdmin(ReadOnlyAdmin):
    list_display = ["batch", "person", "n_given"]
    list_select_related = ["batch", "person"]


@admin.register(Pool)
class PoolAdmin(ReadOnlyAdmin):
    list_display = ["name", "project", "k", "n_pairs", "batch", "is_complete", "created_at"]
    list_filter = ["project", "is_complete"]
    list_select_related = ["project", "batch"]


@admin.register(PoolEntry)
class PoolEntryAdmin(ReadOnlyAdmin):
    list_display = ["pool", "pair_id", "system", "rank", "score"]
    list_filter = ["pool"]
    list_select_related = ["pool"]
