"""Django's `createsuperuser`, with the role and the audit record that every super admin has."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction
from django.utils import timezone

from accounts.models import Role, User
from accounts.services.roles import grant_role
from audit.actor import Actor


class Command(createsuperuser.Command):
    """Whoever holds the server's shell may make the first person, alone."""

    def handle(self, *args: Any, **options: Any) -> Any:
        """Make the person, then grant the role."""
        known = set(User.objects.filter(is_superuser=True).values_list("id", flat=True))
        with transaction.atomic():
            answer = super().handle(*args, **options)
            for user in User.objects.filter(is_superuser=True).exclude(id__in=known):
                grant_role(
                    user_id=user.pk,
                    role=Role.SUPER_ADMIN,
                    actor=Actor.system("shell"),
                    now=timezone.now(),
                    reason="manage.py createsuperuser",
                )
        return answer
