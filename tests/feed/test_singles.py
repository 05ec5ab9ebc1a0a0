"""What many sockets ask for is answered in lists: each as if alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import RateTier, Scope, TradingAccount
from accounts.selectors import Reach
from accounts.services import api_keys, rates, sessions
from accounts.services.sessions import SessionProof
from audit.actor import Actor
from orders.api import inputs
from orders.feed.caller import Caller
from orders.feed.protocol import OrderOp
from orders.feed.singles import Single, answer_each
from orders.models import Command, CommandKind, CommandStatus, Order
from orders.services.requests import NewOrder
from tests.accounts.keys import make_key
from tests.api.client import order_body
from tests.factories import Market, everything_stored, tag, tokens_of
from tradeplatform.common.errors import Refusal

pytestmark = pytest.mark.django_db(transaction=True)


def caller_of(account: TradingAccount, *, key_scopes: frozenset[Scope] | None = None) -> Caller:
    """Them in a session or, with scopes, by a key."""
    user = account.user
    actor = Actor.user(user_id=user.pk, label=user.username)
    if key_scopes is not None:
        key = api_keys.authenticate(make_key(account, scopes=key_scopes).key_id, ip="127.0.0.1")
        return Caller(Reach(user.pk, account.pk), user.rate_tier_id, actor, key=key)
    session = sessions.identify(tokens_of(user).access)
    proof = SessionProof(session.sid, user.pk, user.password)
    return Caller(Reach(user.pk), user.rate_tier_id, actor, session=proof)


def place(market: Market, account: TradingAccount, caller: Caller, **changes: Any) -> Single:
    order = order_body(market, account, **{"price": "49000", "quantity": "0.1"} | changes)
    return Single(OrderOp.PLACE, {"order": order}, caller, tag())


def said(answers: list[tuple[str, dict[str, Any]] | Exception]) -> list[str]:
    """The type of each answer, or the code of its refusal."""
    return [one.code.value if isinstance(one, Refusal) else one[0] for one in answers]  # type: ignore[index]


def test_each_is_answered_as_if_alone(market: Market, alice: TradingAccount, bob: TradingAccount) -> None:
    first, second, his = (
        market.buy(alice, "1", 49000),
        market.buy(alice, "1", 49001),
        market.sell(bob, "1", 51000),
    )
    market.drain()
    hers, bobs = caller_of(alice), caller_of(bob, key_scopes=frozenset({Scope.TRADE}))
    reads = caller_of(bob, key_scopes=frozenset({Scope.READ}))

    answers = answer_each(
        [
            place(market, alice, hers, client_order_id="mine"),
            place(market, alice, hers, client_order_id="mine"),
            place(market, alice, hers, client_order_id="mine", price="48000"),
            place(market, bob, hers),
            place(market, alice, hers, quantity="900"),
            Single(OrderOp.PLACE, {"order": order_body(market, alice, account=10**15)}, hers, ""),
            place(market, bob, bobs),
            place(market, bob, reads),
            Single(OrderOp.AMEND, {"order": first, "price": "48000"}, hers, ""),
            Single(OrderOp.AMEND, {"order": his, "price": "52000"}, hers, ""),
            Single(OrderOp.AMEND, {"order": 10**15, "price": "52000"}, hers, ""),
            Single(OrderOp.CANCEL, {"order": second}, hers, ""),
            Single(OrderOp.CANCEL, {"order": his}, bobs, ""),
            Single(OrderOp.CANCEL, {"order": second, "account": alice.pk}, hers, ""),
            Single(OrderOp.CANCEL, {"account": bob.pk, "client_order_id": "mine"}, hers, ""),
            Single(OrderOp.CANCEL, {"account": alice.pk, "client_order_id": "none"}, hers, ""),
            Single(OrderOp.CANCEL, {}, hers, ""),
        ]
    )

    assert said(answers) == [
        "placed",
        "placed",
        "client_order_id_conflict",
        "account_not_found",
        "insufficient_funds",
        "account_not_found",
        "placed",
        "api_key_wrong_scope",
        "amend_requested",
        "order_not_found",
        "order_not_found",
        "cancel_requested",
        "cancel_requested",
        "invalid_combination",
        "account_not_found",
        "order_not_found",
        "invalid_combination",
    ]
    waiting = Command.objects.filter(status=CommandStatus.PENDING).values_list("kind", "account_id")
    assert sorted(waiting) == sorted(
        [
            (CommandKind.NEW, alice.pk),
            (CommandKind.NEW, bob.pk),
            (CommandKind.AMEND, alice.pk),
            (CommandKind.CANCEL, alice.pk),
            (CommandKind.CANCEL, bob.pk),
        ]
    )
    (_, first_of_them), (_, again) = answers[:2]  # type: ignore[misc]
    assert again == first_of_them | {"order": first_of_them["order"] | {"duplicate": True}}


def test_a_cancel_by_the_clients_own_name(market: Market, alice: TradingAccount) -> None:
    hers = caller_of(alice)
    ((_, placed),) = answer_each([place(market, alice, hers, client_order_id="mine")])  # type: ignore[misc]
    market.drain()

    named = Single(OrderOp.CANCEL, {"account": alice.pk, "client_order_id": "mine"}, hers, "")
    number = placed["order"]["id"]

    assert answer_each([named]) == [("cancel_requested", {"account": alice.pk, "orders": [number]})]
    market.drain()
    assert Order.objects.get(id=number).status == "cancelled"


def test_what_is_refused_of_all_changes_nothing(market: Market, alice: TradingAccount) -> None:
    hers = caller_of(alice)
    sessions.end_own(user_id=alice.user_id, actor=hers.actor, now=timezone.now())
    before = everything_stored()

    answers = answer_each([place(market, alice, hers), Single(OrderOp.CANCEL, {"order": 1}, hers, "")])

    assert said(answers) == ["not_authenticated"] * 2
    assert everything_stored() == before


def test_orders_are_counted_and_those_without_room_refused(
    market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.user.rate_tier = RateTier.objects.create(
        name=f"T{tag()}", calls_1m=1_000, orders_10s=1_000, orders_1d=3
    )
    alice.user.save()
    monkeypatch.setattr(rates, "_fresh_until", 0.0)
    hers = caller_of(alice)

    answers = answer_each([place(market, alice, hers) for _ in range(5)])

    assert said(answers) == ["placed"] * 3 + ["too_many_orders"] * 2
    number = answers[0][1]["order"]["id"]  # type: ignore[index]
    assert said(answer_each([Single(OrderOp.CANCEL, {"order": int(number)}, hers, "")])) == [
        "cancel_requested"
    ]


def test_costs_no_query_more_for_more(market: Market, alice: TradingAccount, tiers_known: None) -> None:
    hers = caller_of(alice)

    def queries(many: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert said(answer_each([place(market, alice, hers) for _ in range(many)])) == ["placed"] * many
        return len(captured)

    queries(1)
    assert queries(40) == queries(1)


def test_one_that_fails_takes_nobody_along(
    market: Market, alice: TradingAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = caller_of(alice)
    made = inputs.new_order

    def failing(given: dict[str, Any]) -> NewOrder:
        order = made(given)
        if order.client_order_id == "bad":
            raise ZeroDivisionError
        return order

    monkeypatch.setattr(inputs, "new_order", failing)

    answers = answer_each([place(market, alice, hers, client_order_id=name) for name in ("a", "bad", "b")])

    assert [type(one) for one in answers] == [tuple, ZeroDivisionError, tuple]
    assert set(Order.objects.values_list("client_order_id", flat=True)) == {"a", "b"}
