"""`manage.py replay`: recorded flow becomes exactly the orders and trades it stands for."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F, Q, Sum

from accounts.models import LedgerAccount, LedgerKind, TradingAccount
from instruments.models import Instrument
from orders.models import Command, Event, EventKind, Order, OrderStatus, Side, Source, Trade
from orders.services.seeding import Seeded
from tests.factories import everything_stored, short

SYMBOL = "BTCUSD-REPLAY"
BTC = 100_000_000
WriteFile = Callable[..., Path]

pytestmark = pytest.mark.django_db


def replay(path: Path, *, recording: str = "bitstamp", **options: Any) -> dict[str, Any]:
    out = io.StringIO()
    options = {"instrument": SYMBOL, "create_instrument": True, "drain": "inline", "run": "r1"} | options
    call_command("replay", path, format=recording, json=True, stdout=out, **options)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def orders() -> list[tuple[str, str, str, str, str, str]]:
    rows = Order.objects.filter(instrument__symbol=SYMBOL).order_by("id")
    return [
        (
            o.client_order_id,
            o.side,
            short(o.price or Decimal(0)),
            short(o.quantity),
            short(o.filled),
            o.status,
        )
        for o in rows
    ]


def trades() -> list[tuple[str, str, str]]:
    rows = Trade.objects.filter(instrument__symbol=SYMBOL).order_by("seq")
    return [(short(row.price), short(row.quantity), row.taker_side) for row in rows]


@pytest.fixture
def recording(seeded: Seeded, bitstamp_file: WriteFile) -> Path:
    """Two asks; a bid that crosses the first of them and shows its fills in later rows; cancels."""
    return bitstamp_file(
        (1, 1_000, "236.50", 1 * BTC, "created", "ask"),
        (2, 2_000, "236.60", 1 * BTC, "created", "ask"),
        (3, 3_000, "236.55", 3 * BTC, "created", "bid"),
        (3, 4_000, "236.55", 2 * BTC, "changed", "bid"),
        (1, 4_000, "236.50", 0, "deleted", "ask"),
        (9, 5_000, "240.00", 1 * BTC, "deleted", "ask"),
        (2, 6_000, "236.60", 1 * BTC, "deleted", "ask"),
        (4, 7_000, "236.70", BTC // 2, "created", "ask"),
    )


class TestOrdersAndTrades:
    def test_are_those_of_the_recording(self, recording: Path) -> None:
        report = replay(recording)

        assert orders() == [
            ("bitstamp-r1-1", Side.SELL, "236.5", "1", "1", OrderStatus.FILLED),
            ("bitstamp-r1-2", Side.SELL, "236.6", "1", "0", OrderStatus.CANCELLED),
            ("bitstamp-r1-3", Side.BUY, "236.55", "3", "1", OrderStatus.PARTIALLY_FILLED),
            ("bitstamp-r1-4", Side.SELL, "236.7", "0.5", "0", OrderStatus.OPEN),
        ]
        assert trades() == [("236.5", "1", Side.BUY)]
        assert set(Order.objects.values_list("source", flat=True)) == {Source.REPLAY}
        assert {
            name: report[name]
            for name in (
                "rows",
                "commands",
                "orders_accepted",
                "orders_denied",
                "cancels",
                "amends",
                "trades",
            )
        } == {
            "rows": 8,
            "commands": 5,
            "orders_accepted": 4,
            "orders_denied": {},
            "cancels": 1,
            "amends": 0,
            "trades": 1,
        }
        assert report["not_sent"] == {
            "change already matched": 1,
            "cancel of a filled order": 1,
            "order not in the recorded book": 1,
        }

    def test_do_not_depend_on_the_batch(self, recording: Path) -> None:
        replay(recording, batch=1)
        one_by_one, traded = orders(), trades()

        replay(recording, run="r2", batch=500)

        assert [row[1:] for row in orders()[4:]] == [row[1:] for row in one_by_one]
        assert trades()[1:] == traded

    def test_stop_at_the_limit(self, recording: Path) -> None:
        report = replay(recording, limit=2)

        assert (report["rows"], len(orders())) == (2, 2)

    def test_a_reduction_without_a_taker_is_an_amend(self, seeded: Seeded, bitstamp_file: WriteFile) -> None:
        path = bitstamp_file(
            (1, 1_000, "236.50", 5 * BTC, "created", "bid"),
            (1, 2_000, "236.50", 3 * BTC, "changed", "bid"),
            (1, 3_000, "236.50", 2 * BTC, "changed", "bid"),
        )

        report = replay(path)

        assert orders() == [("bitstamp-r1-1", Side.BUY, "236.5", "2", "0", OrderStatus.OPEN)]
        assert (report["amends"], report["trades"]) == (2, 0)
        assert report["recorded_book"]["share_of_rows_with_equal_touch"] == "1.0000"

    def test_a_market_order_shows_as_an_order_whose_price_moves(
        self, seeded: Seeded, bitstamp_file: WriteFile
    ) -> None:
        path = bitstamp_file(
            (1, 1_000, "236.00", 1 * BTC, "created", "bid"),
            (2, 2_000, "235.00", 5 * BTC, "created", "bid"),
            (3, 3_000, "236.50", 3 * BTC, "created", "ask"),
            (3, 4_000, "236.00", 3 * BTC, "changed", "ask"),
            (1, 4_000, "236.00", 0, "deleted", "bid"),
            (3, 4_000, "235.00", 2 * BTC, "changed", "ask"),
            (3, 5_000, "235.00", 0, "deleted", "ask"),
            (2, 5_000, "235.00", 3 * BTC, "changed", "bid"),
        )

        replay(path)

        assert trades() == [("236", "1", Side.SELL), ("235", "2", Side.SELL)]
        assert orders()[2][4:] == ("3", OrderStatus.FILLED)

    def test_a_named_fill_sends_the_taker_who_was_not_shown(self, seeded: Seeded, tmp_path: Path) -> None:
        path = tmp_path / "messages.csv"
        path.write_text("1.0,1,77,100,2238100,1\n2.0,4,77,40,2238100,1\n3.0,4,77,60,2238100,1\n")

        report = replay(path, recording="lobster", instrument=SYMBOL)

        assert orders() == [
            ("lobster-r1-77", Side.BUY, "223.81", "100", "100", OrderStatus.FILLED),
            ("lobster-r1-x2", Side.SELL, "223.81", "40", "40", OrderStatus.FILLED),
            ("lobster-r1-x3", Side.SELL, "223.81", "60", "60", OrderStatus.FILLED),
        ]
        assert report["trades"] == report["expected_trades"] == 2


class TestComparison:
    def test_the_stored_book_is_the_one_the_commands_give(self, recording: Path) -> None:
        assert replay(recording)["platform_book"] == {"checks": 1, "equal": 1, "first_difference": ""}

    def test_names_the_first_parting_and_its_reason(self, recording: Path) -> None:
        recorded = replay(recording)["recorded_book"]

        assert recorded["first"] == {
            "line": 4,
            "recorded": ["236.55", "236.50"],
            "replayed": ["236.55", "236.60"],
            "reason": "a crossing order was matched at once; the recording shows its fills in later rows",
        }
        # Apart from second 3, when the bid arrived, to second 4, when its fills were shown: 1 of 6 seconds.
        assert recorded["share_of_time_with_equal_touch"] == "0.8333"
        assert recorded["share_of_rows_with_equal_touch"] == "0.7500"
        assert recorded["share_of_rows_recorded_crossed"] == "0.2500"

    def test_notices_a_stranger_in_the_book(self, recording: Path) -> None:
        replay(recording, limit=1)
        intruder = Order.objects.get(client_order_id="bitstamp-r1-1")
        TradingAccount.objects.filter(id=intruder.account_id).update(account_number="SOMEBODY-ELSE")

        report = replay(recording, run="r2", limit=2)

        assert report["platform_book"]["equal"] == 0
        assert report["platform_book"]["first_difference"].startswith("After row 2 ")


class TestRunAgain:
    def test_the_same_run_continues_and_doubles_nothing(self, recording: Path) -> None:
        replay(recording, limit=5, batch=2)

        report = replay(recording)

        assert (report["orders_duplicate"], report["orders_accepted"]) == (3, 1)
        assert len(orders()) == 4
        assert trades() == [("236.5", "1", Side.BUY)]
        assert report["platform_book"]["equal"] == 1

    def test_a_finished_run_changes_nothing(self, recording: Path) -> None:
        replay(recording)
        before, commands = everything_stored(), Command.objects.count()

        report = replay(recording)

        assert everything_stored() == before
        assert Command.objects.count() == commands
        assert (report["orders_duplicate"], report["cancels_denied"]) == (4, {"order_not_open": 1})

    def test_amends_are_not_sent_twice(self, seeded: Seeded, bitstamp_file: WriteFile) -> None:
        path = bitstamp_file(
            (1, 1_000, "236.50", 5 * BTC, "created", "bid"),
            (1, 2_000, "236.40", 5 * BTC, "changed", "bid"),
            (1, 3_000, "236.50", 5 * BTC, "changed", "bid"),
        )
        replay(path)
        before = everything_stored()

        report = replay(path)

        assert report["amends"] == 0
        assert everything_stored() == before

    def test_a_new_run_begins_with_an_empty_book(self, recording: Path) -> None:
        replay(recording)

        report = replay(recording, run="r2")

        assert report["orders_accepted"] == 4
        assert report["platform_book"]["equal"] == 1
        assert [row[5] for row in orders()[:4]] == [
            OrderStatus.FILLED,
            OrderStatus.CANCELLED,
            OrderStatus.CANCELLED,
            OrderStatus.CANCELLED,
        ]


class TestRefusals:
    def test_denied_orders_are_counted_and_the_rest_goes_on(
        self, seeded: Seeded, bitstamp_file: WriteFile
    ) -> None:
        path = bitstamp_file(
            (1, 1_000, "236.50", 1 * BTC, "created", "bid"),
            (1, 2_000, "236.50", 1 * BTC, "deleted", "bid"),
            (2, 3_000, "49999.00", 1 * BTC, "created", "bid"),
        )

        report = replay(path, instrument="BTCUSD", create_instrument=False)

        assert report["orders_denied"] == {"price_out_of_band": 1}
        assert report["orders_accepted"] == 1
        assert report["platform_book"]["equal"] == 1

    def test_an_instrument_must_exist(self, recording: Path) -> None:
        before = everything_stored()

        with pytest.raises(CommandError, match="--create-instrument"):
            replay(recording, create_instrument=False)

        assert everything_stored() == before
        assert not TradingAccount.objects.filter(account_number__startswith="REPLAY").exists()

    def test_a_bad_row_ends_the_run_with_its_line(self, recording: Path) -> None:
        recording.write_text(recording.read_text() + "5,8000,8000,1,1,created,sideways\n")

        with pytest.raises(CommandError, match=r"orders.csv: line 10: direction is 'sideways'"):
            replay(recording)

    def test_a_file_must_be_there(self, seeded: Seeded, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="there is no such file"):
            replay(tmp_path / "nowhere.csv")

    @pytest.mark.parametrize(
        "option",
        ["--speed=0", "--speed=nan", "--batch=0", "--batch=1001", "--run=a b", "--instrument=btc/usd"],
    )
    def test_options_must_make_sense(self, recording: Path, option: str) -> None:
        with pytest.raises(CommandError, match="argument"):
            call_command("replay", str(recording), "--format=bitstamp", f"--instrument={SYMBOL}", option)


class TestCreatedInstrument:
    def test_has_the_steps_of_the_recording_and_rich_accounts(self, recording: Path) -> None:
        replay(recording, limit=1)
        instrument = Instrument.objects.select_related("base", "quote").get(symbol=SYMBOL)

        instrument.full_clean()
        assert (instrument.base.code, instrument.quote.code, instrument.quote.decimals) == ("BTC", "USDX", 10)
        assert (short(instrument.tick_size), short(instrument.lot_size)) == ("0.01", "0.00000001")
        assert TradingAccount.objects.filter(account_number__startswith="REPLAY-").count() == 8

    def test_is_created_and_funded_once(self, recording: Path) -> None:
        replay(recording, limit=1)
        money = LedgerAccount.objects.filter(kind=LedgerKind.FUNDING).order_by("id").values_list("balance")
        before = list(money)

        replay(recording, run="r2", limit=1)

        assert list(money) == before
        assert Instrument.objects.filter(symbol=SYMBOL).count() == 1


def test_money_is_conserved_and_never_negative(recording: Path) -> None:
    replay(recording)

    sums = (
        LedgerAccount.objects.values("asset").annotate(total=Sum("balance")).values_list("total", flat=True)
    )
    assert set(sums) == {Decimal(0)}
    assert not LedgerAccount.objects.filter(
        Q(kind=LedgerKind.CLIENT) & (Q(balance__lt=F("held")) | Q(held__lt=0))
    ).exists()
    assert Event.objects.filter(kind=EventKind.TRADE).count() == 1


def test_a_pace_can_be_kept(seeded: Seeded, bitstamp_file: WriteFile) -> None:
    path = bitstamp_file(
        (1, 1_000, "236.50", 1 * BTC, "created", "bid"), (2, 1_400, "236.40", 1 * BTC, "created", "bid")
    )

    report = replay(path, speed=Decimal(2))

    assert Decimal("0.2") <= Decimal(report["seconds"]) < Decimal(5)
    assert len(orders()) == 2


def test_people_get_tables(recording: Path) -> None:
    out = io.StringIO()

    call_command(
        "replay",
        recording,
        format="bitstamp",
        instrument=SYMBOL,
        create_instrument=True,
        drain="inline",
        run="r1",
        stdout=out,
    )

    assert "Replay r1 on BTCUSD-REPLAY" in out.getvalue()
    assert "1 of 1 checks." in out.getvalue()


def test_a_journal_says_what_was_answered_to_each_order(
    seeded: Seeded, bitstamp_file: WriteFile, tmp_path: Path
) -> None:
    path = bitstamp_file(
        (1, 1_000, "236.50", 1 * BTC, "created", "ask"),
        (2, 2_000, "236.60", 1 * BTC, "created", "bid"),
        (3, 3_000, "900.00", 1 * BTC, "created", "ask"),
        (4, 4_000, "236.70", 1 * BTC, "created", "ask"),
        (4, 5_000, "236.70", 1 * BTC, "deleted", "ask"),
    )
    journal = tmp_path / "journal.csv"

    replay(path, journal=journal, batch=2)
    first = journal.read_text()
    replay(path, journal=journal, batch=2)

    lines = [line.split(",") for line in first.splitlines()]
    placed = Order.objects.filter(instrument__symbol=SYMBOL).order_by("id")
    acknowledged = placed.values_list("account_id", "client_order_id", "id")
    assert [line[1:] for line in lines if line[0] == "accepted"] == [
        list(map(str, row)) for row in acknowledged
    ]
    denied = [line[2:] for line in lines if line[0] == "denied"]
    assert denied == [["bitstamp-r1-3", "price_out_of_band"]]
    # The same answers again, under the same order ids.
    assert journal.read_text() == first * 2
