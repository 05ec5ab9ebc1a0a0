"""The trading day of the participants: look, decide, send; again until enough or told to stop."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from instruments.models import Realm
from instruments.selectors import Rules
from liquidity.participants.desk import Desk, Participant
from liquidity.participants.watching import Snapshot, book_seqs, look, trade_count
from liquidity.participants.wishes import Bracket, Move, Place, Withdraw
from orders.models import OrderType, Side
from orders.services.changing import amend_order
from orders.services.order_lists import submit_list
from orders.services.requests import Accepted, CancelOrder, Changes, ListKind, NewList, NewOrder, Requested
from orders.services.sending import Sender
from tradeplatform.common.errors import Refusal

# The believed price wanders by up to this many basis points a look, and is drawn back to where it began.
_WANDER_POINTS = 2
_PULL = 400
# Orders of a bracket.
_BRACKET = 3


@dataclass(slots=True)
class Tally:
    """What the participants have asked for and what became of it."""

    orders: int = 0
    accepted: int = 0
    cancels: int = 0
    amends: int = 0
    trades: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(slots=True)
class Simulation:
    """Decisions come from `chance` and from what the participants see.

    So a seed repeats them where the drain is inline and the database is as it was.
    """

    desk: Desk
    sender: Sender
    chance: Random
    stop: threading.Event
    tally: Tally = field(default_factory=Tally)
    _run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _references: dict[str, int] = field(default_factory=dict)
    _placed: int = 0

    def run(
        self, *, orders: int | None, rate: int | None, each: Callable[[Tally], None] = lambda _tally: None
    ) -> Tally:
        """Trade until `orders` new orders were sent (None: until `stop`), at most `rate` requests a second.

        Stopped, it returns at once, without counting trades. Raises NobodyDrainsError, ShardStopped, and
        OperationalError when the database stays away.
        """
        started, sent = time.monotonic(), 0
        seqs = self.sender.through_restarts(lambda: book_seqs(self.desk))
        while not self.stop.is_set() and (orders is None or self.tally.orders < orders):
            sent += self._look_and_act(None if orders is None else orders - self.tally.orders)
            self.tally.seconds = time.monotonic() - started
            each(self.tally)
            if rate is not None:
                self.stop.wait(max(0.0, sent / rate - self.tally.seconds))
        if self.stop.is_set():
            return self.tally
        for rules in self.desk.rules.values():
            self.sender.sync(rules.id)
        self.tally.trades = self.sender.through_restarts(lambda: trade_count(seqs))
        self.tally.seconds = time.monotonic() - started
        return self.tally

    def _look_and_act(self, most_orders: int | None) -> int:
        """One participant acts in each market; returns how many requests were sent."""
        snapshot = self.sender.through_restarts(lambda: look(self.desk))
        requests: list[NewOrder | CancelOrder] = []
        moves: list[tuple[Participant, Rules, Move]] = []
        lists: list[NewList] = []
        for rules in self.desk.rules.values():
            participant = self._whose_turn(rules)
            view = snapshot.view(participant, rules, self._wander(rules, snapshot))
            leaving = {order.client_order_id for order in view.mine if order.leaving}
            for wish in participant.character.habit.act(view, self.chance):
                if isinstance(wish, Withdraw) and wish.client_order_id in leaving:
                    # Asked for already: a shard that is stopped or behind would only get it twice.
                    continue
                if isinstance(wish, Move):
                    moves.append((participant, rules, wish))
                elif isinstance(wish, Bracket):
                    lists.append(self._bracket(participant, rules, wish))
                else:
                    requests.append(self._request(participant, rules, wish))
        requests = _at_most(most_orders, requests)
        if requests:
            self._send(requests)
        for participant, rules, move in moves:
            self._move(participant, rules, move)
        room = None if most_orders is None else most_orders - sum(isinstance(r, NewOrder) for r in requests)
        for asked in lists if room is None else lists[: room // _BRACKET]:
            self._send_list(asked)
        return len(requests) + len(moves) + len(lists)

    def _whose_turn(self, rules: Rules) -> Participant:
        allowed = [found for found in self.desk.participants if found.realm == rules.realm]
        return self.chance.choices(allowed, [found.character.weight for found in allowed])[0]

    def _wander(self, rules: Rules, snapshot: Snapshot) -> int:
        """The next believed price, in ticks."""
        anchor = int(rules.reference_price / rules.tick_size)
        last = snapshot.last.get(rules.id) or anchor
        believed = self._mirrored(rules)
        if believed is None:
            now = self._references.get(rules.symbol) or last
            most = max(1, anchor * _WANDER_POINTS // 10_000)
            believed = now + self.chance.randint(-most, most) + (anchor - now) // _PULL
        # Nobody may quote outside the band around the last trade, wherever a stranger has driven that.
        room = int(last * rules.price_band / 2)
        self._references[rules.symbol] = max(1, last - room, min(last + room, believed))
        return self._references[rules.symbol]

    def _mirrored(self, rules: Rules) -> int | None:
        """What is believed of the live market that a demo one mirrors, if the desk trades there."""
        if rules.realm != Realm.DEMO:
            return None
        shape = (rules.base_id, rules.quote_id, rules.tick_size)
        for other in self.desk.rules.values():
            if other.realm == Realm.LIVE and (other.base_id, other.quote_id, other.tick_size) == shape:
                return self._references.get(other.symbol)
        return None

    def _request(
        self, participant: Participant, rules: Rules, wish: Place | Withdraw
    ) -> NewOrder | CancelOrder:
        if isinstance(wish, Withdraw):
            return CancelOrder(account_id=participant.account_id, client_order_id=wish.client_order_id)
        kind = OrderType.MARKET if wish.ticks is None else OrderType.LIMIT
        return NewOrder(
            account_id=participant.account_id,
            symbol=rules.symbol,
            side=wish.side,
            type=kind if wish.trail_ticks is None else OrderType.TRAILING_STOP,
            quantity=rules.quantity(wish.lots),
            price=None if wish.ticks is None else rules.price(wish.ticks),
            time_in_force=wish.time_in_force,
            post_only=wish.post_only,
            client_order_id=self._name(),
            trail_amount=None if wish.trail_ticks is None else rules.price(wish.trail_ticks),
            display_quantity=None if wish.display_lots is None else rules.quantity(wish.display_lots),
        )

    def _bracket(self, participant: Participant, rules: Rules, wish: Bracket) -> NewList:
        entry = NewOrder(
            account_id=participant.account_id,
            symbol=rules.symbol,
            side=wish.side,
            type=OrderType.LIMIT,
            quantity=rules.quantity(wish.lots),
            price=rules.price(wish.ticks),
            client_order_id=self._name(),
        )
        exits = [
            replace(
                entry,
                side=Side.SELL if wish.side == Side.BUY else Side.BUY,
                type=kind,
                price=None,
                trigger_price=rules.price(ticks),
                client_order_id=self._name(),
            )
            for kind, ticks in (
                (OrderType.TAKE_PROFIT, wish.profit_ticks),
                (OrderType.STOP, wish.loss_ticks),
            )
        ]
        return NewList(kind=ListKind.BRACKET, orders=[entry, *exits])

    def _name(self) -> str:
        self._placed += 1
        return f"sim-{self._run}-{self._placed}"

    def _send(self, requests: list[NewOrder | CancelOrder]) -> None:
        for request, outcome in zip(requests, self.sender.send(requests), strict=True):
            self.tally.orders += isinstance(request, NewOrder)
            if isinstance(outcome, Accepted):
                self.tally.accepted += 1
            elif isinstance(outcome, Requested):
                self.tally.cancels += 1
            else:
                self.tally.denied[outcome.refusal.code.value] += 1

    def _send_list(self, asked: NewList) -> None:
        self.tally.orders += len(asked.orders)
        sender = self.sender
        try:
            sender.through_restarts(
                lambda: submit_list(asked=asked, actor=sender.actor, source=sender.source, now=sender.clock())
            )
            self.tally.accepted += len(asked.orders)
        except Refusal as refusal:
            self.tally.denied[refusal.code.value] += len(asked.orders)
        sender.settle()

    def _move(self, participant: Participant, rules: Rules, move: Move) -> None:
        try:
            self.sender.through_restarts(
                lambda: amend_order(
                    order_id=move.order_id,
                    account_id=participant.account_id,
                    changes=Changes(price=rules.price(move.ticks)),
                    actor=self.sender.actor,
                    source=self.sender.source,
                    now=self.sender.clock(),
                )
            )
            self.tally.amends += 1
        except Refusal as refusal:
            self.tally.denied[refusal.code.value] += 1
        self.sender.settle()


def _at_most(orders: int | None, requests: list[NewOrder | CancelOrder]) -> list[NewOrder | CancelOrder]:
    """The requests up to so many new orders."""
    if orders is None:
        return requests
    kept = []
    for request in requests:
        orders -= isinstance(request, NewOrder)
        if orders < 0:
            break
        kept.append(request)
    return kept
