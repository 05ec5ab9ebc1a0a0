"""The API and a shard's worker, each a real process behind a wire to PostgreSQL that is cut under load.

    python -m tests.simulation.cut_doors [--cuts 100] [--seed 1]

Clients send orders and cancels over HTTP and send again what was not answered. Meanwhile the wire of
gunicorn's process, or that of Celery's, is cut at a random message of the protocol; each third time the
process dies with it, by kill -9, and is started again. Afterwards what was acknowledged must be there once,
applied, with every invariant. The exit code is the verdict.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.bench.platform import throwaway_platform
from tests.simulation.crossing import Crossing
from tests.simulation.wire import Cut, Moment
from tests.threads import elsewhere
from tests.tradeplatform.supervisor.waiting import wait_for

if TYPE_CHECKING:
    from accounts.models import TradingAccount, User
    from tests.factories import Market
    from tests.simulation.doors import Door

CLIENTS = 3
_PATIENCE = 300.0
# Of the messages that a wire carries from where it is armed.
_REACH = 150
_PAUSE = 0.05


@dataclass(slots=True)
class Result:
    """What came of it."""

    cuts: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    again: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: int = 0

    @property
    def holds(self) -> bool:
        """Whether all that was acknowledged is there once, and applied."""
        return self.acknowledged > 0 and not (self.lost or self.doubled or self.stuck)

    def __str__(self) -> str:
        return (
            f"cuts {dict(self.cuts)}, with kill -9 {dict(self.kills)}; acknowledged {self.acknowledged},"
            f" sent again {self.again}: lost {len(self.lost)}, doubled {len(self.doubled)},"
            f" not applied {self.stuck}"
        )


class Client(threading.Thread):
    """Sends orders, and cancels some; what is not answered is sent again until it is."""

    def __init__(
        self,
        url: str,
        market: Market,
        trader: TradingAccount,
        token: Callable[[], str],
        seed: int,
        stop: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self._http = httpx.Client(base_url=f"{url}/api/v1/", timeout=60)
        self._token = token
        self._chance, self._stop_event = random.Random(seed), stop
        self._symbol, self.account = market.symbol, trader.pk
        self.told: dict[str, str] = {}
        self.again = 0
        self.refused: list[str] = []

    def run(self) -> None:
        """Until it is told to stop; its last order is answered all the same."""
        number = 0
        self._log_in()
        with self._http:
            while not self._stop_event.is_set():
                number += 1
                name = f"cut-{number}"
                self.told[name] = self._until_answered(name, self._body(name))
                if self._chance.random() < 0.3:
                    # It may be filled by now, or cancelled by an attempt that was not answered.
                    self._send("DELETE", f"orders/{self.told[self._chance.choice(list(self.told))]}", None)

    def _log_in(self) -> None:
        """A token lives for five minutes."""
        self._http.headers["Authorization"] = f"Bearer {elsewhere(self._token)}"

    def _body(self, name: str) -> dict[str, Any]:
        return {
            "account": self.account,
            "symbol": self._symbol,
            "side": self._chance.choice(["buy", "sell"]),
            "type": "limit",
            "quantity": f"0.{self._chance.randint(1, 99):04d}",
            "price": str(50_000 + self._chance.randint(-5, 5)),
            "client_order_id": name,
        }

    def _until_answered(self, name: str, body: dict[str, Any]) -> str:
        while True:
            answer = self._send("POST", "orders", body)
            if answer is not None and answer.is_success:
                return str(answer.json()["id"])
            if answer is not None and answer.status_code == httpx.codes.UNAUTHORIZED:
                self._log_in()
                continue
            if answer is not None and answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                self.refused.append(f"{name}: {answer.text}")
                return ""
            self.again += 1
            # A door that is being started again, or has lost its connections, says so at once.
            self._stop_event.wait(_PAUSE)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response | None:
        """The answer; None where none came."""
        try:
            return self._http.request(method, path, json=body, params={"wait": 0})
        except httpx.HTTPError:
            return None


def play(folder: Path, *, cuts: int, chance: random.Random) -> Result:
    """Cut so many times under load; then look."""
    from django.db import connection  # noqa: PLC0415 - needs the settings

    from tests.factories import make_market  # noqa: PLC0415
    from tests.simulation.doors import Web, Worker, ending  # noqa: PLC0415

    found, market = connection.settings_dict, make_market(max_open_orders=1_000_000)
    server = (found["HOST"], int(found["PORT"] or 5432))
    stop = threading.Event()
    with ExitStack() as stack:
        wires = {name: Crossing(server) for name in ("web", "worker")}
        for wire in wires.values():
            stack.callback(wire.close)
        web = Web(folder, postgres=wires["web"].port)
        worker = Worker(folder, market.shard.pk, postgres=wires["worker"].port)
        stack.enter_context(ending(web, worker))
        traders = [market.trader(base=1_000_000, quote=10_000_000_000) for _ in range(CLIENTS)]
        clients = [
            Client(web.url, market, trader, partial(_access, trader.user), chance.randrange(10**9), stop)
            for trader in traders
        ]
        for client in clients:
            client.start()
        result = _cut_all(wires, {"web": web, "worker": worker}, clients, cuts, chance)
        stop.set()
        for client in clients:
            client.join(_PATIENCE)
        _look(result, market, clients)
    return result


def _cut_all(
    wires: dict[str, Crossing],
    doors: dict[str, Door],
    clients: list[Client],
    cuts: int,
    chance: random.Random,
) -> Result:
    result = Result()
    for _ in range(cuts):
        _wait_for_answers(clients)
        name = chance.choice(sorted(wires))
        wire, door = wires[name], doors[name]
        kill = chance.random() < 1 / 3
        wire.arm(Cut(chance.randint(1, _REACH), chance.choice(list(Moment)), door.strike if kill else _leave))
        if not wire.was_cut.wait(_PATIENCE):
            raise TimeoutError(f"nothing goes over the wire of {name}:\n{door.words}")
        result.cuts[name] += 1
        if kill:
            result.kills[name] += 1
            door.start_again()
    return result


def _wait_for_answers(clients: list[Client]) -> None:
    """Some more of them: what is cut must have been at work."""
    before = sum(len(client.told) for client in clients)

    def answered() -> bool:
        return sum(len(client.told) for client in clients) >= before + 2 * CLIENTS

    wait_for(answered, "orders that are answered", seconds=_PATIENCE)


def _access(user: User) -> str:
    from tests.factories import tokens_of  # noqa: PLC0415 - needs the settings

    return tokens_of(user).access


def _leave() -> None:
    """The process lives on, with what is left of its connections."""


def _look(result: Result, market: Market, clients: list[Client]) -> None:
    """Once all is applied: the orders that were acknowledged, those that there are, and those that wait."""
    from orders.models import Command, CommandStatus, Order  # noqa: PLC0415

    pending = Command.objects.filter(shard_id=market.shard.pk, status=CommandStatus.PENDING)
    deadline = time.monotonic() + _PATIENCE
    while (left := pending.count()) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    result.stuck = left
    for client in clients:
        stored = list(Order.objects.filter(account=client.account).values_list("client_order_id", "id"))
        names, ids = Counter(name for name, _ in stored), dict(stored)
        result.acknowledged += len(client.told)
        result.again += client.again
        result.lost += [name for name, told in client.told.items() if str(ids.get(name)) != told]
        result.lost += client.refused
        result.doubled += [name for name, times in names.items() if times > 1]
        # Whatever was sent was answered in the end: nothing else is there.
        result.doubled += [name for name in names if name not in client.told]


def main() -> int:
    """Cut on servers of its own; 0 when nothing was lost or doubled and every invariant holds."""
    parser = argparse.ArgumentParser(
        prog="cut_doors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with throwaway_platform(), tempfile.TemporaryDirectory(prefix="tradeplatform-doors-") as folder:
        from tradeplatform.common.invariants import check_all  # noqa: PLC0415 - needs the settings

        started = time.monotonic()
        result = play(Path(folder), cuts=options.cuts, chance=random.Random(options.seed))
        _say(f"seed {options.seed}: {result}")
        for line in [*result.lost, *result.doubled][:8]:
            _say(line)
        broken = [finding.code for finding in check_all() if not finding.holds]
        _say(f"invariants: {'all hold' if not broken else 'BROKEN ' + ', '.join(broken)}")
        _say(f"{time.monotonic() - started:.0f} s")
    return 0 if result.holds and not broken else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
