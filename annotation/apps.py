"""App configuration."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    name = "annotation"

    def ready(self) -> None:
        from annotation import signals  # noqa: F401 - connects the receivers
        from annotation.overview import contribution, personal_numbers
        from annotation.selectors.judgements import judged_pairs, scores_of_run
        from annotation.selectors.people import poor_standings
        from core.overview import register_funnel_stages, register_personal
        from core.standings import register_standings
        from curation.judgements import JudgementSource, register_judgements

        register_funnel_stages(20, contribution)
        register_personal(personal_numbers)
        register_standings(poor_standings)
        register_judgements(JudgementSource(pairs=judged_pairs, scores=scores_of_run))
