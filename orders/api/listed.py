"""What doors that answer in lists have in common: who asks, how long he waits, and what counts it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from structlog.contextvars import bound_contextvars

from accounts.api.recognising import Caller, recognise
from accounts.models import Scope
from accounts.services.signed_requests import remember
from orders.api.inputs import USUAL_WAIT_MS
from orders.services.awaiting import MAX_WAIT_MS
from tradeplatform.common.asked import Answer, Asked, answer_of
from tradeplatform.common.limits import Limit, give_back, has_taken, shut_out
from tradeplatform.common.throttling import address_limit, clock

#: Requests of a process that may wait for the book; who comes then is told at once that it has not spoken.
WAITING_ROOM = 1_000
_WAIT = re.compile(r"(?:wait=([0-9]{1,4}))?")


@dataclass(slots=True)
class Listed:
    """A request on its way, whose it is, and how long its answer may wait for the book."""

    asked: Asked
    caller: Caller
    wait_ms: int

    @property
    def user_id(self) -> int | None:
        """Theirs."""
        return self.caller.actor.user_id

    def order_limits(self) -> list[Limit]:
        """What counts the orders that it places, if it places some."""
        return []


L = TypeVar("L", bound=Listed)


def recognised(asked: Sequence[Asked]) -> list[Caller | None]:
    """Who sent each. Nothing is looked up for who is shut out: that would cost more than to refuse him."""
    offenders = [address_limit(one.http)[1] for one in asked]
    out = shut_out(set(offenders))
    known = iter(
        recognise([one for one, who in zip(asked, offenders, strict=True) if who not in out], Scope.TRADE)
    )
    return [None if who in out else next(known) for who in offenders]


def wait_of(asked: Asked) -> int | None:
    """Milliseconds that its answer may wait for the book; None where its query says anything else."""
    wait = _WAIT.fullmatch(asked.http.META["QUERY_STRING"])
    wait_ms = int(wait[1] or USUAL_WAIT_MS) if wait else MAX_WAIT_MS + 1
    return wait_ms if wait_ms <= MAX_WAIT_MS else None


def counted(each: Sequence[L | None]) -> list[L | None]:
    """Those that are counted by all their limits, and were not sent before; None: ask the view."""
    now = clock()
    return _remembered(_only(each, has_taken([_limits(one) for one in each if one], now=now)), now=now)


def refused(one: Listed, error: BaseException) -> Answer:
    """The answer to one that came to nothing."""
    with bound_contextvars(request_id=one.asked.correlation_id):
        return answer_of(error)


def _limits(one: Listed) -> tuple[list[Limit], str]:
    """All that counts the request, and who is shut out."""
    address, offender = address_limit(one.asked.http)
    return [address, one.caller.calls, *one.order_limits()], offender


def _only(each: Sequence[L | None], good: Sequence[bool]) -> list[L | None]:
    """Those that are good; of what is there, in order."""
    told = iter(good)
    return [one if one is not None and next(told) else None for one in each]


def _remembered(each: Sequence[L | None], *, now: float) -> list[L | None]:
    """Those that were not sent before. Last: what is remembered is served here, and not by a view."""
    signed = [one.caller.signed for one in each if one and one.caller.signed]
    is_new = iter(remember(signed) if signed else ())
    kept = _only(each, [next(is_new) if one.caller.signed else True for one in each if one])
    for one, stays in zip(each, kept, strict=True):
        if one and not stays:
            # Whoever copies a request uses up nothing of its owner's.
            limits, _offender = _limits(one)
            give_back(limits, now=now)
    return kept
