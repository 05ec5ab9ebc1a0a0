"""Rate limits: the N+1st call is told when to come back, each caller has its own, cancels go on."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.retry import Retry
from rest_framework.views import APIView

from accounts.api import throttling as callers
from accounts.api.throttling import CallerThrottle
from accounts.models import RateTier, TradingAccount, User
from accounts.services import rates
from accounts.services.rates import Allowance
from tests.accounts.keys import make_key
from tests.api.client import Api, order_body, refused, signed_in
from tests.api.signing import SigningApi
from tests.factories import NOW, Market, everything_stored, make_account, tag
from tests.threads import all_at_once
from tradeplatform.common import limits, throttling
from tradeplatform.common.errors import Refusal
from tradeplatform.common.valkey import client


class Clock:
    """A minute of its own, 18 seconds old, which does not end by itself."""

    def __init__(self) -> None:
        self.now = 60.0 * int(tag(), 16) + 18

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all windows."""
    clock = Clock()
    monkeypatch.setattr(throttling, "clock", clock)
    monkeypatch.setattr(callers, "clock", clock)
    return clock


@pytest.fixture
def address() -> str:
    """An address that nobody else calls from, written as it is counted: without leading zeros."""
    digits = f"{int(tag(), 16):08x}"
    return str(ip_address(f"2001:db8:{digits[:4]}:{digits[4:]}::1"))


