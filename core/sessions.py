"""Who asks, in two short queries: sessions and people as Django has them, their SQL made once (core/prepared.py)."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from core.models import User
from core.prepared import Prepared

_session = Prepared(
    lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now),
    key=models.CharField(),
    now=models.DateTimeField(),
)
_person = Prepared(lambda pk: User.objects.filter(pk=pk))


class SessionStore(DatabaseStore):
    """Django's sessions in the database."""

    def _get_session_from_db(self) -> Session | None:
        found = _session.first(key=self.session_key, now=timezone.now())
        if found is None:
            self._session_key = None
        return found


class PeopleBackend(ModelBackend):
    """Names and passwords as Django checks them."""

    def get_user(self, user_id: Any) -> User | None:
        """The person of a session; None for one who is gone or deactivated."""
        person = _person.first(pk=user_id)
        return person if person is not None and self.user_can_authenticate(person) else None
