"""One seed, random actions through the real services, and an auditor that is told of each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import TradingAccount
from accounts.services.funding import deposit, withdraw
from instruments.models import Instrument, InstrumentStatus
from orders.models import OrderType, Shard, Side, Source, StpMode, TimeInForce
from orders.services import books
from orders.services.changing import amend_order, cancel_all_orders, cancel_order
from orders.services.drain import drain
from orders.services.expiring import expire_due
from orders.services.intake import submit_orders
from orders.services.operator_acts import Scope, mass_cancel
from orders.services.phases import end_auction, end_due_auctions, request_phase, resume_instrument
from orders.services.requests import Accepted, Denied, NewOrder
from tests.factories import ACTOR, NOW, fund, make_account, make_asset, make_market, make_shard, tag
from tests.simulation.auditor import Auditor, Terms, day_end
from tests.simulation.book import Order
from tradeplatform.common.errors import Refusal

LIMIT_HOW = [
    (TimeInForce.GTC, False),
    (TimeInForce.GTC, False),
    (TimeInForce.GTC, True),
    (TimeInForce.IOC, False),
    (TimeInForce.FOK, False),
    (TimeInForce.DAY, False),
    (TimeInForce.GTD, False),
]
TRIGGERED = [
    OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT,
]  # fmt: skip
RESTS = {TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD}
STP = list(StpMode)
PHASES = [
    InstrumentStatus.HALTED, InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE, InstrumentStatus.PRE_OPEN,
    InstrumentStatus.AUCTION, InstrumentStatus.AUCTION, InstrumentStatus.CANCEL_ONLY, InstrumentStatus.CLOSED,
]  # fmt: skip
HALTS = {InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE}


class Crash(Exception):  # noqa: N818 - what the test throws, not an error of ours
    """A drain that is made to fail half-way."""


@dataclass
class Workload:
    """A small world on two shards: three instruments that share their assets, six accounts, little money."""

    seed: int
    monkeypatch: pytest.MonkeyPatch
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.now: datetime = NOW
        coarse, base, other = make_asset(decimals=2), make_asset(decimals=6), make_asset(decimals=4)
        first, second = make_shard(), make_shard()
        markets = [
            make_market(
                shard=first, base=base, quote=coarse, auction_seconds=4, **self._steps("0.1", "0.1", 100)
            ),
            make_market(shard=first, base=other, quote=coarse, **self._steps("1", "0.01", 50)),
            make_market(shard=second, base=other, quote=base, **self._steps("0.001", "0.001", "0.5")),
        ]
        self.instruments = [market.instrument for market in markets]
        self.shards: list[Shard] = [first, second]
        self.auditor = Auditor(
            {market.instrument.id: self._terms(market.instrument, market.shard) for market in markets},
            self.now,
        )
        self.accounts = [
            make_account(currency=coarse, trade_group=7 if number < 2 else 0) for number in range(6)
        ]
        self.assets = [coarse, base, other]
        for account in self.accounts:
            for asset, amount in ((coarse, 2_000), (base, 30), (other, 40)):
                fund(account, asset, amount)
                self.auditor.deposit(account.id, asset.id, Decimal(amount))
        self.sent: list[tuple[NewOrder, int]] = []

    def _steps(self, tick: str, lot: str, reference: object) -> dict[str, Any]:
        return {
            "tick_size": Decimal(tick),
            "lot_size": Decimal(lot),
            "min_quantity": Decimal(lot),
            "reference_price": Decimal(str(reference)),
            "price_band": Decimal("0.2"),
            "maker_fee": Decimal(self.rng.randint(0, 3_000)).scaleb(-6),
            "taker_fee": Decimal(self.rng.randint(0, 5_000)).scaleb(-6),
            "max_open_orders": 1_000_000,
        }

    def _terms(self, instrument: Instrument, shard: Shard) -> Terms:
        return Terms(
            id=instrument.id,
            symbol=instrument.symbol,
            shard=shard.id,
            base=instrument.base_id,
            quote=instrument.quote_id,
            quote_decimals=instrument.quote.decimals,
            tick=instrument.tick_size,
            band=instrument.price_band,
            reference=instrument.reference_price,
            maker_rate=instrument.maker_fee,
            taker_rate=instrument.taker_fee,
            auction_seconds=instrument.auction_seconds,
        )

    # --- One step

    def step(self) -> None:
        """Do one random thing, and drain now and then."""
        actions: list[tuple[int, Callable[[], None]]] = [
            (40, self.submit),
            (10, self.amend),
            (10, self.cancel),
            (1, self.cancel_all),
            (1, self.cancel_many),
            (3, self.phase),
            (4, self.resume),
            (1, self.end_auction),
            (5, self.clock),
            (4, self.deposit),
            (6, self.withdraw),
            (3, self.repeat),
            (3, self.restart),
            (2, self.crash),
            (20, self.drain),
        ]
        weights = [weight for weight, _ in actions]
        (_, action) = self.rng.choices(actions, weights)[0]
        self.now += timedelta(milliseconds=self.rng.randint(0, 2_000))
        self.auditor.now = self.now
        action()

    def finish(self) -> None:
        """Apply what is left, and compare."""
        for shard in self.shards:
            while self._drain(shard, batch=1_000):
                pass
        self.auditor.compare()

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- What traders do

    def submit(self) -> None:
        """A list of orders; the auditor says which of them must be taken."""
        requests = [self._request() for _ in range(self.rng.choice([1, 1, 1, 2, 5, 12]))]
        if self.rng.random() < 0.2:
            named_twice = self.rng.choice(requests)
            twice = 2 * (named_twice.quantity or Decimal(1))
            requests += [named_twice, replace(named_twice, quantity=twice)]
        taken: dict[str | None, tuple[NewOrder, int]] = {}
        outcomes = submit_orders(orders=requests, actor=ACTOR, source=Source.API, now=self.now)
        assert len(outcomes) == len(requests)
        for request, outcome in zip(requests, outcomes, strict=True):
            terms = self._terms_of(request)
            order = self._believed(request, terms)
            denial = self.auditor.denial_of(order, terms)
            if request.client_order_id in taken:
                first, order_id = taken[request.client_order_id]
                if first == request:
                    assert isinstance(outcome, Accepted)
                    assert (outcome.order_id, outcome.duplicate) == (order_id, True)
                    continue
                denial = "client_order_id_conflict"
            if isinstance(outcome, Denied):
                assert outcome.refusal.code == denial, f"{request}: {outcome.refusal!r}, not {denial!r}"
                self._count(f"denied: {denial}")
            else:
                assert not denial, f"{request} was taken, not denied for {denial}"
                order.id = outcome.order_id
                self.auditor.accepted(order, terms)
                self.sent.append((request, outcome.order_id))
                taken[request.client_order_id] = request, outcome.order_id
                self._count("order")

    def repeat(self) -> None:
        """An order sent before is sent again."""
        if not self.sent:
            return
        request, order_id = self.rng.choice(self.sent)
        (outcome,) = submit_orders(orders=[request], actor=ACTOR, source=Source.API, now=self.now)
        assert isinstance(outcome, Accepted)
        assert (outcome.order_id, outcome.duplicate) == (order_id, True)
        self._count("repeat")

    def amend(self) -> None:
        """A new price, a new total, or both, of any order; mostly of a live one."""
        order = self._some_order()
        if order is None:
            return
        instrument = self._instrument_of(order)
        price = self._price(instrument) if self.rng.random() < 0.6 else None
        quantity = self._quantity(instrument) if price is None or self.rng.random() < 0.6 else None
        denial = self.auditor.amend_denial_of(order, price, quantity)
        code = refusal_of(
            lambda: amend_order(
                order_id=order.id,
                account_id=order.account,
                price=price,
                quantity=quantity,
                actor=ACTOR,
                now=self.now,
            )
        )
        assert code == denial, f"amend of {order} to {quantity} at {price}"
        if not denial:
            self.auditor.asked_amend(order, price, quantity)
        self._count(f"amend {denial}".strip())

    def cancel(self) -> None:
        """By its owner or by an operator."""
        order = self._some_order()
        if order is None:
            return
        operator = self.rng.random() < 0.2
        code = refusal_of(
            lambda: cancel_order(
                order_id=order.id, account_id=None if operator else order.account, actor=ACTOR, now=self.now
            )
        )
        assert code == ("" if order.is_live else "order_not_open")
        if not code:
            self.auditor.asked_cancel(order, "operator" if operator else "client")
        self._count(f"cancel {code}".strip())

    def cancel_all(self) -> None:
        """Everything an account has open."""
        account = self.rng.choice(self.accounts)
        requested = cancel_all_orders(account_id=account.id, actor=ACTOR, now=self.now)
        live = self.auditor.asked_cancel_all(account.id)
        assert [request.order_id for request in requested] == [order.id for order in live]
        self._count("cancel all")

    # --- What operators and the clock do

    def cancel_many(self) -> None:
        """Everybody's orders of an instrument, an account's in it, or one side's."""
        instrument = self.rng.choice(self.instruments)
        account = self.rng.choice([None, *self.accounts])
        side = self.rng.choice([None, Side.BUY, Side.SELL])
        whose, which = account.id if account else 0, side.value if side else ""
        books = self.auditor.uncovered(instrument=instrument.id, account=whose, side=which)
        scope = Scope(instrument=instrument, account=account, side=side)
        code = refusal_of(lambda: mass_cancel(scope=scope, actor=ACTOR, now=self.now, reason="test"))
        assert code == ("" if books else "no_change")
        for number in books:
            self.auditor.asked_mass_cancel(number, "operator", account=whose, side=which)
        self._count(f"cancel many {code}".strip())

    def phase(self) -> None:
        """Another status of an instrument, whether it makes sense or not."""
        instrument = self.rng.choice(self.instruments)
        to, cancel = self.rng.choice(PHASES), self.rng.random() < 0.3
        code = refusal_of(
            lambda: request_phase(
                symbol=instrument.symbol,
                to=to,
                actor=ACTOR,
                now=self.now,
                reason="test",
                cancel_resting=cancel,
            )
        )
        assert code == self.auditor.phase_denial_of(instrument.id, to), to
        if not code:
            self.auditor.asked_phase(instrument.id, to, cancel_resting=cancel and to in HALTS)
        self._count(f"{to} {code}".strip())

    def resume(self) -> None:
        """Start it again, through its auction where it has one."""
        instrument = self.rng.choice(self.instruments)
        code = refusal_of(
            lambda: resume_instrument(symbol=instrument.symbol, actor=ACTOR, now=self.now, reason="test")
        )
        assert code == self.auditor.resume_denial_of(instrument.id)
        if not code:
            timed = self.auditor.terms[instrument.id].auction_seconds
            self.auditor.asked_phase(instrument.id, "auction" if timed else "active")
        self._count(f"resume {code}".strip())

    def end_auction(self) -> None:
        """By hand."""
        instrument = self.rng.choice(self.instruments)
        code = refusal_of(
            lambda: end_auction(symbol=instrument.symbol, actor=ACTOR, now=self.now, reason="test")
        )
        assert code == self.auditor.end_denial_of(instrument.id)
        if not code:
            self.auditor.asked_phase(instrument.id, "active")
        self._count(f"end auction {code}".strip())

    def clock(self) -> None:
        """What beat asks each second."""
        due = self.auditor.due_books()
        assert expire_due(now=self.now) == due
        for number in due:
            self.auditor.asked_time(number)
            self._count("time")
        auctions = self.auditor.due_auctions()
        assert end_due_auctions(now=self.now) == len(auctions)
        for number in auctions:
            self.auditor.asked_phase(number, "active")
            self._count("auction ended")

    def deposit(self) -> None:
        """Money comes in."""
        account, asset = self.rng.choice(self.accounts), self.rng.choice(self.assets)
        amount = Decimal(self.rng.randint(1, 10_000)).scaleb(-asset.decimals)
        self._move(deposit, account, asset.code, amount)
        self.auditor.deposit(account.id, asset.id, amount)

    def withdraw(self) -> None:
        """As much as is free, or more than that."""
        account, asset = self.rng.choice(self.accounts), self.rng.choice(self.assets)
        free = self.auditor.available(account.id, asset.id)
        unit = Decimal(1).scaleb(-asset.decimals)
        amount = free + unit if self.rng.random() < 0.3 else free // 3 // unit * unit
        if amount <= 0:
            return
        code = refusal_of(lambda: self._move(withdraw, account, asset.code, amount))
        assert code == ("" if amount <= free else "insufficient_funds")
        if not code:
            self.auditor.deposit(account.id, asset.id, -amount)
        self._count(f"withdraw {code}".strip())

    def _move(
        self, service: Callable[..., Any], account: TradingAccount, asset: str, amount: Decimal
    ) -> None:
        service(
            account_id=account.id,
            asset=asset,
            amount=amount,
            reason="test",
            request_id=tag(),
            actor=ACTOR,
            now=self.now,
        )

    # --- What the platform does

    def drain(self) -> None:
        """Some of what is pending on a shard, by one of two workers; then everything must agree."""
        self._drain(self.rng.choice(self.shards), batch=self.rng.choice([1, 2, 5, 20, 1_000]))
        self.auditor.compare()

    def _drain(self, shard: Shard, *, batch: int) -> int:
        owner = self.rng.choice(["one", "one", "one", "two"])
        done = drain(shard_id=shard.id, now=self.now, owner=owner, batch=batch)
        self.auditor.drained(shard.id, done.commands)
        self._count("drain")
        return done.commands

    def restart(self) -> None:
        """A worker comes up with nothing in memory."""
        books.forget(self.rng.choice(self.shards).id)
        self._count("restart")

    def crash(self) -> None:
        """A drain that fails at some step has done nothing."""
        shard = self.rng.choice(self.shards)
        if not self.auditor.waiting[shard.id]:
            return

        def fail(*_args: Any, **_how: Any) -> None:
            raise Crash

        step = self.rng.choice(["mark_done", "_move_books", "_move_shard"])
        with self.monkeypatch.context() as patched:
            patched.setattr(f"orders.services.drain.{step}", fail)
            with pytest.raises(Crash):
                drain(shard_id=shard.id, now=self.now, owner="one", batch=self.rng.choice([1, 5, 1_000]))
        self.auditor.compare()
        self._count("crash")

    # --- Random things

    def _request(self) -> NewOrder:
        instrument = self.rng.choice(self.instruments)
        (kind,) = self.rng.choices([OrderType.LIMIT, OrderType.MARKET, *TRIGGERED], [70, 12, 5, 5, 4, 4])
        request = NewOrder(
            account_id=self.rng.choice(self.accounts).id,
            symbol=instrument.symbol,
            side=self.rng.choice([Side.BUY, Side.SELL]),
            type=kind,
            quantity=self._quantity(instrument),
            stp_mode=self.rng.choice(STP),
            client_order_id=tag(),
        )
        if kind == OrderType.MARKET:
            return replace(request, time_in_force=self.rng.choice([None, TimeInForce.FOK]))
        if kind == OrderType.LIMIT:
            tif, post_only = self.rng.choice(LIMIT_HOW)
            request = replace(request, price=self._price(instrument), time_in_force=tif, post_only=post_only)
        else:
            tif = self.rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD])
            request = replace(request, trigger_price=self._price(instrument), time_in_force=tif)
            if kind.is_limit_priced:
                request = replace(request, price=self._near(request.trigger_price, instrument))
        if tif == TimeInForce.GTD:
            request = replace(request, expires_at=self.now + timedelta(seconds=self.rng.randint(1, 60)))
        if kind.is_limit_priced and tif in RESTS and self.rng.random() < 0.2:
            request = replace(request, display_quantity=self.rng.choice([0, 1, 2, 5]) * instrument.lot_size)
        return request

    def _near(self, trigger: Decimal | None, instrument: Instrument) -> Decimal:
        assert trigger is not None
        tick: Decimal = instrument.tick_size
        return max(tick, trigger + self.rng.randint(-3, 3) * tick)

    def _price(self, instrument: Instrument) -> Decimal:
        reference, tick = self.auditor.reference(self.auditor.terms[instrument.id]), instrument.tick_size
        far = 300 if self.rng.random() < 0.03 else 6
        price: Decimal = max(tick, reference + self.rng.randint(-far, far) * tick)
        return price

    def _quantity(self, instrument: Instrument) -> Decimal:
        lots = Decimal(self.rng.choice([1, 2, 3, 7, 20, 33, 100]))
        lot: Decimal = instrument.lot_size
        return lots * lot

    def _some_order(self) -> Order | None:
        live = [order for order in self.auditor.orders.values() if order.is_live]
        known = live if live and self.rng.random() < 0.9 else list(self.auditor.orders.values())
        return self.rng.choice(known) if known else None

    def _instrument_of(self, order: Order) -> Instrument:
        number = self.auditor.instruments[order.id]
        return next(instrument for instrument in self.instruments if instrument.id == number)

    def _terms_of(self, request: NewOrder) -> Terms:
        return next(terms for terms in self.auditor.terms.values() if terms.symbol == request.symbol)

    def _believed(self, request: NewOrder, terms: Terms) -> Order:
        assert request.quantity is not None
        buy, market = request.side == Side.BUY, not request.type.is_limit_priced
        group = next(a.trade_group for a in self.accounts if a.id == request.account_id)
        anchor = request.trigger_price or self.auditor.reference(terms)
        edge = anchor * (1 + terms.band if buy else 1 - terms.band)
        whole = edge // terms.tick * terms.tick
        protection = whole if buy or whole == edge else whole + terms.tick
        profit = request.type in {OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
        return Order(
            id=0,
            account=request.account_id,
            group=group,
            buy=buy,
            market=market,
            tif=str(request.time_in_force or ("ioc" if market else "gtc")),
            post_only=request.post_only,
            stp=str(request.stp_mode),
            limit=request.price if request.price is not None else protection,
            quantity=request.quantity,
            maker_rate=terms.maker_rate,
            taker_rate=terms.taker_rate,
            trigger=request.trigger_price,
            rises=buy != profit,
            display=request.display_quantity,
            expires=day_end(self.now) if request.time_in_force == TimeInForce.DAY else request.expires_at,
        )


def refusal_of(ask: Callable[[], object]) -> str:
    """The code of the refusal; "" where there was none."""
    try:
        ask()
    except Refusal as refusal:
        return str(refusal.code)
    return ""
