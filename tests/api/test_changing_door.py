"""Plain amends and cancels of many callers are asked for in lists: each as if alone, or left to the view."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Scope, TradingAccount
from accounts.services.key_issuing import revoke_key
from orders.api import changing
from orders.api.batch import shown_by_id
from orders.api.changing import ChangingDoor, amends, cancels
from orders.models import Command, CommandKind, CommandStatus, Order
from orders.services.order_state import OrderState
from orders.services.requests import Sent
from tests.accounts.keys import Key, make_key
from tests.api.client import Api
from tests.api.plain import ORDERS, Answers, plain
from tests.factories import ACTOR, Market, everything_stored, make_account, tokens_of
from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.common.asked import Asked
from tradeplatform.common.errors import Refusal
from tradeplatform.common.limits import PATIENCE, Limit, take
from tradeplatform.common.throttling import clock

AMENDS, CANCELS = ChangingDoor(amends), ChangingDoor(cancels)


def cancel(order_id: object, token: str = "", **more: Any) -> Asked:
    return plain(None, token, method="DELETE", path=f"{ORDERS}/{order_id}", **more)


def amend(order_id: object, changes: object, token: str = "", **more: Any) -> Asked:
    return plain(changes, token, method="PATCH", path=f"{ORDERS}/{order_id}", **more)


@pytest.fixture
def token(alice: TradingAccount) -> str:
    """Alice's access token."""
    return tokens_of(alice.user).access


@pytest.fixture
def bids(market: Market, alice: TradingAccount) -> list[int]:
    """Three orders of hers that rest."""
    placed = [market.buy(alice, "1", 49000 + number) for number in range(3)]
    market.drain()
    return placed


def waiting() -> list[tuple[int, int]]:
    """(kind, order) of the commands that wait."""
    found = Command.objects.filter(status=CommandStatus.PENDING).order_by("id")
    return list(found.values_list("kind", "order_id"))


class TestMany:
    def test_cancels_go_in_together_each_as_if_alone(
        self, market: Market, alice: TradingAccount, bob: TradingAccount, token: str, bids: list[int]
    ) -> None:
        his = market.sell(bob, "1", 51000)
        market.drain()
        key = make_key(bob)

        answers = Answers(
            cancel(bids[0], token, correlation_id="first"),
            cancel(his, key=key, correlation_id="second"),
            cancel(bids[0], token),
            cancel(his, token),
            cancel(bids[1], key=key),
            door=CANCELS,
        )

        assert answers.codes() == [(202, "open"), (202, "open"), (202, "open"), None, None]
        assert waiting() == [(CommandKind.CANCEL, number) for number in (bids[0], his, bids[0])]
        assert list(
            Command.objects.filter(status=CommandStatus.PENDING)
            .order_by("id")
            .values_list("actor_id", "correlation_id")[:2]
        ) == [(alice.user_id, "first"), (bob.user_id, "second")]
        market.drain()
        assert {order.id: order.status for order in Order.objects.all()} == {
            bids[0]: "cancelled",
            bids[1]: "open",
            bids[2]: "open",
            his: "cancelled",
        }

    def test_so_do_amends(self, market: Market, token: str, bids: list[int]) -> None:
        answers = Answers(
            amend(bids[0], {"price": "48000"}, token),
            amend(bids[1], {"quantity": "0.5"}, token),
            amend(bids[1], {"quantity": "0.25"}, token),
            amend(bids[2], {"price": "48000.001"}, token),
            amend(bids[2], {"price": "49002"}, token),
            door=AMENDS,
        )

        assert answers.codes() == [
            (202, "open"),
            (202, "open"),
            (409, "amend_pending"),
            (400, "price_not_on_tick"),
            (202, "open"),
        ]
        market.drain()
        stored = Order.objects.order_by("id").values_list("price", "quantity")
        assert [(str(price), str(quantity)) for price, quantity in stored] == [
            ("48000.000000000000000000", "1.000000000000000000"),
            ("49001.000000000000000000", "0.500000000000000000"),
            ("49002.000000000000000000", "1.000000000000000000"),
        ]

    def test_what_is_over_is_refused_as_by_the_view(
        self, market: Market, token: str, bids: list[int]
    ) -> None:
        Api().bearer(token).delete(f"/orders/{bids[0]}?wait=0")
        market.drain()
        before = everything_stored()

        answers = Answers(cancel(bids[0], token, correlation_id="mine"), door=CANCELS)

        view = Api().bearer(token).delete(f"/orders/{bids[0]}?wait=0")
        assert answers.whole() == [(view.status_code, view.json() | {"correlation_id": "mine"})]
        assert answers.codes() == [(409, "order_not_open")]
        assert everything_stored() == before

    def test_what_is_told_is_what_stands(self, market: Market, token: str, bids: list[int]) -> None:
        ((_status, told),) = Answers(amend(bids[0], {"price": "48000"}, token), door=AMENDS).whole()

        assert told == Api().bearer(token).get(f"/orders/{bids[0]}").json()

    @pytest.mark.parametrize("door", [AMENDS, CANCELS])
    def test_costs_no_query_more_for_more(
        self, market: Market, alice: TradingAccount, token: str, tiers_known: None, door: ChangingDoor
    ) -> None:
        placed = [market.buy(alice, "0.1", 49000) for _ in range(41)]
        market.drain()

        def queries(these: Sequence[int]) -> int:
            asked = [
                cancel(number, token) if door is CANCELS else amend(number, {"price": "48000"}, token)
                for number in these
            ]
            with CaptureQueriesContext(connection) as captured:
                assert Answers(*asked, door=door).codes() == [(202, "open")] * len(these)
            return len(captured)

        assert queries(placed[1:]) == queries(placed[:1])


