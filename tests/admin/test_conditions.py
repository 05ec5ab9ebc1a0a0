"""Orders with conditions in the back office: how lists, pages, books and the market page show them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from orders.models import Book, Command, CommandKind, Event, EventKind, Order, OrderType, Side, TimeInForce
from orders.services.journal import CommandRow, write_commands
from orders.services.requests import ListKind
from tests.admin.conftest import Lived
from tests.admin.registry import address
from tests.factories import ACTOR, NOW, stored


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def words(client: Client, url: str) -> str:
    """A page as a person reads it: tags away, blanks folded."""
    answer = client.get(url)
    assert answer.status_code == 200
    text = re.sub(r"<script.*?</script>|<style.*?</style>", " ", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"[ \t\n]+", " ", re.sub(r"<[^>]+>", " ", text)).replace("&#x27;", "'")


def page(client: Client, order_id: int) -> str:
    return words(client, address(Order, "change", order_id))


def listed(client: Client, **filters: str) -> list[int]:
    answer = client.get(address(Order, "changelist"), filters)
    return sorted(order.pk for order in answer.context["cl"].result_list)


class TestOrderPage:
    def test_of_a_stop(self, boss: Client, lived: Lived) -> None:
        stop = lived.market.sell(lived.seller, 1, 44900, kind=OrderType.STOP_LIMIT, trigger=45000)
        lived.market.drain()

        found = page(boss, stop)

        assert "Sell 1.0000" in found
        assert "once the last trade is at or below 45\u202f000.00" in found
        assert "Armed Sell 1.0000" in found
        assert "Accepted, armed Armed, waits for its trigger, with 1.0000 at 44\u202f900.00" in found
        assert "trigger 45\u202f000.00" in found

    def test_an_empty_bar_says_that_nothing_is_filled(self, boss: Client, lived: Lived) -> None:
        order = lived.market.sell(lived.seller, 1, 50500)
        lived.market.drain()

        answer = boss.get(address(Order, "change", order)).content.decode()

        assert re.findall(r'<i class="bo-(\w+)" style="width:([\d.]+)%">', answer) == [("open", "100.00")]

    def test_of_a_stop_that_was_triggered(self, boss: Client, lived: Lived) -> None:
        # A rest of 1.5 is asked at 50000; the last trade was there.
        stop = lived.market.buy(lived.buyer, "0.5", kind=OrderType.STOP, trigger=50000)
        lived.market.drain()

        assert "Its trigger came: 0.5000 went live" in page(boss, stop)
        assert stored(stop).status == "filled"

    def test_of_a_trailing_stop(self, boss: Client, lived: Lived) -> None:
        trailing = lived.market.sell(
            lived.seller, 1, kind=OrderType.TRAILING_STOP, trail_percent="1.5", step="0.5"
        )
        lived.market.drain()

        found = page(boss, trailing)

        assert "Trails by 1.5 % in steps of 0.5" in found
        assert "49\u202f250.00" in found

    def test_of_an_iceberg(self, boss: Client, lived: Lived) -> None:
        iceberg = lived.market.sell(lived.seller, 10, 51000, display=2)
        hidden = lived.market.sell(lived.seller, 3, 52000, display=0)
        lived.market.drain()

        assert "Shows a slice of 2.0000" in page(boss, iceberg)
        assert "hidden: it shows nothing" in page(boss, hidden)

    def test_of_an_amount(self, boss: Client, lived: Lived) -> None:
        amount = lived.market.buy(lived.buyer, 0, amount=1000)
        waiting = page(boss, amount)
        lived.market.drain()

        assert "Buy 1\u202f000.00000000" in waiting
        assert "100.0 % filled" in page(boss, amount)

    def test_of_a_bracket_leads_from_each_to_the_others(self, boss: Client, lived: Lived) -> None:
        entry, profit, loss = lived.market.send_list(
            ListKind.BRACKET,
            lived.market.request(lived.buyer, Side.BUY, 1, 48000),
            lived.market.request(lived.buyer, Side.SELL, 1, kind=OrderType.TAKE_PROFIT, trigger=52000),
            lived.market.request(lived.buyer, Side.SELL, 1, kind=OrderType.STOP, trigger=47000),
        )
        lived.market.drain()

        of_profit = boss.get(address(Order, "change", profit))
        table = next(panel for panel in of_profit.context["panels"] if panel.title == "Orders of its list")
        assert [row[1] for row in table.rows] == ["parent", "self", "partner"]
        assert "Waits for its parent's fills 1.0000" in page(boss, profit)
        assert 'class="bo-quiet"' not in of_profit.content.decode(), "nothing of it is gone"
        of_entry = boss.get(address(Order, "change", entry))
        table = next(panel for panel in of_entry.context["panels"] if panel.title == "Orders of its list")
        assert [row[1] for row in table.rows] == ["self", "child", "child"]
        assert stored(loss).status == "waiting"

    @pytest.mark.parametrize("tif", [TimeInForce.DAY, TimeInForce.GTC])
    def test_says_when_it_ends_by_itself(self, boss: Client, lived: Lived, tif: TimeInForce) -> None:
        order = lived.market.buy(lived.buyer, 1, 48000, tif=tif)
        lived.market.drain()

        assert ("Ends by itself (UTC)" in page(boss, order)) == (tif == TimeInForce.DAY)


class TestOrderList:
    def test_filters_by_being_parked_and_by_type(self, boss: Client, lived: Lived) -> None:
        stop = lived.market.sell(lived.seller, 1, kind=OrderType.STOP, trigger=45000)
        profit = lived.market.sell(lived.seller, 1, kind=OrderType.TAKE_PROFIT, trigger=55000)
        lived.market.drain()

        assert listed(boss, status="parked") == [stop, profit]
        assert listed(boss, status="pending_trigger") == [stop, profit]
        assert listed(boss, status="waiting") == []
        assert listed(boss, type="stop") == [stop]
        assert {stop, profit, lived.resting} <= set(listed(boss, status="live"))

    def test_shows_trigger_and_what_is_special(self, boss: Client, lived: Lived) -> None:
        lived.market.sell(lived.seller, 1, 44900, kind=OrderType.STOP_LIMIT, trigger=45000, display=0)
        lived.market.drain()

        found = words(boss, address(Order, "changelist"))

        assert "Stop limit GTC, hidden" in found
        assert "44\u202f900.00 trigger 45\u202f000.00" in found


class TestArmed:
    @pytest.fixture
    def armed(self, lived: Lived) -> Lived:
        """Two sell stops and a buy take-profit at 45000, a sell take-profit at 55000."""
        for quantity in (1, 2):
            lived.market.sell(lived.seller, quantity, kind=OrderType.STOP, trigger=45000)
        lived.market.buy(lived.buyer, 3, kind=OrderType.TAKE_PROFIT, trigger=45000)
        lived.market.sell(lived.seller, 4, kind=OrderType.TAKE_PROFIT, trigger=55000)
        lived.market.drain()
        return lived

    def test_the_book_shows_them_beside_a_depth_without_them(self, boss: Client, armed: Lived) -> None:
        answer = boss.get(address(Book, "change", armed.market.instrument.pk))
        table = next(panel for panel in answer.context["panels"] if panel.title == "Armed orders")
        depth = next(panel for panel in answer.context["panels"] if panel.title == "Depth")

        plain = [[re.sub(r"<[^>]+>", "", str(cell)) for cell in row] for row in table.rows]
        assert plain == [
            [
                "55\u202f000.00",
                "it rises to it",
                "+10.00 %",
                "\N{EN DASH}",
                "0.0000",
                "1 take-profit",
                "4.0000",
            ],
            ["45\u202f000.00", "it falls to it", "-10.00 %", "1 take-profit", "3.0000", "2 stops", "3.0000"],
        ]
        assert table.note == "4 armed, 0 waiting for a parent."
        shown = [[re.sub(r"<[^>]+>", "", str(cell)) for cell in row] for row in depth.rows]
        assert shown == [["1.0000", "49\u202f000.00", "50\u202f000.00", "1.5000"]]

    def test_the_market_page_is_told_them(self, boss: Client, armed: Lived) -> None:
        answer = boss.get(reverse("admin:armed", args=[armed.market.symbol]))

        assert answer.json() == {
            "orders": 4,
            "waiting": 0,
            "opening": None,
            "levels": [
                {"price": "55000.00", "rises": True, "buys": 0, "buy_quantity": "0.0000", "sells": 1,
                 "sell_quantity": "4.0000"},
                {"price": "45000.00", "rises": False, "buys": 1, "buy_quantity": "3.0000", "sells": 2,
                 "sell_quantity": "3.0000"},
            ],
        }  # fmt: skip
        assert "no-store" in answer.headers["Cache-Control"]

    def test_strangers_are_not(self, armed: Lived) -> None:
        answer = Client().get(reverse("admin:armed", args=[armed.market.symbol]))

        assert answer.status_code == 302

    def test_of_an_unknown_market_there_are_none(self, boss: Client) -> None:
        assert boss.get(reverse("admin:armed", args=["NOPE"])).status_code == 404


class TestJournal:
    def test_a_command_shows_the_terms_it_came_with(self, boss: Client, lived: Lived) -> None:
        order = lived.market.sell(lived.seller, 1, 44900, kind=OrderType.STOP_LIMIT, trigger=45000)
        lived.market.drain()
        command = Command.objects.get(order_id=order, kind=CommandKind.NEW)

        found = words(boss, address(Command, "change", command.pk))

        assert "Trigger stop" in found
        assert "Trigger price 45\u202f000.00" in found

    @pytest.mark.parametrize("kind", [CommandKind.PHASE, CommandKind.TIME, CommandKind.MASS_CANCEL])
    def test_each_kind_of_command_opens(self, boss: Client, lived: Lived, kind: CommandKind) -> None:
        row = CommandRow(
            shard_id=lived.market.shard.pk,
            instrument_id=lived.market.instrument.pk,
            kind=kind,
            phase=4 if kind == CommandKind.PHASE else 0,
        )
        (number,) = write_commands([row], actor=ACTOR, now=NOW)
        lived.market.drain()

        assert "What came of it" in words(boss, address(Command, "change", number))
        assert str(number) in words(boss, address(Command, "changelist"))
        event = Event.objects.filter(command_id=number).earliest("seq")
        assert "Flags" in words(boss, address(Event, "change", event.pk))
        assert event.kind in {EventKind.PHASE_CHANGED, EventKind.TIME, EventKind.MASS_CANCELLED}
