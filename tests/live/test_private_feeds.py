"""One's own events across kill -9 of the sockets and of the shard: who comes back has each of them once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from accounts.models import Scope
from accounts.services.key_issuing import KeyWish, create_key
from audit.actor import Actor
from orders.models import Book, Event
from tests.feed.talk import Socket
from tests.gateways.binance.client import Signed, signed_hmac
from tests.gateways.binance.wsapi.talking import Api
from tests.live.desk import Desk, Trader
from tests.threads import start_elsewhere
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live

PATIENCE = 60.0
#: Meetings of the two traders before, between and after the blows.
MEETINGS = 8
GONE = (ConnectionClosed, OSError, TimeoutError)


@dataclass(slots=True)
class Reader:
    """A client that listens, and comes back whenever its connection is lost."""

    url: str
    converse: Callable[[Reader, ClientConnection], None]
    heard: list[Any] = field(default_factory=list)
    #: How often it has been let in.
    begun: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Connect, talk, and so on until told to stop."""
        while not self.stop.is_set():
            try:
                with suppress(*GONE), connect(self.url, close_timeout=1, open_timeout=20) as connection:
                    self.converse(self, connection)
            except AssertionError as refused:
                # "The database did not answer: try again": so does this client.
                if "'unavailable'" not in str(refused):
                    raise
            time.sleep(0.1)


def numbered(trader: Trader) -> Callable[[Reader, ClientConnection], None]:
    """Read the account's numbered events, from the one after the last that was heard."""

    def converse(reader: Reader, connection: ClientConnection) -> None:
        socket = Socket(connection)
        token = trader.http.headers["Authorization"].removeprefix("Bearer ")
        socket.ask("authenticated", op="auth", token=token)
        after = reader.heard[-1]["number"] if reader.heard else 0
        topic = {"channel": "private", "account": trader.account}
        socket.ask("subscribed", op="subscribe", **topic, **{"from": after + 1})
        reader.begun += 1
        while not reader.stop.is_set():
            with suppress(TimeoutError):
                reader.heard += socket.hear("private", seconds=0.5)["events"]

    return converse


def reported(client: Signed) -> Callable[[Reader, ClientConnection], None]:
    """Read the key's user data stream."""

    def converse(reader: Reader, connection: ClientConnection) -> None:
        api = Api(connection, client)
        api.subscribe()
        reader.begun += 1
        while not reader.stop.is_set():
            with suppress(TimeoutError):
                reader.heard.append(api.hear(seconds=0.5))

    return converse


def strike(desk: Desk, name: str) -> None:
    """Kill a process of the platform."""
    process = psutil.Process(next(one.pid for one in read_records(desk.var_dir) if one.name == name))
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE)


def meet(a: Trader, b: Trader) -> None:
    """Orders that trade, whether or not the book answers in time."""
    for _ in range(MEETINGS):
        for trader, side in ((a, "sell"), (b, "buy")):
            answer = trader.send(trader.body(side, "0.01", "50000"))
            assert answer.status_code in {201, 202}, answer.text


def key_of(trader: Trader) -> Signed:
    """A client with a key of the trader's account."""
    issued = create_key(
        KeyWish(account_id=trader.account, label="bot", scopes=frozenset({Scope.READ})),
        actor=Actor.system("test"),
        now=timezone.now(),
    )
    return Signed(issued.key.key_id, signed_hmac(issued.secret))


def test_numbered_events_and_reports_across_kills(desk: Desk) -> None:
    a, b = desk.trader(), desk.trader()
    # Numbering begins when it is first asked for.
    a.http.get(f"accounts/{a.account}/events", params={"after": 0}).raise_for_status()
    sockets_at = f"ws://{urlsplit(desk.ws_url).netloc}"
    numbers, reports = (
        Reader(desk.ws_url, numbered(a)),
        Reader(f"{sockets_at}/ws-api/v3", reported(key_of(a))),
    )
    at_work: list[Future[None]] = [start_elsewhere(reader.run) for reader in (numbers, reports)]
    try:
        wait_for(lambda: numbers.begun == reports.begun == 1, "both to listen", seconds=PATIENCE)
        meet(a, b)
        strike(desk, "sockets")
        meet(a, b)
        wait_for(lambda: numbers.begun == reports.begun == 2, "both to be back", seconds=PATIENCE)
        since = Book.objects.get(instrument=desk.instrument).seq
        strike(desk, f"shard-{Book.objects.get(instrument=desk.instrument).shard_id}")
        meet(a, b)
        own = Event.objects.filter(instrument_id=desk.instrument.pk, account_id=a.account)
        traded = Event.objects.filter(instrument_id=desk.instrument.pk, maker_account_id=a.account)
        wait_for(lambda: traded.count() == 3 * MEETINGS, "all to trade", seconds=PATIENCE)
        wanted = {*own.values_list("id", flat=True), *traded.values_list("id", flat=True)}

        def stored() -> list[dict[str, Any]]:
            page = a.http.get(f"accounts/{a.account}/events", params={"after": 0, "limit": 1000})
            found: list[dict[str, Any]] = page.raise_for_status().json()["results"]
            return found

        wait_for(lambda: len(numbers.heard) >= len(stored()) >= len(wanted), "the numbers", seconds=PATIENCE)
        last = max(wanted)
        wait_for(lambda: any(one.get("I") == last for one in reports.heard), "the reports", seconds=PATIENCE)
    finally:
        for reader in (numbers, reports):
            reader.stop.set()
        for each in at_work:
            each.result(timeout=PATIENCE)

    # From the last number on: everything, once, in order, as REST has it.
    assert [one["number"] for one in numbers.heard] == list(range(1, len(numbers.heard) + 1))
    assert numbers.heard == stored()
    # The user data stream has no numbers to ask from. It tells each event once and in order; what was missed
    # lies within the one time away, and a killed shard takes nothing away at all.
    told = [one["I"] for one in reports.heard if one["e"] == "executionReport"]
    assert told == sorted(set(told))
    assert set(told) <= wanted
    missed = wanted - set(told)
    assert not [number for number in told if missed and min(missed) < number < max(missed)]
    assert not [number for number in missed if number & (2**40 - 1) > since]
