"""Who does a thing: passed explicitly to every service that changes something, never taken from the air."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of party acts."""

    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a part of the platform that causes a change.

    `user_id` is set for people; `label` is the username or the name of the part ("drain", "seed");
    `ip` is the address the request came from, where there was one; `credential` names what it was made
    with (a login's session), without being a secret.
    """

    kind: ActorKind
    label: str
    user_id: int | None = None
    ip: str | None = None
    credential: str = ""

    @classmethod
    def system(cls, label: str) -> Actor:
        """The platform itself, by the name of its part."""
        return cls(kind=ActorKind.SYSTEM, label=label)

    @classmethod
    def user(cls, *, user_id: int, label: str, ip: str | None = None, credential: str = "") -> Actor:
        """A person, known by their user row."""
        return cls(kind=ActorKind.USER, label=label, user_id=user_id, ip=ip, credential=credential)

    def __str__(self) -> str:
        return self.label
