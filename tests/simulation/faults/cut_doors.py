"""The wires to PostgreSQL of gunicorn and of a shard's worker are cut at every message of what clients do.

    python -m tests.simulation.faults.cut_doors [--step 1] [--kill-step 10] [--seed 1] [--control]

By HTTP a maker and a taker place, trade, amend, cancel and transfer, and are refused twice. Before each
message of the protocol and after it the connection that it goes over is cut; at some the process is killed as
well, by kill -9, and started again. What was not answered is asked for, and sent again under the same id.
What was acknowledged must be there once, what was refused not at all, and all as if nothing had happened:
orders, fills and money. `--control` lets a door say "taken" where it cannot tell: then the run must fail.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.bench.platform import throwaway_platform
from tests.simulation.crossing import Crossing
from tests.simulation.faults.own import say
from tests.simulation.faults.unsafe import PROMISES, unsafe
from tests.simulation.wire import Cut, Moment
from tests.tradeplatform.supervisor.waiting import wait_for

if TYPE_CHECKING:
    from accounts.models import TradingAccount
    from tests.factories import Market
    from tests.simulation.cutting import Found
    from tests.simulation.doors import Door

WEB, WORKER = "web", "worker"
_PATIENCE = 120.0
_PAUSE = 0.02
# A token lives for five minutes.
_TOKENS_SECONDS = 200.0
_SHOWN = 10


@dataclass(slots=True)
class Result:
    """What came of a sweep."""

    points: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    #: Seconds from the beginning of a run to its last outcome.
    took: list[tuple[float, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was lost or doubled, and all is as if nothing had happened."""
        return sum(self.cuts.values()) > 0 and not (self.lost or self.doubled or self.different)

    def __str__(self) -> str:
        return (
            f"points {dict(self.points)}, cut at {dict(self.cuts)}; acknowledged {self.acknowledged}, refused"
            f" {self.refused}, unknown and then known {self.unknown}: lost {len(self.lost)}, doubled"
            f" {len(self.doubled)}, otherwise than undisturbed {len(self.different)}; {self.times()}"
        )

    def times(self) -> str:
        """How long the runs took, each from its first request to its last outcome."""
        took = sorted(self.took)
        if not took:
            return "none ran"
        middle, high = took[len(took) // 2][0], took[min(len(took) - 1, len(took) * 95 // 100)][0]
        longest, where = took[-1]
        return f"a run took p50 {middle:.1f} p95 {high:.1f} max {longest:.1f} s ({where})"


@dataclass(slots=True)
class Told:
    """What the clients were told in one run: ids by name, and the names that were refused."""

    orders: dict[str, int] = field(default_factory=dict)
    transfers: dict[str, int] = field(default_factory=dict)
    changes: int = 0
    refused: set[str] = field(default_factory=set)
    unknown: int = 0
    surprises: list[str] = field(default_factory=list)


class Person:
    """Somebody who talks to the API until there is an answer."""

    def __init__(self, url: str, account: TradingAccount) -> None:
        self.account = account
        self._http = httpx.Client(base_url=f"{url}/api/v1/", timeout=_PATIENCE, params={"wait": 0})
        self._logged_in = -_TOKENS_SECONDS

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def log_in(self) -> None:
        """Anew, before a token ends."""
        from tests.factories import tokens_of  # noqa: PLC0415 - needs the settings

        if time.monotonic() - self._logged_in >= _TOKENS_SECONDS:
            self._http.headers["Authorization"] = f"Bearer {tokens_of(self.account.user).access}"
            self._logged_in = time.monotonic()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response | None:
        """The answer; None where there is none, or one that does not tell."""
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.TransportError:
            return None
        return None if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else answer


class Play:
    """The scenario, in front of processes whose wires can be cut."""

    def __init__(self, market: Market, doors: dict[str, Door], wires: dict[str, Crossing], url: str) -> None:
        """Nothing is played yet."""
        from tests.factories import make_account  # noqa: PLC0415 - needs the settings

        self.market, self.doors, self.wires = market, doors, wires
        self.maker = Person(url, market.trader(base=1_000_000))
        self.taker = Person(url, market.trader(quote=10_000_000_000))
        self.savings = make_account(currency=market.instrument.quote, user=self.taker.account.user)

    def close(self) -> None:
        """Hang up."""
        self.maker.close()
        self.taker.close()

    def run(self, run: str) -> Told:
        """All of it, under the ids of a run; what is not answered is asked for and done again."""
        told, lot = Told(), "0.5"
        self._place(told, self.maker, f"{run}-rests", "sell", "2", 50_000)
        self._place(told, self.maker, f"{run}-goes", "sell", "1", 51_000)
        self._place(told, self.maker, f"{run}-bad", "sell", "0.000001", 50_000)
        self._place(told, self.taker, f"{run}-takes", "buy", lot, 50_000)
        self._place(told, self.taker, f"{run}-poor", "buy", "900000", 49_000)
        self.settle()
        self._change(told, self.maker, f"{run}-goes", "DELETE", None)
        self._change(told, self.maker, f"{run}-rests", "PATCH", {"price": "50500"})
        self._transfer(told, f"{run}-moves")
        self.settle()
        return told

    def settle(self) -> None:
        """Until the worker has applied all that is committed."""
        from orders.models import Command, CommandStatus  # noqa: PLC0415

        pending = Command.objects.filter(shard_id=self.market.shard.pk, status=CommandStatus.PENDING)

        def applied() -> bool:
            # As a supervisor does with one that was killed.
            for door in self.doors.values():
                door.start_again()
            return not pending.exists()

        wait_for(applied, "the commands to be applied", seconds=_PATIENCE)

    def leave_flat(self, run: str) -> None:
        """Take off the book what the run left there."""
        from orders.models import Order  # noqa: PLC0415

        for order in Order.objects.live().filter(client_order_id__startswith=f"{run}-"):
            self._until_told(Told(), self.maker, "DELETE", f"orders/{order.pk}", None)
        self.settle()

    def _place(self, told: Told, person: Person, name: str, side: str, quantity: str, price: int) -> None:
        body = {
            "account": person.account.pk,
            "symbol": self.market.symbol,
            "side": side,
            "type": "limit",
            "quantity": quantity,
            "price": str(price),
            "client_order_id": name,
        }
        while True:
            answer = person.call("POST", "orders", body)
            if answer is None:
                told.unknown += 1
                asked = f"orders/by-client-id/{person.account.pk}/{name}"
                answer = self._until_told(told, person, "GET", asked, None)
                if answer.status_code == HTTPStatus.NOT_FOUND:
                    continue
            break
        self._note(told, name, answer, told.orders)

    def _transfer(self, told: Told, name: str) -> None:
        body = {"to_account": self.savings.pk, "asset": self.market.instrument.quote.code, "amount": "1.25"}
        path = f"accounts/{self.taker.account.pk}/transfers"
        answer = self._until_told(told, self.taker, "POST", path, body | {"request_id": name})
        self._note(told, name, answer, told.transfers)

    def _note(self, told: Told, name: str, answer: httpx.Response, ids: dict[str, int]) -> None:
        if answer.is_success:
            ids[name] = int(answer.json()["id"])
        elif answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
            told.refused.add(name)
        else:
            told.surprises.append(f"{name}: {answer.status_code} {answer.text[:200]}")

    def _change(
        self, told: Told, person: Person, name: str, method: str, body: dict[str, Any] | None
    ) -> None:
        """Amend or cancel; where that was not answered, look whether it was done before doing it again."""
        path = f"orders/{told.orders.get(name)}"
        while (answer := person.call(method, path, body)) is None:
            told.unknown += 1
            self.settle()
            found = self._until_told(told, person, "GET", path, None).json()
            if found["status"] == "cancelled" if body is None else found["price"].startswith(body["price"]):
                break
            time.sleep(_PAUSE)
        if answer is None or answer.is_success:
            told.changes += 1
        else:
            told.surprises.append(f"{method} {name}: {answer.status_code} {answer.text[:200]}")

    def _until_told(
        self, told: Told, person: Person, method: str, path: str, body: dict[str, Any] | None
    ) -> httpx.Response:
        deadline = time.monotonic() + _PATIENCE
        while (answer := person.call(method, path, body)) is None:
            told.unknown += 1
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path} is never answered: {self.doors[WEB].words}")
            time.sleep(_PAUSE)
        return answer


