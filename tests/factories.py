"""The smallest valid things, built through the real services; the interesting values are in the tests.

Names are always fresh, so the same factories serve a rolled-back test, one that commits, and the database
of a running platform.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import (
    AccountType,
    LedgerAccount,
    LedgerKind,
    Role,
    TradingAccount,
    TradingGroup,
    User,
    UserRole,
)
from accounts.services.funding import deposit
from accounts.services.sessions import Tokens, open_session
from audit.actor import Actor
from instruments.models import Asset, Instrument, InstrumentKind, InstrumentStatus, Realm
from orders.models import (
    Book,
    Event,
    EventKind,
    Fill,
    Order,
    OrderType,
    Shard,
    Side,
    Source,
    StpMode,
    TimeInForce,
    Trade,
    TriggerBy,
)
from orders.selectors import find_order
from orders.services import changing
from orders.services.drain import Drained, drain, drain_all
from orders.services.intake import submit_order, submit_orders, submit_requests
from orders.services.order_lists import submit_list
from orders.services.phases import end_auction, request_phase, resume_instrument
from orders.services.requests import (
    Accepted,
    CancelOrder,
    Changes,
    ListKind,
    NewList,
    NewOrder,
    Outcome,
    requested,
)
from tradeplatform.common.errors import Refusal

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACTOR = Actor.system("test")

# Engines are cached by shard id for the life of a process, so a test run never gives one id twice.
# Parallel runs have a database each but share Valkey, whose channels are named by id: each has its own range.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_shard_ids = itertools.count(1_000 + 2_000 * WORKER)


class How(TypedDict, total=False):
    """What an order may say beside side, quantity and price. `amount` stands in for a quantity of 0."""

    kind: OrderType
    tif: TimeInForce
    post_only: bool
    stp: StpMode
    client_order_id: str
    trigger: str | int
    by: TriggerBy
    trail: str | int
    trail_percent: str | int
    step: str | int
    offset: str | int
    display: str | int
    minimum: str | int
    amount: str | int
    protection: str | int
    expires_at: datetime
    reduce_only: bool


def tag() -> str:
    """Eight characters that nothing else is named by."""
    return uuid.uuid4().hex[:8].upper()


def make_shard() -> Shard:
    """A running shard with an id of its own."""
    highest = Shard.objects.aggregate(highest=Max("id"))["highest"] or 0
    return Shard.objects.create(id=max(next(_shard_ids), highest + 1))


def make_asset(*, code: str | None = None, decimals: int = 8) -> Asset:
    """An asset with a fresh code."""
    code = code or f"A{tag()}"
    return Asset.objects.create(code=code, name=code, decimals=decimals)


def make_instrument(*, base: Asset | None = None, quote: Asset | None = None, **changes: Any) -> Instrument:
    """An active instrument: tick 0.01, lot 0.0001, 0.0001 to 1000, band 10 % of 50000, fees 5 and 10 bp."""
    symbol = str(changes.pop("symbol", f"BTC-{tag()}"))
    values: dict[str, Any] = {
        "display_name": symbol,
        "kind": InstrumentKind.CRYPTO,
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal("0.0001"),
        "min_quantity": Decimal("0.0001"),
        "max_quantity": Decimal(1000),
        "reference_price": Decimal(50000),
        "maker_fee": Decimal("0.0005"),
        "taker_fee": Decimal("0.0010"),
    }
    instrument = Instrument(
        symbol=symbol,
        base=base or make_asset(decimals=8),
        quote=quote or make_asset(decimals=8),
        **(values | changes),
    )
    # Constraints are for the database to refuse: asked for one by one they would be most of the work here.
    instrument.full_clean(validate_unique=False, validate_constraints=False)
    instrument.save(force_insert=True)
    return instrument


def make_user(*roles: Role, password: str | None = None) -> User:
    """A person with these roles; one without a password cannot log in."""
    name = f"user-{tag().lower()}"
    user = User.objects.create_user(username=name, email=f"{name}@example.com", password=password)
    UserRole.objects.bulk_create([UserRole(user=user, role=role) for role in roles])
    return user


def tokens_of(user: User) -> Tokens:
    """Those of a new session of the person's, opened just now."""
    with transaction.atomic():
        return open_session(user, ip="127.0.0.1", agent="tests", now=timezone.now())


