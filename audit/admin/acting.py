"""Who presses a button: the signed-in person as the actor that services ask for."""

from __future__ import annotations

from django.http import HttpRequest

from audit.actor import Actor
from tradeplatform.common.addresses import client_address


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person, with the address the request came from."""
    user = request.user
    return Actor.user(user_id=user.pk or 0, label=user.get_username(), ip=client_address(request))