class Sweep:
    """Plays the scenario at one point after another and compares with what an undisturbed run gives."""

    def __init__(self, play: Play) -> None:
        """Play it undisturbed, the second time when all is warm."""
        self.play, self.result, self._runs = play, Result(), 0
        self.lengths: dict[str, int] = {}
        for _ in range(3):
            run, told, self._expected = self._played()
            self.lengths = {name: wire.count for name, wire in play.wires.items()}
            self._compare("undisturbed", run, told, self._expected)
        if self.result.lost or self.result.doubled or self.result.different:
            raise AssertionError(f"undisturbed: {self.result.different + self.result.lost}")
        self.result = Result()

    def _played(self, target: str = "", cut: Cut | None = None) -> tuple[str, Told, Found]:
        from tests.simulation.cutting import funds_in, moved, outcome_of  # noqa: PLC0415

        self._runs += 1
        run, market = f"door{self._runs}", self.play.market
        for person in (self.play.maker, self.play.taker):
            person.log_in()
        before = funds_in(market)
        for name, wire in self.play.wires.items():
            wire.arm(cut if name == target else None)
        told = self.play.run(run)
        for wire in self.play.wires.values():
            wire.disarm()
        found = outcome_of(market, run), moved(before, funds_in(market))
        return run, told, found

    def strike(self, target: str, at: int, moment: Moment, *, kill: bool) -> bool:
        """Cut at a message; False when the run ended before it."""
        door, wire = self.play.doors[target], self.play.wires[target]
        where = f"{target}, {moment} message {at}{' with a kill' if kill else ''}"
        began = time.monotonic()
        run, told, found = self._played(target, Cut(at, moment, door.strike if kill else _go_on))
        self.result.took.append((time.monotonic() - began, where))
        cut = wire.was_cut.is_set()
        self.result.points[target] += 1
        if cut:
            self.result.cuts[f"{target}{', killed' if kill else ''}"] += 1
        self._compare(where, run, told, found)
        self.play.leave_flat(run)
        return cut

    def _compare(self, where: str, run: str, told: Told, found: Found) -> None:
        from accounts.models import MoneyRequest  # noqa: PLC0415
        from orders.models import Fill, Order, OrderIdentity  # noqa: PLC0415

        mine = {"client_order_id__startswith": f"{run}-"}
        orders = list(Order.objects.filter(**mine).values_list("client_order_id", "id"))
        named = list(OrderIdentity.objects.filter(**mine).values_list("client_order_id", "order_id"))
        moves = list(
            MoneyRequest.objects.filter(identity__request_id__endswith=f":{run}-moves").values_list(
                "id", flat=True
            )
        )
        result = self.result
        result.acknowledged += len(told.orders) + len(told.transfers) + told.changes
        result.refused += len(told.refused)
        result.unknown += told.unknown
        for stored in (orders, named):
            result.lost += [
                f"{where}: {name} {number}"
                for name, number in told.orders.items()
                if dict(stored).get(name) != number
            ]
            times = Counter(name for name, _ in stored)
            result.doubled += [f"{where}: {name}" for name, count in times.items() if count > 1]
            result.doubled += [f"{where}: {name} was refused" for name in times if name in told.refused]
        result.lost += [f"{where}: {name}" for name, number in told.transfers.items() if number not in moves]
        result.doubled += [f"{where}: transfer {number}" for number in moves[1:]]
        fills = Counter(
            Fill.objects.filter(order_id__in=dict(orders).values()).values_list("order_id", flat=True)
        )
        result.doubled += [f"{where}: fill of {number}" for number, count in fills.items() if count > 1]
        result.different += [f"{where}: {surprise}" for surprise in told.surprises]
        if found != self._expected:
            result.different.append(f"{where}: {found} instead of {self._expected}")


