"""The OpenAPI schema is valid, and no two components share a name."""

import yaml
from django.core.management import call_command


def test_the_schema_is_valid_and_says_every_name_once(tmp_path):
    target = tmp_path / "schema.yml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(target))
    schema = yaml.safe_load(target.read_text(encoding="utf-8"))
    assert len(schema["paths"]) >= 40
    assert all(path.startswith("/api/v1/") for path in schema["paths"])
    assert {"VotesInput", "VotesOutput"} <= set(schema["components"]["schemas"])
