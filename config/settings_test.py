"""The product's settings on a data folder of its own: tests never touch the one of the checkout.

pytest-django reads the settings before any conftest, so the folder is chosen here: one for each test process, so that
`pytest -n 2` runs two suites that do not meet. Processes that a test starts inherit it (or are given another
QUARRY_HOME by the test).
"""

import os
import tempfile

_process = os.environ.get("PYTEST_XDIST_WORKER", "main")
if os.environ.get("QUARRY_TEST_PROCESS") != _process:
    os.environ["QUARRY_TEST_PROCESS"] = _process
    os.environ["QUARRY_HOME"] = tempfile.mkdtemp(prefix="quarry-test-")

from config.settings import *  # noqa: E402, F403

CODE_PROCESSES = 0  # helpers take longer to start than the tests' few files to parse; some tests ask for them
CACHES["default"]["KEY_PREFIX"] = _process  # noqa: F405  one Redis may serve all test processes
