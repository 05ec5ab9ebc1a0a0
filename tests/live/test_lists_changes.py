"""Plain amends and cancels are answered in lists, others by the views: no client can tell which it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import TradingAccount
from orders.models import Command, CommandKind
from tests.accounts.keys import make_key
from tests.live.floor import PATIENCE, Floor, Trader, worker_of
from tests.live.lines import Answer, Line, comparable
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live

#: What is said of an order that rests; the first is answered in a list, what follows it as well.
Said = Callable[[Trader, Answer], list[bytes]]
PLAIN: dict[str, Said] = {
    "cancel": lambda one, order: [one.cancel(order)],
    "cancel, usual wait": lambda one, order: [one.cancel(order, "")],
    "cancel, empty query": lambda one, order: [one.cancel(order, "?")],
    "cancel twice": lambda one, order: [one.cancel(order), one.cancel(order)],
    "cancel with a length": lambda one, order: [one.cancel(order, Content_Length="0")],
    "cancel with a type": lambda one, order: [one.cancel(order, Content_Type="text/plain")],
    "cancel with zeros": lambda one, order: [one.cancel(order).replace(b"orders/", b"orders/00")],
    "cancel and close": lambda one, order: [one.cancel(order, Connection="close")],
    "price": lambda one, order: [one.amend(order, {"price": "46001"})],
    "price, usual wait": lambda one, order: [one.amend(order, {"price": "46001"}, "")],
    "less": lambda one, order: [one.amend(order, {"quantity": "0.5"})],
    "amend and cancel": lambda one, order: [one.amend(order, {"quantity": "2"}), one.cancel(order)],
    "no change": lambda one, order: [one.amend(order, {"price": "46000"})],
    "nothing": lambda one, order: [one.amend(order, {})],
    "not a tick": lambda one, order: [one.amend(order, {"price": "46000.001"})],
    "not a lot": lambda one, order: [one.amend(order, {"quantity": "0.00001"})],
    "without money": lambda one, order: [one.amend(order, {"quantity": "30000"})],
    "trigger of an order without one": lambda one, order: [one.amend(order, {"trigger_price": "46000"})],
    "amend after the end": lambda one, order: [one.cancel(order), one.amend(order, {"price": "46001"})],
}
#: What the views answer, however it is sent.
LEFT: dict[str, Said] = {
    "no such order": lambda one, _: [one.ask("DELETE", "orders/999999999999", None)],
    "order 0": lambda one, _: [one.ask("DELETE", "orders/0", None)],
    "beyond all": lambda one, _: [one.ask("DELETE", f"orders/{10**19 - 1}", None)],
    "far beyond all": lambda one, _: [one.ask("DELETE", f"orders/{10**30}", None)],
    "a word": lambda one, _: [one.ask("DELETE", "orders/latest", None)],
    "a slash too many": lambda one, order: [one.cancel(order, "/")],
    "wait too long": lambda one, order: [one.cancel(order, "?wait=5001")],
    "unknown parameter": lambda one, order: [one.cancel(order, "?now=1")],
    "not logged in": lambda one, order: [one.cancel(order, Authorization="Bearer garbage")],
    "with a body": lambda one, order: [one.cancel(order, "?wait=5000", {"price": "1"})],
    "accepts html": lambda one, order: [one.cancel(order, Accept="text/html")],
    "cookie": lambda one, order: [one.cancel(order, Cookie="a=b")],
    "unknown field": lambda one, order: [one.amend(order, {"colour": "red"})],
    "no JSON": lambda one, order: [one.ask("PATCH", f"orders/{order.json['id']}", b"{")],
    "a list": lambda one, order: [one.amend(order, [])],
    "another type": lambda one, order: [one.amend(order, {"price": "46001"}, Content_Type="text/plain")],
    "amend of another": lambda one, _: [one.ask("PATCH", "orders/1", {"price": "46001"})],
    "small letters": lambda one, order: [one.cancel(order).replace(b"DELETE", b"delete")],
    "chunks": lambda one, order: [one.cancel(order, Transfer_Encoding="chunked") + b"0\r\n\r\n"],
    "odd length": lambda one, order: [one.cancel(order, Content_Length="+0")],
    "two lengths": lambda one, order: [
        one.cancel(order, Content_Length="0").replace(
            b"Content-Length", b"Content-Length: 0\r\nContent-Length"
        )
    ],
    "long length of nothing": lambda one, order: [one.cancel(order, Content_Length="00000000")],
    "folded length": lambda one, order: [one.cancel(order, Content_Length="\r\n 0")],
}


@pytest.mark.parametrize("name", [*PLAIN, *LEFT])
def test_the_answer_is_that_of_the_views(floor: Floor, pair: tuple[Trader, Trader], name: str) -> None:
    asked = [(PLAIN | LEFT)[name](one, floor.ask(one.place())) for one in pair]

    listed, views = ([floor.ask(sent) for sent in each] for each in asked)

    for plain, other in zip(listed, views, strict=True):
        assert comparable(plain, pair[0].account.pk) == comparable(other, pair[1].account.pk)
    if name in PLAIN:
        assert all(floor.in_lists(listed))
        assert not any(floor.in_lists(views))


def test_while_nobody_matches_both_are_told_when_their_time_is_up_and_the_book_does_it_later(
    floor: Floor,
) -> None:
    one = floor.trader()
    first, second = floor.ask(one.place()), floor.ask(one.place())
    shard = worker_of(floor)
    shard.suspend()
    try:
        with Line(floor.platform) as ends, Line(floor.platform) as moves:
            ends.send(one.cancel(first, "?wait=600"))
            moves.send(one.amend(second, {"price": "46001"}, "?wait=600"))
            at_once = floor.ask(one.cancel(first, "?wait=0"))
            told = ends.answer(), moves.answer()
    finally:
        shard.resume()

    assert [(answer.status, answer.json["status"]) for answer in (at_once, *told)] == [(202, "open")] * 3
    assert all(floor.in_lists([at_once, *told]))
    wait_for(lambda: standing(one) == {("cancelled", 46000), ("open", 46001)}, "the book", seconds=PATIENCE)


def standing(one: Trader) -> set[tuple[str, int]]:
    """Status and price of each order."""
    return {(order.status, int(order.price or 0)) for order in one.orders()}


def test_a_cancel_waits_for_nobody_who_has_locked_the_account(floor: Floor) -> None:
    one = floor.trader()
    placed = floor.ask(one.place())
    with transaction.atomic(), Line(floor.platform) as line:
        TradingAccount.objects.select_for_update().get(pk=one.account.pk)
        line.send(one.place())
        cancelled = floor.ask(one.cancel(placed))
        assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
        line.socket.settimeout(0)
        with pytest.raises(BlockingIOError):
            line.socket.recv(1)

    assert floor.in_lists([cancelled]) == [True]


def test_what_a_key_signed_is_done_once(floor: Floor) -> None:
    one = floor.trader()
    key, placed = make_key(one.account), floor.ask(one.place())
    sent = one.signed_cancel(key, placed)

    answers = [floor.ask(sent) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 401, 401]
    assert floor.in_lists(answers) == [True, False, False]
    cancels = Command.objects.filter(order_id=placed.json["id"], kind=CommandKind.CANCEL)
    assert cancels.count() == 1
