"""The product's settings plus the jobs that exist only for tests; for worker processes started by tests."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.core.trial_jobs"]
