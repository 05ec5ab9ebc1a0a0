"""`manage.py staff`: logins and roles by whoever holds the server's shell, which is another authority.

In the admin these acts take two people. With one person there, or none who can log in, the second is made
here: each act has a reason and leaves an audit record.
"""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from accounts.permissions import STAFF_ROLES
from accounts.services import people, second_factor
from accounts.services.roles import grant_role
from audit.actor import Actor
from tradeplatform.common.errors import Refusal

_ACTOR = Actor.system("shell")
_ROLES = sorted(role.value for role in STAFF_ROLES)


class Command(BaseCommand):
    """A thin door to the services of roles and people."""

    help = "Add staff, grant a staff role, set a password, reset a second factor, open a login again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One command for each act."""
        acts = parser.add_subparsers(dest="act", required=True)
        for name, words in (
            ("add", "a new login with a role; its password is shown once"),
            ("grant", "a role for somebody who is there"),
            ("password", "a new password, shown once; sessions end"),
            ("reset-factor", "take a lost second factor away"),
            ("reopen", "open a login that was shut"),
        ):
            act = acts.add_parser(name, help=words)
            act.add_argument("username", metavar="USERNAME")
            act.add_argument("--reason", required=True, help="recorded")
            if name == "add":
                act.add_argument("--email", required=True)
            if name in {"add", "grant"}:
                act.add_argument("--role", required=True, choices=_ROLES)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Do it, or say why not."""
        try:
            with transaction.atomic():
                said = self._done(options["act"], options["username"], options)
        except Refusal as refusal:
            raise CommandError(f"{refusal.message} ({refusal.code})") from refusal
        self.stdout.write(said)

    def _done(self, act: str, username: str, options: dict[str, Any]) -> str:
        now, reason, password = timezone.now(), options["reason"], secrets.token_urlsafe(18)
        if act == "add":
            user = people.create_user(
                username=username,
                values={"email": options["email"]},
                password=password,
                actor=_ACTOR,
                now=now,
                reason=reason,
            )
        else:
            user = _find(username)
        if act in {"add", "grant"}:
            role = Role(options["role"])
            grant_role(user_id=user.pk, role=role, actor=_ACTOR, now=now, reason=reason)
        match act:
            case "add":
                return f"{user} is {role.label.lower()}. Password, shown this once: {password}"
            case "grant":
                return f"{user} is {role.label.lower()} from now on."
            case "password":
                people.set_password(user_id=user.pk, password=password, actor=_ACTOR, now=now, reason=reason)
                return f"{user} has a new password, shown this once: {password}"
            case "reset-factor":
                second_factor.reset(user_id=user.pk, actor=_ACTOR, now=now, reason=reason)
                return f"{user} logs in by password alone until they set another second factor up."
            case _:
                people.set_active(user_id=user.pk, active=True, actor=_ACTOR, now=now, reason=reason)
                return f"{user} may log in again."


def _find(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"Nobody is called {username}.")
    return user
