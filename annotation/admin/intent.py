"""Intent samples and second opinions in the admin: shown, not edited."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import IntentClassifier, IntentSample, IntentScore, SampledQuery


@admin.register(IntentSample)
class IntentSampleAdmin(ReadOnlyAdmin):
    list_display = ["batch", "project", "rule_set", "n", "seed", "is_complete", "created_at"]
    list_filter = ["project", "is_complete"]
    list_select_related = ["batch", "project", "rule_set"]


@admin.register(SampledQuery)
class SampledQueryAdmin(ReadOnlyAdmin):
    list_display = ["id", "sample", "query_id", "item_id", "stratum", "probability"]
    list_select_related = ["sample__batch"]


@admin.register(IntentClassifier)
class IntentClassifierAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "encoder", "rule_set", "n_scored", "is_complete", "created_at"]
    list_filter = ["project", "is_complete"]
    list_select_related = ["project", "rule_set"]
    exclude = ["parameters"]


@admin.register(IntentScore)
class IntentScoreAdmin(ReadOnlyAdmin):
    list_display = ["id", "classifier_id", "query_id", "chance"]
