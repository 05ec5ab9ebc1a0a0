"""Auctions: orders are collected, one price is found for all, and each auction is ended once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from accounts.models import TradingAccount
from audit.models import AuditRecord
from instruments.models import InstrumentStatus
from instruments.selectors import require_rules
from orders.indicative import Indicative, indicative
from orders.models import Command, CommandKind, Event, EventKind, Phase
from orders.services import books
from orders.services.phases import end_due_auctions
from orders.tasks import end_auctions_now
from tests.factories import NOW, Market, make_market, money, short, stored
from tests.orders.phasing import S, ask, end, halt, moved_to, of, refused, resume
from tests.threads import all_at_once
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db


@pytest.fixture
def timed() -> Market:
    """An instrument that opens through an auction of half a minute."""
    return make_market(auction_seconds=30)


class TestAuction:
    """Collecting, then one price for all."""

    @pytest.fixture
    def collecting(self, timed: Market) -> Market:
        halt(timed)
        timed.drain()
        resume(timed)
        timed.drain()
        return timed

    def cross(self, market: Market) -> tuple[TradingAccount, TradingAccount, list[int]]:
        """Bids of 3 at 50100 and 2 at 50000, asks of 2 at 49900 and 2 at 50000: 4 trade at 50000."""
        buyer, seller = market.trader(), market.trader()
        orders = [
            market.buy(buyer, 3, 50100),
            market.buy(buyer, 2, 50000),
            market.sell(seller, 2, 49900),
            market.sell(seller, 2, 50000),
        ]
        market.drain()
        return buyer, seller, orders

    def test_a_resumption_goes_through_it_and_starts_its_clock(self, timed: Market) -> None:
        halt(timed)
        timed.drain()

        command = resume(timed)
        assert (of(timed).status, of(timed).auction_ends_at) == ("halted", None)
        later = NOW + timedelta(seconds=5)
        timed.drain(now=later)

        assert (of(timed).status, timed.book().phase) == ("auction", Phase.AUCTION)
        assert of(timed).auction_ends_at == later + timedelta(seconds=30)
        found = AuditRecord.objects.latest("id")
        assert (found.action, found.after) == (
            "instruments.trading.resume",
            {"status": "auction", "command": command},
        )

    def test_without_seconds_a_resumption_opens(self, market: Market) -> None:
        halt(market)
        market.drain()
        resume(market)
        market.drain()

        assert (of(market).status, of(market).auction_ends_at) == ("active", None)

    def test_without_seconds_it_ends_by_hand_alone(self, market: Market) -> None:
        moved_to(market, S.AUCTION)

        assert of(market).auction_ends_at is None
        assert end_due_auctions(now=NOW + timedelta(days=1000)) == 0
        end(market)
        market.drain()
        assert of(market).status == "active"

    def test_nothing_trades_in_it(self, collecting: Market) -> None:
        _buyer, _seller, orders = self.cross(collecting)

        assert [stored(number).status for number in orders] == ["open"] * 4
        assert collecting.trades() == []

    def test_the_indicative_is_what_the_end_trades(self, collecting: Market) -> None:
        buyer, seller, orders = self.cross(collecting)
        found = indicative(require_rules(collecting.symbol))
        assert found is not None
        assert [short(value) for value in (found.price, found.quantity, found.surplus)] == ["50000", "4", "1"]
        end(collecting)
        collecting.drain()

        assert {price for _quantity, price in collecting.trades()} == {"50000"}
        assert [short(stored(number).filled) for number in orders] == ["3", "1", "2", "2"]
        # 4 at 50000 and the fees: the buyer is maker or taker as the orders came, both at most 10 bp.
        assert money(seller, collecting.instrument.base) == ("96", "0")
        assert money(buyer, collecting.instrument.base) == ("104", "0")
        opened = Event.objects.filter(instrument_id=collecting.instrument.id, kind=EventKind.PHASE_CHANGED)
        last = opened.latest("seq")
        assert (last.flags, last.price_ticks, last.quantity_lots) == (Phase.OPEN, 5_000_000, 40_000)

    def test_a_resumption_while_it_runs_is_refused(self, collecting: Market) -> None:
        assert refused(lambda: resume(collecting)) == Code.NO_CHANGE

    def test_it_is_ended_once(self, collecting: Market) -> None:
        end(collecting)

        assert refused(lambda: end(collecting)) == Code.NO_CHANGE
        collecting.drain()
        assert refused(lambda: end(collecting)) == Code.PHASE_NOT_ALLOWED
        assert of(collecting).status == "active"


class TestDueAuctions:
    """The clock's part: open what is due, once, and nothing that somebody has asked otherwise for."""

    @pytest.fixture
    def running(self, timed: Market) -> Market:
        halt(timed)
        resume(timed)
        timed.drain()
        return timed

    AT_THE_END = NOW + timedelta(seconds=30)

    def test_it_is_opened_when_its_time_has_come_and_not_before(self, running: Market) -> None:
        assert end_due_auctions(now=self.AT_THE_END - timedelta(microseconds=1)) == 0
        assert end_due_auctions(now=self.AT_THE_END) == 1
        running.drain(now=self.AT_THE_END)

        assert (of(running).status, of(running).auction_ends_at) == ("active", None)
        assert running.book().phase == Phase.OPEN
        found = AuditRecord.objects.latest("id")
        assert (found.actor_kind, found.actor_label) == ("system", "auctions")
        assert (found.action, found.reason) == (
            "instruments.trading.end_auction",
            "The auction's time ended at 12:00:30 UTC",
        )

    def test_asked_again_before_the_book_has_answered_it_adds_nothing(self, running: Market) -> None:
        assert [end_due_auctions(now=self.AT_THE_END) for _ in range(3)] == [1, 0, 0]
        running.drain()
        assert end_due_auctions(now=self.AT_THE_END) == 0

    @pytest.mark.parametrize("to", [S.HALTED, S.CANCEL_ONLY, S.CLOSED])
    def test_an_operator_who_stopped_it_first_has_the_last_word(
        self, running: Market, to: InstrumentStatus
    ) -> None:
        ask(running, to)

        assert end_due_auctions(now=self.AT_THE_END) == 0
        running.drain()
        assert end_due_auctions(now=self.AT_THE_END) == 0
        assert of(running).status == to

    def test_an_operator_who_halts_after_it_has_the_last_word_too(self, running: Market) -> None:
        end_due_auctions(now=self.AT_THE_END)
        halt(running)

        running.drain()

        assert (of(running).status, running.book().phase) == ("halted", Phase.HALTED)

    def test_an_operator_who_ended_it_first_is_not_doubled(self, running: Market) -> None:
        end(running)

        assert end_due_auctions(now=self.AT_THE_END) == 0
        assert Command.objects.filter(kind=CommandKind.PHASE, phase=Phase.OPEN).count() == 1

    def test_the_task_uses_this_moment(self, running: Market) -> None:
        end_auctions_now()

        running.drain()
        assert of(running).status == "active"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """On connections of their own."""

    def test_two_beats_and_an_operator_end_it_once(self) -> None:
        market = make_market(auction_seconds=30)
        halt(market)
        resume(market)
        market.drain()
        due = NOW + timedelta(seconds=30)

        results = all_at_once(
            [*[lambda: end_due_auctions(now=due)] * 6, *[lambda: end(market)] * 2], threads=8
        )

        commands = Command.objects.filter(kind=CommandKind.PHASE, phase=Phase.OPEN)
        assert commands.count() == 1
        ended = [result for result in results if isinstance(result, int) and result]
        assert len(ended) == 1
        refusals = [result for result in results if isinstance(result, Refusal)]
        assert {refusal.code for refusal in refusals} <= {Code.NO_CHANGE}
        market.drain()
        assert of(market).status == "active"

    def test_a_halt_at_the_same_time_is_never_lost(self) -> None:
        due = NOW + timedelta(seconds=30)
        for _ in range(5):
            market = make_market(auction_seconds=30)
            halt(market)
            resume(market)
            market.drain()

            works = [partial(end_due_auctions, now=due), partial(halt, market)]
            all_at_once(works, threads=2)
            market.drain()

            assert (of(market).status, market.book().phase) == ("halted", Phase.HALTED)


