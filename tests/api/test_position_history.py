"""My positions over time and portfolios: exact, to the microsecond, and mine alone."""

from __future__ import annotations

import pytest

from accounts.models import TradingAccount
from tests.api.client import Api, refused, signed_in
from tests.factories import Market
from tests.history.telling import make_portfolio, tell_each, told

AT = "1970-01-01T00:00:%s.000000Z"


@pytest.fixture
def traded(market: Market, alice: TradingAccount) -> str:
    """Alice bought 5 at second 10 and sold 2 at second 20; the address of her history, with the symbol."""
    instrument = market.instrument
    tell_each(
        [told(alice, instrument, 10, 5, price=100, fee="1"), told(alice, instrument, 20, -2, price=110)]
    )
    return f"/accounts/{alice.id}/positions/history?instrument={market.symbol}"


class TestPosition:
    def test_is_what_was_executed_until_then(self, traded: str, market: Market, api: Api) -> None:
        assert api.get(f"{traded}&at={AT % 20}").json() == {
            "instrument": market.symbol,
            "at": AT % 20,
            "position": {
                "time": AT % 20, "position": "3", "average_price": "100", "cost": "300", "realised": "20",
                "fees": "1",
            },
            "bins": None,
        }  # fmt: skip
        assert api.get(f"{traded}&at=1970-01-01T00:00:19.999999Z").json()["position"]["position"] == "5"
        assert (
            api.get(f"{traded}&at=1970-01-01T01:00:19.999999%2B01:00").json()["position"]["position"] == "5"
        )
        assert api.get(traded).json()["position"]["time"] == AT % 20

    def test_before_the_first_execution_there_is_none(self, traded: str, api: Api) -> None:
        answer = api.get(f"{traded}&at=1970-01-01T00:00:09.999999Z").json()

        assert answer["position"] is None

    def test_windows_close_with_it(self, traded: str, api: Api) -> None:
        rows = api.get(f"{traded}&bins=10s&start={AT % '00'}&end={AT % 30}").json()["bins"]

        assert [(row["open"], row["close"], row["volume"]) for row in rows] == [
            (None, None, "0"), (None, "5", "5"), ("5", "3", "2"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "query",
        [
            "at=2026-01-31", "at=", "at=2026-01-31T12:00:00", "at=2026-01-31T12:00:00.1234567Z", "bins=1h",
            f"bins=1h&start={AT % 10}", f"bins=1w&start={AT % 10}&end={AT % 20}",
            f"bins=1h&at={AT % 10}&start={AT % 10}&end={AT % 20}", f"start={AT % 10}", "colour=red",
            f"bins=1h&start={AT % 20}&end={AT % 10}",
        ],
    )  # fmt: skip
    def test_what_is_no_question_is_refused(self, traded: str, api: Api, query: str) -> None:
        refused(api.get(f"{traded}&{query}"), "invalid_field")

    def test_too_many_windows_are_refused(self, traded: str, api: Api) -> None:
        refused(api.get(f"{traded}&bins=1us&start={AT % 10}&end={AT % 20}"), "too_many_items")

    def test_an_instrument_must_be_there(self, alice: TradingAccount, api: Api) -> None:
        refused(api.get(f"/accounts/{alice.id}/positions/history?instrument=NONE"), "unknown_symbol", 404)
        refused(api.get(f"/accounts/{alice.id}/positions/history"), "invalid_field")

    def test_anothers_is_not_there(self, traded: str, bob: TradingAccount, anonymous: Api) -> None:
        refused(signed_in(bob).get(traded), "account_not_found", 404)
        refused(anonymous.get(traded), "not_authenticated", 401)


class TestPortfolios:
    def test_are_mine_alone_and_add_up(
        self, traded: str, market: Market, alice: TradingAccount, bob: TradingAccount, api: Api
    ) -> None:
        mine = make_portfolio(alice, owner=alice.user, instrument_ids=[market.instrument.pk])
        house = make_portfolio(alice, bob)

        assert api.get("/portfolios").json()["results"] == [
            {"id": mine.pk, "name": mine.name, "accounts": [alice.pk], "instruments": [market.symbol]}
        ]
        answer = api.get(f"/portfolios/{mine.pk}/positions").json()
        assert answer["positions"][0]["position"] == "3"
        assert answer["totals"] == [
            {"asset": market.instrument.quote.code, "cost": "300", "realised": "20", "fees": "1"}
        ]
        early = api.get(f"/portfolios/{mine.pk}/positions?at=1970-01-01T00:00:01Z").json()
        assert early == {"positions": [], "totals": []}
        refused(api.get(f"/portfolios/{house.pk}/positions"), "not_found", 404)
        refused(signed_in(bob).get(f"/portfolios/{mine.pk}/positions"), "not_found", 404)
        refused(api.get(f"/portfolios/{2**70}/positions"), "not_found", 404)
