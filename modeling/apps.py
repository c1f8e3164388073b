"""App configuration."""

from django.apps import AppConfig


class ModelingConfig(AppConfig):
    name = "modeling"

    def ready(self) -> None:
        """Joins the overview of projects."""
        from core.overview import register_funnel_stages
        from modeling.overview import contribution

        register_funnel_stages(40, contribution)
