"""Project configuration. Celery finds its app here (`celery -A config`)."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
