"""App configuration."""

from django.apps import AppConfig


class CurationConfig(AppConfig):
    name = "curation"

    def ready(self) -> None:
        """Joins the overview of projects, and masks what the shell writes into logs and job errors."""
        from core.masking import register_mask
        from core.overview import register_funnel_stages
        from curation import privacy
        from curation.overview import contribution

        register_mask(lambda text: privacy.mask(text, privacy.LOG))
        register_funnel_stages(10, contribution)
