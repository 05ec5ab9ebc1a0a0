"""The bounded sender: what a database that goes away, or a worker that is not there, does to a program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection

from orders.models import Command, Order, Side, Source
from orders.services import books, sending
from orders.services.intake import submit_requests
from orders.services.requests import Accepted, Outcome, Requested
from orders.services.sending import Drain, NobodyDrainsError, Sender
from tests.factories import ACTOR, NOW, Market, make_market


def sender(market: Market, drain: Drain = Drain.INLINE) -> Sender:
    return Sender([market.shard.id], drain, ACTOR, Source.REPLAY, clock=lambda: NOW)


@pytest.fixture
def market() -> Iterator[Market]:
    """A market whose engine is forgotten at the end."""
    market = make_market()
    yield market
    books.forget(market.shard.id)


@pytest.mark.django_db(transaction=True)
class TestTheDatabaseGoesAway:
    def test_a_dead_connection_is_replaced_and_the_batch_sent(self, market: Market) -> None:
        order = market.request(market.trader(), Side.BUY, 1, 50_000, client_order_id="a")
        program = sender(market)
        with connection.cursor() as cursor, pytest.raises(OperationalError, match="terminat"):
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        (outcome,) = program.send([order])

        assert isinstance(outcome, Accepted)
        assert not outcome.duplicate
        assert program.reconnections == 1
        assert Order.objects.count() == 1

    def test_an_answer_that_was_lost_is_found_again(self, market: Market) -> None:
        order = market.request(market.trader(), Side.BUY, 1, 50_000, client_order_id="a")
        program = sender(market)
        answers: list[list[Outcome | Requested]] = []

        def submit_and_lose_the_first_answer() -> list[Outcome | Requested]:
            answers.append(submit_requests(requests=[order], actor=ACTOR, source=Source.REPLAY, now=NOW))
            if len(answers) == 1:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return answers[-1]

        (outcome,) = program.through_restarts(submit_and_lose_the_first_answer)

        (first,), _ = answers
        assert isinstance(first, Accepted)
        assert outcome == Accepted(first.order_id, first.created_at, "a", duplicate=True)
        assert (Order.objects.count(), Command.objects.count()) == (1, 1)

    def test_a_program_that_must_stop_does_not_wait(self, market: Market) -> None:
        program = sender(market)
        program.stop.set()
        with connection.cursor() as cursor, pytest.raises(OperationalError, match="terminat"):
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(OperationalError):
            program.through_restarts(Order.objects.count)

        connection.close()


@pytest.mark.django_db
class TestNobodyDrains:
    def test_is_said_with_what_to_do(self, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sending, "_PATIENCE_SECONDS", 0.05)
        program = sender(market, Drain.WORKER)
        program.send([market.request(market.trader(), Side.BUY, 1, 50_000)])

        with pytest.raises(NobodyDrainsError, match=r"^1 commands wait on shard .* --drain inline"):
            program.sync(market.instrument.id)

    def test_a_backlog_within_bounds_is_not_waited_for(self, market: Market) -> None:
        program = sender(market, Drain.WORKER)

        program.send([market.request(market.trader(), Side.BUY, 1, 50_000)])

        assert program.waited_seconds < 1
        assert Command.objects.filter(status="pending").count() == 1

    def test_inline_nothing_is_left_to_wait_for(self, market: Market) -> None:
        program = sender(market)

        program.send([market.request(market.trader(), Side.BUY, 1, 50_000)])

        assert Command.objects.filter(status="pending").count() == 0
        assert market.book().seq == 1
