"""The phases of a market beside halts: what may follow what, whose word counts, and what is recorded."""

from __future__ import annotations

import pytest

from audit.models import AuditRecord
from instruments.models import InstrumentStatus
from orders.models import Phase, Side
from orders.services import phases
from tests.factories import Market, stored
from tests.orders.phasing import PHASE_OF, S, ask, end, moved_to, of, refused, resume
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", sorted(PHASE_OF))
def test_every_phase_is_reached_and_the_book_says_so(market: Market, status: InstrumentStatus) -> None:
    moved_to(market, status)

    assert (of(market).status, market.book().phase) == (status, PHASE_OF[status])


@pytest.mark.parametrize("status", [*sorted(PHASE_OF), S.ACTIVE])
def test_what_may_follow_is_what_the_table_says(market: Market, status: InstrumentStatus) -> None:
    moved_to(market, status)
    standing = phases.standing(of(market))

    possible = {to for to in S if standing.why_not(to) is None}

    assert possible == phases.NEXT[status] - {status}


@pytest.mark.parametrize(
    ("status", "to"),
    [(S.ACTIVE, S.PRE_OPEN), (S.AUCTION, S.PRE_OPEN), (S.CLOSED, S.HALTED), (S.CLOSED, S.CANCEL_ONLY)],
)
def test_what_makes_no_sense_is_refused(
    market: Market, status: InstrumentStatus, to: InstrumentStatus
) -> None:
    moved_to(market, status)

    assert refused(lambda: ask(market, to)) == Code.PHASE_NOT_ALLOWED


@pytest.mark.parametrize("to", sorted(PHASE_OF))
def test_nothing_follows_a_delisting(market: Market, to: InstrumentStatus) -> None:
    moved_to(market, S.DELISTED)

    assert refused(lambda: ask(market, to)) == Code.INSTRUMENT_DELISTED
    assert refused(lambda: end(market)) == Code.PHASE_NOT_ALLOWED


@pytest.mark.parametrize("to", [S.AUCTION, S.CANCEL_ONLY, S.CLOSED])
def test_the_same_again_is_refused_before_and_after_the_book_has_answered(
    market: Market, to: InstrumentStatus
) -> None:
    ask(market, to)

    assert refused(lambda: ask(market, to)) == Code.NO_CHANGE
    market.drain()
    assert refused(lambda: ask(market, to)) == Code.NO_CHANGE


@pytest.mark.parametrize(
    ("to", "code"),
    [(S.CANCEL_ONLY, Code.INSTRUMENT_CANCEL_ONLY), (S.CLOSED, Code.INSTRUMENT_CLOSED)],
)
def test_what_takes_less_counts_at_once(market: Market, to: InstrumentStatus, code: Code) -> None:
    trader = market.trader()
    ask(market, to)

    assert (of(market).status, market.book().phase) == (to, Phase.OPEN)
    assert refused(lambda: market.send(market.request(trader, Side.SELL, 1, 50000))) == code


def test_what_takes_more_counts_once_the_book_has_said_so(market: Market) -> None:
    moved_to(market, S.CLOSED)
    trader = market.trader()
    ask(market, S.PRE_OPEN)

    assert of(market).status == "closed"
    assert refused(lambda: market.send(market.request(trader, Side.SELL, 1, 50000))) == Code.INSTRUMENT_CLOSED
    market.drain()
    assert of(market).status == "pre_open"
    market.sell(trader, 1, 50000)


def test_closing_ends_what_a_halt_keeps(market: Market) -> None:
    """Only DAY orders end with the session, and only a halt may cancel the rest."""
    order_id = market.sell(market.trader(), 1, 50000)
    market.drain()

    ask(market, S.CLOSED)
    market.drain()

    assert stored(order_id).status == "open"


@pytest.mark.parametrize("reason", ["", " ", "\0"])
def test_each_needs_a_reason(market: Market, reason: str) -> None:
    assert refused(lambda: ask(market, S.CLOSED, reason)) == Code.REASON_REQUIRED
    assert of(market).status == "active"


def test_how_it_comes_to_trade_is_not_asked_for_as_a_phase(market: Market) -> None:
    with pytest.raises(ValueError, match="resume_instrument"):
        ask(market, S.ACTIVE)


@pytest.mark.parametrize(
    ("to", "verb"),
    [
        (S.PRE_OPEN, "pre_open"),
        (S.AUCTION, "auction"),
        (S.CANCEL_ONLY, "cancel_only"),
        (S.HALTED, "halt"),
        (S.MAINTENANCE, "halt"),
    ],
)
def test_each_is_recorded_with_its_command(market: Market, to: InstrumentStatus, verb: str) -> None:
    moved_to(market, S.PRE_OPEN if to != S.PRE_OPEN else S.CLOSED)

    command = ask(market, to, "because")

    found = AuditRecord.objects.latest("id")
    assert (found.action, found.reason) == (f"instruments.trading.{verb}", "because")
    assert found.after == {"status": to, "command": command}
    assert (found.target_id, found.target_label) == (str(market.instrument.id), market.symbol)


class TestLastWord:
    """Requests pressed in a row: the last one counts, however late the earlier ones are applied."""

    def test_an_opening_applied_late_does_not_open_what_was_closed_again(self, market: Market) -> None:
        moved_to(market, S.HALTED)
        resume(market)
        ask(market, S.CLOSED)

        market.step()

        assert (of(market).status, market.book().phase) == ("closed", Phase.OPEN)
        market.drain()
        assert (of(market).status, market.book().phase) == ("closed", Phase.CLOSED)

    def test_a_phase_on_its_way_is_where_the_next_one_starts(self, market: Market) -> None:
        moved_to(market, S.CLOSED)
        ask(market, S.PRE_OPEN)
        ask(market, S.AUCTION)

        assert refused(lambda: ask(market, S.PRE_OPEN)) == Code.PHASE_NOT_ALLOWED
        market.drain()
        assert (of(market).status, market.book().phase) == ("auction", Phase.AUCTION)
