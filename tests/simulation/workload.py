"""One seed, random requests through the real services, and an auditor that is told of each.

A turn takes in lists of orders and cancels of many clients, and asks for a few single things; then something
goes wrong (mishaps.py), and what a wake-up was heard of is drained.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Role, TradingAccount
from accounts.services.funding import deposit, withdraw
from instruments.models import Instrument, InstrumentStatus
from orders.models import OrderType, Shard, Side, Source, StpMode, TimeInForce
from orders.selectors import find_order, waiting_shards
from orders.services.changing import amend_order, cancel_all_orders, cancel_order
from orders.services.drain import drain
from orders.services.expiring import expire_due
from orders.services.intake import submit_requests
from orders.services.operator_acts import Scope, mass_cancel
from orders.services.phases import end_auction, end_due_auctions, request_phase, resume_instrument
from orders.services.requests import (
    Accepted,
    CancelOrder,
    Changes,
    Denied,
    NewOrder,
    Outcome,
    Requested,
    requested,
)
from tests.factories import (
    ACTOR,
    NOW,
    fund,
    make_account,
    make_asset,
    make_market,
    make_shard,
    make_user,
    tag,
)
from tests.simulation.auditor import Auditor, Difference, Terms, day_end, expect
from tests.simulation.book import Order
from tests.simulation.comparing import Comparison
from tradeplatform.common.errors import Refusal

Request = NewOrder | CancelOrder
#: A NewOrder's fields below the id that its client gave it are known by it.
Key = tuple[int, str]

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
SIDES = [Side.BUY, Side.SELL]
PHASES = [
    InstrumentStatus.HALTED, InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE, InstrumentStatus.PRE_OPEN,
    InstrumentStatus.AUCTION, InstrumentStatus.AUCTION, InstrumentStatus.CANCEL_ONLY, InstrumentStatus.CLOSED,
]  # fmt: skip
HALTS = {InstrumentStatus.HALTED, InstrumentStatus.MAINTENANCE}


SIZES = [1, 10, 200, 600, 900]
BATCHES = [7, 100, 1_000, 1_000]
ACCOUNTS = 24
#: Of what is asked for, how much is cancels; of the orders, how many repeat one sent before.
CANCELS, REPEATS = 0.3, 0.02
FULL_COMPARISON_EVERY = 40


@dataclass
class Workload:
    """A small world on two shards: three instruments that share their assets, many accounts, little money."""

    seed: int
    monkeypatch: pytest.MonkeyPatch
    counts: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    applied: int = 0
    turns: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.now: datetime = NOW
        self.still = 0  # turns for which the clock stands
        coarse, base, other = make_asset(decimals=2), make_asset(decimals=6), make_asset(decimals=4)
        first, second = make_shard(), make_shard()
        markets = [
            make_market(
                shard=first, base=base, quote=coarse, auction_seconds=4, **self._steps("0.1", "0.1", 100)
            ),
            make_market(shard=first, base=other, quote=coarse, **self._steps("1", "0.01", 50)),
            make_market(shard=second, base=other, quote=base, **self._steps("0.001", "0.001", "0.5")),
        ]
        self.instruments = {market.instrument.id: market.instrument for market in markets}
        self.symbols = {market.symbol: market.instrument for market in markets}
        self.shards: list[Shard] = [first, second]
        self.auditor = Auditor(
            {market.instrument.id: self._terms(market.instrument, market.shard) for market in markets},
            self.now,
        )
        self.comparison = Comparison(self.auditor)
        self.accounts = [
            make_account(currency=coarse, trade_group=7 if number < ACCOUNTS // 3 else 0)
            for number in range(ACCOUNTS)
        ]
        self.groups = {account.id: account.trade_group for account in self.accounts}
        self.officers = make_user(Role.RISK_MANAGER), make_user(Role.COMPLIANCE_OFFICER)
        self.assets = [coarse, base, other]
        for account in self.accounts:
            for asset, amount in ((coarse, 6_000), (base, 90), (other, 120)):
                fund(account, asset, amount)
                self.auditor.deposit(account.id, asset.id, Decimal(amount))
        self.named: dict[Key, tuple[NewOrder, Order]] = {}
        self.sent: list[NewOrder] = []
        self.heard: list[int] = []  # shards that a wake-up came for
        self._ids = 0
        self.monkeypatch.setattr("orders.services.wake.wake", self._woken)
        # A press wakes in a thread of its own, at any time: that is lost here, and the sweep finds it.
        self.monkeypatch.setattr("orders.services.kill_switch.wake", lambda _shards: None)

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

    # --- One turn

    def turn(self) -> None:
        """Take in, ask, and drain what a wake-up was heard of."""
        self.turns += 1
        self.pass_time()
        for _ in range(self.rng.choice([1, 1, 2])):
            self.intake()
        acts: list[tuple[int, Callable[[], None]]] = [
            (12, self.amend),
            (6, self.cancel),
            (1, self.cancel_all),
            (1, self.cancel_many),
            (1, self.phase),
            (6, self.resume),
            (2, self.end_auction),
            (4, self.clock),
            (2, self.deposit),
            (3, self.withdraw),
        ]
        weights = [weight for weight, _ in acts]
        for _, act in self.rng.choices(acts, weights, k=self.rng.choice([0, 1, 3])):
            self.steps += 1
            act()

    def _woken(self, shard_ids: Sequence[int]) -> None:
        mine = {shard.id for shard in self.shards}
        self.heard += [number for number in shard_ids if number in mine]

    def hear(self) -> None:
        """Drain the shards that a wake-up came for; now and then those that the sweep finds."""
        heard = sorted(set(self.heard))
        self.heard.clear()
        if self.turns % 4 == 0:
            waiting = waiting_shards(now=self.now, longer_than=timedelta(seconds=1))
            heard = sorted({*heard, *waiting} & {shard.id for shard in self.shards})
        for shard_id in heard:
            self.drain(shard_id)

    def look(self) -> None:
        """Compare what has changed; now and then everything."""
        if self.turns % FULL_COMPARISON_EVERY == 0:
            self.comparison.everything()
        else:
            self.comparison.changes()

    def finish(self) -> None:
        """Apply what is left, and compare."""
        for shard in self.shards:
            self.drain_to_the_end(shard.id)
        self.comparison.everything(past=True)

    def pass_time(self) -> None:
        """The clock goes on, unless it stands."""
        if self.still:
            self.still -= 1
        else:
            self.set_clock(self.now + timedelta(milliseconds=self.rng.randint(0, 2_000)))

    def set_clock(self, now: datetime) -> None:
        """What everybody believes the time to be."""
        self.now = self.auditor.now = now

    def _count(self, what: str) -> None:
        self.counts[what] += 1

    # --- What traders do

    def intake(self, requests: Sequence[Request] | None = None) -> None:
        """Send a list; the auditor says what must be answered to each."""
        requests = self.requests() if requests is None else requests
        self.believe(requests, self.submit(requests))

    def submit(self, requests: Sequence[Request]) -> list[Outcome | Requested]:
        """The real intake."""
        return submit_requests(requests=requests, actor=ACTOR, source=Source.API, now=self.now)

    def believe(self, requests: Sequence[Request], outcomes: Sequence[Outcome | Requested]) -> None:
        """Check the answers to a list; what was taken waits to be applied, in the order of the list."""
        expect(len(outcomes), len(requests), "answers")
        self.steps += len(requests)
        placed: dict[Key, tuple[int, NewOrder, Order]] = {}
        news: dict[int, Order] = {}
        for index, (request, outcome) in enumerate(zip(requests, outcomes, strict=True)):
            if isinstance(request, NewOrder):
                order = self._believe_order(index, request, outcome, placed)
                if order is not None:
                    news[index] = order
        for index, (request, outcome) in enumerate(zip(requests, outcomes, strict=True)):
            if index in news:
                self.auditor.asked_new(news[index])
            elif isinstance(request, CancelOrder):
                self._believe_cancel(index, request, outcome, placed)
        for key, (_, request, order) in placed.items():
            self.named[key] = request, order

    def _believe_order(
        self,
        index: int,
        request: NewOrder,
        outcome: Outcome | Requested,
        placed: dict[Key, tuple[int, NewOrder, Order]],
    ) -> Order | None:
        """The order, if it was taken for the first time."""
        key = (request.account_id, request.client_order_id or "")
        known = self.named.get(key)
        if known is None and key in placed:
            known = placed[key][1:]
        if known is not None and known[0] == request:
            found = isinstance(outcome, Accepted) and (outcome.order_id, outcome.duplicate)
            expect(found, (known[1].id, True), f"repeated {request}")
            self._count("repeat")
            return None
        terms = self.auditor.terms[self.symbols[request.symbol].id]
        order = self._believed(request, terms)
        denial = "client_order_id_conflict" if known else self.auditor.denial_of(order, terms)
        code = outcome.refusal.code if isinstance(outcome, Denied) else ""
        if code != denial:
            raise Difference(f"{request} was answered {outcome}, not {denial or 'accepted'!r}")
        if not isinstance(outcome, Accepted):
            self._count(f"denied: {denial}")
            return None
        expect(outcome.duplicate, False, request)
        order.id = outcome.order_id
        self.auditor.accepted(order, terms)
        placed[key] = index, request, order
        self.sent.append(request)
        self._count("order")
        return order

    def _believe_cancel(
        self,
        index: int,
        request: CancelOrder,
        outcome: Outcome | Requested,
        placed: dict[Key, tuple[int, NewOrder, Order]],
    ) -> None:
        key = (request.account_id, request.client_order_id)
        if key in placed:
            at, _, order = placed[key]
            denial = "" if at < index else "order_not_found"
        elif key in self.named:
            order = self.named[key][1]
            denial = "" if order.is_live else "order_not_open"
        else:
            denial = "order_not_found"
        code = outcome.refusal.code if isinstance(outcome, Denied) else ""
        if code != denial:
            raise Difference(f"{request} was answered {outcome}, not {denial or 'requested'!r}")
        if isinstance(outcome, Requested):
            expect(outcome.order_id, order.id, request)
            self.auditor.asked_cancel(order, "client")
        self._count(f"cancel {denial}".strip())

    def amend(self) -> None:
        """A new price, a new total, or both, of any order; mostly of a live one."""
        order = self._some_order()
        if order is None:
            return
        instrument = self.instruments[self.auditor.instruments[order.id]]
        price = self._price(instrument) if self.rng.random() < 0.6 else None
        quantity = self._quantity(instrument) if price is None or self.rng.random() < 0.6 else None
        denial = self.auditor.amend_denial_of(order, price, quantity)
        code = refusal_of(
            lambda: amend_order(
                order_id=order.id,
                account_id=order.account,
                changes=Changes(price=price, quantity=quantity),
                actor=ACTOR,
                source=Source.API,
                now=self.now,
            )
        )
        expect(code, denial, f"amend of {order} to {quantity} at {price}")
        if not denial:
            self.auditor.asked_amend(order, price, quantity)
        self._count(f"amend {denial}".strip())

    def cancel(self) -> None:
        """By its owner or by an operator."""
        order = self._some_order()
        if order is None:
            return
        operator = self.rng.random() < 0.2
        code = refusal_of(lambda: self._cancel(order.id, None if operator else order.account))
        expect(code, "" if order.is_live else "order_not_open", f"cancel of {order}")
        if not code:
            self.auditor.asked_cancel(order, "operator" if operator else "client")
        self._count(f"cancel {code}".strip())

    def _cancel(self, order_id: int, owner: int | None) -> None:
        if owner is None:
            found = find_order(order_id=order_id, account_id=None)
            cancel_order(order=found, actor=ACTOR, now=self.now, reason="")
            return
        wanted = CancelOrder(account_id=owner, order_id=order_id)
        (outcome,) = submit_requests(requests=[wanted], actor=ACTOR, source=Source.API, now=self.now)
        requested(outcome)

    def cancel_all(self) -> None:
        """Everything an account has open."""
        account = self.rng.choice(self.accounts)
        requested = cancel_all_orders(account_id=account.id, actor=ACTOR, now=self.now)
        live = self.auditor.asked_cancel_all(account.id)
        expect([request.order_id for request in requested], [order.id for order in live], "cancel all")
        self._count("cancel all")

    # --- What operators and the clock do

    def cancel_many(self) -> None:
        """Everybody's orders of an instrument, an account's in it, or one side's."""
        instrument = self.rng.choice(list(self.instruments.values()))
        account = self.rng.choice([None, *self.accounts])
        side = self.rng.choice([None, Side.BUY, Side.SELL])
        whose, which = account.id if account else 0, side.value if side else ""
        books = self.auditor.uncovered(instrument=instrument.id, account=whose, side=which)
        scope = Scope(instrument=instrument, account=account, side=side)
        code = refusal_of(lambda: mass_cancel(scope=scope, actor=ACTOR, now=self.now, reason="test"))
        expect(code, "" if books else "no_change", "mass cancel")
        for number in books:
            self.auditor.asked_mass_cancel(number, "operator", account=whose, side=which)
        self._count(f"cancel many {code}".strip())

    def phase(self) -> None:
        """Another status of an instrument, whether it makes sense or not."""
        instrument = self.rng.choice(list(self.instruments.values()))
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
        expect(code, self.auditor.phase_denial_of(instrument.id, to), f"{to} for {instrument}")
        if not code:
            self.auditor.asked_phase(instrument.id, to, cancel_resting=cancel and to in HALTS)
        self._count(f"{to} {code}".strip())

    def resume(self) -> None:
        """Start it again, through its auction where it has one."""
        instrument = self.rng.choice(list(self.instruments.values()))
        code = refusal_of(
            lambda: resume_instrument(symbol=instrument.symbol, actor=ACTOR, now=self.now, reason="test")
        )
        expect(code, self.auditor.resume_denial_of(instrument.id), f"resume {instrument}")
        if not code:
            timed = self.auditor.terms[instrument.id].auction_seconds
            self.auditor.asked_phase(instrument.id, "auction" if timed else "active")
        self._count(f"resume {code}".strip())

    def end_auction(self) -> None:
        """By hand."""
        instrument = self.rng.choice(list(self.instruments.values()))
        code = refusal_of(
            lambda: end_auction(symbol=instrument.symbol, actor=ACTOR, now=self.now, reason="test")
        )
        expect(code, self.auditor.end_denial_of(instrument.id), f"end auction of {instrument}")
        if not code:
            self.auditor.asked_phase(instrument.id, "active")
        self._count(f"end auction {code}".strip())

    def clock(self) -> None:
        """What beat asks each second."""
        due = self.auditor.due_books()
        # There may be books of other runs in the same database.
        found = [number for number in expire_due(now=self.now) if number in self.instruments]
        expect(found, due, "books in which something is due")
        for number in due:
            self.auditor.asked_time(number)
            self._count("time")
        auctions = self.auditor.due_auctions()
        expect(end_due_auctions(now=self.now) >= len(auctions), True, "auctions that are due")
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
        expect(code, "" if amount <= free else "insufficient_funds", f"withdrawal of {amount}")
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

    def drain(self, shard_id: int, *, batch: int | None = None) -> int:
        """Some of what is pending on a shard, by one of two workers; how many commands."""
        owner = self.rng.choice(["one", "one", "one", "two"])
        batch = self.rng.choice(BATCHES) if batch is None else batch
        done = drain(shard_id=shard_id, now=self.now, owner=owner, batch=batch)
        self.drained(shard_id, done.commands)
        return done.commands

    def drained(self, shard_id: int, commands: int) -> None:
        """So many commands were applied now."""
        self.auditor.drained(shard_id, commands)
        self.applied += commands
        self._count("drain")

    def drain_to_the_end(self, shard_id: int) -> None:
        """All that is pending."""
        while self.drain(shard_id, batch=1_000):
            pass

    # --- Random things

    def requests(self, instruments: Sequence[Instrument] = ()) -> list[Request]:
        """A list of orders and cancels of many clients, in some instruments or in all."""
        rng, among = self.rng, instruments or list(self.instruments.values())
        found: list[Request] = []
        for _ in range(rng.choice(SIZES)):
            chance = rng.random()
            if chance < CANCELS and self.sent:
                found.append(self._cancel_of(found))
            elif chance > 1 - REPEATS and self.sent:
                found.append(rng.choice(self.sent[-2_000:]))
            else:
                found.append(self._order_in(rng.choice(among)))
        if rng.random() < 0.2:
            first = next((request for request in found if isinstance(request, NewOrder)), None)
            if first is not None:
                found += [first, replace(first, quantity=2 * (first.quantity or Decimal(1)))]
        return found

    def _cancel_of(self, list_: Sequence[Request]) -> CancelOrder:
        """Mostly of an order that is live; of one earlier in the same list; of nobody's."""
        rng, chance = self.rng, self.rng.random()
        if chance < 0.01:
            return CancelOrder(account_id=rng.choice(self.accounts).id, client_order_id="nobody")
        named = rng.choice(list_) if list_ and chance < 0.1 else rng.choice(self.sent[-1_000:])
        for _ in range(8):
            key = (named.account_id, named.client_order_id or "")
            if chance < 0.15 or (key in self.named and self.named[key][1].is_live):
                break
            named = rng.choice(self.sent[-1_000:])
        return CancelOrder(account_id=named.account_id, client_order_id=named.client_order_id or "")

    def _order_in(self, instrument: Instrument) -> NewOrder:
        rng = self.rng
        (kind,) = rng.choices([OrderType.LIMIT, OrderType.MARKET, *TRIGGERED], [80, 8, 4, 4, 2, 2])
        self._ids += 1
        how: dict[str, Any] = {}
        tif: TimeInForce | None
        if kind == OrderType.MARKET:
            tif = rng.choice([None, TimeInForce.FOK])
        elif kind == OrderType.LIMIT:
            tif, how["post_only"] = rng.choice(LIMIT_HOW)
            how["price"] = self._price(instrument)
        else:
            tif = rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD])
            how["trigger_price"] = self._price(instrument)
            if kind.is_limit_priced:
                how["price"] = self._near(how["trigger_price"], instrument)
        if tif == TimeInForce.GTD:
            how["expires_at"] = self.now + timedelta(seconds=rng.randint(1, 60))
        if kind.is_limit_priced and tif in RESTS and rng.random() < 0.2:
            how["display_quantity"] = rng.choice([0, 1, 2, 5]) * instrument.lot_size
        return NewOrder(
            account_id=rng.choice(self.accounts).id,
            symbol=instrument.symbol,
            side=rng.choice(SIDES),
            type=kind,
            quantity=self._quantity(instrument),
            stp_mode=rng.choice(STP),
            client_order_id=f"s{self._ids}",
            time_in_force=tif,
            **how,
        )

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
        lot: Decimal = instrument.lot_size
        return self.rng.choice([1, 2, 3, 7, 20, 33, 100]) * lot

    def _some_order(self) -> Order | None:
        among = self.auditor.live if self.rng.random() < 0.9 else self.auditor.orders
        known = list(among.values())
        return self.rng.choice(known) if known else None

    def _believed(self, request: NewOrder, terms: Terms) -> Order:
        assert request.quantity is not None
        buy, market = request.side == Side.BUY, not request.type.is_limit_priced
        group = self.groups[request.account_id]
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
