"""App configuration."""

from django.apps import AppConfig


class CurationConfig(AppConfig):
    name = "curation"

    def ready(self) -> None:
        """Joins the overview of projects."""
        from core.overview import register_funnel_stages
        from curation.overview import contribution

        register_funnel_stages(10, contribution)