def make_group(**changes: Any) -> TradingGroup:
    """A trading group with these terms, otherwise those of an account without a group."""
    return TradingGroup.objects.create(name=f"G{tag()}", **changes)


def make_account(*, currency: Asset, user: User | None = None, **changes: Any) -> TradingAccount:
    """An active account without money."""
    return TradingAccount.objects.create(
        account_number=f"T-{tag()}", user=user or make_user(Role.TRADER), currency=currency, **changes
    )


def fund(account: TradingAccount, asset: Asset, amount: str | int | Decimal, *, now: datetime = NOW) -> None:
    """Deposit; an amount of 0 does nothing."""
    if Decimal(amount):
        deposit(
            account_id=account.id,
            asset=asset.code,
            amount=Decimal(amount),
            reason="test funds",
            request_id=uuid.uuid4().hex,
            actor=ACTOR,
            now=now,
        )


@dataclass(frozen=True, slots=True)
class Market:
    """An instrument on its shard, with short words for what tests do to it."""

    instrument: Instrument
    shard: Shard

    @property
    def symbol(self) -> str:
        """Of the instrument."""
        return self.instrument.symbol

    def trader(
        self, *, base: str | int = 100, quote: str | int = 10_000_000, **changes: Any
    ) -> TradingAccount:
        """An account of a new user with these funds."""
        if self.instrument.realm == Realm.DEMO:
            changes = {"type": AccountType.DEMO} | changes
        account = make_account(currency=self.instrument.quote, **changes)
        fund(account, self.instrument.base, base)
        fund(account, self.instrument.quote, quote)
        return account

    def request(
        self,
        account: TradingAccount,
        side: Side,
        quantity: str | int | Decimal,
        price: str | int | Decimal | None = None,
        **how: Unpack[How],
    ) -> NewOrder:
        """What the account would send: of a `kind`, else a limit order with a price or a market order."""
        return NewOrder(
            account_id=account.id,
            symbol=self.symbol,
            side=side,
            type=how.get("kind", OrderType.MARKET if price is None else OrderType.LIMIT),
            quantity=None if "amount" in how else Decimal(quantity),
            price=_number(price),
            time_in_force=how.get("tif"),
            post_only=how.get("post_only", False),
            stp_mode=how.get("stp", StpMode.EXPIRE_TAKER),
            client_order_id=how.get("client_order_id"),
            trigger_price=_number(how.get("trigger")),
            trigger_by=how.get("by"),
            trail_amount=_number(how.get("trail")),
            trail_percent=_number(how.get("trail_percent")),
            trail_step=_number(how.get("step")),
            limit_offset=_number(how.get("offset")),
            display_quantity=_number(how.get("display")),
            min_quantity=_number(how.get("minimum")),
            quote_quantity=_number(how.get("amount")),
            protection_price=_number(how.get("protection")),
            expires_at=how.get("expires_at"),
            reduce_only=how.get("reduce_only", False),
        )

    def send(self, order: NewOrder, *, now: datetime = NOW) -> Accepted:
        """Submit one order; raises Refusal."""
        return submit_order(order=order, actor=ACTOR, source=Source.API, now=now)

    def send_all(self, orders: Sequence[NewOrder], *, now: datetime = NOW) -> list[Outcome]:
        """Submit a list."""
        return submit_orders(orders=orders, actor=ACTOR, source=Source.API, now=now)

    def send_list(self, kind: ListKind, *orders: NewOrder, now: datetime = NOW) -> list[int]:
        """Submit orders that depend on each other; their ids, in the same order. Raises Refusal."""
        asked = NewList(kind=kind, orders=orders)
        taken = submit_list(asked=asked, actor=ACTOR, source=Source.API, now=now)
        return [accepted.order_id for accepted in taken.orders]

    def buy(
        self, account: TradingAccount, quantity: str | int, price: str | int | None = None, **how: Unpack[How]
    ) -> int:
        """Send a buy order; its id."""
        return self.send(self.request(account, Side.BUY, quantity, price, **how)).order_id

    def sell(
        self, account: TradingAccount, quantity: str | int, price: str | int | None = None, **how: Unpack[How]
    ) -> int:
        """Send a sell order; its id."""
        return self.send(self.request(account, Side.SELL, quantity, price, **how)).order_id

    def cancel(self, order_id: int, account: TradingAccount | None = None, *, now: datetime = NOW) -> int:
        """Ask for a cancel, as the owner or (without an account) as an operator; the command's id."""
        if account is None:
            order = find_order(order_id=order_id, account_id=None)
            return changing.cancel_order(order=order, actor=ACTOR, now=now, reason="").command_id
        wanted = CancelOrder(account_id=account.id, order_id=order_id)
        (outcome,) = submit_requests(requests=[wanted], actor=ACTOR, source=Source.API, now=now)
        return requested(outcome).command_id

    def amend(
        self,
        order_id: int,
        account: TradingAccount,
        *,
        price: str | int | None = None,
        quantity: str | int | None = None,
        trigger: str | int | None = None,
        now: datetime = NOW,
    ) -> int:
        """Ask for an amend; the command's id."""
        return changing.amend_order(
            order_id=order_id,
            account_id=account.id,
            changes=Changes(price=_number(price), quantity=_number(quantity), trigger_price=_number(trigger)),
            actor=ACTOR,
            source=Source.API,
            now=now,
        ).command_id

    def phase(self, to: InstrumentStatus, *, now: datetime = NOW) -> int:
        """Ask for another status of the instrument; the command's id."""
        if to != InstrumentStatus.ACTIVE:
            return request_phase(symbol=self.symbol, to=to, actor=ACTOR, now=now, reason="test")
        status = Instrument.objects.values_list("status", flat=True).get(id=self.instrument.id)
        opening = end_auction if status == InstrumentStatus.AUCTION else resume_instrument
        return opening(symbol=self.symbol, actor=ACTOR, now=now, reason="test")

    def drain(self, *, now: datetime = NOW, batch: int = 1_000) -> Drained:
        """Apply everything pending."""
        return drain_all(shard_id=self.shard.id, clock=lambda: now, batch=batch)

    def step(self, commands: int = 1) -> Drained:
        """Apply the oldest pending commands, and no more."""
        return drain(shard_id=self.shard.id, now=NOW, batch=commands)

    def book(self) -> Book:
        """The book's row, as stored."""
        return Book.objects.get(instrument=self.instrument)

    def trades(self) -> list[tuple[str, str]]:
        """(quantity, price) of every trade, oldest first, as short text."""
        rows = Trade.objects.filter(instrument=self.instrument).order_by("seq")
        return [(short(row.quantity), short(row.price)) for row in rows]

    def events(self) -> list[EventKind]:
        """The kind of every event, in order of seq."""
        rows = Event.objects.filter(instrument_id=self.instrument.id).order_by("seq")
        return [EventKind(kind) for kind in rows.values_list("kind", flat=True)]


