"""A scenario whose connection to PostgreSQL is cut at any of its messages, and what must come of it.

The scenario is what a client and a worker do: a list with a resting order, one that trades and a cancel; a
drain; an amend; a drain. At each point its connection is cut, or its process is killed as well. Somebody
undisturbed then sends the same again under the same ids, and another worker drains.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import InterfaceError, OperationalError, connection, transaction

from accounts.models import LedgerAccount, TradingAccount
from orders.models import Command, CommandStatus, Fill, Order, Side, Source
from orders.services.changing import amend_order
from orders.services.drain import drain_all
from orders.services.intake import submit_requests
from orders.services.requests import Accepted, CancelOrder, Changes, NewOrder, Outcome, Requested
from tests.factories import ACTOR, NOW, Market, make_market
from tests.simulation.wire import Cut, Moment, Wire
from tests.threads import elsewhere

Request = NewOrder | CancelOrder
#: Tells the client: the kind of request, the order's client id, and the id it was answered with.
Tell = Callable[[str, str, int], None]
#: Takes a list in and tells what came of it.
Submit = Callable[[Sequence[Request], Tell], None]

#: (balance, held) by account, kind and asset.
Funds = dict[tuple[int | None, str, int], tuple[Decimal, Decimal]]
#: What came of a run: its orders and fills, and how the funds moved.
Found = tuple[list[object], Funds]

_SHOWN = 8


@dataclass(slots=True)
class Told:
    """What a client was told, as (kind, client order id, id)."""

    answers: list[tuple[str, str, int]] = field(default_factory=list)

    def tell(self, kind: str, name: str, number: int) -> None:
        """Note an answer."""
        self.answers.append((kind, name, number))


@dataclass(slots=True)
class Result:
    """What came of a sweep."""

    points: int = 0
    cuts: int = 0
    kills: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was lost or doubled, and all is as if nothing had happened."""
        return self.cuts > 0 and not (self.lost or self.doubled or self.different)

    def __str__(self) -> str:
        return (
            f"{self.points} points, {self.cuts} cuts, {self.kills} of them with a kill -9; acknowledged"
            f" {self.acknowledged}: lost {len(self.lost)}, doubled {len(self.doubled)};"
            f" otherwise than undisturbed {len(self.different)}"
        )


def submit(requests: Sequence[Request], tell: Tell) -> None:
    """The real intake; what it returns is told."""
    _tell_all(requests, _take_in(requests), tell)


def acknowledge_too_early(requests: Sequence[Request], tell: Tell) -> None:
    """The wrong way, as a control: told before it is committed."""
    with transaction.atomic():
        _tell_all(requests, _take_in(requests), tell)


def _take_in(requests: Sequence[Request]) -> list[Outcome | Requested]:
    return submit_requests(requests=requests, actor=ACTOR, source=Source.API, now=NOW)


def _tell_all(requests: Sequence[Request], outcomes: list[Outcome | Requested], tell: Tell) -> None:
    for request, outcome in zip(requests, outcomes, strict=True):
        if isinstance(outcome, Accepted):
            tell("order", outcome.client_order_id, outcome.order_id)
        elif isinstance(outcome, Requested):
            tell("cancel", str(request.client_order_id), outcome.command_id)


def outcome_of(market: Market, run: str) -> list[object]:
    """The orders of a run, their fills, and how many commands wait, in words that are the same for each."""
    orders = Order.objects.filter(client_order_id__startswith=f"{run}-").order_by("id")
    fills = Fill.objects.filter(order_id__in=[order.id for order in orders]).order_by("order_id")
    left = Command.objects.filter(shard_id=market.shard.id).exclude(status=CommandStatus.DONE)
    return [
        *(
            (o.client_order_id.removeprefix(run), o.status, o.reason, o.price, o.quantity, o.leaves, o.held)
            for o in orders
        ),
        *((f.side, f.liquidity, f.price, f.quantity, f.fee) for f in fills),
        left.count(),
    ]


