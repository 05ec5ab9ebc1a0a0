"""However the bytes of requests for orders arrive, and whoever does not read: each has his answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import pytest

from tests.factories import tag
from tests.live.floor import PATIENCE, Floor, Trader, batch, callers_of, web_process
from tests.live.lines import Line, comparable
from tests.tradeplatform.supervisor.waiting import wait_for

pytestmark = pytest.mark.live


def test_a_request_that_comes_in_pieces_or_with_more_than_itself_is_read_to_its_end(floor: Floor) -> None:
    one = floor.trader()
    sent = one.place(client_order_id="cut")
    head = sent.index(b"\r\n\r\n") + 4

    for place in (1, 20, head - 2, head, head + 1, len(sent) - 1):
        with Line(floor.platform) as line:
            line.send(sent[:place])
            # It is there, and nothing of it is answered.
            assert floor.ask(one.place(client_order_id=f"before-{place}")).status == 201
            assert line.ask(sent[place:]).status in {200, 201}
    with Line(floor.platform) as line:
        line.send(one.place(client_order_id="p1") + one.place(client_order_id="p2") + b"rubbish\r\n\r\n")
        assert [line.answer().json["client_order_id"] for _ in range(2)] == ["p1", "p2"]
        assert line.answer().status == 400
    with Line(floor.platform) as line:
        line.send(one.place(client_order_id="short")[:-1])
        line.socket.shutdown(socket.SHUT_WR)
        assert line.answer().status == 400

    names = sorted(order.client_order_id for order in one.orders())
    assert names == sorted(
        ["cut", "p1", "p2", *(f"before-{p}" for p in (1, 20, head - 2, head, head + 1, len(sent) - 1))]
    )


def test_who_waits_for_our_word_before_he_sends_the_body_has_it(floor: Floor) -> None:
    one = floor.trader()
    sent = one.post("orders?wait=5000", one.order(), Expect="100-continue")
    head = sent.index(b"\r\n\r\n") + 4

    with Line(floor.platform) as line:
        line.send(sent[:head])
        assert line.socket.recv(1_000).startswith(b"HTTP/1.1 100 ")
        assert line.ask(sent[head:]).status == 201


ODD: dict[str, Callable[[bytes], bytes]] = {
    "two lengths": lambda sent: sent.replace(b"Content-Length", b"Content-Length: 5\r\nContent-Length"),
    "one length twice": lambda sent: sent.replace(
        b"Content-Length", sent[sent.index(b"Content-Length") :].split(b"\r\n")[0] + b"\r\nContent-Length"
    ),
    "chunks and a length": lambda sent: sent.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost"),
    "chunks in odd words": lambda sent: sent.replace(b"Host", b"Transfer-Encoding: xchunked\r\nHost"),
    "space before the colon": lambda sent: sent.replace(b"Content-Length:", b"Content-Length :"),
    "folded": lambda sent: sent.replace(b"Host:", b"User-Agent: a\r\n b\r\nHost:"),
    "folded length": lambda sent: sent.replace(b"Content-Length: ", b"Content-Length:\r\n "),
    "signed length": lambda sent: sent.replace(b"Content-Length: ", b"Content-Length: +"),
    "NUL in a header": lambda sent: sent.replace(b"Host:", b"User-Agent: a\0b\r\nHost:"),
    "NUL in a name": lambda sent: sent.replace(b"Host:", b"User\0-Agent: a\r\nHost:"),
    "bare line end": lambda sent: sent.replace(b"Host:", b"User-Agent: a\nX-API-KEY: b\r\nHost:"),
    "two hosts": lambda sent: sent.replace(b"Host:", b"Host: other\r\nHost:"),
    "no host": lambda sent: sent.replace(b"Host: localhost\r\n", b""),
    "two logins": lambda sent: sent.replace(b"Host:", b"Authorization: Bearer x\r\nHost:"),
    "underscores": lambda sent: sent.replace(b"Content-Type", b"Content_Type"),
    "another version": lambda sent: sent.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no version": lambda sent: sent.replace(b" HTTP/1.1", b""),
    "small letters": lambda sent: sent.replace(b"HTTP/1.1", b"http/1.1"),
    "two spaces": lambda sent: sent.replace(b"POST ", b"POST  "),
    "fragment": lambda sent: sent.replace(b"wait=5000", b"wait=5000#wait=0"),
    "escaped": lambda sent: sent.replace(b"/orders", b"/%6frders"),
    "two slashes": lambda sent: sent.replace(b"/orders", b"//orders"),
    "upgrade": lambda sent: sent.replace(b"Host:", b"Connection: upgrade\r\nUpgrade: h2c\r\nHost:"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_answered_as_by_the_views_and_kept_or_closed_as_by_them(
    floor: Floor, pair: tuple[Trader, Trader], name: str
) -> None:
    said = []
    for one in pair:
        with Line(floor.platform) as line:
            line.send(ODD[name](one.place()))
            line.socket.shutdown(socket.SHUT_WR)
            said.append((told(line, one), is_over(line)))

    assert said[0] == said[1]


def told(line: Line, one: Trader) -> object:
    """The answer, or that there is none."""
    try:
        return comparable(line.answer(), one.account.pk)
    except ConnectionError:
        return None
    except json.JSONDecodeError:
        return "a page of the web server"


def is_over(line: Line) -> bool:
    """After the one answer."""
    return line.is_closed()


@pytest.mark.parametrize("size", [4_095, 4_096, 4_097, 65_535, 65_536, 65_537])
def test_where_what_is_looked_at_ends(floor: Floor, size: int) -> None:
    one = floor.trader()
    sent = one.place()
    body = json.dumps(one.order()).encode()
    longer = one.post("orders?wait=5000", body + b" " * (size - len(sent)))
    longer = one.post("orders?wait=5000", body + b" " * (size - len(sent) - (len(longer) - size)))
    assert len(longer) == size

    with Line(floor.platform) as line:
        answers = [line.ask(longer), line.ask(one.place())]

    assert [answer.status for answer in answers] == [201, 201]
    assert floor.in_lists(answers)[1]
    assert len(one.orders()) == 2


def test_who_hangs_up_has_his_order_once_and_leaves_nothing_behind(floor: Floor) -> None:
    one = floor.trader()
    callers = partial(callers_of, floor.platform)
    before = callers()

    for number in range(100):
        with Line(floor.platform) as line:
            line.send(one.place(client_order_id=f"gone-{number}"))
            if number % 2:
                # No farewell: the connection is reset.
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    # Who was reset before he was read may have nothing.
    wait_for(lambda: len(one.orders()) >= 50, "the orders to be there", seconds=PATIENCE)
    wait_for(lambda: callers() <= before, "the connections to be closed", seconds=PATIENCE)
    assert floor.ask(one.place(client_order_id="after")).status == 201
    names = [order.client_order_id for order in one.orders()]
    assert len(names) == len(set(names))
    assert {f"gone-{number}" for number in range(0, 100, 2)} <= set(names)


def test_three_hundred_at_once_are_each_acknowledged_once(floor: Floor) -> None:
    traders = [floor.trader() for _ in range(20)]
    with ExitStack() as opened:
        lines = [opened.enter_context(Line(floor.platform)) for _ in range(300)]
        names = [f"at-once-{number}" for number in range(300)]
        for number, line in enumerate(lines):
            line.send(traders[number % 20].place("orders?wait=0", client_order_id=names[number]))
        answers = [line.answer() for line in lines]
        refused = [number for number, answer in enumerate(answers) if answer.status == 503]
        assert {answer.status for answer in answers} <= {201, 202, 503}
        for number in refused:
            # Its queue was full, and its connection goes on.
            again = lines[number].ask(traders[number % 20].place(client_order_id=names[number]))
            assert again.status == 201
            answers[number] = again

    told_of = {answer.json["client_order_id"]: answer.json["id"] for answer in answers}
    stored = [order for trader in traders for order in trader.orders()]
    assert sorted(told_of) == sorted(names)
    assert {order.client_order_id: str(order.pk) for order in stored} == told_of
    assert len(stored) == 300


def test_who_reads_no_answers_holds_up_nobody_who_reads_late(floor: Floor) -> None:
    one = floor.trader()
    with ExitStack() as opened:
        lines = [opened.enter_context(Line(floor.platform, receive_buffer=2_048)) for _ in range(3)]
        rounds = 0
        is_taken = True
        # Until nothing more is taken from them, because their last answers have no room.
        while is_taken:
            rounds += 1
            names = [f"unread-{tag()}" for _ in lines]
            for line, name in zip(lines, names, strict=True):
                line.send(one.post("orders/batch", batch(*[{}] * 1_000), X_Correlation_ID=name))
            is_taken = comes_true(partial(floor.are_finished, names), seconds=2)
        answers = [lines[-1].answer() for _ in range(rounds)]
        again = lines[-1].ask(one.place())

    assert {(answer.status, len(answer.json["results"])) for answer in answers} == {(207, 1_000)}
    assert floor.in_lists([*answers, again]) == [True] * (rounds + 1)


def comes_true(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it does within this time."""
    try:
        wait_for(condition, "it", seconds=seconds)
    except AssertionError:
        return False
    return True


def test_a_login_that_floods_does_not_hold_up_another(floor: Floor) -> None:
    flood, other = floor.trader(), floor.trader()
    process = web_process(floor.platform)
    asked = [f"flood-{tag()}" for _ in range(100)]
    with ExitStack() as opened:
        lines = [opened.enter_context(Line(floor.platform)) for _ in asked]
        late = opened.enter_context(Line(floor.platform))
        # All have asked before any is answered, and the other one last.
        process.suspend()
        try:
            for line, name in zip(lines, asked, strict=True):
                line.send(
                    flood.post("orders/batch?wait=0", batch(*[flood.order()] * 60), X_Correlation_ID=name)
                )
            late.send(other.post("orders?wait=0", other.order(), X_Correlation_ID="late"))
        finally:
            process.resume()
        answers = [line.answer() for line in lines]
        answer = late.answer()

    assert answer.status in {201, 202}
    assert {one.status for one in answers} <= {207, 503}
    answered = [name for name, one in zip(asked, answers, strict=True) if one.status == 207]
    finished = floor.finished([*answered, "late"])
    assert finished.index("late") < len(answered) - 1
