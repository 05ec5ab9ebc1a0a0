"""Order entry over the socket: the same inputs, rules, limits and refusals as over HTTP, without the wait.

An answer says that a request is committed. What the book makes of it comes by the account's private channels.
Single orders, amends and cancels are answered in lists with those of other sockets (`singles`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from accounts.selectors import require_own_account
from accounts.services.rates import take_orders
from orders.api import inputs
from orders.api.batch import place_batch
from orders.feed.caller import Caller
from orders.feed.lanes import Lane, Lists
from orders.feed.protocol import OrderOp
from orders.feed.singles import SINGLE, Answer, Single, accepted_fields, answer_each, requested_ids
from orders.models import Source
from orders.services import changing
from orders.services.order_lists import submit_list
from tradeplatform.common.api_input import StrictSerializer, parse
from tradeplatform.common.correlation import correlation_id

# So many requests of all sockets may wait in this process; each thread waits for its transaction.
_ROOM = 500
_THREADS, _CANCELLING_THREADS = 16, 4
_MOST_IN_A_MESSAGE = 200
_CANCELS = frozenset({OrderOp.CANCEL, OrderOp.CANCEL_ALL})

# Cancels wait behind no new order.
_entering = Lane("feed-entry", _THREADS, room=_ROOM)
_cancelling = Lane("feed-cancel", _CANCELLING_THREADS, room=_ROOM)
_singles = Lists("feed-singles", answer_each, most=_ROOM, room=_ROOM)
_cancels = Lists("feed-cancels", answer_each, most=_ROOM, room=_ROOM)


class _PlaceBatch(StrictSerializer):
    orders = inputs.ItemsField()


class _PlaceList(StrictSerializer):
    list = inputs.ListInput()


async def perform(operation: OrderOp, body: dict[str, Any], caller: Caller) -> tuple[str, Answer]:
    """The answer's type and fields, in turns with other people. Raises Refusal, overloaded among them."""
    whose = caller.reach.user_id
    if operation in SINGLE:
        lists = _cancels if operation in _CANCELS else _singles
        return await lists.ask(whose, Single(operation, body, caller, correlation_id()))
    lane = _cancelling if operation in _CANCELS else _entering
    return await lane.run_for(whose, answer, operation, body, caller)


def answer(operation: OrderOp, body: dict[str, Any], caller: Caller) -> tuple[str, Answer]:
    """Do what was asked: the type of the answer, and its fields. Raises Refusal."""
    caller.require_trade()
    kind, act = _ACTS[operation]
    return kind, act(body, caller)


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
    orders = [accepted_fields(each) for each in taken.orders]
    return {"account": account_id, "list_id": str(taken.list_id), "orders": orders}


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
    return {"account": account_id, "orders": requested_ids(requested)}


_ACTS: dict[OrderOp, tuple[str, Callable[[dict[str, Any], Caller], Answer]]] = {
    OrderOp.PLACE_BATCH: ("batch_placed", _place_batch),
    OrderOp.PLACE_LIST: ("list_placed", _place_list),
    OrderOp.CANCEL_ALL: ("cancel_requested", _cancel_all),
}
