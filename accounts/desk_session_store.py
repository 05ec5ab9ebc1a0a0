"""Django's session engine over rows that say whose they are (the setting SESSION_ENGINE)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db

from accounts.models import DeskSession


class SessionStore(db.SessionStore):
    """As Django's own; whose it is and where it was opened are columns too."""

    @classmethod
    def get_model_class(cls) -> type[DeskSession]:
        """Ours."""
        return DeskSession

    def create_model_instance(self, data: dict[str, Any]) -> DeskSession:
        """A row of these data."""
        row: DeskSession = super().create_model_instance(data)  # type: ignore[assignment]
        person, opened = data.get(SESSION_KEY), data.get("opened_at")
        row.user_id = int(person) if person else None
        row.opened_at = datetime.fromisoformat(opened) if opened else None
        row.ip, row.agent = data.get("ip"), data.get("agent", "")
        return row
