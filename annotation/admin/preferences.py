"""Keys and display of the judge page in the admin; people change them on a page of their own."""

from django.contrib import admin

from annotation.admin.queue import ReadOnlyAdmin
from annotation.models import JudgePreferences


@admin.register(JudgePreferences)
class JudgePreferencesAdmin(ReadOnlyAdmin):
    list_display = ["person", "text_size", "wraps_code", "updated_at"]
    list_select_related = ["person"]
