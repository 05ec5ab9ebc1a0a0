"""What all doors have in common: they take a group of actions and answer each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.load.actions import Action


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an action: the order (of a new one) or the command that was accepted, or why it was not.

    `key` is 0 where there is nothing to follow: a transfer is done when it is answered, and a door may not
    say what it wrote.
    """

    key: int = 0
    refused: str = ""


class Door(Protocol):
    """A way in. A group is what one call of it carries."""

    def send(self, actions: Sequence[Action]) -> list[Answer]:
        """Do these and return when all are committed or refused, with their answers in order."""


class AsyncDoor(Protocol):
    """A way in over the network, one action to a call, many calls at once."""

    async def open(self) -> None:
        """Connect."""

    async def do(self, action: Action) -> Answer:
        """Do this one and return when it is committed or refused; never raises for what it was answered."""

    async def close(self) -> None:
        """Disconnect."""


def service_door() -> Door:
    """In a producer's process: Django, then the door."""
    import django  # noqa: PLC0415 - a process of its own

    django.setup()
    from tests.load.service_door import ServiceDoor  # noqa: PLC0415 - models need a configured Django

    return ServiceDoor()
