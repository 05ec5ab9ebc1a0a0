"""The private stream over real sockets: from any number on, then live, without a seam."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import TradingAccount
from orders.services.private_events import begin
from tests.factories import Market, fund
from tests.feed.flow_of_orders import random_flow
from tests.feed.talk import Feed, Socket

pytestmark = pytest.mark.django_db(transaction=True)


def subscribe(reader: Socket, account: TradingAccount, **start: int) -> None:
    answer = reader.ask("subscribed", op="subscribe", channel="private", account=account.pk, **start)
    assert (answer["channel"], answer["account"]) == ("private", account.pk)


def read_until(reader: Socket, number: int, events: list[dict[str, Any]]) -> None:
    """Take private messages up to an event's number."""
    while not events or events[-1]["number"] < number:
        events += reader.hear("private")["events"]


def read_to_the_deposit(reader: Socket) -> list[dict[str, Any]]:
    """All private events, up to the balance that has the digits of the last deposit."""
    events: list[dict[str, Any]] = []
    while not any((one["balance"] or {}).get("balance", "").endswith("45678") for one in events):
        events += reader.hear("private")["events"]
    return events


def test_replayed_and_live_have_no_gap_and_no_double(
    feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
) -> None:
    begin(alice.pk, None, now=timezone.now())
    flow = random_flow(market, [alice, bob], steps=30, seed=5)
    with feed.socket() as early, feed.socket() as late:
        for reader in (early, late):
            reader.log_in(alice)
        subscribe(early, alice, **{"from": 1})
        for step in flow:
            if step == 15:
                subscribe(late, alice, **{"from": 3})
        fund(alice, market.instrument.base, "0.12345678")
        first, second = read_to_the_deposit(early), read_to_the_deposit(late)

    assert [one["number"] for one in first] == list(range(1, len(first) + 1))
    assert second == first[2 : 2 + len(second)]
    assert {one["kind"] for one in first} == {"order", "fill", "balance"}


def test_back_after_a_while_it_goes_on_where_it_was(
    feed: Feed, market: Market, alice: TradingAccount
) -> None:
    with feed.socket() as reader:
        reader.log_in(alice)
        subscribe(reader, alice)
        market.buy(alice, 1, 49000)
        market.drain()
        assert [one["number"] for one in reader.hear("private")["events"]] == [1]
    for price in (48000, 47000):
        market.buy(alice, 1, price)
    market.drain()
    with feed.socket() as reader:
        reader.log_in(alice)
        subscribe(reader, alice, **{"from": 2})
        events: list[dict[str, Any]] = []
        read_until(reader, 3, events)
        assert [(one["number"], one["order"]["price"]) for one in events] == [
            (2, "48000.00"), (3, "47000.00"),
        ]  # fmt: skip


def test_a_number_that_is_not_there_is_refused(feed: Feed, market: Market, alice: TradingAccount) -> None:
    with feed.socket() as reader:
        reader.log_in(alice)
        error = reader.ask("error", op="subscribe", channel="private", account=alice.pk, **{"from": 7})
        assert error["code"] == "event_number_out_of_range"
        assert error["context"] == {"asked": 7, "first": 1, "last": 0}
        error = reader.ask("error", op="subscribe", channel="orders", account=alice.pk, **{"from": 1})
        assert error["code"] == "invalid_field"


def test_nobody_hears_of_another_s(
    feed: Feed, market: Market, alice: TradingAccount, bob: TradingAccount
) -> None:
    with feed.socket() as reader:
        reader.log_in(bob)
        error = reader.ask("error", op="subscribe", channel="private", account=alice.pk)
        assert error["code"] == "account_not_found"