def funds_in(market: Market) -> Funds:
    """What everybody has and has on hold in the two assets of a market."""
    rows = LedgerAccount.objects.filter(asset__in=(market.instrument.base, market.instrument.quote))
    return {
        (account, kind, asset): (balance, held)
        for account, kind, asset, balance, held in rows.values_list(
            "account_id", "kind", "asset_id", "balance", "held"
        )
    }


def moved(before: Funds, after: Funds) -> Funds:
    """By how much each balance, and what is held of it, is more."""
    nothing = (Decimal(0), Decimal(0))
    return {
        key: (balance - before.get(key, nothing)[0], held - before.get(key, nothing)[1])
        for key, (balance, held) in after.items()
    }


class Scene:
    """A market, a maker and a taker, and a wire that a disturbed scenario has to use."""

    def __init__(self, submit: Submit = submit) -> None:
        self._submit = submit
        self.market: Market = make_market()
        self.maker: TradingAccount = self.market.trader(base=100_000)
        self.taker: TradingAccount = self.market.trader(quote=1_000_000_000)
        found = connection.settings_dict
        self.wire = Wire((found["HOST"], int(found["PORT"] or 5432)))

    def close(self) -> None:
        """Take the wire away."""
        self.wire.close()

    def _drain(self, worker: str) -> None:
        drain_all(shard_id=self.market.shard.id, clock=lambda: NOW, owner=worker)

    def play(self, run: str, tell: Tell, *, worker: str = "undisturbed") -> None:
        """The scenario under the ids of a run; played again, it does what is not done yet."""
        order_of = self.market.request
        self._submit(
            [
                order_of(self.maker, Side.SELL, 2, 50000, client_order_id=f"{run}-rests"),
                order_of(self.maker, Side.SELL, 1, 51000, client_order_id=f"{run}-goes"),
                order_of(self.taker, Side.BUY, 1, 50000, client_order_id=f"{run}-takes"),
                CancelOrder(account_id=self.maker.id, client_order_id=f"{run}-goes"),
            ],
            tell,
        )
        self._drain(worker)
        name, price = f"{run}-rests", Decimal(50500)
        order = Order.objects.get(account=self.maker, client_order_id=name)
        if order.price != price:
            amended = amend_order(
                order_id=order.id,
                account_id=self.maker.id,
                changes=Changes(price=price),
                actor=ACTOR,
                source=Source.API,
                now=NOW,
            )
            tell("amend", name, amended.command_id)
            self._drain(worker)

    def outcome(self, run: str) -> list[object]:
        """All that came of a run, in words that are the same for each."""
        return outcome_of(self.market, run)

    def funds(self) -> Funds:
        """What everybody has and has on hold in the two assets of the market."""
        return funds_in(self.market)

    def leave_flat(self, run: str) -> None:
        """Take off the book what the run left there."""
        for order in Order.objects.live().filter(client_order_id__startswith=f"{run}-"):
            self.market.cancel(order.id)
        self._drain("undisturbed")

    # --- Disturbed

    @contextmanager
    def over_the_wire(self) -> Iterator[None]:
        """The connection of this thread goes over the wire."""
        settings = connection.settings_dict
        plain = settings["OPTIONS"] | {"sslmode": "disable", "gssencmode": "disable"}
        connection.settings_dict = {
            **settings, "HOST": "127.0.0.1", "PORT": str(self.wire.port), "OPTIONS": plain
        }  # fmt: skip
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict = settings

    def play_cut(self, run: str, at: int, moment: Moment) -> tuple[bool, Told]:
        """Play in a thread whose connection is cut; whether it was, and what the client was told."""
        told = Told()
        self.wire.arm(Cut(at, moment))

        def work() -> None:
            with suppress(OperationalError, InterfaceError), self.over_the_wire():
                self.play(run, told.tell, worker="cut")

        elsewhere(work)
        return self.wire.settle(), told

    def play_killed(self, run: str, at: int, moment: Moment) -> tuple[bool, Told]:
        """Play in a process that is killed as its connection is cut."""
        reader, writer = os.pipe()
        known, pid = threading.Event(), 0

        def strike() -> None:
            known.wait()
            # It is not waited for before the wire is quiet, so the id is its own, ended or not.
            os.kill(pid, signal.SIGKILL)

        self.wire.arm(Cut(at, moment, strike))

        def tell(kind: str, name: str, number: int) -> None:
            os.write(writer, f"{kind} {name} {number}\n".encode())

        def work() -> None:
            with suppress(OperationalError, InterfaceError), self.over_the_wire():
                self.play(run, tell, worker="killed")

        with warnings.catch_warnings():
            # Newer Pythons warn of a fork beside threads; those here hold nothing that the child takes.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            # The connection that this process was born with is its parent's: another thread has its own.
            try:
                elsewhere(work)
            except BaseException:  # noqa: BLE001 - it must not go on as its parent
                os._exit(1)
            os._exit(0)
        known.set()
        os.close(writer)
        with os.fdopen(reader) as answers:
            lines = [line.split() for line in answers]
        cut = self.wire.settle()
        _, status = os.waitpid(pid, 0)
        # It may have said its last word already when it is struck.
        if os.waitstatus_to_exitcode(status) not in ({0, -signal.SIGKILL} if cut else {0}):
            raise AssertionError(f"the child ended with {status}")
        return cut, Told([(kind, name, int(number)) for kind, name, number in lines])


