"""App configuration."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    name = "annotation"

    def ready(self) -> None:
        from annotation import signals  # noqa: F401 - connects the receivers
        from annotation.overview import contribution, personal_numbers
        from core.overview import register_funnel_stages, register_personal

        register_funnel_stages(20, contribution)
        register_personal(personal_numbers)
