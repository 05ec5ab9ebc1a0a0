"""Rate limits: the N+1st call is told when to come back, each caller has its own, cancels go on."""

from __future__ import annotations

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Unreachable
from rest_framework.views import APIView

from accounts.models import TradingAccount
from tests.api.client import Api, order_body, refused, signed_in
from tests.factories import Market, everything_stored, tag
from tradeplatform.common import throttling
from tradeplatform.common.throttling import CallerThrottle, WindowThrottle


@pytest.fixture
def three_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates of three calls a minute, in a window of its own that does not end while the test runs."""
    start = 60.0 * int(tag(), 16)
    monkeypatch.setattr(
        WindowThrottle, "THROTTLE_RATES", {"anon": "3/min", "user": "3/min", "login": "3/min"}
    )
    monkeypatch.setattr(WindowThrottle, "timer", staticmethod(lambda: start + 18))


@pytest.mark.usefixtures("three_a_minute")
class TestLimits:
    def test_refuse_the_fourth_call_and_say_when_to_come_back(self, api: Api) -> None:
        for _ in range(3):
            assert api.get("/orders").status_code == 200

        response = api.get("/orders")

        refused(response, "throttled", 429)
        assert response["Retry-After"] == "43"

    def test_let_calls_through_in_the_next_window(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(4):
            api.get("/orders")
        later = WindowThrottle.timer() + 43

        monkeypatch.setattr(WindowThrottle, "timer", staticmethod(lambda: later))

        assert api.get("/orders").status_code == 200

    def test_are_each_persons_own(
        self, market: Market, api: Api, bob: TradingAccount, anonymous: Api
    ) -> None:
        for _ in range(4):
            api.get("/orders")

        assert signed_in(bob).get("/orders").status_code == 200
        assert anonymous.get(f"/instruments/{market.symbol}").status_code == 200

    def test_without_a_person_count_by_address(self, market: Market, anonymous: Api) -> None:
        for _ in range(3):
            anonymous.get("/instruments")

        refused(anonymous.get("/instruments", REMOTE_ADDR="127.0.0.1"), "throttled", 429)
        assert anonymous.get("/instruments", REMOTE_ADDR="203.0.113.9").status_code == 200

    def test_believe_no_address_that_the_caller_invents(self, market: Market, anonymous: Api) -> None:
        for n in range(3):
            anonymous.get("/instruments", headers={"X-Forwarded-For": f"203.0.113.{n}"})

        refused(anonymous.get("/instruments", headers={"X-Forwarded-For": "203.0.113.9"}), "throttled", 429)

    def test_refuse_an_order_without_storing_it(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        for _ in range(3):
            api.get("/orders")
        before = everything_stored()

        refused(api.post("/orders?wait=0", order_body(market, alice)), "throttled", 429)

        assert everything_stored() == before

    def test_leave_cancels_possible(self, market: Market, alice: TradingAccount, api: Api) -> None:
        order = market.buy(alice, 1, 50000)
        for _ in range(4):
            api.get("/orders")

        assert api.delete(f"/orders/{order}?wait=0").status_code == 202

    def test_count_logins_by_address(self, db: None, anonymous: Api) -> None:
        for n in range(3):
            anonymous.post("/auth/login", {"username": f"nobody-{n}", "password": "x"})

        refused(anonymous.post("/auth/login", {"username": "nobody-4", "password": "x"}), "throttled", 429)

    def test_fail_open_when_nobody_counts(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        nowhere = Redis(host="127.0.0.1", port=1)
        monkeypatch.setattr(throttling, "client", lambda: nowhere)
        with pytest.raises(Unreachable):
            nowhere.ping()

        assert [api.get("/orders").status_code for _ in range(5)] == [200] * 5


def test_every_door_is_counted() -> None:
    """A new door is limited unless somebody says otherwise."""
    assert APIView.throttle_classes == [CallerThrottle]
    assert CallerThrottle.THROTTLE_RATES == {"anon": "1200/min", "user": "12000/min", "login": "120/min"}