@pytest.fixture
def three_a_minute(clock: Clock, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls a minute for each caller, address without a caller, and attempts to log in."""
    settings.RATE_LIMITS = {"address": 1_000_000, "anonymous": 3, "login": 3}
    monkeypatch.setattr(rates, "_tiers", {None: Allowance(calls_1m=3)})
    monkeypatch.setattr(rates, "_fresh_until", float("inf"))


@pytest.mark.usefixtures("three_a_minute")
class TestCallers:
    def test_are_refused_the_fourth_call_and_told_when_to_come_back(self, api: Api) -> None:
        for _ in range(3):
            assert api.get("/orders").status_code == 200

        response = api.get("/orders")

        body = refused(response, "throttled", 429)
        assert body["context"] == {"limit": 3, "seconds": 60, "retry_after": 42}
        assert response["Retry-After"] == "42"

    def test_may_call_again_in_the_next_window(self, api: Api, clock: Clock) -> None:
        for _ in range(4):
            api.get("/orders")

        clock.now += 42

        assert api.get("/orders").status_code == 200

    def test_have_a_count_of_their_own(
        self, market: Market, api: Api, bob: TradingAccount, anonymous: Api
    ) -> None:
        for _ in range(4):
            api.get("/orders")

        assert signed_in(bob).get("/orders").status_code == 200
        assert anonymous.get(f"/instruments/{market.symbol}").status_code == 200

    def test_have_a_count_for_each_key(self, alice: TradingAccount, api: Api) -> None:
        first, second = make_key(alice), make_key(alice)
        program = SigningApi(first)
        for number in range(4):
            program.nonce = str(number)
            last = program.get("/orders")

        refused(last, "throttled", 429)
        assert SigningApi(second).get("/orders").status_code == 200
        assert api.get("/orders").status_code == 200

    def test_without_a_login_are_counted_by_address(self, market: Market, anonymous: Api) -> None:
        for _ in range(3):
            anonymous.get("/instruments")

        refused(anonymous.get("/instruments", REMOTE_ADDR=anonymous.address), "throttled", 429)
        assert anonymous.get("/instruments", REMOTE_ADDR="203.0.113.9").status_code == 200

    def test_without_a_login_are_counted_at_the_door_of_the_market_too(
        self, market: Market, anonymous: Api
    ) -> None:
        for what in ("", "/depth", "/ticker"):
            assert anonymous.get(f"/instruments/{market.symbol}{what}").status_code == 200

        answer = anonymous.get(f"/instruments/{market.symbol}/depth")

        assert refused(answer, "throttled", 429)["context"] == {"limit": 3, "seconds": 60, "retry_after": 42}
        assert answer["Retry-After"] == "42"

    def test_cannot_invent_an_address(self, market: Market, anonymous: Api) -> None:
        for n in range(3):
            anonymous.get("/instruments", headers={"X-Forwarded-For": f"203.0.113.{n}"})

        refused(anonymous.get("/instruments", headers={"X-Forwarded-For": "203.0.113.9"}), "throttled", 429)

    def test_get_no_order_stored_by_a_refused_call(
        self, market: Market, alice: TradingAccount, api: Api
    ) -> None:
        for _ in range(3):
            api.get("/orders")
        before = everything_stored()

        refused(api.post("/orders?wait=0", order_body(market, alice)), "throttled", 429)

        assert everything_stored() == before

    def test_can_always_cancel(self, market: Market, alice: TradingAccount, api: Api) -> None:
        order = market.buy(alice, 1, 50000)
        for _ in range(4):
            api.get("/orders")

        assert api.delete(f"/orders/{order}?wait=0").status_code == 202

    def test_who_try_to_log_in_are_counted_by_address(self, db: None, anonymous: Api) -> None:
        for n in range(3):
            anonymous.post("/auth/login", {"username": f"nobody-{n}", "password": "x"})

        refused(anonymous.post("/auth/login", {"username": "nobody-4", "password": "x"}), "throttled", 429)


class TestTiers:
    def test_a_change_is_in_force_within_seconds(
        self, alice: TradingAccount, api: Api, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tier = RateTier.objects.create(name="slow", calls_1m=60, orders_10s=1, orders_1d=9)
        User.objects.filter(id=alice.user_id).update(rate_tier=tier)
        monkeypatch.setattr(rates, "_fresh_until", 0.0)
        for _ in range(60):
            assert api.get("/accounts").status_code == 200

        refused(api.get("/accounts"), "throttled", 429)

    @pytest.mark.parametrize("door", ["orders", "batch", "lists"])
    def test_too_many_orders_are_refused_and_cancels_go_on(
        self, market: Market, alice: TradingAccount, api: Api, monkeypatch: pytest.MonkeyPatch, door: str
    ) -> None:
        monkeypatch.setattr(rates, "_tiers", {None: Allowance(orders_10s=3)})
        monkeypatch.setattr(rates, "_fresh_until", float("inf"))
        frozen = NOW.replace(year=2026 + int(tag(), 16) % 900)
        monkeypatch.setattr("orders.api.orders.timezone.now", lambda: frozen)
        orders = [order_body(market, alice, price=str(49_000 + n)) for n in range(3)]
        placed = [api.post("/orders?wait=0", order).json()["id"] for order in orders]
        market.drain(now=frozen)
        before = everything_stored()

        more: dict[str, Any] = {
            "orders": order_body(market, alice),
            "batch": {"orders": [order_body(market, alice)]},
            "lists": {"kind": "oco", "account": alice.pk, "symbol": market.symbol, "orders": [
                {"side": "sell", "type": "limit", "quantity": "1", "price": "51000"},
                {"side": "sell", "type": "stop", "quantity": "1", "trigger_price": "48000"},
            ]},
        }  # fmt: skip
        path = "/orders" if door == "orders" else f"/orders/{door}"
        answer = api.post(f"{path}?wait=0", more[door])

        refused(answer, "too_many_orders", 429)
        assert 0 < int(answer["Retry-After"]) <= 10
        assert everything_stored() == before
        assert api.delete(f"/orders/{placed[0]}?wait=0").status_code == 202

    def test_are_counted_by_account(
        self, market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rates, "_tiers", {None: Allowance(orders_10s=2)})
        monkeypatch.setattr(rates, "_fresh_until", float("inf"))
        other = make_account(currency=alice.currency, user=alice.user)

        rates.take_orders({alice.pk: 2}, tier_id=None, now=NOW)
        rates.take_orders({other.pk: 2}, tier_id=None, now=NOW)
        with pytest.raises(Refusal):
            rates.take_orders({other.pk: 1, alice.pk: 1}, tier_id=None, now=NOW)


class TestAddresses:
    """Counted before anybody is looked up; who ignores 429 gets 418, for longer each time."""

    @pytest.fixture(autouse=True)
    def _few(self, clock: Clock, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"address": 2}
        monkeypatch.setattr(limits, "PATIENCE", 3)

    def _calls(self, anonymous: Api, address: str, count: int) -> list[tuple[int, str | None]]:
        answers = [anonymous.get("/instruments", REMOTE_ADDR=address) for _ in range(count)]
        return [(answer.status_code, answer.headers.get("Retry-After")) for answer in answers]

    def test_that_go_on_are_shut_out_for_two_minutes_then_four(
        self, db: None, anonymous: Api, address: str, clock: Clock
    ) -> None:
        refusals = [(429, "42")] * 3
        assert self._calls(anonymous, address, 7) == [
            (200, None), (200, None), *refusals, (418, "120"), (418, "120"),
        ]  # fmt: skip
        # Its time is over; the next minute begins, and it does the same again.
        client().delete(f"ban:address:{address}")
        clock.now += 60
        assert self._calls(anonymous, address, 6)[-1] == (418, "240")
        client().set(f"bans:address:{address}", 20)
        client().delete(f"ban:address:{address}")
        clock.now += 60
        assert self._calls(anonymous, address, 6)[-1] == (418, str(3 * 24 * 60 * 60))

    def test_that_are_shut_out_learn_it_in_our_own_shape(
        self, db: None, anonymous: Api, address: str
    ) -> None:
        self._calls(anonymous, address, 6)

        answer = anonymous.get("/instruments", REMOTE_ADDR=address)

        assert refused(answer, "banned", 418)["context"] == {"retry_after": 120}

    def test_that_go_on_at_the_door_of_the_market_are_shut_out(
        self, market: Market, anonymous: Api, address: str
    ) -> None:
        path = f"/instruments/{market.symbol}/ticker"

        answers = [anonymous.get(path, REMOTE_ADDR=address).status_code for _ in range(6)]

        assert answers == [200, 200, 429, 429, 429, 418]

    def test_that_are_refused_as_strangers_only_are_not_shut_out(
        self, market: Market, anonymous: Api, address: str, settings: Settings
    ) -> None:
        """Others behind the same address may have a login."""
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"address": 100, "anonymous": 2}
        path = f"/instruments/{market.symbol}/ticker"

        answers = [anonymous.get(path, REMOTE_ADDR=address).status_code for _ in range(12)]

        assert answers == [200, 200, *[429] * 10]

    def test_that_are_shut_out_can_still_cancel(
        self, market: Market, alice: TradingAccount, api: Api, address: str
    ) -> None:
        order = market.buy(alice, 1, 49000)
        market.drain()
        assert self._calls(api, address, 6)[-1][0] == 418

        answer = api.delete(f"/orders/{order}?wait=0", REMOTE_ADDR=address)

        assert answer.status_code == 202

    def test_are_counted_whatever_they_present(self, db: None, address: str) -> None:
        stranger = Api().bearer("junk")
        answers = [stranger.get("/accounts", REMOTE_ADDR=address).status_code for _ in range(3)]

        assert answers == [401, 401, 429]


class TestWithoutValkey:
    @pytest.fixture(autouse=True)
    def _nowhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nowhere = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
        monkeypatch.setattr(limits, "client", lambda: nowhere)
        monkeypatch.setattr(limits, "_here", {})
        with pytest.raises(Unreachable):
            nowhere.ping()

    @pytest.mark.usefixtures("three_a_minute")
    def test_each_process_counts_for_itself(self, api: Api, clock: Clock) -> None:
        """Nobody is stopped by a lost counter, and nobody is without one."""
        assert [api.get("/orders").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
        clock.now += 42
        assert api.get("/orders").status_code == 200

    def test_what_is_counted_here_does_not_grow_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "_MOST_COUNTED_HERE", 10)
        for second in range(100):
            limits.take([limits.Limit(f"x{second}", 1, 1)], now=second)

        assert len(limits._here) <= 12


def test_a_call_is_counted_by_all_of_its_limits_or_by_none() -> None:
    name = tag()
    wide, narrow = limits.Limit(f"w{name}", 10, 60), limits.Limit(f"n{name}", 1, 60)
    assert limits.take([wide, narrow], now=1.0) == [1, 1]
    with pytest.raises(Refusal):
        limits.take([wide, narrow], now=2.0)
    assert limits.take([wide], now=3.0) == [2]
    limits.give_back([wide], now=3.0)
    assert limits.take([wide], now=3.0) == [2]


def test_calls_at_the_same_time_are_counted_together_and_each_once(db: None) -> None:
    one = limits.Limit(f"t{tag()}", 20, 60)

    def take() -> int:
        (count,) = limits.take([one], now=1.0)
        return count

    found = all_at_once([take] * 32)

    assert sorted(count for count in found if isinstance(count, int)) == list(range(1, 21))
    refusals = [refusal for refusal in found if isinstance(refusal, Refusal)]
    assert [refusal.context["retry_after"] for refusal in refusals] == [59] * 12


def test_a_valkey_that_has_forgotten_the_script_is_taught_it_again() -> None:
    one = limits.Limit(f"f{tag()}", 9, 60)
    call = limits._Call(["a", "b", "c", one.key(1.0)], [0, 60, 120, 120, 120, 1, 9, 60])
    assert limits._ask([call, call]) == [[0, 1], [0, 2]]

    client().script_flush()

    assert limits._ask([call, call, call]) == [[0, 3], [0, 4], [0, 5]]


def test_every_door_is_counted() -> None:
    """A new door is limited unless somebody says otherwise."""
    assert APIView.throttle_classes == [CallerThrottle]