class TestLeftToTheView:
    """Nothing is done, counted or remembered; what is wrong is for the view to say."""

    @pytest.mark.parametrize("number", [0, 10**15, 2**63 - 1, 2**63, 10**19 - 1])
    def test_no_such_order(self, market: Market, token: str, number: int) -> None:
        self._is_left(CANCELS, cancel(number, token))
        self._is_left(AMENDS, amend(number, {"price": "48000"}, token))

    def test_anothers_order(self, market: Market, bob: TradingAccount, bids: list[int]) -> None:
        token = tokens_of(bob.user).access

        self._is_left(CANCELS, cancel(bids[0], token))
        self._is_left(AMENDS, amend(bids[0], {"price": "48000"}, token))

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b"7", {"price": 1.5e300}, {"price": "x"}, {"colour": "red"}]
    )
    def test_an_amend_that_cannot_be_read(
        self, market: Market, token: str, bids: list[int], body: object
    ) -> None:
        self._is_left(AMENDS, amend(bids[0], body, token))

    @pytest.mark.parametrize("query", ["wait=5001", "wait=-1", "wait=x", "wait=1&wait=2", "other=1", "wait="])
    def test_a_question_of_its_own(self, market: Market, token: str, bids: list[int], query: str) -> None:
        self._is_left(CANCELS, cancel(bids[0], token, query=query))

    def test_whoever_is_nobody_or_may_not(
        self, market: Market, alice: TradingAccount, token: str, bids: list[int]
    ) -> None:
        reads, gone = make_key(alice, scopes=frozenset({Scope.READ})), make_key(alice)
        revoke_key(key_id=gone.row.pk, actor=ACTOR, now=timezone.now(), reason="test")

        self._is_left(CANCELS, cancel(bids[0]))
        self._is_left(CANCELS, cancel(bids[0], token + "x"))
        for key in (reads, gone):
            self._is_left(CANCELS, cancel(bids[0], key=key))

    def test_a_signature_over_another_order(
        self, market: Market, alice: TradingAccount, bids: list[int]
    ) -> None:
        key = make_key(alice)
        asked = cancel(bids[0], key=key)
        other = cancel(
            bids[1],
            key=key,
            sent={name: value for name, value in asked.http.META.items() if name.startswith("HTTP_X_API")},
        )

        self._is_left(CANCELS, other)

    def test_a_key_for_another_of_their_accounts(
        self, market: Market, alice: TradingAccount, bids: list[int]
    ) -> None:
        self._is_left(CANCELS, cancel(bids[0], key=_key_of_another(alice)))

    def test_a_copy_of_a_signed_request(self, market: Market, alice: TradingAccount, bids: list[int]) -> None:
        asked = cancel(bids[0], key=make_key(alice))

        assert Answers(asked, asked, door=CANCELS).codes() == [(202, "open"), None]
        self._is_left(CANCELS, asked)

    def _is_left(self, door: ChangingDoor, asked: Asked) -> None:
        before = everything_stored()
        assert door.prepare([asked]) == [None]
        assert everything_stored() == before


