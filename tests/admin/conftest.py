"""People who sign in to the back office, and a market that has lived a little."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import MoneyKind, ProofRun, Role, TradingAccount, User
from accounts.services.rates import seed_tiers
from accounts.services.roles import grant_role
from liquidity.services.dealing import Ask, open_position
from orders.market.services.alerting import place_alert
from orders.services import books
from orders.services.quoting import quote_books
from tests.accounts.keys import make_key
from tests.accounts.wishing import ask_money, client_account, needs_approval
from tests.factories import (
    ACTOR,
    NOW,
    Market,
    fund,
    make_asset,
    make_group,
    make_market,
    make_user,
    tokens_of,
)
from tests.history.telling import lived_history, make_portfolio
from tests.market.alerts import alert_wanted
from tests.reconciliation.banking import lived_bank
from tests.worlds import shared_world

SignIn = Callable[..., Client]


def operator(*roles: Role) -> User:
    """A person who was granted these roles through the service, as everybody is."""
    user = make_user()
    for role in roles:
        grant_role(user_id=user.id, role=role, actor=ACTOR, now=NOW, reason="hired")
    user.refresh_from_db()
    return user


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """A browser in which a new person with these roles is signed in; the person is its `user`."""

    def signed_in(*roles: Role, user: User | None = None) -> Client:
        client = Client()
        person = user or operator(*roles)
        client.force_login(person, backend="accounts.backends.RoleBackend")
        client.user = person  # type: ignore[attr-defined]
        return client

    return signed_in


@pytest.fixture
def boss(sign_in: SignIn) -> Client:
    """A super admin's browser."""
    return sign_in(Role.SUPER_ADMIN)


@dataclass(frozen=True, slots=True)
class Lived:
    """A market in which an order was filled in part, one cancelled, one amended, and one rests."""

    market: Market
    seller: TradingAccount
    buyer: TradingAccount
    resting: int
    part_filled: int
    cancelled: int

    @property
    def rows(self) -> dict[str, Any]:
        """A key of each model that has a page, by model label."""
        from accounts.models import (  # noqa: PLC0415
            ApiKey,
            LedgerAccount,
            MoneyRequest,
            Position,
            ProofRun,
            RateTier,
            Session,
            Transfer,
        )
        from accounts.reconciliation.models import (  # noqa: PLC0415
            Break,
            ImportedStatement,
            Match,
            ReconciliationRun,
            StatementLine,
            StatementSource,
            StatementUpload,
        )
        from audit.models import ApprovalPolicy, ApprovalRequest, AuditRecord  # noqa: PLC0415
        from orders.history.models import (  # noqa: PLC0415
            Correction,
            ExternalTrade,
            FrozenPeriod,
            LivePosition,
            Portfolio,
            RefusedTrade,
        )
        from orders.market.models import PriceAlert  # noqa: PLC0415
        from orders.models import Command, Event, Fill, Quarantine, Trade  # noqa: PLC0415
        from risk.models import KillSwitch  # noqa: PLC0415

        newest = {model: model.objects.order_by("-pk").values_list("pk", flat=True)[0] for model in (
            LedgerAccount, Transfer, AuditRecord, Command, Event, Fill, Quarantine, Trade, ApprovalPolicy,
            ApprovalRequest, ApiKey, RateTier, Session, MoneyRequest, Correction, ExternalTrade, FrozenPeriod,
            LivePosition, Portfolio, RefusedTrade, ProofRun, Position, PriceAlert,
            Break, ImportedStatement, Match, ReconciliationRun, StatementLine, StatementSource,
            StatementUpload)}  # fmt: skip
        instrument = self.market.instrument
        return {
            "orders.order": self.part_filled,
            "orders.shard": self.market.shard.pk,
            "orders.book": instrument.pk,
            "instruments.instrument": instrument.pk,
            "instruments.asset": instrument.base_id,
            "accounts.user": self.buyer.user_id,
            "accounts.tradingaccount": self.buyer.pk,
            "accounts.tradinggroup": self.buyer.group_id,
            "accounts.kyclimit": 1,
            "instruments.quote": instrument.pk,
            "risk.killswitch": KillSwitch.objects.get(scope="global").pk,
        } | {model._meta.label_lower: pk for model, pk in newest.items()}


@pytest.fixture
def lived(db: None) -> Lived:
    """A market that has lived a little, made for this test."""
    return _live()


@pytest.fixture(scope="module")
def lived_once(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Lived]:
    """The same, made once for a module where most tests want one: making it costs more than most of them."""
    with shared_world(django_db_blocker):
        yield _live()


@pytest.fixture
def lived_shared(db: None, lived_once: Lived) -> Iterator[Lived]:
    """What a module's own `lived` gives its tests then; each may do with it as it likes."""
    yield deepcopy(lived_once)
    books.forget(lived_once.market.shard.pk)


def _live() -> Lived:
    """Sell 2 at 50000, buy 0.5 of it; a bid of 1 rests at 49000, another was amended and cancelled."""
    market = make_market()
    seller, buyer = market.trader(), market.trader(group=make_group())
    part_filled = market.sell(seller, 2, 50000, client_order_id="sell-2")
    market.buy(buyer, "0.5", 50000, client_order_id="take-half")
    resting = market.buy(buyer, 1, 49000, client_order_id="wait")
    cancelled = market.buy(buyer, 3, 48000, client_order_id="gone")
    market.drain()
    market.amend(cancelled, buyer, quantity=1)
    market.drain()
    market.cancel(cancelled, buyer)
    market.drain()
    needs_approval(MoneyKind.CREDIT)
    client_account(asset=market.instrument.quote)
    ask_money(MoneyKind.CREDIT, buyer, 5, by_whom=operator(Role.ADMIN), now=timezone.now())
    quote_books(now=NOW)
    open_position(
        Ask(market.trader(type="margin").pk, "lived", ACTOR, NOW),
        symbol=market.symbol,
        buys=True,
        volume=Decimal(1),
    )
    make_portfolio(lived_history(market), buyer)
    place_alert(alert_wanted(market, buyer, 50500), actor=ACTOR, now=NOW)
    make_key(buyer)
    seed_tiers()
    tokens_of(buyer.user)
    ProofRun.objects.create(at=NOW, seconds=1, holds=True, actor_label="beat", findings=[], balances={})
    lived_bank()
    _set_aside(cancelled)
    return Lived(market, seller, buyer, resting, part_filled, cancelled)


def _set_aside(order_id: int) -> None:
    """Say of the command that brought an order that it could not be applied."""
    from orders.models import Command, Quarantine  # noqa: PLC0415

    command = Command.objects.get(order_id=order_id, kind=1)
    Quarantine.objects.create(
        at=NOW,
        command_id=command.pk,
        command_at=command.at,
        shard_id=command.shard_id,
        instrument_id=command.instrument_id,
        order_id=order_id,
        kind=command.kind,
        error="EngineError: record 0: side may not be 7",
        original={"side": 7, "held": "0"},
    )


@pytest.fixture
def funded(db: None) -> TradingAccount:
    """A known person's account with 1000 of its currency, USD."""
    account = client_account(asset=make_asset(code="USD", decimals=8))
    fund(account, account.currency, 1000)
    return account
