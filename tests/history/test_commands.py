"""The commands: what an operator types, and what comes back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import TradingAccount
from instruments.models import Instrument
from orders.history.models import ExternalTrade, FrozenPeriod, PositionPoint
from orders.history.services.streaming import GROUP
from tests.history.telling import everything, make_position, second, tell_each, told
from tests.history.test_streaming import stream
from tradeplatform.common.times import rfc3339
from tradeplatform.common.valkey import client

pytestmark = pytest.mark.django_db
__all__ = ["stream"]


def run(name: str, *arguments: object, plain: bool = False) -> Any:
    """What the command prints, read as JSON unless `plain`."""
    out = StringIO()
    call_command(name, *(str(one) for one in arguments), *([] if plain else ["--json"]), stdout=out)
    return out.getvalue() if plain else json.loads(out.getvalue())


def file_of(folder: Path, account: TradingAccount, *rows: tuple[Instrument, float, object]) -> Path:
    """A CSV file of (instrument, second, quantity)."""
    path = folder / "trades.csv"
    lines = [
        f"{account.account_number},{instrument.symbol},{rfc3339(second(at))},{quantity},10,test,{number}"
        for number, (instrument, at, quantity) in enumerate(rows)
    ]
    path.write_text("\n".join(["account,instrument,at,quantity,price,source,external_id", *lines]))
    return path


def position(instrument: Instrument, at: float | None = None, *more: object) -> str | None:
    moment = [] if at is None else [rfc3339(second(at))]
    found = run("query", instrument.symbol, *moment, *more)["position"]
    return None if found is None else found["position"]


def test_ac_36_two_instruments_through_the_commands(tmp_path: Path) -> None:
    account, first = make_position()
    _, other = make_position()
    start = 1_650_896_000
    path = file_of(
        tmp_path, account,
        (first, start + 178, 100), (first, start + 180, 7), (first, start + 181, 25),
        (other, start + 178, 50), (other, start + 181, 150),
    )  # fmt: skip

    assert run("ingest", "--file", path) == {"new": 5, "repeated": 0, "dry_run": False}
    assert run("position", first.symbol)["points"] == 3
    assert run("position", other.symbol)["points"] == 2

    assert [position(first, start + at) for at in (177, 178, 179, 180, 181)] == [
        None, "100", "100", "107", "132",
    ]  # fmt: skip
    assert [position(other, start + at) for at in (178, 180, 181)] == ["50", "50", "200"]


def test_ac_37_shuffled_trades_regenerate_in_the_order_of_time_and_again_the_same(tmp_path: Path) -> None:
    account, instrument = make_position()
    path = file_of(tmp_path, account, *((instrument, 10 * number, 10) for number in (4, 1, 5, 3, 2)))
    run("ingest", "--file", path)
    PositionPoint.objects.all().delete()

    assert run("position", instrument.symbol) == {"points": 5, "removed": 0, "added": 5, "dry_run": False}

    assert [position(instrument, 10 * number) for number in range(6)] == [None, "10", "20", "30", "40", "50"]
    before = everything(instrument)
    assert run("position", instrument.symbol) == {"points": 5, "removed": 0, "added": 0, "dry_run": False}
    assert everything(instrument) == before


def test_ac_38_query_between_on_before_and_without_a_time() -> None:
    account, instrument = make_position()
    tell_each([told(account, instrument, 100, 5), told(account, instrument, 200, 7)])

    assert [position(instrument, at) for at in (150, 200, 99.999999, None)] == ["5", "12", None, "12"]
    assert run("query", instrument.symbol, rfc3339(second(99)), plain=True) == "no position\n"
    printed = run("query", instrument.symbol, plain=True)
    assert "12" in printed
    assert rfc3339(second(200)) in printed
    assert "\u2026" not in printed
    assert position(instrument, 150, "--account", account.account_number) == "5"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "Write a moment with its zone"),
        ("2026-01-31", "Write a moment with its zone"),
        ("2026-01-31T12:00:00", "Write a moment with its zone"),
        ("2026-02-30T12:00:00Z", "The calendar has no such moment"),
        ("2026-01-31T12:00:00.1234567Z", "Write a moment with its zone"),
        ("1890-01-31T12:00:00Z", "There is no market at that time"),
    ],
)
def test_ac_38_a_wrong_timestamp_says_what_is_right(text: str, said: str) -> None:
    _account, instrument = make_position()

    with pytest.raises(CommandError, match=said):
        run("query", instrument.symbol, text)


class TestQuery:
    def test_names_what_it_does_not_know(self) -> None:
        _account, instrument = make_position()

        with pytest.raises(CommandError, match="unknown_symbol"):
            run("query", "NOTHING")
        with pytest.raises(CommandError, match="No account has the number 7"):
            run("query", instrument.symbol, "--account", "7")
        with pytest.raises(CommandError, match="go with --bins"):
            run("query", instrument.symbol, "--from", "2026-01-31T12:00:00Z")

    def test_windows(self) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 5, 3), told(account, instrument, 3605, -1)])
        ask = ("query", instrument.symbol, "--bins", "1h", "--from", rfc3339(second(0)), "--to")

        found = run(*ask, rfc3339(second(7200)))["bins"]

        assert [(row["open"], row["close"], row["volume"]) for row in found] == [
            (None, "3", "3"),
            ("3", "2", "1"),
        ]
        assert found[1]["start"] == "1970-01-01T01:00:00.000000Z"
        printed = run(*ask, rfc3339(second(7200)), plain=True)
        assert "windows of 1h" in printed
        assert "1970-01-01T01:00:00Z" in printed
        assert "\u2026" not in printed
        with pytest.raises(CommandError, match="not by a TIMESTAMP"):
            run("query", instrument.symbol, rfc3339(second(1)), "--bins", "1h")


class TestPosition:
    def test_a_preview_puts_nothing_right(self) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 5, 3)])
        PositionPoint.objects.all().delete()

        assert run("position", instrument.symbol, "--dry-run")["added"] == 1
        assert not PositionPoint.objects.exists()
        assert "1" in run("position", instrument.symbol, "--account", account.account_number, plain=True)
        assert PositionPoint.objects.count() == 1


class TestTrade:
    def test_direct_trades_are_new_once_with_a_seed(self) -> None:
        account, first = make_position()
        _, other = make_position()
        arguments = ("trade", 50, first.symbol, other.symbol, "--account", account.account_number, "--direct")

        assert run(*arguments, "--seed", 7) == {"trades": 50, "new": 50}
        assert run(*arguments, "--seed", 7) == {"trades": 50, "new": 0}

        assert set(ExternalTrade.objects.values_list("instrument", flat=True)) == {first.pk, other.pk}
        for instrument in (first, other):
            assert run("position", instrument.symbol)["removed"] == 0

    def test_streamed_trades_are_ingested(self, stream: str) -> None:
        account, instrument = make_position()
        who = ("--account", account.account_number, "--stream", stream)

        assert run("trade", 30, instrument.symbol, *who) == {"trades": 30, "stream": stream}
        assert run("ingest", "--stream", stream, "--once") == {"new": 30, "repeated": 0, "refused": 0}

        assert ExternalTrade.objects.count() == 30
        assert client().xpending(stream, GROUP)["pending"] == 0

    def test_a_preview_prints_trades_and_sends_none(self, stream: str) -> None:
        account, instrument = make_position()
        out = run(
            "trade", 3, instrument.symbol, "--account", account.account_number, "--stream", stream,
            "--days", 2, "--dry-run", plain=True,
        )  # fmt: skip

        trades = [json.loads(line) for line in out.splitlines()]
        assert [trade["source"] for trade in trades] == ["simulation"] * 3
        two_days_ago = timezone.now() - timedelta(days=2, minutes=1)
        assert all(two_days_ago < datetime.fromisoformat(trade["at"]) < timezone.now() for trade in trades)
        assert client().exists(stream) == 0

    def test_an_account_must_be_there(self) -> None:
        _account, instrument = make_position()

        with pytest.raises(CommandError, match="account_not_found"):
            run("trade", 1, instrument.symbol, "--account", "nobody")


class TestIngest:
    def test_a_preview_of_a_file_counts_and_takes_nothing(self, tmp_path: Path) -> None:
        account, instrument = make_position()
        path = file_of(tmp_path, account, (instrument, 1, 1))

        assert run("ingest", "--file", path, "--dry-run") == {"new": 1, "repeated": 0, "dry_run": True}
        assert not ExternalTrade.objects.exists()

    def test_a_file_at_fault_is_refused_line_by_line(self, tmp_path: Path) -> None:
        account, instrument = make_position()
        path = file_of(tmp_path, account, (instrument, 1, 1), (instrument, 2, "=1+1"), (instrument, 3, 0))

        with pytest.raises(CommandError, match=r"(?s)2 rows are at fault.*line 3: .*formula_cell.*line 4"):
            run("ingest", "--file", path)
        assert not ExternalTrade.objects.exists()

    def test_the_stream_has_no_preview(self) -> None:
        with pytest.raises(CommandError, match="--dry-run goes with --file"):
            run("ingest", "--dry-run")


class TestFreeze:
    def test_freezes_after_a_preview(self) -> None:
        account, instrument = make_position()
        tell_each([told(account, instrument, 5, 3)])
        arguments = ("freeze", instrument.symbol, "--until", rfc3339(second(10)), "--reason", "reported")

        assert run(*arguments, "--dry-run")["points"] == 1
        assert not FrozenPeriod.objects.exists()
        assert run(*arguments) == {
            "instrument": instrument.symbol, "until": "1970-01-01T00:00:10.000000Z", "points": 1,
            "dry_run": False,
        }  # fmt: skip
        with pytest.raises(CommandError, match="already_frozen"):
            run(*arguments)
        assert "all" in run("freeze", "--all", "--until", rfc3339(second(9)), "--reason", "x", plain=True)

    def test_which_instruments_must_be_said_once(self) -> None:
        until = ("--until", rfc3339(second(10)), "--reason", "x")
        with pytest.raises(CommandError):
            run("freeze", *until)