def make_market(*, shard: Shard | None = None, **changes: Any) -> Market:
    """A new instrument whose book is open on a shard of its own (or the given one)."""
    instrument = make_instrument(**changes)
    shard = shard or make_shard()
    Book.objects.create(instrument=instrument, shard=shard)
    return Market(instrument, shard)


def _number(value: str | int | Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def stored(order_id: int) -> Order:
    """The order as it is in the database now."""
    return Order.objects.get(id=order_id)


def short(value: Decimal) -> str:
    """A number without trailing zeros."""
    return f"{value.normalize():f}"


def money(
    account: TradingAccount | None,
    asset: Asset,
    kind: LedgerKind = LedgerKind.CLIENT,
    realm: Realm = Realm.LIVE,
) -> tuple[str, str]:
    """(balance, held) of a ledger account as short text; zeros where it was never opened."""
    rows = LedgerAccount.objects.filter(account=account, asset=asset, kind=kind)
    row = (rows if account else rows.filter(realm=realm)).first()
    return (short(row.balance), short(row.held)) if row else ("0", "0")


def everything_stored() -> dict[str, object]:
    """A picture of all money and all counts of facts, to prove that a refusal moved nothing."""
    return {
        "ledger": sorted(LedgerAccount.objects.values_list("id", "balance", "held")),
        "orders": sorted(Order.objects.values_list("id", "status", "leaves", "held", "last_seq")),
        "facts": [model.objects.count() for model in (Event, Trade, Fill)],
        "books": sorted(Book.objects.values_list("instrument_id", "seq", "state_hash")),
    }


def refusal_of(outcome: Outcome) -> Refusal:
    """The refusal of a denied outcome; fails on an accepted one."""
    assert not isinstance(outcome, Accepted), f"accepted: {outcome}"
    return outcome.refusal
