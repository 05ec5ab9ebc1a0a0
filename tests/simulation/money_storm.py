"""Random acts of clients and operators that move money, by every door of the services.

Whatever happens, the rules that `manage.py invariants` checks must hold after each act: the ledger sums to
zero, holds are what owns them, positions are the fold of their deals and of the trade store. An act that is
refused has moved nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from accounts.models import (
    LedgerAccount,
    MoneyKind,
    MoneyRequest,
    MoneyState,
    Position,
    Role,
    Transfer,
)
from accounts.services.money_requests import cancel_money, request_money
from audit.models import ApprovalRequest, ApprovalState
from audit.services.approving import decide, expire_due
from liquidity.services import dealing
from liquidity.services.stopping_out import liquidate
from liquidity.services.swapping import swap_night
from liquidity.services.watching import watch_exits
from orders.history.services.following import follow_books
from orders.history.services.regenerating import regenerate
from orders.models import Order, Side
from tests.accounts.wishing import client_account, dollars, needs_approval, wish_for
from tests.audit.naming import by
from tests.factories import ACTOR, Market, fund, make_account, make_market, make_user
from tests.liquidity.floor import Floor, exits, make_floor
from tradeplatform.common.errors import Refusal

_PRICE = Decimal(80)
_ASKED = (MoneyKind.WITHDRAWAL, MoneyKind.TRANSFER, MoneyKind.ADJUSTMENT, MoneyKind.CREDIT)


class Storm:
    """A cash market, a dealing floor, clients of both, officers; and a clock that each act moves on."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.floor: Floor = make_floor()
        self.market: Market = make_market(
            quote=dollars(),
            lot_size=Decimal("0.02"),
            tick_size=Decimal("0.5"),
            min_quantity=Decimal("0.02"),
            reference_price=_PRICE,
        )
        self.officer = make_user(Role.COMPLIANCE_OFFICER)
        self.operator = make_user(Role.ADMIN)
        needs_approval(MoneyKind.WITHDRAWAL)
        needs_approval(MoneyKind.ADJUSTMENT)
        # The last two are one person's, who may move money between them.
        first, second = client_account(), client_account()
        self.cash = [first, second, make_account(currency=dollars(), user=second.user)]
        for account in self.cash:
            fund(account, self.market.instrument.base, 20)
            fund(account, dollars(), 2_000)
        self.margin = [
            self.floor.account(2_000),
            self.floor.account(2_000, hedging=True),
            self.floor.account(500, currency="EUR"),
            self.floor.account(800, currency="EUR", hedging=True),
        ]
        for number, instrument in enumerate(self.floor.instruments.values()):
            instrument.swap_long, instrument.swap_short = Decimal(-(number + 1)), Decimal("0.5")
            instrument.save(update_fields=["swap_long", "swap_short"])
        self.prices = {"EURUSD": 110_000, "USDJPY": 150_000, "XAUUSD": 240_000, "ETHUSD": 200_000}
        self.counts: Counter[str] = Counter()
        self.ids = iter(range(10**9))
        self.acts: list[tuple[int, Callable[[], object]]] = [
            (6, self.order), (3, self.cancel), (4, self.drain),
            (4, self.ask_for_money), (3, self.decide), (2, self.take_back),
            (9, self.open), (4, self.close), (3, self.close_by), (2, self.reverse), (1, self.close_all),
            (3, self.set_exits), (6, self.move_price), (2, self.stop_out), (2, self.swap), (3, self.follow),
        ]  # fmt: skip

    def step(self) -> None:
        """One act; a refusal must have left everything as it was."""
        weights, acts = zip(*self.acts, strict=True)
        (act,) = self.rng.choices(acts, weights)
        self.floor.now += timedelta(milliseconds=self.rng.randint(1, 5_000))
        # As each second's job does; else a refusal may be what ends a request whose time is over.
        expire_due(now=self.floor.now)
        before, refused = self._money(), ""
        try:
            act()
        except Refusal as refusal:
            refused = refusal.code
        self.counts[f"refused {refused}" if refused else act.__name__] += 1
        assert not refused or self._money() == before, (act.__name__, refused)

    def regenerated(self) -> list[tuple[int, int]]:
        """What replaying the trade store would change of live positions: (removed, added) by instrument."""
        follow_books(now=self.floor.now)
        found = [
            regenerate(instrument_id=number, account_id=None, now=self.floor.now)
            for number in (self.market.instrument.id, *(i.pk for i in self.floor.instruments.values()))
        ]
        return [(one.removed, one.added) for one in found]

    # --- The cash market

    def order(self) -> None:
        side = self.rng.choice([Side.BUY, Side.SELL])
        price = _PRICE + Decimal("0.5") * self.rng.randint(-6, 6)
        quantity = Decimal(self.rng.randint(1, 200)) / 50
        request = self.market.request(self.rng.choice(self.cash), side, quantity, price)
        self.market.send(request, now=self.floor.now)

    def cancel(self) -> None:
        live = list(Order.objects.live().order_by("id"))
        if live:
            self.market.cancel(self.rng.choice(live).id, now=self.floor.now)

    def drain(self) -> None:
        self.market.drain(now=self.floor.now, batch=self.rng.choice([1, 5, 1_000]))

    # --- Money requests

    def ask_for_money(self) -> None:
        kind = self.rng.choice(
            [MoneyKind.WITHDRAWAL, MoneyKind.TRANSFER, MoneyKind.ADJUSTMENT, MoneyKind.CREDIT]
        )
        account = self.rng.choice(self.cash if kind != MoneyKind.CREDIT else self.margin)
        amount = Decimal(self.rng.randint(1, 60_000)) / 100
        if kind == MoneyKind.ADJUSTMENT and self.rng.random() < 0.5:
            amount = -amount
        other = self.rng.choice(self.cash) if kind == MoneyKind.TRANSFER else None
        wish = wish_for(
            kind,
            account,
            amount,
            request_id=f"storm-{next(self.ids)}",
            to_account_id=None if other is None else other.pk,
        )
        who = account.user if kind in {MoneyKind.WITHDRAWAL, MoneyKind.TRANSFER} else self.operator
        request_money(wish, actor=by(who), now=self.floor.now)

    def decide(self) -> None:
        waiting = list(ApprovalRequest.objects.filter(state=ApprovalState.PENDING).order_by("id"))
        if waiting:
            decide(
                approval_id=self.rng.choice(waiting).pk,
                approve=self.rng.random() < 0.7,
                actor=by(self.officer),
                now=self.floor.now,
                reason="seen",
            )

    def take_back(self) -> None:
        waiting = list(MoneyRequest.objects.filter(state=MoneyState.REQUESTED).order_by("id"))
        if waiting:
            chosen = self.rng.choice(waiting)
            cancel_money(
                money_id=chosen.pk,
                account_id=chosen.account_id,
                actor=by(chosen.account.user),
                now=self.floor.now,
                reason="not now",
            )

    # --- Dealing

    def open(self) -> None:
        symbol = self.rng.choice(sorted(self.floor.instruments))
        volume = str(Decimal(self.rng.randint(1, 8)) / 100)
        self.floor.deal(self.rng.choice(self.margin), volume, symbol, buys=self.rng.random() < 0.5)

    def close(self) -> None:
        if position := self._position():
            half = (position.volume / 2).quantize(Decimal("0.01"))
            self.floor.close(position, str(half) if half and self.rng.random() < 0.5 else None)

    def close_by(self) -> None:
        held = list(Position.objects.filter(closed_at__isnull=True, account__in=self.margin).order_by("id"))
        pairs = [
            (one, other) for one in held for other in held
            if (one.account_id, one.instrument_id) == (other.account_id, other.instrument_id)
            and one.direction != other.direction
        ]  # fmt: skip
        if pairs:
            one, other = self.rng.choice(pairs)
            dealing.close_by(self.floor.ask(one.account), position_id=one.pk, opposite_id=other.pk)

    def reverse(self) -> None:
        if position := self._position():
            dealing.reverse_position(self.floor.ask(position.account), position_id=position.pk)

    def close_all(self) -> None:
        dealing.close_all(self.floor.ask(self.rng.choice(self.margin)))

    def set_exits(self) -> None:
        if position := self._position():
            low, high = self._around(position.instrument.symbol)
            chosen = exits(low, high) if position.direction == "long" else exits(high, low)
            changes = {"stop_loss": chosen.stop_loss, "take_profit": chosen.take_profit}
            dealing.amend_exits(self.floor.ask(position.account), position_id=position.pk, changes=changes)

    def move_price(self) -> None:
        """By up to 3 %, so that exits are touched and accounts run out of equity."""
        symbol = self.rng.choice(sorted(self.prices))
        moved = self.prices[symbol] * self.rng.randint(970, 1_030) // 1_000
        self.prices[symbol] = moved
        tick = self.floor.instruments[symbol].tick_size
        self.floor.quote(symbol, str(tick * moved), str(tick * (moved + self.rng.randint(0, 20))))
        self.counts["exits touched"] += watch_exits(now=self.floor.now)

    def stop_out(self) -> None:
        account = self.rng.choice(self.margin)
        closed = liquidate(account.pk, actor=ACTOR, now=self.floor.now, reason="margin level")
        self.counts["stopped out"] += len(closed)

    def swap(self) -> None:
        """Into the next day; the night is charged, and again, which must add nothing."""
        night = self.floor.now.date()
        self.floor.now += timedelta(days=1)
        for symbol in self.prices:
            tick = self.floor.instruments[symbol].tick_size * self.prices[symbol]
            self.floor.quote(symbol, str(tick), str(tick))
        swap_night(night, now=self.floor.now)
        before = self._money()
        assert swap_night(night, now=self.floor.now).positions == 0
        assert self._money() == before

    def follow(self) -> None:
        follow_books(now=self.floor.now)

    # --- Looks

    def _position(self) -> Position | None:
        held = list(Position.objects.filter(closed_at__isnull=True, account__in=self.margin).order_by("id"))
        return self.rng.choice(held) if held else None

    def _around(self, symbol: str) -> tuple[str, str]:
        tick, price = self.floor.instruments[symbol].tick_size, self.prices[symbol]
        return str(tick * (price * 99 // 100)), str(tick * (price * 101 // 100))

    def _money(self) -> object:
        rows = LedgerAccount.objects.order_by("id").values_list("id", "balance", "held")
        return list(rows), Transfer.objects.count()
