"""The stream: real Valkey, real processes; whoever dies and whenever, each trade is taken once."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from redis.exceptions import ConnectionError as Unreachable

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.history.management.commands import ingest
from orders.history.models import ExternalTrade, PositionPoint, RefusedTrade
from orders.history.services import streaming
from orders.history.services.streaming import GROUP, Consumer, Tally, publish, take
from tests.history.telling import LATER, asked, everything, make_position, points, second
from tests.history.test_ingesting import stored
from tradeplatform.common.times import rfc3339
from tradeplatform.common.valkey import client
from tradeplatform.config import BASE_DIR

_PATIENCE = 60.0
NOW = LATER


@pytest.fixture
def stream() -> Iterator[str]:
    """A stream of the test's own."""
    name = f"test:{uuid.uuid4().hex}"
    yield name
    client().delete(name)


def fields(account: TradingAccount, instrument: Instrument, at: int, **changes: str) -> dict[str, str]:
    return {
        "account": account.account_number, "instrument": instrument.symbol, "at": rfc3339(second(at)),
        "quantity": "1", "price": "10", "source": "venue", "external_id": f"{instrument.symbol}-{at}",
    } | changes  # fmt: skip


def left(stream: str) -> tuple[int, int]:
    """(entries in the stream, entries delivered and not acknowledged)."""
    pending: Any = client().xpending(stream, GROUP)
    return int(client().xlen(stream)), int(pending["pending"])


def consumer(stream: str, name: str = "test", *, claim_after: float = 0) -> Consumer:
    return Consumer(name, stream, timedelta(seconds=claim_after), batch=100)


