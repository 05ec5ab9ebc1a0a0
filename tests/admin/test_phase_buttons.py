"""Pre-open, auction, its end, cancel only, close: shown where they make sense, with their effect first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import Role
from instruments.models import Instrument, InstrumentStatus
from orders.models import Command, Phase, TimeInForce
from tests.admin.conftest import Lived, SignIn
from tests.admin.pressing import filled, press, recorded, said
from tests.admin.registry import act, address
from tests.factories import NOW, Market, everything_stored, make_market, stored

REASON = "as planned"
S = InstrumentStatus


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def of(market: Market) -> Instrument:
    return Instrument.objects.select_related("base", "quote").get(pk=market.instrument.pk)


def button(market: Market, name: str) -> str:
    return act(Instrument, market.instrument.pk, name)


def shown(client: Client, market: Market) -> set[str]:
    page = client.get(address(Instrument, "change", market.instrument.pk))
    return {item["button"].name for item in page.context["buttons"]}


def effects(answer: object) -> list[tuple[object, ...]]:
    found = answer.context["effects"]  # type: ignore[attr-defined]
    return [(effect.label, effect.before, effect.after) for effect in found]


@pytest.mark.parametrize(
    ("status", "names"),
    [
        (S.ACTIVE, {"auction", "cancel-only", "halt", "maintenance", "close", "delist"}),
        (S.AUCTION, {"end-auction", "cancel-only", "halt", "maintenance", "close", "delist"}),
        (S.CANCEL_ONLY, {"resume", "pre-open", "auction", "halt", "maintenance", "close", "delist"}),
        (S.HALTED, {"resume", "pre-open", "auction", "cancel-only", "maintenance", "close", "delist"}),
        (S.CLOSED, {"resume", "pre-open", "auction", "maintenance", "delist"}),
        (S.DELISTED, set()),
    ],
)
def test_a_page_shows_the_phases_that_may_follow(
    status: InstrumentStatus, names: set[str], boss: Client
) -> None:
    market = make_market()
    if status != S.ACTIVE:
        market.phase(status)
        market.drain()

    assert shown(boss, market) - {"edit", "mass-cancel", "tiers"} == names


class TestClose:
    def test_says_which_orders_end_and_ends_them(self, sign_in: SignIn, lived: Lived) -> None:
        client, market = sign_in(Role.RISK_MANAGER), lived.market
        day = market.buy(lived.buyer, 1, 48000, tif=TimeInForce.DAY)
        market.drain()

        page = client.get(button(market, "close"))
        answer = press(client, button(market, "close"), reason=REASON)

        assert effects(page)[1:] == [
            ("New orders and amends", "taken", "denied"),
            ("Day orders", "1", "0: they end, their funds are released"),
            ("Open orders", "3", "all others stay for the next session"),
        ]
        assert (answer.status_code, of(market).status) == (302, "closed")
        market.drain()
        assert (stored(day).status, stored(lived.resting).status) == ("expired", "open")
        assert recorded("instruments.trading.close")[0].reason == REASON


class TestCancelOnly:
    def test_lets_people_out_and_nobody_in(self, boss: Client, lived: Lived) -> None:
        page = boss.get(button(lived.market, "cancel-only"))
        press(boss, button(lived.market, "cancel-only"), reason=REASON)

        assert effects(page)[1:] == [
            ("New orders and amends", "taken", "denied"),
            ("Open orders", "2", "stay, and may be cancelled"),
        ]
        lived.market.drain()
        lived.market.cancel(lived.resting, lived.buyer)
        lived.market.drain()
        assert (of(lived.market).status, stored(lived.resting).status) == ("cancel_only", "cancelled")


class TestAuction:
    @pytest.fixture
    def collecting(self, boss: Client, lived: Lived) -> Lived:
        press(boss, button(lived.market, "auction"), reason=REASON)
        lived.market.drain()
        return lived

    def test_says_what_is_taken_and_when_it_ends(self, boss: Client, lived: Lived) -> None:
        Instrument.objects.filter(pk=lived.market.instrument.pk).update(auction_seconds=45)

        page = boss.get(button(lived.market, "auction"))

        assert effects(page)[1:] == [
            ("New orders and amends", "taken", "taken if they can wait"),
            ("Open orders", "2", "stay; new ones join them, and nothing matches"),
            ("The auction ends", "", "by itself after 45 s"),
        ]

    def test_its_end_shows_what_would_trade_and_trades_it(self, boss: Client, collecting: Lived) -> None:
        market = collecting.market
        # The seller's rest of 1.5 at 50000 meets a bid of 1 at 50100.
        market.buy(market.trader(), 1, 50100)
        market.drain()

        page = boss.get(button(market, "end-auction"))
        words = page.content.decode()
        answer = press(boss, button(market, "end-auction"), reason=REASON)

        assert "1.0000" in words
        assert "50\u202f000.00" in words
        assert "more asks than that" in words
        assert "self-trade prevention" in words
        assert f"The end of the auction of {market.symbol} is on its way" in said(answer)
        market.drain()
        assert market.trades()[-1] == ("1", "50000")
        assert of(market).status == "active"

    def test_pressed_twice_ends_once(self, boss: Client, collecting: Lived) -> None:
        data = filled(boss, button(collecting.market, "end-auction"), reason=REASON)

        boss.post(button(collecting.market, "end-auction"), data)
        second = boss.post(button(collecting.market, "end-auction"), data)

        assert "is leaving its auction already" in said(second)
        assert Command.objects.filter(phase=Phase.OPEN).count() == 1
        assert len(recorded("instruments.trading.end_auction")) == 1

    def test_the_page_shows_until_when(self, boss: Client, lived: Lived) -> None:
        Instrument.objects.filter(pk=lived.market.instrument.pk).update(auction_seconds=45)
        press(boss, button(lived.market, "auction"), reason=REASON)
        lived.market.drain(now=NOW)

        words = boss.get(address(Instrument, "change", lived.market.instrument.pk)).content.decode()

        assert f"{NOW + timedelta(seconds=45):%Y-%m-%d %H:%M:%S}" in words
        assert "nothing would trade: bids and asks do not cross" in words


class TestResume:
    def test_goes_through_the_auction_the_instrument_has(self, boss: Client, lived: Lived) -> None:
        market = lived.market
        Instrument.objects.filter(pk=market.instrument.pk).update(auction_seconds=45)
        market.phase(S.HALTED)
        market.drain()

        page = boss.get(button(market, "resume"))
        press(boss, button(market, "resume"), reason=REASON)
        market.drain()

        assert effects(page)[0][2] == "Auction, which ends by itself after 45 s; then active"
        assert effects(page)[1] == ("New orders and amends", "denied", "taken if they can wait")
        assert of(market).status == "auction"


@pytest.mark.parametrize("name", ["pre-open", "auction", "cancel-only", "close", "end-auction"])
def test_each_is_forbidden_without_the_right(name: str, sign_in: SignIn, lived: Lived) -> None:
    before = everything_stored(), Command.objects.count()
    data = {"reason": REASON, "request_id": "x", "confirm": "1"}

    for role in (Role.SUPPORT, Role.COMPLIANCE_OFFICER):
        assert sign_in(role).post(button(lived.market, name), data).status_code == 403

    assert ((everything_stored(), Command.objects.count()), of(lived.market).status) == (before, "active")
