"""What each phase of a market takes through the API: cancels only, or what can wait."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from instruments.models import InstrumentStatus
from tests.api.client import Api, order_body, refused
from tests.api.trading import restart
from tests.factories import Market, everything_stored, stored


class TestPhases:
    @pytest.mark.parametrize(
        ("phase", "code"),
        [
            (InstrumentStatus.CANCEL_ONLY, "instrument_cancel_only"),
            (InstrumentStatus.CLOSED, "instrument_closed"),
            (InstrumentStatus.HALTED, "instrument_halted"),
        ],
    )
    def test_some_take_cancels_only(
        self,
        market: Market,
        alice: TradingAccount,
        api: Api,
        phase: InstrumentStatus,
        code: str,
    ) -> None:
        order = market.buy(alice, 1, 49000)
        market.phase(phase)
        restart(market)
        before = everything_stored()

        refused(api.post("/orders?wait=0", order_body(market, alice)), code, 409)
        refused(api.patch(f"/orders/{order}?wait=0", {"price": "48000"}), code, 409)
        assert everything_stored() == before

        assert api.delete(f"/orders/{order}?wait=0").status_code == 202
        market.drain()
        assert stored(order).status == "cancelled"

    @pytest.mark.parametrize("phase", [InstrumentStatus.PRE_OPEN, InstrumentStatus.AUCTION])
    def test_some_take_what_can_wait(
        self, market: Market, alice: TradingAccount, api: Api, phase: InstrumentStatus
    ) -> None:
        market.phase(InstrumentStatus.CLOSED)
        market.phase(phase)
        restart(market)
        before = everything_stored()

        for fields in (
            {"type": "market", "price": None},
            {"time_in_force": "ioc"},
            {"time_in_force": "fok"},
            {"post_only": True},
            {"min_quantity": "0.5"},
        ):
            answer = api.post("/orders?wait=0", order_body(market, alice, **fields))
            refused(answer, "not_in_auction", 409)
        assert everything_stored() == before

        stop = {"type": "stop", "price": None, "trigger_price": "51000", "time_in_force": "fok"}
        for fields in ({}, {"time_in_force": "day"}, {"display_quantity": "0"}, stop):
            answer = api.post("/orders?wait=0", order_body(market, alice, **fields))
            assert answer.status_code == 202
            market.drain()
            assert api.get(f"/orders/{answer.json()['id']}").json()["status"] in {"open", "pending_trigger"}
