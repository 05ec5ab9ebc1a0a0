"""Sessions of the back office: Django's own rows, which here also say whose they are and from where."""

from __future__ import annotations

import hashlib

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class DeskSession(AbstractBaseSession):
    """A browser that is signed in to the back office, or about to be.

    Its key is what the browser's cookie holds and opens the door, so it is shown nowhere: `name` is.
    """

    user_id = models.BigIntegerField(null=True, db_index=True)
    opened_at = models.DateTimeField(null=True)
    ip = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=200, default="", blank=True)

    class Meta(AbstractBaseSession.Meta):
        verbose_name = "back-office session"

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        """Where Django reads and writes these rows."""
        from accounts.desk_session_store import SessionStore  # noqa: PLC0415 - it needs this model

        return SessionStore

    @property
    def name(self) -> str:
        """Stands for it on pages and in records."""
        return name_of(self.session_key)

    def __str__(self) -> str:
        return f"back-office session {self.name}"


def name_of(session_key: str | None) -> str:
    """What a session is called where its key must not be told; empty without one."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:12] if session_key else ""
