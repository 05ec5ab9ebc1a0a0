"""Sessions of the back office on a person's page: which are open, and ending one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import DeskSession, User
from accounts.services import desk_sessions
from audit.admin.acting import actor_of
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect, ReasonForm
from tradeplatform.common.admin.fields import choice_field
from tradeplatform.common.admin.panels import Table, columns

_ALL, _MOST_SHOWN = "all", 50


class EndDeskForm(ReasonForm):
    """Which of the person's sessions."""

    session = choice_field("Session", ())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["session"]
        open_ones = desk_sessions.open_of(self.obj.pk if self.obj else 0, now=timezone.now())[:_MOST_SHOWN]
        if isinstance(chosen, forms.ChoiceField):
            # A word for all, since an empty choice means that none was made.
            chosen.choices = [(_ALL, "All of them"), *((row.name, _desk_label(row)) for row in open_ones)]


class EndDeskSession(Button):
    """Sign somebody out of the back office."""

    name, label, icon = "end-desk", "End back-office session", "logout"
    permission = "accounts.end_session"
    form_class = EndDeskForm
    danger = True

    def shown(self, obj: User) -> bool:
        """While there is one."""
        return desk_sessions.open_of(obj.pk, now=timezone.now()).exists()

    def why_not(self, obj: User) -> str:
        """There is none."""
        return "" if self.shown(obj) else f"{obj} is not signed in to the back office."

    def effects(self, obj: User, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What ends and what goes on."""
        return [
            Effect("Its pages", "work", "ask for a login from the next request on"),
            Effect(f"The login of {obj}", "works", "works: deactivate the person to shut them out"),
        ]

    def act(self, obj: User, data: Mapping[str, Any]) -> Done:
        """End it."""
        ended = desk_sessions.end_by_operator(
            user_id=obj.pk,
            name="" if data["session"] == _ALL else data["session"],
            actor=actor_of(self.request),
            now=timezone.now(),
            reason=data["reason"],
        )
        return Done(f"{ended} back-office session{'' if ended == 1 else 's'} of {obj} ended.")


def _desk_label(session: DeskSession) -> str:
    opened = f"{session.opened_at:%Y-%m-%d %H:%M} UTC" if session.opened_at else "not known"
    return f"{session.name}: opened {opened} from {session.ip or 'an unknown address'}"


def desk_panel(sessions: Iterable[DeskSession]) -> Table:
    """Sessions of the back office, the newest first."""
    return Table(
        "Back-office sessions",
        columns("Session", "Opened (UTC)", "From", "Browser", "Ends (UTC)"),
        [
            [
                show.mono(session.name),
                show.when(session.opened_at),
                show.mono(session.ip),
                session.agent[:60] or show.NOTHING,
                show.when(session.expire_date),
            ]
            for session in sessions
        ],
        empty="Not signed in to the back office.",
    )
