"""DAY and GTD orders through the API: each ends at its time, triggered or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.models import Command, TimeInForce
from orders.services.expiring import expire_due
from tests.api.client import Api
from tests.api.trading import Place, restart, status
from tests.factories import NOW, Market, money, stored


class TestExpiry:
    def test_gtd_ends_at_its_time(
        self, market: Market, alice: TradingAccount, api: Api, place: Place
    ) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        order = place(price="50000", time_in_force="gtd", expires_at=at.isoformat())
        assert order["expires_at"] == at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

        expire_due(now=at - timedelta(microseconds=1))
        restart(market)
        assert status(api, order)[0] == "open"
        expire_due(now=at)
        market.drain()

        assert status(api, order) == ("expired", "0.0000", "expired")
        assert money(alice, market.instrument.quote) == ("10000000", "0")

    def test_a_stop_expires_untriggered(
        self, market: Market, alice: TradingAccount, api: Api, place: Place
    ) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        stop = place(
            side="sell",
            type="stop",
            quantity="1",
            trigger_price="49500",
            time_in_force="gtd",
            expires_at=at.isoformat(),
        )

        expire_due(now=at)
        market.drain()

        assert status(api, stop) == ("expired", "0.0000", "expired")
        assert money(alice, market.instrument.base) == ("100", "0")

    def test_day_ends_with_the_instruments_day(self, market: Market, alice: TradingAccount) -> None:
        """NOW is noon UTC; a day that ends at eleven ends tomorrow, one that ends at one ends today."""
        for ends, expected in (("11:00", 23), ("13:00", 1), ("12:00", 24), ("00:00", 12)):
            Instrument.objects.filter(id=market.instrument.id).update(day_ends_at=ends)

            order = stored(market.buy(alice, "0.1", 50000, tif=TimeInForce.DAY))

            assert order.expires_at == NOW + timedelta(hours=expected)
            terms = Command.objects.get(order_id=order.id).terms or {}
            assert terms["expires"] == int(order.expires_at.timestamp()) * 1_000_000