def _go_on() -> None:
    """The process lives on, with what is left of its connections."""


@contextmanager
def in_front_of_wires(folder: Path, *, promises: bool = False) -> Iterator[Play]:
    """A play, gunicorn and a worker, each behind a wire."""
    from tests.factories import make_market  # noqa: PLC0415 - needs the settings
    from tests.simulation.doors import Ways, Web, Worker, ending, postgres_address  # noqa: PLC0415

    market = make_market(max_open_orders=1_000_000)
    with ExitStack() as stack:
        wires = {name: Crossing(postgres_address()) for name in (WEB, WORKER)}
        for wire in wires.values():
            stack.callback(wire.close)
        change = {"change": unsafe(PROMISES)} if promises else {}
        web = Web(folder, Ways(postgres=wires[WEB].port), **change)
        worker = Worker(folder, market.shard.pk, Ways(postgres=wires[WORKER].port))
        stack.enter_context(ending(web, worker))
        play = Play(market, {WEB: web, WORKER: worker}, wires, web.url)
        stack.callback(play.close)
        yield play


def sweep_all(sweep: Sweep, *, step: int, kill_step: int, chance: random.Random) -> None:
    """Every so many messages, before and after them, without a kill and with one."""
    for target in (WEB, WORKER):
        for kill, stride in ((False, step), (True, kill_step)):
            if not stride:
                continue
            for moment in Moment:
                at = 1 + chance.randrange(stride)
                # Past the length too, for a run that has to connect again is longer; some are shorter.
                while sweep.strike(target, at, moment, kill=kill) or at < sweep.lengths[target]:
                    at += stride
                say(f"{target}, {moment}, {'killed' if kill else 'cut'}, up to message {at}: {sweep.result}")


def main() -> int:
    """Sweep on servers of its own; 0 when nothing was lost or doubled and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="cut_doors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--step", type=int, default=1, help="every so many messages")
    parser.add_argument("--kill-step", type=int, default=10, help="the same with a kill; 0: none")
    parser.add_argument("--seed", type=int, default=1, help="at which of them it begins")
    parser.add_argument("--control", action="store_true", help="a door that promises: must fail")
    options = parser.parse_args()
    with throwaway_platform(), tempfile.TemporaryDirectory(prefix="tradeplatform-doors-") as folder:
        from tradeplatform.common.invariants import check_all  # noqa: PLC0415 - needs the settings

        started = time.monotonic()
        with in_front_of_wires(Path(folder), promises=options.control) as play:
            sweep = Sweep(play)
            say(f"messages of an undisturbed run {sweep.lengths}; seed {options.seed}, step {options.step}")
            chance = random.Random(options.seed)
            sweep_all(sweep, step=options.step, kill_step=options.kill_step, chance=chance)
        result = sweep.result
        say(str(result))
        for line in [*result.lost, *result.doubled, *result.different][:_SHOWN]:
            say(f"  {line[:500]}")
        broken = [finding.code for finding in check_all() if not finding.holds]
        say(f"invariants {'all hold' if not broken else 'BROKEN ' + ', '.join(broken)}")
        say(f"{time.monotonic() - started:.0f} s")
    return 0 if result.holds and not broken else 1


if __name__ == "__main__":
    sys.exit(main())
