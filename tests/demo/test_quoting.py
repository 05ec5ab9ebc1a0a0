"""What no participant trades is quoted by a walk: exact, repeatable, and young enough to deal at."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from accounts.models import TradingAccount
from accounts.services.limits import worth_of
from instruments.models import DatedQuote, Instrument, InstrumentStatus, Quote, Realm
from instruments.scaling import steps
from instruments.services.pricing import set_quote
from instruments.services.seeding import seed_assets, seed_instruments
from liquidity.participants.quoting import EVERY, SOURCE, Quoter, Walked, unquoted
from liquidity.services.dealing import Ask, open_position
from tests.factories import ACTOR, NOW, fund, make_account, make_instrument
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


def walk(instrument: Instrument, *, seed: int = 1, seconds: int = 120) -> list[tuple[Decimal, Decimal]]:
    """Quotes of so many seconds, asked for each second."""
    quoter = Quoter(unquoted([]), random.Random(seed))
    for second in range(seconds):
        quoter.quote(now=NOW + timedelta(seconds=second))
    rows = DatedQuote.objects.filter(instrument=instrument).order_by("at")
    return list(rows.values_list("bid", "ask"))


def test_quotes_are_on_ticks_around_the_reference_with_a_spread() -> None:
    instrument = make_instrument(reference_price=Decimal("150.00"), tick_size=Decimal("0.01"))

    quotes = walk(instrument)

    assert len(quotes) == 60
    for bid, ask in quotes:
        assert steps(bid, Decimal("0.01")) is not None
        # Five hundred-thousandths of 15,000 ticks are less than one: a tick to each side.
        assert ask - bid == Decimal("0.02")
        assert Decimal(149) < bid < ask < Decimal(151)
    assert len(set(quotes)) > 5


def test_a_seed_repeats_the_walk() -> None:
    first, other = (Quoter([Walked(7, Decimal("0.00001"), 110_000)], random.Random(seed)) for seed in (3, 3))
    assert [first._next(first.walked[0], NOW) for _ in range(50)] == [
        other._next(other.walked[0], NOW) for _ in range(50)
    ]


def test_a_price_of_few_ticks_stays_above_zero() -> None:
    instrument = make_instrument(reference_price=Decimal("0.02"), tick_size=Decimal("0.01"))
    assert all(bid > 0 for bid, _ask in walk(instrument, seconds=400))


def test_it_quotes_no_more_often_than_it_should() -> None:
    make_instrument()
    quoter = Quoter(unquoted([]), random.Random(1))

    assert quoter.quote(now=NOW) > 0
    assert quoter.quote(now=NOW + EVERY / 2) == 0
    assert quoter.quote(now=NOW + EVERY) > 0


def test_what_is_traded_demo_or_delisted_is_left_alone() -> None:
    kept, traded = make_instrument(), make_instrument()
    make_instrument(realm=Realm.DEMO)
    make_instrument(reference_price=Decimal(0))
    gone = make_instrument()
    Instrument.objects.filter(id=gone.pk).update(status=InstrumentStatus.DELISTED)

    assert [each.instrument_id for each in unquoted([traded.pk])] == [kept.pk]


def test_a_quote_by_hand_stays_for_a_minute() -> None:
    instrument = make_instrument()
    quoter = Quoter(unquoted([]), random.Random(1))
    set_quote(
        symbol=instrument.symbol, bid=Decimal(1), ask=Decimal(2), actor=ACTOR, now=NOW, reason="a crash"
    )

    assert quoter.quote(now=NOW + timedelta(seconds=60)) == 0
    assert Quote.objects.get(instrument=instrument).ask == 2
    assert quoter.quote(now=NOW + timedelta(seconds=62)) == 1
    assert Quote.objects.get(instrument=instrument).source == SOURCE


@pytest.fixture
def seeded() -> TradingAccount:
    """The listed instruments, and a margin account with dollars."""
    with transaction.atomic():
        seed_assets()
        seed_instruments()
    currency = Instrument.objects.get(symbol="EURUSD").quote
    account = make_account(currency=currency, type="margin", leverage=100)
    fund(account, currency, 100_000)
    return account


@pytest.mark.parametrize("symbol", ["EURUSD", "USDJPY", "XAUUSD"])
def test_currencies_and_gold_can_be_dealt_after_ninety_seconds(seeded: TradingAccount, symbol: str) -> None:
    """AC-38's other side: without the walk the seed's quote is too old by then."""
    now = NOW + timedelta(seconds=90)

    def buy() -> None:
        ask = Ask(seeded.pk, "one", ACTOR, now)
        open_position(ask, symbol=symbol, buys=True, volume=Decimal("0.01"))

    with pytest.raises(Refusal) as caught:
        buy()
    assert caught.value.code == Code.NO_PRICE
    walk(Instrument.objects.get(symbol=symbol), seconds=90)
    buy()


def test_tether_has_a_worth_in_dollars(seeded: TradingAccount) -> None:
    """So that withdrawals of it count against the limits, which are in dollars."""
    with pytest.raises(Refusal) as caught:
        worth_of(Decimal(100), "USDT", now=NOW)
    assert caught.value.code == Code.NO_RATE

    walk(Instrument.objects.get(symbol="USDTUSD"), seconds=2)

    assert abs(worth_of(Decimal(100), "USDT", now=NOW + timedelta(seconds=2)) - 100) < 1
