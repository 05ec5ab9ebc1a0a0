"""Many requests of 80 at once against 100, over every path that moves or reserves a client's money.

A round is an account with 100 available and 64 requests that start together, each of which needs 80: at
most one may succeed. Meanwhile the database itself looks every millisecond at the least that anybody has.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

from django.db import close_old_connections, connections
from django.utils import timezone

from accounts.models import MoneyKind, MoneyRequest, Role, TradingAccount
from accounts.services.money_requests import action_of, request_money
from audit.models import ApprovalPolicy
from audit.services.approving import decide
from orders.models import Side
from tests.accounts.wishing import client_account, dollars, needs_approval, wish_for
from tests.audit.naming import by
from tests.factories import Market, fund, make_account, make_market, make_user
from tradeplatform.common.db import fetch
from tradeplatform.common.errors import Code, Refusal

REQUESTS = 64
HAVE, WANT = Decimal(100), Decimal(80)
#: Seconds for which those who start together wait for who has failed before.
PATIENCE = 60.0
PATHS = ("order", "amend", "withdrawal", "waiting withdrawal", "transfer", "adjustment", "approval")
MIXED = "all together"

# What a request that comes too late is told.
_TOO_LATE = frozenset({Code.INSUFFICIENT_FUNDS, Code.KYC_LIMIT_EXCEEDED})

# Held while the rounds are played; the watcher ends when it can have it.
_PLAYING = 6480

# One call for the whole of it: nothing waits for a thread of ours between looks. It commits after each, so
# that no old snapshot of its keeps dead rows alive. A round's accounts are the newest.
_WATCH = """
CREATE PROCEDURE pg_temp.watch(playing int, INOUT samples int, INOUT lowest numeric, INOUT longest interval)
AS $$
DECLARE
    before timestamptz := clock_timestamp();
    seen numeric;
BEGIN
    WHILE NOT pg_try_advisory_lock(playing) LOOP
        SELECT min(balance - held) INTO seen
        FROM (SELECT * FROM accounts_ledgeraccount ORDER BY id DESC LIMIT 200) newest
        WHERE kind IN ('client', 'credit');
        lowest := least(lowest, seen);
        samples := samples + 1;
        longest := greatest(longest, clock_timestamp() - before);
        before := clock_timestamp();
        COMMIT;
        PERFORM pg_sleep(0.001);
    END LOOP;
