"""The product's settings on a data folder of its own: tests never touch the one of the checkout.

pytest-django reads the settings before any conftest, so the folder is chosen here. Processes that a test starts inherit
it (or are given another QUARRY_HOME by the test).
"""

import os
import tempfile

if "QUARRY_TEST_HOME" not in os.environ:
    os.environ["QUARRY_TEST_HOME"] = os.environ["QUARRY_HOME"] = tempfile.mkdtemp(prefix="quarry-test-")

from config.settings import *  # noqa: F403
