"""What every command does alike: reports, JSON, exit statuses."""

import json
import os
import subprocess
import sys
from io import StringIO

import pytest
from django.conf import settings

from core.commands import QuarryCommand, Report
from core.errors import BadInputError
from core.jobs import JobFailedError


class Trial(QuarryCommand):
    """Reports, or ends with the error it was made with."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(stdout=StringIO(), stderr=StringIO())
        self.error = error

    def report(self, **options) -> Report:
        if self.error:
            raise self.error
        return Report("Rows", {"rows": 12345}, [("rows", 12345)], ["a note"])


def call(error: Exception | None = None, *, as_json: bool = False) -> tuple[Trial, int]:
    command, status = Trial(error), 0
    try:
        command.handle(as_json=as_json)
    except SystemExit as end:
        status = end.code
    return command, status


def test_a_report_is_readable_and_its_numbers_have_separators():
    command, status = call()
    assert status == 0
    assert command.stdout._out.getvalue() == "Rows\n  rows  12,345\na note\n"


def test_json_is_the_same_report_as_data():
    command, status = call(as_json=True)
    assert (status, json.loads(command.stdout._out.getvalue())) == (0, {"rows": 12345})


def test_bad_input_is_one_line_and_status_2():
    command, status = call(BadInputError(problem="line 3: no query"))
    assert (status, command.stderr._out.getvalue()) == (2, "error: line 3: no query\n")


def test_a_refusal_inside_a_job_is_bad_input_too():
    assert call(JobFailedError(error="No such encoder.", error_code="unknown_encoder"))[1] == 2


@pytest.mark.parametrize("code", ["crash", "worker_lost", "cancelled"])
def test_a_job_that_broke_off_is_a_failure(code):
    assert call(JobFailedError(error="KeyError: 3", error_code=code))[1] == 1


def test_json_errors_carry_the_code():
    command, _ = call(BadInputError(problem="no"), as_json=True)
    assert json.loads(command.stdout._out.getvalue())["code"] == "bad_input"


def test_a_command_on_a_database_without_tables_says_what_to_do(tmp_path):
    environment = {**os.environ, "QUARRY_HOME": str(tmp_path)}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "manage.py", "apply_rules", "--project", "demo"],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().splitlines()[-1].startswith("error: The database has no tables yet.")
    assert "Traceback" not in done.stderr
