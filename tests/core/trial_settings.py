"""The product's settings plus the jobs that exist only for tests; for processes started by tests."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, STORAGES

INSTALLED_APPS = [*INSTALLED_APPS, "tests.core.trial_jobs"]
# Compressing static files is the slow part of a first start, and has nothing to do with processes.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
