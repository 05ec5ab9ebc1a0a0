"""Plain orders are answered in lists, all others by the views, and no client can tell which it was.

What is sent here is sent as bytes: clients of HTTP differ in how they cut a request into pieces.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import Scope
from accounts.services.key_issuing import revoke_key
from risk.models import KillScope
from tests.accounts.keys import Key, make_key
from tests.factories import ACTOR
from tests.live.floor import UNPLAIN, Floor, Trader, batch, expired
from tests.live.lines import comparable
from tests.orders.killing import press

pytestmark = pytest.mark.live


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
    pair = floor.trader(quote=1_000), floor.trader(UNPLAIN, quote=1_000)
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
