"""Plain orders are answered in lists, all others by the views, and no client can tell which it was.

What is sent here is sent as bytes: clients of HTTP differ in how they cut a request into pieces.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import psutil
import pytest
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.models import RateTier, Role, Scope, TradingAccount, User
from accounts.services.key_issuing import revoke_key
from accounts.services.sessions import end_own
from instruments.models import Instrument
from orders.models import Book, Order, OrderIdentity
from orders.services.phases import halt_instrument
from risk.models import KillScope
from tests.accounts.keys import Key, make_key
from tests.factories import ACTOR, fund, make_account, make_instrument, make_user, tag, tokens_of
from tests.live.lines import Answer, Line, comparable, post
from tests.orders.killing import press
from tests.running import Platform
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.limits import PATIENCE as REFUSALS
from tradeplatform.common.throttling import MINUTE, clock
from tradeplatform.common.valkey import client
from tradeplatform.supervisor.processes import read_records

pytestmark = pytest.mark.live

PATIENCE = 40.0
#: A header that no plain request has: the views answer.
_UNPLAIN = {"X_Other": "1"}
_SEEN = {"wait": "5000"}


@dataclass
class Trader:
    """Somebody with money, a session, and a way to be answered: `more` headers go with each request."""

    symbol: str
    account: TradingAccount
    token: str
    more: dict[str, str]

    def order(self, **changes: Any) -> dict[str, Any]:
        """A bid that rests far below all that is offered; what is None is left out."""
        usual = {
            "account": self.account.pk,
            "symbol": self.symbol,
            "side": "buy",
            "type": "limit",
            "quantity": "1",
            "price": "46000",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def post(self, target: str, body: object, **headers: str | None) -> bytes:
        """A request in their session."""
        return post(target, body, **{"Authorization": f"Bearer {self.token}", **self.more, **headers})

    def place(self, target: str = "orders?wait=5000", /, **changes: Any) -> bytes:
        """A request for an order."""
        return self.post(target, self.order(**changes))

    def signed(self, key: Key, target: str = "orders?wait=5000", /, age_ms: int = 0, **forged: str) -> bytes:
        """The same signed by a key."""
        body = json.dumps(self.order()).encode()
        timestamp = str(int(timezone.now().timestamp() * 1_000) - age_ms)
        text = f"{timestamp}\n{tag()}\nPOST\n/api/v1/{target}\n".encode() + body
        nonce = text.split(b"\n")[1].decode()
        headers: dict[str, str | None] = {
            "Authorization": None,
            "X_API_KEY": key.key_id,
            "X_API_TIMESTAMP": timestamp,
            "X_API_NONCE": nonce,
            "X_API_SIGNATURE": key.sign(text),
        }
        return self.post(target, body, **headers | forged)

    def cancel(self, placed: Answer) -> bytes:
        """A request to take an order off."""
        target = f"/api/v1/orders/{placed.json['id']}?wait=5000"
        lines = f"Host: localhost\r\nAuthorization: Bearer {self.token}\r\n"
        return f"DELETE {target} HTTP/1.1\r\n{lines}\r\n".encode()

    def orders(self) -> list[Order]:
        """What is stored."""
        return list(Order.objects.filter(account=self.account))


@dataclass(frozen=True)
class Floor:
    """An instrument on which 1,000 are offered at 50000, and another that is halted."""

    platform: Platform
    instrument: Instrument
    halted: Instrument

    def trader(self, more: dict[str, str] | None = None, *, quote: int = 1_000_000_000) -> Trader:
        """A new person."""
        user = make_user(Role.TRADER)
        account = make_account(currency=self.instrument.quote, user=user)
        fund(account, self.instrument.base, 10_000, now=timezone.now())
        fund(account, self.instrument.quote, quote, now=timezone.now())
        return Trader(self.instrument.symbol, account, tokens_of(user).access, more or {})

    def ask(self, sent: bytes) -> Answer:
        """On a connection of its own."""
        with Line(self.platform) as line:
            return line.ask(sent)

    def in_lists(self, answers: list[Answer]) -> list[bool]:
        """Whether each was answered in a list, as the log says, which is written after the answer."""
        return [" [tradeplatform.express.answering] " in self._finished(one) for one in answers]

    def _finished(self, answer: Answer) -> str:
        name = answer.header("X-Correlation-ID")
        wait_for(partial(self.are_finished, [name]), "the log to tell of it")
        return self._lines(name)[-1]

    def are_finished(self, names: list[str]) -> bool:
        """Whether the log tells of the ends of all requests of these correlation ids."""
        return all(self._lines(name) for name in names)

    def _lines(self, name: str) -> list[str]:
        lines = (self.platform.var_dir / "log" / "web.log").read_text().splitlines()
        return [line for line in lines if "request_finished" in line and f" request_id={name} " in f"{line} "]


@pytest.fixture(scope="module")
def floor(platform: Platform) -> Floor:
    """See there."""
    base = make_instrument()
    halted = make_instrument(base=base.base, quote=base.quote)
    halt_instrument(symbol=halted.symbol, actor=ACTOR, now=timezone.now(), reason="tests")
    floor = Floor(platform, base, halted)
    maker = floor.trader()
    assert floor.ask(maker.place(side="sell", price="50000", quantity="1000")).status == 201
    return floor


@pytest.fixture(scope="module")
def pair(floor: Floor) -> tuple[Trader, Trader]:
    """Two who have the same; the views answer the second."""
    return floor.trader(), floor.trader(_UNPLAIN)


def web_process(platform: Platform) -> psutil.Process:
    """The process that answers."""
    master = psutil.Process(next(one.pid for one in read_records(platform.var_dir) if one.name == "web"))
    (process,) = master.children()
    return process


def callers_of(platform: Platform) -> int:
    """How many connections it has of those who ask, whatever it has of its own."""
    port = int(platform.base_url.rpartition(":")[2])
    held = web_process(platform).net_connections()
    return sum(one.laddr.port == port and one.status != psutil.CONN_LISTEN for one in held)


def worker_of(floor: Floor) -> psutil.Process:
    """The process that matches on the floor."""
    name = f"shard-{Book.objects.get(instrument=floor.instrument).shard_id}"
    return psutil.Process(next(one.pid for one in read_records(floor.platform.var_dir) if one.name == name))


def batch(*items: object) -> dict[str, object]:
    return {"orders": list(items)}


def access_token(trader: Trader) -> Any:
    """Theirs, to be read or changed."""
    return AccessToken(trader.token)  # type: ignore[arg-type]  # a token is made of text as well


def expired(trader: Trader) -> str:
    """A token of their session that was good."""
    token = access_token(trader)
    token.set_exp(lifetime=-timedelta(seconds=1))
    return str(token)


#: Whoever asks so is answered in a list.
PLAIN: dict[str, Callable[[Trader], list[bytes]]] = {
    "limit": lambda one: [one.place()],
    "usual wait": lambda one: [one.place("orders")],
    "empty query": lambda one: [one.place("orders?")],
    "market": lambda one: [one.place(type="market", price=None, quantity="0.5")],
    "again": lambda one: [one.place(client_order_id="again"), one.place(client_order_id="again")],
    "conflict": lambda one: [
        one.place(client_order_id="conflict"),
        one.place(client_order_id="conflict", quantity="2"),
    ],
    "unknown symbol": lambda one: [one.place(symbol="NONE")],
    "not a tick": lambda one: [one.place(price="46000.001")],
    "not a lot": lambda one: [one.place(quantity="0.00001")],
    "far from the market": lambda one: [one.place(price="1")],
    "bad client id": lambda one: [one.place(client_order_id="a b")],
    "batch": lambda one: [
        one.post(
            "orders/batch?wait=5000",
            batch(
                one.order(client_order_id="b1"),
                one.order(quantity="x"),
                one.order(account=1),
                one.order(symbol="NONE"),
                {},
                7,
                one.order(client_order_id="b1"),
            ),
        )
    ],
    "batch of nothing good": lambda one: [one.post("orders/batch", batch({}, one.order(account=1)))],
    "content type with a charset": lambda one: [
        one.post("orders?wait=5000", one.order(), Content_Type="application/json; charset=utf-8")
    ],
    "accept all": lambda one: [one.post("orders?wait=5000", one.order(), Accept="*/*")],
    "accept json": lambda one: [one.post("orders?wait=5000", one.order(), Accept="application/json")],
    "accept more": lambda one: [
        one.post("orders?wait=5000", one.order(), Accept="text/html,application/json, text/plain")
    ],
    "correlation id": lambda one: [
        one.post("orders?wait=5000", one.order(quantity="1"), X_Correlation_ID=f"mine:{one.account.pk}")
    ],
    "insane correlation id": lambda one: [
        one.post("orders?wait=5000", one.order(), X_Correlation_ID="what is this")
    ],
    "close": lambda one: [one.post("orders?wait=5000", one.order(), Connection="close")],
    "odd case": lambda one: [
        one.place().replace(b"Content-Length", b"cOnTeNt-LeNgTh").replace(b"Host:", b"hOST:  ")
    ],
    "https beyond the proxy": lambda one: [
        one.post("orders?wait=5000", one.order(), X_Forwarded_Proto="https")
    ],
    "another language": lambda one: [
        one.post("orders?wait=5000", one.order(symbol="NONE"), Accept_Language="de")
    ],
}

#: What the views answer, however it is sent.
LEFT: dict[str, Callable[[Trader], list[bytes]]] = {
    "another's account": lambda one: [one.place(account=1)],
    "no such account": lambda one: [one.place(account=2**63 - 1)],
    "account beyond all": lambda one: [one.place(account=10**30)],
    "unknown field": lambda one: [one.place(colour="red")],
    "field of another kind": lambda one: [one.place(side=7, quantity=[])],
    "no JSON": lambda one: [one.post("orders", b"{")],
    "NUL": lambda one: [one.post("orders", b"\0")],
    "no text": lambda one: [one.post("orders", b"\xff\xfe")],
    "deep": lambda one: [one.post("orders", b"[" * 5_000)],
    "empty": lambda one: [one.post("orders", b"")],
    "a list": lambda one: [one.post("orders", [one.order()])],
    "exponent": lambda one: [one.post("orders", json.dumps(one.order()).replace('"1"', "1e3").encode())],
    "twice the key": lambda one: [one.post("orders", b'{"side":"buy","side":"sell"}')],
    "wrong content type": lambda one: [one.post("orders", one.order(), Content_Type="text/plain")],
    "no content type": lambda one: [one.post("orders", one.order(), Content_Type=None)],
    "no length": lambda one: [one.post("orders", b"", Content_Length=None)],
    "wait too long": lambda one: [one.place("orders?wait=99999")],
    "wait just too long": lambda one: [one.place("orders?wait=5001")],
    "wait below zero": lambda one: [one.place("orders?wait=-1")],
    "wait of nothing": lambda one: [one.place("orders?wait=")],
    "wait in other digits": lambda one: [one.place("orders?wait=%D9%A1")],
    "wait twice": lambda one: [one.place("orders?wait=0&wait=5000")],
    "unknown parameter": lambda one: [one.place("orders?now=1")],
    "format": lambda one: [one.place("orders?format=html")],
    "batch of none": lambda one: [one.post("orders/batch", batch())],
    "batch of too many": lambda one: [one.post("orders/batch", batch(*[{}] * 1_001))],
    "batch that is none": lambda one: [one.post("orders/batch", {"orders": {}})],
    "batch with more": lambda one: [one.post("orders/batch", {"orders": [one.order()], "x": 1})],
    "batch by another name": lambda one: [one.post("orders/BATCH?wait=0", batch(one.order()))],
    "orders by another name": lambda one: [one.place("ORDERS")],
    "not logged in": lambda one: [one.post("orders", one.order(), Authorization=None)],
    "garbage": lambda one: [one.post("orders", one.order(), Authorization="Bearer garbage")],
    "another scheme": lambda one: [one.post("orders", one.order(), Authorization="Basic YTpi")],
    "expired": lambda one: [one.post("orders", one.order(), Authorization=f"Bearer {expired(one)}")],
    "a refresh token": lambda one: [
        one.post("orders", one.order(), Authorization=f"Bearer {RefreshToken.for_user(one.account.user)}")
    ],
    "accepts html": lambda one: [one.post("orders", one.order(), Accept="text/html")],
    "accepts no JSON": lambda one: [
        one.post("orders", one.order(client_order_id="q"), Accept="application/json;q=0")
    ],
    "accepts what is no type": lambda one: [
        one.post("orders?wait=5000", one.order(client_order_id="odd"), Accept="odd application/json")
    ],
    "accepts nothing": lambda one: [one.post("orders", one.order(client_order_id="none"), Accept="")],
    "another host": lambda one: [one.post("orders", one.order(), Host="example.org:x")],
    "cookie": lambda one: [one.post("orders?wait=5000", one.order(), Cookie="a=b")],
    "origin": lambda one: [one.post("orders?wait=5000", one.order(), Origin="https://example.org")],
    "as long as may be and more": lambda one: [one.post("orders", b" " * 70_000)],
}


@pytest.mark.parametrize("name", [*PLAIN, *LEFT])
def test_the_answer_is_that_of_the_views(floor: Floor, pair: tuple[Trader, Trader], name: str) -> None:
    (listed, views) = ([floor.ask(sent) for sent in (PLAIN | LEFT)[name](one)] for one in pair)

    for plain, other in zip(listed, views, strict=True):
        assert comparable(plain, pair[0].account.pk) == comparable(other, pair[1].account.pk)
    if name in PLAIN:
        assert all(floor.in_lists(listed))
        assert not any(floor.in_lists(views))


def test_so_it_is_without_money_of_a_halted_instrument_and_of_a_stopped_account(floor: Floor) -> None:
    pair = floor.trader(quote=1_000), floor.trader(_UNPLAIN, quote=1_000)
    poor = [floor.ask(one.place()) for one in pair]
    halted = [floor.ask(one.place(symbol=floor.halted.symbol)) for one in pair]
    for one in pair:
        press(KillScope.ACCOUNT, one.account.account_number)
    stopped = [floor.ask(one.place()) for one in pair]

    for answers in (poor, halted, stopped):
        plain, views = (comparable(a, one.account.pk) for a, one in zip(answers, pair, strict=True))
        assert plain == views
        assert 400 <= plain[0] < 500


KEYED: dict[str, Callable[[Trader, dict[str, Key]], list[bytes]]] = {
    "good": lambda one, keys: [one.signed(keys["good"])],
    "signed badly": lambda one, keys: [one.signed(keys["good"], X_API_SIGNATURE="00")],
    "too old": lambda one, keys: [one.signed(keys["good"], age_ms=60_000)],
    "ahead": lambda one, keys: [one.signed(keys["good"], age_ms=-60_000)],
    "replayed": lambda one, keys: [one.signed(keys["good"])] * 2,
    "wrong scope": lambda one, keys: [one.signed(keys["reader"])],
    "revoked": lambda one, keys: [one.signed(keys["revoked"])],
    "unknown": lambda one, keys: [one.signed(keys["good"], X_API_KEY="unknown")],
    "from elsewhere": lambda one, keys: [one.signed(keys["elsewhere"])],
    "and a session": lambda one, keys: [one.signed(keys["good"], Authorization=f"Bearer {one.token}")],
    "no timestamp": lambda one, keys: [one.signed(keys["good"], X_API_TIMESTAMP="")],
}


@pytest.fixture(scope="module")
def keys(pair: tuple[Trader, Trader]) -> list[dict[str, Key]]:
    """Of each of the two."""
    made = [
        {
            "good": make_key(one.account),
            "reader": make_key(one.account, scopes=frozenset({Scope.READ})),
            "revoked": make_key(one.account),
            "elsewhere": make_key(one.account, allowed_ips=("192.0.2.0/24",)),
        }
        for one in pair
    ]
    for each in made:
        revoke_key(key_id=each["revoked"].row.pk, actor=ACTOR, now=timezone.now(), reason="tests")
    return made


@pytest.mark.parametrize("name", KEYED)
def test_so_it_is_of_what_a_key_signed(
    floor: Floor, pair: tuple[Trader, Trader], keys: list[dict[str, Key]], name: str
) -> None:
    (listed, views) = (
        [floor.ask(sent) for sent in KEYED[name](one, own)] for one, own in zip(pair, keys, strict=True)
    )

    for plain, other in zip(listed, views, strict=True):
        assert comparable(plain, pair[0].account.pk) == comparable(other, pair[1].account.pk)
    if name in {"good", "replayed"}:
        assert floor.in_lists(listed) == [True, False][: len(listed)]


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
    with ExitStack() as opened:
        lines = [opened.enter_context(Line(floor.platform)) for _ in range(250)]
        for line in lines:
            line.send(flood.post("orders/batch?wait=0", batch(*[flood.order()] * 20)))
        answer = floor.ask(other.place("orders?wait=0"))
        waiting = sum(not is_readable(line) for line in lines)
        for line in lines:
            assert line.answer().status in {207, 503}

    assert answer.status in {201, 202}
    assert waiting


def is_readable(line: Line) -> bool:
    line.socket.setblocking(False)
    try:
        return bool(line.socket.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        line.socket.settimeout(PATIENCE)


def end_session(one: Trader) -> None:
    sid = access_token(one)["sid"]
    end_own(user_id=one.account.user_id, actor=ACTOR, now=timezone.now(), sid=sid)


def shut_out(one: Trader) -> None:
    User.objects.filter(pk=one.account.user_id).update(is_active=False)


def new_password(one: Trader) -> None:
    user = one.account.user
    user.set_password(tag())
    user.save(update_fields=["password"])


@pytest.mark.parametrize("end", [end_session, shut_out, new_password])
def test_a_connection_that_is_kept_lets_nobody_in_who_is_not_any_more(
    floor: Floor, end: Callable[[Trader], None]
) -> None:
    one = floor.trader()
    with Line(floor.platform) as line:
        first = line.ask(one.place())
        end(one)
        second = line.ask(one.place())

    assert floor.in_lists([first]) == [True]
    assert (first.status, second.status, second.json["code"]) == (201, 401, "not_authenticated")
    assert len(one.orders()) == 1


def test_nor_a_token_that_has_expired_meanwhile(floor: Floor) -> None:
    one = floor.trader()
    token = access_token(one)
    token.set_exp(lifetime=timedelta(seconds=2))
    one.token = str(token)
    with Line(floor.platform) as line:
        first = line.ask(one.place())
        last = first

        def is_refused() -> bool:
            nonlocal last
            last = line.ask(one.place())
            return last.status != 201

        wait_for(is_refused, "the token to expire", seconds=PATIENCE)

    assert floor.in_lists([first]) == [True]
    assert (last.status, last.json["code"]) == (401, "not_authenticated")


def test_nor_a_key_that_is_revoked_meanwhile(floor: Floor) -> None:
    one = floor.trader()
    key = make_key(one.account)
    with Line(floor.platform) as line:
        first = line.ask(one.signed(key))
        revoke_key(key_id=key.row.pk, actor=ACTOR, now=timezone.now(), reason="tests")
        last = first

        def is_refused() -> bool:
            nonlocal last
            last = line.ask(one.signed(key))
            return last.status != 201

        # What is known of a key is known for a second.
        wait_for(is_refused, "the key to be forgotten", seconds=PATIENCE)

    assert floor.in_lists([first]) == [True]
    assert (last.status, last.json["code"]) == (401, "api_key_revoked")


def count_of(name: str, seconds: int = MINUTE) -> int:
    """What is counted in this window."""
    return int(client().get(f"limit:{name}:{seconds}:{int(clock() // seconds)}") or 0)


@pytest.fixture
def minute() -> None:
    """Begin where a window of the clock does not end soon."""
    wait_for(lambda: clock() % 60 < 50, "the minute to begin", seconds=PATIENCE)


@pytest.mark.usefixtures("minute")
def test_an_account_that_has_used_up_its_orders_can_still_cancel(floor: Floor) -> None:
    one = floor.trader()
    tier = RateTier.objects.create(name=tag(), calls_1m=100, orders_10s=1_000, orders_1d=3)
    User.objects.filter(pk=one.account.user_id).update(rate_tier=tier)
    wait_for(lambda: tier_is_known(floor, tier), "the tier to be known", seconds=PATIENCE)
    with Line(floor.platform) as line:
        placed = [line.ask(one.place()) for _ in range(3)]
        counted = count_of(f"user:{one.account.user_id}:call")
        refused = [line.ask(one.place()) for _ in range(2)]
        in_batch = line.ask(one.post("orders/batch", batch(one.order(), one.order())))
        cancelled = line.ask(one.cancel(placed[0]))

    assert [answer.status for answer in placed] == [201] * 3
    assert all(floor.in_lists(placed))
    for answer in [*refused, in_batch]:
        assert (answer.status, answer.json["code"]) == (429, "too_many_orders")
        assert int(answer.header("Retry-After")) > 0
    assert cancelled.status == 200
    # Each call was counted once, the orders that were refused not at all.
    assert count_of(f"user:{one.account.user_id}:call") - counted == 3
    assert count_of(f"orders:{one.account.pk}", 86_400) == 3


def tier_is_known(floor: Floor, tier: RateTier) -> bool:
    """Whether the web process has read it: what a process knows of tiers is known for five seconds."""
    probe = floor.trader()
    User.objects.filter(pk=probe.account.user_id).update(rate_tier=tier)
    items = [probe.order() for _ in range(4)]
    return floor.ask(probe.post("orders/batch?wait=0", batch(*items))).status == 429


@pytest.mark.usefixtures("minute")
def test_an_address_that_goes_on_after_refusals_is_shut_out_for_orders_and_not_for_cancels(
    floor: Floor,
) -> None:
    one, address = floor.trader(), "127.0.0.77"
    counter = f"address:{address}:call"
    # Three are left.
    client().set(f"limit:{counter}:{MINUTE}:{int(clock() // MINUTE)}", 60_000 - 3, ex=MINUTE)
    client().delete(f"ban:address:{address}", f"bans:address:{address}", f"refusals:address:{address}")
    with Line(floor.platform, address=address) as line:
        answers = [line.ask(one.place("orders?wait=0")) for _ in range(3 + REFUSALS + 2)]
        cancelled = line.ask(one.cancel(answers[0]))
    client().delete(f"ban:address:{address}", f"bans:address:{address}")

    assert [answer.status for answer in answers[3:]] == [429] * REFUSALS + [418] * 2
    assert all(answer.status in {201, 202} for answer in answers[:3])
    assert all(int(answer.header("Retry-After")) > 0 for answer in answers[3:])
    assert cancelled.status == 200
    assert len(one.orders()) == 3
    assert count_of(f"user:{one.account.user_id}:call") == 3


@pytest.mark.usefixtures("minute")
def test_a_copy_of_a_signed_request_uses_up_nothing(floor: Floor) -> None:
    one = floor.trader()
    key = make_key(one.account)
    sent = one.signed(key)

    answers = [floor.ask(sent) for _ in range(4)]

    assert [answer.status for answer in answers] == [201, 401, 401, 401]
    assert count_of(f"key:{key.row.pk}:call") == 1
    assert count_of(f"orders:{one.account.pk}", 86_400) == 1


def test_while_nobody_matches_all_are_told_when_their_time_is_up(floor: Floor) -> None:
    traders = [floor.trader() for _ in range(4)]
    shard = worker_of(floor)
    shard.suspend()
    try:
        began = clock()
        assert floor.ask(traders[0].place("orders?wait=700")).status == 202
        took = clock() - began
        with ExitStack() as opened:
            lines = [opened.enter_context(Line(floor.platform)) for _ in range(100)]
            for number, line in enumerate(lines):
                line.send(traders[number % 4].place("orders?wait=1500"))
            at_once = floor.ask(traders[0].place("orders?wait=0"))
            answers = [line.answer() for line in lines]
            all_took = clock() - began - took
            for number, line in enumerate(lines):
                line.send(traders[number % 4].place("orders?wait=5000"))
            wait_for(lambda: stored(traders) == 202, "all to wait", seconds=PATIENCE)
            process = web_process(floor.platform)
            process.send_signal(signal.SIGTERM)
            wait_for(lambda: web_has_another(floor.platform, process), "the next process", seconds=PATIENCE)
            shard.resume()
            last = [line.answer() for line in lines]
    finally:
        shard.resume()

    assert 0.7 <= took < 3
    assert (at_once.status, at_once.json["status"]) == (202, "pending")
    assert {answer.status for answer in answers} == {202}
    assert 1.5 <= all_took < 6
    assert {answer.status for answer in last} <= {201, 202}
    assert {answer.header("Connection") for answer in last} == {"close"}
    assert floor.in_lists([answers[0], last[0]]) == [True, True]
    assert floor.ask(traders[0].place()).status == 201
    assert stored(traders) == 203


def stored(traders: list[Trader]) -> int:
    return Order.objects.filter(account__in=[one.account for one in traders]).count()


def web_has_another(platform: Platform, process: psutil.Process) -> bool:
    return (
        not process.is_running()
        or process.status() == psutil.STATUS_ZOMBIE
        or bool([one for one in psutil.Process(process.ppid()).children() if one != process])
    )


def wait_for_more(traders: list[Trader]) -> None:
    """Until a hundred more are stored than now."""
    goal = stored(traders) + 100
    wait_for(lambda: stored(traders) >= goal, "orders to be placed", seconds=PATIENCE)


def test_a_killed_web_process_loses_and_doubles_nothing(floor: Floor) -> None:
    journals: list[dict[str, str | None]] = [{} for _ in range(32)]
    traders = [floor.trader() for _ in range(4)]
    stop = threading.Event()

    def run(number: int) -> None:
        one, journal, line = traders[number % 4], journals[number], None
        while not stop.is_set():
            name = f"kill-{number}-{len(journal)}"
            journal[name] = None
            try:
                line = line or Line(floor.platform)
                answer = line.ask(one.place("orders?wait=0", client_order_id=name))
            except OSError:
                if line:
                    line.socket.close()
                line = None
                continue
            assert answer.status in {201, 202, 503}, answer
            journal[name] = answer.json.get("id")
        if line:
            line.socket.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            wait_for_more(traders)
            web_process(floor.platform).kill()
        wait_for_more(traders)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)

    known = dict(
        OrderIdentity.objects.filter(account__in=[one.account for one in traders]).values_list(
            "client_order_id", "order_id"
        )
    )
    told_of = {name: number for journal in journals for name, number in journal.items()}
    assert {name: str(known.get(name)) for name, number in told_of.items() if number} == {
        name: number for name, number in told_of.items() if number
    }
    assert stored(traders) == len(known)
    assert set(known) <= set(told_of)
    assert any(number is None for number in told_of.values())
