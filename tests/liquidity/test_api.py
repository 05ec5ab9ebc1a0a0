"""The dealing doors: scenarios through HTTP, refusals with their codes, ownership, idempotency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from tests.api.client import Api, refused, signed_in
from tests.liquidity.floor import Floor, all_dealt, balance

_UNKNOWN = 987_654_321


@pytest.fixture
def floor(floor: Floor) -> Floor:
    """Doors have the real clock: everything is quoted now."""
    floor.now = timezone.now()
    for symbol, (bid, ask) in {
        "EURUSD": ("1.1000", "1.1002"),
        "USDJPY": ("150.000", "150.020"),
        "XAUUSD": ("2400.00", "2401.00"),
        "ETHUSD": ("2000.00", "2000.00"),
    }.items():
        floor.quote(symbol, bid, ask, at=timezone.now())
    return floor


@pytest.fixture
def account(floor: Floor) -> TradingAccount:
    return floor.account()


@pytest.fixture
def api(account: TradingAccount) -> Api:
    return signed_in(account)


def where(account: TradingAccount, *parts: object) -> str:
    return "/".join(["", "accounts", str(account.pk), "positions", *(str(part) for part in parts)])


def body(**changes: Any) -> dict[str, Any]:
    return {"request_id": "one", "symbol": "EURUSD", "side": "buy", "volume": "0.1"} | changes


def opened(api: Api, account: TradingAccount, **changes: Any) -> str:
    answer = api.post(where(account), body(**changes))
    assert answer.status_code == 200, answer.json()
    return str(answer.json()["deals"][-1]["position_id"])


def test_ac_45_to_47_through_the_api(floor: Floor, api: Api, account: TradingAccount) -> None:
    number = opened(api, account)
    floor.quote("EURUSD", "1.1050", "1.1052", at=timezone.now())

    (position,) = api.get(where(account)).json()["results"]
    margin = api.get(f"/accounts/{account.pk}/margin").json()

    assert (position["id"], position["direction"], position["volume"]) == (number, "long", "0.10")
    assert (position["average_price"], position["unrealised"]) == ("1.1002", "48.00")
    assert {name: margin[name] for name in ("balance", "equity", "margin", "free", "level")} == {
        "balance": "10000.00", "equity": "10048.00", "margin": "110.02", "free": "9937.98", "level": "9132.88"
    }  # fmt: skip
    closed = api.post(where(account, number, "close"), {"request_id": "two"}).json()["deals"]
    assert [(deal["kind"], deal["price"], deal["pnl"]) for deal in closed] == [("close", "1.105", "48.00")]


def test_ac_48_too_much_is_refused(floor: Floor) -> None:
    poor = floor.account(100)
    before = all_dealt()

    answer = signed_in(poor).post(where(poor), body(volume="10"))

    problem = refused(answer, "insufficient_margin", 400)
    assert problem["context"]["required"] == "11002"
    assert all_dealt() == before


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"volume": "0.001"}, "quantity_not_on_step", 400),
        ({"volume": "200"}, "quantity_too_large", 400),
        ({"volume": "0"}, "invalid_number", 400),
        ({"volume": "-0.1"}, "invalid_number", 400),
        ({"volume": "1" * 40}, "invalid_number", 400),
        ({"volume": "1e2"}, "invalid_number", 400),
        ({"side": "hold"}, "invalid_field", 400),
        ({"symbol": "NOPE"}, "unknown_symbol", 404),
        ({"request_id": ""}, "invalid_field", 400),
        ({"request_id": "x" * 65}, "invalid_field", 400),
        ({"stop_loss": "1.2"}, "exit_price_reached", 409),
        ({"stop_loss": "1.0000001"}, "price_not_on_tick", 400),
        ({"leverage": "500"}, "invalid_field", 400),
    ],
    ids=str,
)
def test_ac_49_each_refused_with_its_code(
    api: Api, account: TradingAccount, changes: dict[str, Any], code: str, status: int
) -> None:
    before = all_dealt()

    answer = api.post(where(account), body(**changes))

    refused(answer, code, status)
    assert all_dealt() == before


def test_ac_50_half_is_closed(api: Api, account: TradingAccount) -> None:
    number = opened(api, account, volume="1.0")

    deals = api.post(where(account, number, "close"), {"request_id": "half", "volume": "0.5"}).json()["deals"]
    position = api.get(where(account, number)).json()

    assert [(deal["kind"], deal["volume"], deal["pnl"]) for deal in deals] == [("close", "0.5", "-10.00")]
    assert (position["volume"], position["closed_at"], position["pnl"]) == ("0.50", None, "-10.00")
    assert [deal["kind"] for deal in position["deals"]] == ["open", "close"]


def test_ac_53_exits_are_set_moved_and_taken_away(floor: Floor, api: Api, account: TradingAccount) -> None:
    number = opened(api, account, stop_loss="1.09", take_profit="1.2")
    address = where(account, number)

    moved = api.patch(address, {"request_id": "a", "stop_loss": "1.095"}).json()
    floor.quote("EURUSD", "1.1050", "1.1052", at=timezone.now())
    entry = api.patch(address, {"request_id": "b", "break_even": True}).json()
    away = api.patch(address, {"request_id": "c", "take_profit": None}).json()

    assert (moved["stop_loss"], moved["take_profit"]) == ("1.09500", "1.20000")
    assert (entry["stop_loss"], entry["take_profit"]) == ("1.10020", "1.20000")
    assert (away["stop_loss"], away["take_profit"]) == ("1.10020", None)


@pytest.mark.parametrize(
    "asked", [{}, {"break_even": True, "stop_loss": "1"}, {"stop_loss": "x"}, {"unknown": "1"}], ids=str
)
def test_exits_that_say_nothing_are_refused(api: Api, account: TradingAccount, asked: dict[str, Any]) -> None:
    number = opened(api, account)

    assert api.patch(where(account, number), {"request_id": "a"} | asked).status_code == 400


def test_reverse_close_by_and_close_all(floor: Floor) -> None:
    account = floor.account(hedging=True)
    api = signed_in(account)
    first = opened(api, account)
    second = opened(api, account, request_id="two", side="sell", volume="0.3")

    by = api.post(where(account, first, "close"), {"request_id": "by", "by": int(second)}).json()["deals"]
    reversed_ = api.post(where(account, second, "reverse"), {"request_id": "rev"}).json()["deals"]
    everything = api.post(where(account, "close-all"), {"request_id": "all"}).json()["deals"]

    assert [deal["kind"] for deal in by] == ["close_by", "close_by"]
    assert [(deal["kind"], deal["side"], deal["volume"]) for deal in reversed_] == [
        ("close", "buy", "0.2"),
        ("open", "buy", "0.2"),
    ]
    assert [deal["volume"] for deal in everything] == ["0.2"]
    assert api.get(where(account)).json()["results"] == []
    closed = api.get(where(account) + "?state=closed&limit=2").json()
    assert (len(closed["results"]), closed["next_cursor"] is None) == (2, False)


def test_a_request_sent_again_answers_the_same(api: Api, account: TradingAccount) -> None:
    first = api.post(where(account), body())
    before = all_dealt()

    again = api.post(where(account), body())

    assert (again.status_code, again.json()) == (200, first.json())
    assert all_dealt() == before
    refused(api.post(where(account), body(volume="0.2")), "request_id_conflict", 409)


def test_the_balance_says_what_positions_need(api: Api, account: TradingAccount) -> None:
    opened(api, account)

    (row,) = api.get(f"/accounts/{account.pk}/balances").json()["results"]

    assert row == {
        "asset": "USD", "balance": "10000.00", "held": "0.00", "reserved": "112.02", "available": "9887.98"
    }  # fmt: skip


DOORS: dict[str, Callable[[Api, str, str], Any]] = {
    "list": lambda api, there, _number: api.get(there),
    "open": lambda api, there, _number: api.post(there, body()),
    "read": lambda api, there, number: api.get(f"{there}/{number}"),
    "exits": lambda api, there, number: api.patch(f"{there}/{number}", {"request_id": "x", "stop_loss": "1"}),
    "close": lambda api, there, number: api.post(f"{there}/{number}/close", {"request_id": "x"}),
    "reverse": lambda api, there, number: api.post(f"{there}/{number}/reverse", {"request_id": "x"}),
    "close all": lambda api, there, _number: api.post(f"{there}/close-all", {"request_id": "x"}),
    "margin": lambda api, there, _number: api.get(there.replace("/positions", "/margin")),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
def test_anothers_account_is_not_there(
    floor: Floor, api: Api, account: TradingAccount, door: Callable[[Api, str, str], Any]
) -> None:
    number, stranger = opened(api, account), signed_in(floor.account())
    before = all_dealt()

    refused(door(stranger, where(account), number), "account_not_found", 404)
    refused(door(stranger, f"/accounts/{_UNKNOWN}/positions", number), "account_not_found", 404)
    refused(door(Api(), where(account), number), "not_authenticated", 401)
    assert (all_dealt(), balance(account)) == (before, "10000")


def test_a_position_of_another_account_of_mine_is_not_there(
    floor: Floor, api: Api, account: TradingAccount
) -> None:
    number = opened(api, account)
    mine = floor.account(user=account.user)

    refused(api.post(where(mine, number, "close"), {"request_id": "x"}), "position_not_found", 404)
