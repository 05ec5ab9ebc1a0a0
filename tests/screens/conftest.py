"""A browser signed in as the operator of the running platform, and a market with something to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import AccountType, Role, TradingAccount, User
from audit.actor import Actor
from instruments.models import Instrument, InstrumentStatus
from orders.models import LIVE, Order, OrderType, Side, Source
from orders.services import operator_acts, phases
from orders.services.intake import submit_orders
from orders.services.requests import ListKind
from tests.factories import Market, fund, make_account, make_instrument, make_user, tag
from tests.screens.watching import Watch
from tests.servers import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.db import fetch

VIEW = {"width": 1440, "height": 900}


@dataclass(frozen=True, slots=True)
class Scene:
    """BTCUSDT with a book, trades and orders of every fate and condition; one halted, one in its auction."""

    maker: TradingAccount
    taker: TradingAccount
    margin: TradingAccount
    part_filled: int
    stop: int
    iceberg: int
    exit: int
    halted: Instrument
    auction: Instrument


@pytest.fixture(scope="session")
def scene(platform: Platform) -> Scene:
    """Made once, through the public intake; the platform's own workers match it.

    Ids are as long as after a year of trading.
    """
    for sequence in ("orders_order_id_seq", "audit_auditrecord_id_seq"):
        fetch("SELECT setval(%s::regclass, greatest(nextval(%s::regclass), 12345678))", [sequence] * 2)
    instrument = Instrument.objects.select_related("base", "quote").get(symbol="BTCUSDT")
    operator = User.objects.get(username="admin")
    maker, taker = (_account(instrument, name) for name in ("Mara Maker", "Theo Taker"))
    margin = _account(instrument, "Mark Margin", type=AccountType.MARGIN)
    asks = [_order(maker, Side.SELL, 50010 + 7 * n, Decimal("0.2") + n % 5) for n in range(30)]
    bids = [_order(maker, Side.BUY, 49990 - 7 * n, Decimal("0.1") + n % 4) for n in range(30)]
    _send([*asks, *bids])
    takes = [
        _order(taker, side, price, Decimal("0.05") * (n % 7 + 1))
        for n, (side, price) in enumerate([(Side.BUY, 50040), (Side.SELL, 49960)] * 12)
    ]
    _send(takes)
    (part_filled,) = _send([_order(taker, Side.BUY, 50060, Decimal(40))])
    (gone,) = _send([_order(taker, Side.BUY, 48000, Decimal("0.5"))])
    wait_for(lambda: not Order.objects.filter(status="pending").exists(), "the shards to match the scene")
    actor = Actor.user(user_id=operator.pk, label=operator.username, ip="127.0.0.1")
    now = timezone.now()
    operator_acts.cancel_order(order_id=gone, actor=actor, now=now, reason="asked for by phone")
    halted = make_instrument(symbol=f"HALT{tag()}", base=instrument.base, quote=instrument.quote)
    phases.halt_instrument(symbol=halted.symbol, actor=actor, now=now, reason="news pending")
    wait_for(lambda: Order.objects.get(pk=gone).status == "cancelled", "the cancel to be applied")
    assert Order.objects.get(pk=part_filled).status in LIVE
    stop, iceberg, way_out = _conditions(instrument, maker, taker)
    auction = _auction(instrument, actor, maker, taker)
    return Scene(maker, taker, margin, part_filled, stop, iceberg, way_out, halted, auction)


def _conditions(instrument: Instrument, maker: TradingAccount, taker: TradingAccount) -> tuple[int, int, int]:
    """Stops and take-profits around the market, a trailing stop, an iceberg, a bracket; ids of three."""
    market = Market(instrument, None)  # type: ignore[arg-type]
    armed = [
        market.request(maker, side, quantity, kind=kind, trigger=trigger)
        for side, kind, quantity, trigger in (
            (Side.SELL, OrderType.STOP, "0.5", 48500),
            (Side.SELL, OrderType.STOP, "1.25", 48000),
            (Side.SELL, OrderType.STOP, "0.75", 48000),
            (Side.BUY, OrderType.STOP, 2, 52000),
            (Side.BUY, OrderType.TAKE_PROFIT, "0.3", 47000),
            (Side.SELL, OrderType.TAKE_PROFIT, "0.9", 53000),
        )
    ]
    stop = market.request(maker, Side.SELL, 1, 47800, kind=OrderType.STOP_LIMIT, trigger=48200)
    trailing = market.request(maker, Side.SELL, 1, kind=OrderType.TRAILING_STOP, trail=900, step=50)
    iceberg = market.request(maker, Side.SELL, 20, 50700, display=2)
    stop_id, _trailing, iceberg_id, *_armed = _send([stop, trailing, iceberg, *armed])
    _entry, profit, _loss = market.send_list(
        ListKind.BRACKET,
        market.request(taker, Side.BUY, 1, 49000),
        market.request(taker, Side.SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=51000),
        market.request(taker, Side.SELL, 1, kind=OrderType.STOP, trigger=48000),
        now=timezone.now(),
    )
    wait_for(lambda: not Order.objects.filter(status="pending").exists(), "the books to take the conditions")
    return stop_id, iceberg_id, profit


def _auction(like: Instrument, actor: Actor, maker: TradingAccount, taker: TradingAccount) -> Instrument:
    """An instrument whose auction runs for an hour, with orders that cross."""
    auction = make_instrument(symbol=f"CALL{tag()}", base=like.base, quote=like.quote, auction_seconds=3600)
    market = Market(auction, None)  # type: ignore[arg-type]
    for status in (InstrumentStatus.CLOSED, InstrumentStatus.AUCTION):
        phases.request_phase(
            symbol=auction.symbol, to=status, actor=actor, now=timezone.now(), reason="opening call"
        )
    wait_for(
        lambda: Instrument.objects.get(pk=auction.pk).auction_ends_at is not None, "the auction to begin"
    )
    bids = [market.request(taker, Side.BUY, n + 1, 50020 - 10 * n) for n in range(5)]
    asks = [market.request(maker, Side.SELL, n + 1, 49990 + 10 * n) for n in range(5)]
    _send([*bids, *asks])
    wait_for(lambda: not Order.objects.filter(status="pending").exists(), "the auction to take its orders")
    return auction


def _account(instrument: Instrument, name: str, **changes: Any) -> TradingAccount:
    user = make_user(Role.TRADER)
    first, last = name.split()
    User.objects.filter(pk=user.pk).update(first_name=first, last_name=last)
    account = make_account(currency=instrument.quote, user=user, **changes)
    fund(account, instrument.base, 1_000, now=timezone.now())
    fund(account, instrument.quote, 50_000_000, now=timezone.now())
    return account


def _order(account: TradingAccount, side: Side, price: int, quantity: Decimal) -> Any:
    market = Market(Instrument.objects.get(symbol="BTCUSDT"), None)  # type: ignore[arg-type]
    return market.request(account, side, quantity, price)


def _send(orders: list[Any]) -> list[int]:
    outcomes = submit_orders(
        orders=orders, actor=Actor.system("scene"), source=Source.API, now=timezone.now()
    )
    return [outcome.order_id for outcome in outcomes]  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def signed_in(platform: Platform, browser: Browser) -> dict[str, Any]:
    """The operator's session, to start contexts with."""
    login = json.loads((platform.var_dir / "operator.json").read_text())
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{platform.base_url}/admin/")
    page.fill("input[name=username]", login["username"])
    page.fill("input[name=password]", login["password"])
    page.click("button[type=submit]")
    page.wait_for_selector("#bo-live")
    state: dict[str, Any] = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    """Both themes; the pages follow the browser's wish."""
    return str(request.param)


@pytest.fixture
def context(
    platform: Platform, browser: Browser, signed_in: dict[str, Any], theme: str
) -> Iterator[BrowserContext]:
    """The operator's browser."""
    context = browser.new_context(
        base_url=platform.base_url,
        storage_state=signed_in,  # type: ignore[arg-type]
        viewport=VIEW,  # type: ignore[arg-type]
        color_scheme=theme,  # type: ignore[arg-type]
    )
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A tab."""
    return context.new_page()


@pytest.fixture
def watch(page: Page) -> Watch:
    """Writes down everything the tab complains of."""
    return Watch(page)