def _key_of_another(account: TradingAccount) -> Key:
    return make_key(make_account(currency=account.currency, user=account.user))


class TestLimits:
    def test_who_is_shut_out_for_all_else_still_cancels(
        self, market: Market, token: str, bids: list[int]
    ) -> None:
        address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
        for _ in range(PATIENCE + 1):
            with pytest.raises(Refusal):
                take([Limit(f"address:{address}:call", 0, 60)], now=clock(), offender=f"address:{address}")

        assert AMENDS.prepare([amend(bids[0], {"price": "48000"}, token, address=address)]) == [None]
        assert Answers(cancel(bids[0], token, address=address), door=CANCELS).codes() == [(202, "open")]


class TestFaults:
    def test_a_lost_database_leaves_the_outcome_unknown(
        self, market: Market, token: str, bids: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(_sent: Sequence[Sent]) -> Any:
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(changing, "submit_now", lost)

        answers = Answers(cancel(bids[0], token, correlation_id="a"), door=CANCELS)

        assert answers.codes() == [(503, "unavailable")]
        assert [said and said[1]["correlation_id"] for said in answers.said()] == ["a"]

    def test_what_was_asked_for_is_never_called_refused(
        self, market: Market, token: str, bids: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(_requested: object) -> Any:
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(changing, "book_answers", lost)

        assert Answers(cancel(bids[0], token), door=CANCELS).codes() == [(503, "unavailable")]
        assert waiting() == [(CommandKind.CANCEL, bids[0])]

    def test_who_cannot_be_shown_his_order_is_told_so_and_the_others_of_theirs(
        self, market: Market, token: str, bids: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hide(bids[0], monkeypatch)

        answers = Answers(*(cancel(bid, token) for bid in bids[:2]), door=CANCELS)

        assert answers.codes() == [(500, "internal_error"), (202, "open")]


def hide(order_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an order not be found where it is to be shown."""

    def others(states: Iterable[OrderState]) -> dict[int, dict[str, Any]]:
        return {number: one for number, one in shown_by_id(states).items() if number != order_id}

    monkeypatch.setattr(changing, "shown_by_id", others)


@pytest.mark.django_db(transaction=True)
class TestWaiting:
    def test_who_cannot_be_shown_his_order_is_told_so_too(
        self, market: Market, token: str, bids: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hide(bids[0], monkeypatch)
        answers = Answers(*(cancel(bid, token, query="wait=5000") for bid in bids[:2]), door=CANCELS)
        market.drain()

        wait_for(lambda: None not in answers.told(), "the book's answers")
        assert answers.codes() == [(500, "internal_error"), (200, "cancelled")]

    def test_is_told_when_the_book_has_spoken(self, market: Market, token: str, bids: list[int]) -> None:
        ends = Answers(
            cancel(bids[0], token, query=""), cancel(bids[0], token, query="wait=5000"), door=CANCELS
        )
        moves = Answers(
            amend(bids[1], {"price": "48000"}, token, query="wait=5000"),
            amend(bids[2], {"price": "49002"}, token, query="wait=5000"),
            door=AMENDS,
        )
        assert ends.told() == [None, None]
        market.drain()

        wait_for(lambda: None not in [*ends.told(), *moves.told()], "the book's answers")
        # The second came too late: the book had taken the order off by then.
        assert ends.codes() == [(200, "cancelled"), (409, "order_not_open")]
        assert moves.codes() == [(200, "open"), (400, "no_change")]
        assert moves.whole()[0][1]["price"] == "48000.00"

    def test_is_told_that_it_has_not_when_the_time_is_up(
        self, market: Market, token: str, bids: list[int]
    ) -> None:
        answers = Answers(cancel(bids[0], token, query="wait=60"), door=CANCELS)
        assert answers.told() == [None]

        wait_for(lambda: answers.told() != [None], "the time to be up")
        assert answers.codes() == [(202, "open")]
        market.drain()
        assert Order.objects.get(id=bids[0]).status == "cancelled"
