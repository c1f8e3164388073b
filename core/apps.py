"""App configuration of the shared kernel."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "Quarry"

    def ready(self) -> None:
        from core import checks, language, two_factor  # noqa: F401 - they register themselves
