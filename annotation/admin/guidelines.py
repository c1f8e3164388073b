"""Examples of the guideline in the admin; the services keep these rows."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import GuidelineExample


@admin.register(GuidelineExample)
class GuidelineExampleAdmin(ReadOnlyAdmin):
    list_display = ["project", "pair_id", "intent", "answer", "since", "until", "created_by"]
    list_select_related = ["project", "since", "until", "created_by"]
