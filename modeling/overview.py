"""What the modeling stage adds to a project's overview."""

from core.menu import section_address
from core.models import JobState, Project
from core.overview import Contribution, Step


def contribution(project: Project) -> Contribution:
    """Two things to do at the end of the road: train a model, and ask it something."""
    has_model = project.training_runs.filter(job__state=JobState.DONE).exists()
    has_index = project.code_indexes.filter(built_at__isnull=False).exists()
    return Contribution(
        steps=[
            Step(
                "Train a model",
                "Train a matching model on a release and see it measured before and after.",
                has_model,
                section_address("modeling:run_new", project),
                "Start a run",
            ),
            Step(
                "Search with it",
                "Ask the code base in your own words.",
                has_index,
                section_address("modeling:search", project),
                "Open search",
            ),
        ]
    )