class TestIndicative:
    """The rule by hand: most volume, least surplus, nearest the last price, the lower."""

    def of(self, market: Market) -> Indicative | None:
        return indicative(require_rules(market.symbol))

    def collected(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Market:
        market = make_market()
        moved_to(market, S.AUCTION)
        buyer, seller = market.trader(), market.trader()
        for quantity, price in bids:
            market.buy(buyer, quantity, price)
        for quantity, price in asks:
            market.sell(seller, quantity, price)
        market.drain()
        return market

    @pytest.mark.parametrize(
        ("bids", "asks", "expected"),
        [
            ([], [(1, 50000)], None),
            ([(1, 49999)], [(1, 50000)], None),
            ([(1, 50000)], [(1, 50000)], ("50000", "1", "0")),
            # Equal volume: the least surplus decides.
            ([(2, 50002), (1, 50001)], [(2, 50000)], ("50002", "2", "0")),
            # Equal volume and surplus: without a last price the lower.
            ([(2, 50010)], [(2, 50000)], ("50000", "2", "0")),
            # More asks than bids at the price.
            ([(1, 50010)], [(3, 50000)], ("50000", "1", "-2")),
        ],
    )
    def test_is_what_the_engine_says(
        self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], expected: tuple[str, str, str] | None
    ) -> None:
        market = self.collected(bids, asks)

        found = self.of(market)

        shown = found and tuple(short(value) for value in (found.price, found.quantity, found.surplus))
        assert shown == expected
        price, lots, surplus = books._engines[market.shard.id].engine.indicative(market.instrument.id)
        instrument = market.instrument
        ours = (
            (found.price / instrument.tick_size, found.quantity / instrument.lot_size,
             found.surplus / instrument.lot_size)
            if found
            else (0, 0, 0)
        )  # fmt: skip
        assert (price, lots, surplus) == ours