@pytest.mark.django_db
class TestConsumer:
    def test_takes_late_and_shuffled_trades_and_forgets_their_entries(self, stream: str) -> None:
        account, instrument = make_position()
        publish([fields(account, instrument, at) for at in (3, 1, 2)], stream=stream)

        assert consumer(stream).step(now=NOW) == Tally(new=3)

        assert [position for _at, position in points(account, instrument)] == ["1", "2", "3"]
        assert left(stream) == (0, 0)
        assert consumer(stream).step(now=NOW) == Tally()

    def test_what_was_there_before_the_group_is_read_too_and_repeats_change_nothing(
        self, stream: str
    ) -> None:
        account, instrument = make_position()
        publish([fields(account, instrument, 1), fields(account, instrument, 1)], stream=stream)
        assert consumer(stream).step(now=NOW) == Tally(new=1, repeated=1)
        publish([fields(account, instrument, 1)], stream=stream)

        assert consumer(stream).step(now=NOW) == Tally(repeated=1)
        assert stored() == [1, 1, 1]

    def test_what_is_no_trade_is_kept_with_its_reason_and_holds_nothing_up(self, stream: str) -> None:
        account, instrument = make_position()
        good = fields(account, instrument, 1)
        bad = [
            {"hello": "world"},
            good | {"external_id": "2", "price": "=1+1"},
            good | {"external_id": "3", "account": "nobody"},
            good | {"quantity": "2"},
            good | {"external_id": "5", "at": "9999-01-01T00:00:00Z"},
        ]
        publish([good, *bad], stream=stream)
        client().xadd(stream, {b"\xff\x00": b"\xff\x00" * 500})

        assert consumer(stream).step(now=NOW) == Tally(new=1, refused=6)

        kept = list(RefusedTrade.objects.order_by("entry"))
        assert [row.code for row in kept] == [
            "wrong_columns", "formula_cell", "account_not_found", "external_id_conflict", "invalid_field",
            "wrong_columns",
        ]  # fmt: skip
        assert kept[2].payload["account"] == "nobody"
        assert left(stream) == (0, 0)

    def test_an_entry_that_was_committed_and_not_acknowledged_is_taken_once(
        self, stream: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, instrument = make_position()
        publish([fields(account, instrument, 1), {"no": "trade"}], stream=stream)
        with monkeypatch.context() as patch:
            patch.setattr(streaming, "acknowledge", _dies)
            with pytest.raises(ConnectionError):
                consumer(stream, "first").step(now=NOW)
        assert left(stream) == (2, 2)

        assert consumer(stream, "second").step(now=NOW) == Tally(repeated=1, refused=1)

        assert stored() == [1, 1, 1]
        assert RefusedTrade.objects.count() == 1
        assert left(stream) == (0, 0)

    def test_what_another_has_only_just_been_given_is_left_to_it(self, stream: str) -> None:
        account, instrument = make_position()
        publish([fields(account, instrument, 1)], stream=stream)
        consumer(stream, "first")._ask(
            lambda valkey: valkey.xreadgroup(GROUP, "first", {stream: ">"}, count=1)
        )

        assert consumer(stream, "second", claim_after=60).step(now=NOW) == Tally()
        assert consumer(stream, "third").step(now=NOW) == Tally(new=1)

    def test_a_batch_that_fails_is_not_acknowledged(
        self, stream: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, instrument = make_position()
        publish([fields(account, instrument, 1)], stream=stream)
        with monkeypatch.context() as patch:
            patch.setattr(streaming, "ingest", _dies)
            with pytest.raises(ConnectionError):
                consumer(stream).step(now=NOW)

        assert stored() == [0, 0, 0]
        assert consumer(stream).step(now=NOW) == Tally(new=1)

    def test_the_same_entry_twice_is_refused_once(self) -> None:
        entry = ("1-0", {"no": "trade"})

        take([entry], now=NOW)
        take([entry], now=NOW)

        assert RefusedTrade.objects.count() == 1


def _dies(*_args: object, **_options: object) -> None:
    raise ConnectionError("gone")


@pytest.fixture
def signals() -> Iterator[None]:
    """What a command does with signals ends with the test."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_servers_that_are_away_are_said_to_be_once_each_minute_and_when_they_are_back(
    signals: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every three seconds it asks again: away for 100 seconds, back, and away for a moment."""
    caplog.set_level(logging.INFO, logger=ingest.__name__)
    away = iter([True] * 33 + [False, False, True, False])
    clock = iter(range(0, 1_000, 3))

    def step(*_args: object, **_options: object) -> Tally:
        turn = next(away, None)
        if turn is None:
            signal.raise_signal(signal.SIGTERM)
        if turn:
            raise Unreachable("Connection refused.")
        return Tally()

    monkeypatch.setattr(Consumer, "step", step)
    monkeypatch.setattr(ingest, "_ASK_AGAIN_SECONDS", 0)
    monkeypatch.setattr(ingest, "_clock", lambda: next(clock))
    monkeypatch.setattr(ingest, "close_old_connections", lambda: None)

    ingest._consume(consumer("nobody's"), once=False)

    said: list[Any] = [record.msg for record in caplog.records]
    assert [(line["event"], line["seconds"]) for line in said] == [
        ("ingest_waits", 0), ("ingest_waits", 60), ("ingest_goes_on", 99),
        ("ingest_waits", 0), ("ingest_goes_on", 3),
    ]  # fmt: skip


def ingest_process(stream: str, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """`manage.py ingest` on this test's database, as an operator starts it."""
    address = urlsplit(os.environ["DATABASE_URL"])
    url = urlunsplit(address._replace(path=f"/{connection.settings_dict['NAME']}"))
    command = [sys.executable, "manage.py", "ingest", f"--stream={stream}", "--claim-after=300", *options]
    with (folder / "ingest.txt").open("ab") as log:
        return subprocess.Popen(
            command,
            env=os.environ | {"DATABASE_URL": url, "TRADEPLATFORM_READONLY_DATABASE_URL": url},
            cwd=BASE_DIR,
            stdout=log,
            stderr=log,
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
def test_consumers_killed_in_the_middle_lose_nothing_and_take_nothing_twice(
    stream: str, tmp_path: Path
) -> None:
    account, instrument = make_position()
    count = 3_000
    trades = [fields(account, instrument, at) for at in range(count, 0, -1)]
    publish([*trades, *trades[:100], {"no": "trade"}], stream=stream)

    taken = 0
    for _blow in range(3):
        process = ingest_process(stream, tmp_path, "--batch=10")
        try:
            _wait_for_more_than(taken + 50, process, tmp_path)
        finally:
            process.kill()
            process.wait(30)
        taken = ExternalTrade.objects.count()
        assert taken < count
    done = ingest_process(stream, tmp_path, "--json")
    _wait_for_more_than(count - 1, done, tmp_path)
    while left(stream) != (0, 0):
        time.sleep(0.05)
    done.terminate()

    assert done.wait(30) == 0
    last = json.loads((tmp_path / "ingest.txt").read_text().splitlines()[-1])
    assert last["new"] == count - taken
    assert ExternalTrade.objects.count() == PositionPoint.objects.count() == count
    assert RefusedTrade.objects.count() == 1
    assert asked(account, instrument) == str(count)
    assert len(everything(instrument)) == count + 1


def _wait_for_more_than(count: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while ExternalTrade.objects.count() <= count:
        assert process.poll() is None, (folder / "ingest.txt").read_text()
        assert time.monotonic() < deadline, (folder / "ingest.txt").read_text()
        time.sleep(0.02)
