"""Order entry over the socket: the same inputs, rules, limits and refusals as over HTTP, without the wait.

An answer says that a request is committed. What the book makes of it comes by the account's private channels.
Single orders go in with those of other sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from accounts.models import Scope
from accounts.selectors import Reach, require_own_account
from accounts.services import api_keys
from accounts.services.api_keys import ApiKeyCaller
from accounts.services.rates import take_orders
from accounts.services.sessions import SessionProof, require_living
from audit.actor import Actor
from orders.api import inputs
from orders.api.batch import place_batch
from orders.feed.lanes import Lane
from orders.feed.protocol import OrderOp
from orders.models import Source
from orders.selectors import find_order_by_client_id, own_order
from orders.services import changing
from orders.services.batching import amend_soon, cancel_soon, submit_soon
from orders.services.order_lists import submit_list
from orders.services.requests import Accepted, Changes, Requested
from tradeplatform.common.api_input import StrictSerializer, TextField, WholeNumberField, parse
from tradeplatform.common.errors import Code, Refusal

# So many requests of all sockets may wait in this process; each thread waits for its transaction.
_ROOM = 500
_THREADS, _CANCELLING_THREADS = 16, 4
_MOST_IN_A_MESSAGE = 200
_CANCELS = frozenset({OrderOp.CANCEL, OrderOp.CANCEL_ALL})

# Cancels wait behind no new order.
_entering = Lane("feed-entry", _THREADS, room=_ROOM)
_cancelling = Lane("feed-cancel", _CANCELLING_THREADS, room=_ROOM)

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a socket's requests are from, and what they reach. With a key: what the key may."""

    reach: Reach
    tier_id: int | None
    actor: Actor
    key: ApiKeyCaller | None = None
    session: SessionProof | None = None

    def require_trade(self) -> None:
        """Refuse a key that may not trade, and who was shut out since the socket was let in.

        A socket is closed then, but only once it has heard so.
        """
        if self.session is not None:
            require_living(self.session)
        if self.key is not None:
            now = api_keys.authenticate(self.key.key_id, ip=self.key.ip)
            if now.generation != self.key.generation:
                sentence = "This API key has another secret since: authenticate again, with that."
                raise Refusal(Code.NOT_AUTHENTICATED, sentence)
            api_keys.require(now, Scope.TRADE)


class _Place(StrictSerializer):
    order = inputs.OrderInput()


class _PlaceBatch(StrictSerializer):
    orders = inputs.ItemsField()


class _PlaceList(StrictSerializer):
    list = inputs.ListInput()


class _Amend(inputs.AmendInput):
    order = WholeNumberField(min_value=1)


class _Cancel(StrictSerializer):
    order = WholeNumberField(min_value=1, required=False)
    account = WholeNumberField(min_value=1, required=False)
    client_order_id = TextField(required=False, max_length=36)


async def perform(operation: OrderOp, body: dict[str, Any], caller: Caller) -> tuple[str, Answer]:
    """As `answer`, in a thread, in turns with other people. Raises Refusal, overloaded among them."""
    lane = _cancelling if operation in _CANCELS else _entering
    return await lane.run_for(caller.reach.user_id, answer, operation, body, caller)


def answer(operation: OrderOp, body: dict[str, Any], caller: Caller) -> tuple[str, Answer]:
    """Do what was asked: the type of the answer, and its fields. Raises Refusal."""
    caller.require_trade()
    kind, act = _ACTS[operation]
    return kind, act(body, caller)


def _place(body: dict[str, Any], caller: Caller) -> Answer:
    order = inputs.new_order(parse(_Place, body)["order"])
    require_own_account(caller.reach, order.account_id)
    take_orders({order.account_id: 1}, tier_id=caller.tier_id, now=timezone.now())
    accepted = submit_soon(order=order, actor=caller.actor, source=Source.SOCKET)
    return {"account": order.account_id, "order": _accepted(accepted)}


def _place_batch(body: dict[str, Any], caller: Caller) -> Answer:
    items = parse(_PlaceBatch, body)["orders"]
    results = place_batch(
        items,
        reach=caller.reach,
        tier_id=caller.tier_id,
        actor=caller.actor,
        now=timezone.now(),
        wait_ms=0,
        source=Source.SOCKET,
        most=_MOST_IN_A_MESSAGE,
    )
    return {"results": results}


def _place_list(body: dict[str, Any], caller: Caller) -> Answer:
    asked = inputs.new_list(parse(_PlaceList, body)["list"])
    account_id = require_own_account(caller.reach, asked.orders[0].account_id)
    now = timezone.now()
    take_orders(Counter({account_id: len(asked.orders)}), tier_id=caller.tier_id, now=now)
    taken = submit_list(asked=asked, actor=caller.actor, source=Source.SOCKET, now=now)
    orders = [_accepted(each) for each in taken.orders]
    return {"account": account_id, "list_id": str(taken.list_id), "orders": orders}


def _amend(body: dict[str, Any], caller: Caller) -> Answer:
    given = parse(_Amend, body)
    ref = own_order(caller.reach, given["order"])
    del given["order"]
    requested = amend_soon(
        order_id=ref.id,
        account_id=ref.account_id,
        changes=Changes(**given),
        actor=caller.actor,
        source=Source.SOCKET,
    )
    return {"account": ref.account_id, "orders": _requested([requested])}


def _cancel(body: dict[str, Any], caller: Caller) -> Answer:
    given = parse(_Cancel, body)
    if "order" in given and len(given) == 1:
        ref = own_order(caller.reach, given["order"])
        order_id, account_id = ref.id, ref.account_id
    elif set(given) == {"account", "client_order_id"}:
        account_id = require_own_account(caller.reach, given["account"])
        name = given["client_order_id"]
        order_id = find_order_by_client_id(account_id=account_id, client_order_id=name).id
    else:
        sentence = "Name one order: by order, or by account and client_order_id."
        raise Refusal(Code.INVALID_COMBINATION, sentence, fields={"order": sentence})
    requested = cancel_soon(
        order_id=order_id, account_id=account_id, actor=caller.actor, source=Source.SOCKET
    )
    return {"account": account_id, "orders": _requested([requested])}


def _cancel_all(body: dict[str, Any], caller: Caller) -> Answer:
    given = parse(inputs.CancelAllInput, body)
    account_id = require_own_account(caller.reach, given["account"])
    requested = changing.cancel_all_orders(
        account_id=account_id,
        symbol=given.get("symbol"),
        side=given.get("side"),
        list_id=given.get("list"),
        credential=caller.actor.credential if "credential" in given else None,
        group=given.get("group"),
        actor=caller.actor,
        now=timezone.now(),
    )
    return {"account": account_id, "orders": _requested(requested)}


def _accepted(accepted: Accepted) -> dict[str, Any]:
    return {
        "id": str(accepted.order_id),
        "client_order_id": accepted.client_order_id,
        "duplicate": accepted.duplicate,
    }


def _requested(requested: Iterable[Requested]) -> list[str]:
    return [str(item.order_id) for item in requested]


_ACTS: dict[OrderOp, tuple[str, Callable[[dict[str, Any], Caller], Answer]]] = {
    OrderOp.PLACE: ("placed", _place),
    OrderOp.PLACE_BATCH: ("batch_placed", _place_batch),
    OrderOp.PLACE_LIST: ("list_placed", _place_list),
    OrderOp.AMEND: ("amend_requested", _amend),
    OrderOp.CANCEL: ("cancel_requested", _cancel),
    OrderOp.CANCEL_ALL: ("cancel_requested", _cancel_all),
}
