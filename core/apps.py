"""App configuration of the shared kernel."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "Quarry"

    def ready(self) -> None:
        from django.utils.translation import gettext

        from core import checks, language, two_factor  # noqa: F401 - they register themselves
        from core.errors import translate_with

        translate_with(gettext)
