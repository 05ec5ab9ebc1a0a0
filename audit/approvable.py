"""Which acts may need approval and what each does, and what approvals must know of the floors above.

Each app declares its own in `<app>/approvals.py`; nothing here knows what the acts are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.utils.module_loading import autodiscover_modules

from audit.actor import Actor
from audit.models import ApprovalRequest, ApprovalState

#: What, how it is now, how it will be: as people read it.
EffectRow = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class DefaultPolicy:
    """A policy that a fresh platform starts with; see ApprovalPolicy."""

    role: str
    above: Decimal | None = None
    asset: str = ""
    approvers: int = 1
    expires_after: timedelta = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Act:
    """An act that a policy may put off until others have agreed.

    `preview` says what the payload would change as things stand now, and raises Refusal where it could not
    be done. `execute` does it, in the transaction of the last approval, for the approver; a Refusal leaves
    the request pending. `ended` undoes what the waiting request held, when it was not done. `maker_may`
    says whether who asked for it may still do it. An act that `always` waits cannot be freed by any policy:
    where none covers it, its first default one does.
    """

    name: str
    title: str
    maker_may: Callable[[ApprovalRequest], bool]
    preview: Callable[[Mapping[str, Any]], Sequence[EffectRow]]
    execute: Callable[[ApprovalRequest, Actor, datetime], None]
    ended: Callable[[ApprovalRequest, ApprovalState, datetime], None]
    policies: tuple[DefaultPolicy, ...] = ()
    always: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """Who people are and what things are worth: answered by the floors above.

    `roles` are all there are, as (word, name); `roles_of` those a person holds now, all for a super admin
    and none for somebody inactive; `may` whether they have a permission; `hands_of` the people who may act
    under a person's name, they among them; `worth` an amount of one asset in another, None without a rate.
    """

    roles: Sequence[tuple[str, str]]
    roles_of: Callable[[int], frozenset[str]]
    may: Callable[[int, str], bool]
    hands_of: Callable[[int], frozenset[int]]
    worth: Callable[[Decimal, str, str, datetime], Decimal | None]


_acts: dict[str, Act] = {}
_houses: list[House] = []


def nothing_held(_approval: ApprovalRequest, _state: ApprovalState, _now: datetime) -> None:
    """The `ended` of acts that hold nothing while they wait."""


def approvable(act: Act) -> Act:
    """Register an act under its stable name."""
    if act.always and not act.policies:
        raise ValueError(f"act {act.name} always waits, and nothing says for whom")
    if act.name in _acts:
        raise ValueError(f"act {act.name} is declared twice")
    _acts[act.name] = act
    return act


def register_house(house: House) -> None:
    """Say who answers for people and worth; one for the whole platform."""
    _houses.append(house)


def acts() -> Sequence[Act]:
    """Every act there is, by name."""
    _discover()
    return [_acts[name] for name in sorted(_acts)]


def act_of(action: str) -> Act:
    """The act of this name. Raises KeyError for one that no app has declared."""
    _discover()
    return _acts[action]


def house() -> House:
    """The one that answers for people and worth."""
    _discover()
    (only,) = _houses
    return only


@cache
def _discover() -> None:
    autodiscover_modules("approvals")