class Sweep:
    """Plays the scenario at one point after another and compares with what an undisturbed run gives."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.result = Result()
        self._runs = 0
        self.length = self._measure()
        self._expected = self._undisturbed()

    def _measure(self) -> int:
        """How many messages an undisturbed run over the wire has: the second, when all is warm."""
        for _ in range(2):
            run = self._name()
            cut, _ = self.scene.play_cut(run, 0, Moment.BEFORE)
            if cut:
                raise AssertionError("an undisturbed run was cut")
            self.scene.leave_flat(run)
        self.commits = [
            number for number, message in enumerate(self.scene.wire.journal, 1) if message.endswith("QCOMMIT")
        ]
        return len(self.scene.wire.journal)

    def _undisturbed(self) -> Found:
        run, before = self._name(), self.scene.funds()
        self.scene.play(run, Told().tell)
        found = self._come_of(run, before)
        self.scene.leave_flat(run)
        return found

    def _come_of(self, run: str, before: Funds) -> Found:
        return self.scene.outcome(run), moved(before, self.scene.funds())

    def _name(self) -> str:
        self._runs += 1
        return f"wire{os.getpid()}.{self._runs}"

    def strike(self, at: int, moment: Moment, *, kill: bool = False) -> bool:
        """Cut at a message, let somebody send the same again, look; False when the run ended before it."""
        run, before = self._name(), self.scene.funds()
        cut, told = (self.scene.play_killed if kill else self.scene.play_cut)(run, at, moment)
        last = " ".join(self.scene.wire.journal[-_SHOWN:])
        where = f"{moment} message {at} ({last}){' with a kill' if kill else ''}"
        again = Told()
        try:
            self.scene.play(run, again.tell)
        except Exception as error:  # noqa: BLE001 - what a client meets who sends again is a result
            self.result.different.append(f"{where}: sending again: {error!r}")
        else:
            self._compare(where, run, told, self._come_of(run, before))
        self.scene.leave_flat(run)
        self.result.points += 1
        self.result.cuts += cut
        self.result.kills += cut and kill
        return cut

    def _compare(self, where: str, run: str, told: Told, found: Found) -> None:
        named = list(
            Order.objects.filter(client_order_id__startswith=f"{run}-").values_list("id", "client_order_id")
        )
        orders, asked = dict(named), [number for kind, _, number in told.answers if kind != "order"]
        commands = set(Command.objects.filter(id__in=asked).values_list("id", flat=True))
        self.result.acknowledged += len(told.answers)
        self.result.lost += [
            f"{where}: {kind} {name} {number}"
            for kind, name, number in told.answers
            if (orders.get(number) != name if kind == "order" else number not in commands)
        ]
        fills = Fill.objects.filter(order_id__in=orders).values_list("order_id", flat=True)
        twice = Counter(name for _, name in named), Counter(orders[number] for number in fills)
        self.result.doubled += [
            f"{where}: {name}" for counted in twice for name, times in counted.items() if times > 1
        ]
        if found != self._expected:
            self.result.different.append(f"{where}: {found} instead of {self._expected}")
