"""Django's `changepassword` leaves no record and ends no session: `manage.py staff password` does both."""

from __future__ import annotations

from typing import Any, NoReturn

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError


class Command(changepassword.Command):
    """Says where to go."""

    def handle(self, *_args: Any, **_options: Any) -> NoReturn:
        """Nothing is changed."""
        raise CommandError('Use `manage.py staff password USERNAME --reason "why"`: it is recorded.')