END $$ LANGUAGE plpgsql
"""


@dataclass(slots=True)
class Seen:
    """What the watcher saw: how often it looked, the least that was available then, its longest pause."""

    samples: int = 0
    least: Decimal | None = None
    longest: timedelta | None = None


@dataclass(slots=True)
class Result:
    """What came of the rounds: successes by their number in a round, refusals by code, failures."""

    rounds: Counter[str] = field(default_factory=Counter)
    winners: Counter[str] = field(default_factory=Counter)
    successes: Counter[int] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    @property
    def holds(self) -> bool:
        """Whether no round had more than one success, nothing failed, and nobody was ever overdrawn."""
        unexpected = set(self.refusals) - {code.value for code in _TOO_LATE}
        overdrawn = self.seen.least is not None and self.seen.least < 0
        return max(self.successes, default=0) <= 1 and not (unexpected or self.failures or overdrawn)


class Arena:
    """A market in dollars without fees, officers who approve, and 64 threads with a connection each."""

    def __init__(self) -> None:
        usd, one, free = dollars(), Decimal(1), Decimal(0)
        self.market: Market = make_market(
            quote=usd, lot_size=one, min_quantity=one, reference_price=WANT, maker_fee=free, taker_fee=free
        )
        self.officers = [make_user(Role.COMPLIANCE_OFFICER) for _ in range(REQUESTS)]
        self.operator = make_user(Role.ADMIN)
        for kind in (MoneyKind.WITHDRAWAL, MoneyKind.ADJUSTMENT):
            needs_approval(kind)
            self.approve(kind, wanted=False)
        self._ids = count(1)
        self._together = threading.Barrier(REQUESTS, timeout=PATIENCE)
        self._pool = ThreadPoolExecutor(REQUESTS)

    def close(self) -> None:
        """Give the threads' connections back."""
        # Who did not come to a round does not keep the others from leaving.
        self._together.reset()
        list(self._pool.map(self._leave, range(REQUESTS)))
        self._pool.shutdown()

    def _leave(self, _number: int) -> None:
        self._together.wait()
        connections.close_all()

    def approve(self, kind: MoneyKind, *, wanted: bool) -> None:
        """Whether such requests need approval from now on."""
        ApprovalPolicy.objects.filter(action=action_of(kind)).update(active=wanted)

    def play(self, path: str, result: Result) -> None:
        """One round."""
        chosen = PATHS if path == MIXED else (path,)
        # Both ways of a withdrawal at once cannot be: a policy is there or not.
        names = [name for name in chosen if name != "waiting withdrawal" or path != MIXED]
        names = [names[number % len(names)] for number in range(REQUESTS)]
        account = client_account()
        shares = Counter(names)
        acts = {name: self._prepare(name, account, shares[name]) for name in shares}
        assert available(account) == HAVE
        self.approve(MoneyKind.WITHDRAWAL, wanted=path == "waiting withdrawal")
        work = [acts[name].pop() for name in names]
        outcomes = list(self._pool.map(self._one, names, work))
        self.approve(MoneyKind.WITHDRAWAL, wanted=False)
        won = [name for name, outcome in zip(names, outcomes, strict=True) if outcome == ""]
        # An amend holds one unit more, for the rounding of fees that fills may add before it is applied.
        rest, more = HAVE - WANT * len(won), won.count("amend") * Decimal("0.01")
        assert available(account) == rest - more, (available(account), won)
        result.rounds[path] += 1
        result.successes[len(won)] += 1
        result.winners.update(won)
        result.refusals.update(outcome for outcome in outcomes if outcome and ":" not in outcome)
        result.failures.extend(outcome for outcome in outcomes if ":" in outcome)

    def _one(self, name: str, act: Callable[[], Any]) -> str:
        """Start with the others; empty for a success, else the refusal's code, else what went wrong."""
        try:
            close_old_connections()
            self._together.wait()
            act()
        except Refusal as refusal:
            return refusal.code.value
        except Exception as error:  # noqa: BLE001 - counted and shown
            return f"{name}: {type(error).__name__}: {error}"
        return ""

    def _prepare(self, name: str, account: TradingAccount, number: int) -> list[Callable[[], Any]]:
        """So many requests of 80 by this path; the account has 100 for them when all are prepared."""
        if available(account) == 0:
            fund(account, account.currency, HAVE, now=timezone.now())
        return [self._prepared(name, account) for _ in range(number)]

    def _prepared(self, name: str, account: TradingAccount) -> Callable[[], Any]:
        market = self.market
        if name == "order":
            return lambda: market.send(market.request(account, Side.BUY, 1, WANT), now=timezone.now())
        if name == "amend":
            fund(account, account.currency, WANT, now=timezone.now())
            order = market.send(market.request(account, Side.BUY, 1, WANT), now=timezone.now()).order_id
            return lambda: market.amend(order, account, quantity=2, now=timezone.now())
        if name == "transfer":
            other = make_account(currency=account.currency, user=account.user)
            return partial(self._ask, MoneyKind.TRANSFER, account, WANT, to_account_id=other.pk)
        if name == "adjustment":
            return partial(self._ask, MoneyKind.ADJUSTMENT, account, -WANT)
        if name == "approval":
            self.approve(MoneyKind.ADJUSTMENT, wanted=True)
            waits = self._ask(MoneyKind.ADJUSTMENT, account, -WANT)
            self.approve(MoneyKind.ADJUSTMENT, wanted=False)
            officer = self.officers[waits.pk % len(self.officers)]
            return lambda: decide(
                approval_id=waits.approval_id or 0,
                approve=True,
                actor=by(officer),
                now=timezone.now(),
                reason="looked at it",
            )
        return partial(self._ask, MoneyKind.WITHDRAWAL, account, WANT)

    def _ask(self, kind: MoneyKind, account: TradingAccount, amount: Decimal, **how: Any) -> MoneyRequest:
        wish = wish_for(kind, account, amount, f"spend:{next(self._ids)}", **how)
        by_operator = kind == MoneyKind.ADJUSTMENT
        actor = by(self.operator if by_operator else account.user)
        return request_money(wish, actor=actor, now=timezone.now()).request


def available(account: TradingAccount) -> Decimal:
    """What the account could spend now of its currency."""
    row = account.ledger_accounts.filter(asset=account.currency, kind="client").first()
    return row.balance - row.held if row else Decimal(0)


@contextmanager
def watched() -> Iterator[Seen]:
    """Look at the available funds every millisecond, inside the database, until the end."""
    seen, ready = Seen(), threading.Event()

    def look() -> None:
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute(_WATCH)
                ready.set()
                cursor.execute("CALL pg_temp.watch(%s, 0, NULL, NULL)", [_PLAYING])
                seen.samples, seen.least, seen.longest = cursor.fetchone()
        finally:
            ready.set()
            connections.close_all()

    fetch("SELECT pg_advisory_lock(%s)", [_PLAYING])
    watcher = threading.Thread(target=look)
    watcher.start()
    ready.wait()
    try:
        yield seen
    finally:
        fetch("SELECT pg_advisory_unlock(%s)", [_PLAYING])
        watcher.join()


def spend(paths: Iterator[str], *, after_round: Callable[[Result], None] = lambda _result: None) -> Result:
    """Play a round of each path that comes."""
    arena, result = Arena(), Result()
    try:
        with watched() as result.seen:
            for path in paths:
                arena.play(path, result)
                after_round(result)
    finally:
        arena.close()
    arena.market.drain(now=timezone.now())
    return result
