"""One run: the machines are started, struck and healed, and judged."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.simulation.machines.faults import API, CLIENT, CUTS, DATABASE, TAKEOVERS, Fault
from tests.simulation.machines.hosts import DatabaseHost, Machine, common_settings, without_fence
from tests.simulation.machines.load import Flow, total
from tests.simulation.machines.network import Network
from tests.simulation.machines.observing import Observer
from tests.simulation.machines.unfenced import DAWDLES_SECONDS

WORKERS = ("worker-a", "worker-b")
_SHARDS = (1, 2)
_PATIENCE = 240.0
_CALM = 4.0
_CUT = 8.0
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Takeover:
    """A shard that changed hosts."""

    why: str
    shard: int
    #: Seconds between the last outcome before the fault and the first on the other host.
    gap: float
    #: And from the fault.
    since: float


class Run:
    """The machines of one run."""

    def __init__(self, network: Network, folder: Path, *, rabbitmq: bool, fenced: bool) -> None:
        """Nothing runs yet."""
        self._network, self._folder, self._fenced = network, folder, fenced
        self._database = DatabaseHost(network[DATABASE], folder, network.subnet, rabbitmq=rabbitmq)
        self._machines: dict[str, Machine] = {}
        self._flows: list[Flow] = []
        self._users: list[Any] = []
        self._takeovers: list[Takeover] = []
        self._stack = ExitStack()
        self._token_at = 0.0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._stack.callback(self._database.stop)
        self._database.start()
        settings = common_settings() | self._database.environment()
        for name in (*WORKERS, API):
            machine = Machine(self._network[name], self._folder, settings)
            self._machines[name] = machine
            self._stack.callback(machine.stop)
        self._start_roles()
        os.environ |= settings | self._database.environment(local=True)
        os.environ |= {"TRADEPLATFORM_VAR_DIR": str(self._folder), "TRADEPLATFORM_LOG_LEVEL": "ERROR"}
        with self._network[DATABASE].inside():
            import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

            django.setup()
            self._open_markets()
        url = self._database.environment(local=True)["TRADEPLATFORM_READONLY_DATABASE_URL"]
        observer = self._observer = Observer(self._network[DATABASE], url)
        self._stack.callback(observer.stop)
        for flow in self._flows:
            self._stack.callback(flow.stop)
            flow.start()
        self._until(self._trades, "the first outcomes")
        say(f"five machines trade; {self._who()}")

    def _start_roles(self) -> None:
        api = self._machines[API]
        api.run_once(api.roles.manage("prepare", "prepare"))
        say("the database is prepared")
        api.run(api.roles.web(), api.roles.sockets(), api.roles.worker(api.ready("worker")), api.roles.beat())
        for name in WORKERS:
            machine = self._machines[name]
            programs = [machine.roles.shard(shard, machine.ready(f"shard-{shard}")) for shard in _SHARDS]
            machine.run(*(programs if self._fenced else map(without_fence, programs)))
        self._until(self._all_ready, "the workers of both hosts")

    def _all_ready(self) -> bool:
        return all(self._machines[name].ready(f"shard-{s}").exists() for name in WORKERS for s in _SHARDS)

    def _open_markets(self) -> None:
        """A market on each shard, with one trader who has an account for each side."""
        from django.utils import timezone  # noqa: PLC0415

        from accounts.models import Role  # noqa: PLC0415
        from orders.models import Shard  # noqa: PLC0415
        from tests.factories import fund, make_account, make_market, make_user  # noqa: PLC0415

        for number in _SHARDS:
            market = make_market(shard=Shard.objects.get(id=number))
            user = make_user(Role.TRADER)
            accounts = [make_account(currency=market.instrument.quote, user=user) for _ in range(2)]
            for account in accounts:
                fund(account, market.instrument.base, 1_000_000, now=timezone.now())
                fund(account, market.instrument.quote, 10**12, now=timezone.now())
            base_url = f"http://{self._network[API].address}:8000/api/v1/"
            self._users.append(user)
            self._flows.append(
                Flow(self._network[CLIENT], base_url, market.symbol, (accounts[0].id, accounts[1].id))
            )
        self._log_in()

    def _log_in(self) -> None:
        from tests.factories import tokens_of  # noqa: PLC0415

        for user, flow in zip(self._users, self._flows, strict=True):
            flow.token = tokens_of(user).access
        self._token_at = time.monotonic()

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Keep the hosts going until something holds."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited {_PATIENCE:g} s in vain for {what}: {self._folder}")
            for machine in self._machines.values():
                machine.tick()
            if self._users and time.monotonic() - self._token_at > 120:
                with self._network[DATABASE].inside():
                    self._log_in()
            time.sleep(0.1)

    def _for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._until(lambda: time.monotonic() > until, "nothing")

    def _trades(self) -> bool:
        """Whether commands have been applied on every shard since a moment ago."""
        now, shards = time.monotonic(), self._observer.shards()
        return len(shards) == len(_SHARDS) and all(
            self._observer.now(s).position > 0 and now - self._observer.now(s).at < 1 for s in shards
        )

    def _who(self) -> str:
        return ", ".join(f"shard {s} at {self._observer.now(s).host}" for s in _SHARDS)

    def play(self, rounds: int) -> None:
        """Everything that can happen, so many times."""
        for _ in range(rounds):
            for _back_and_forth in range(2):
                for shard in _SHARDS:
                    self._move(shard)
            for fault in TAKEOVERS:
                self._strike(fault)
            for cut in CUTS:
                self._calm()
                for link in cut.links:
                    self._network.cut(*link)
                self._for(_CUT)
                self._network.heal()
                say(f"{cut.name}, healed after {_CUT:g} s")
        self._calm()

    def control(self) -> None:
        """Frozen workers wake up after another took over, three times."""
        (frozen,) = (fault for fault in TAKEOVERS if fault.name.startswith("frozen"))
        for _ in range(3):
            # Who has just applied something has nothing in its hands, and would wake up to do no harm.
            self._for(DAWDLES_SECONDS / 2)
            self._strike(frozen)
        self._for(_CALM)

    def _calm(self) -> None:
        """Trade in peace for a while."""
        self._until(self._trades, "trade after a fault")
        # Otherwise the next takeover would be as long as the start of the worker that is to do it.
        self._until(self._all_ready, "the workers of both hosts")
        self._for(_CALM)
        self._until(self._trades, "trade in peace")

    def _move(self, shard: int) -> None:
        """What an operator does: start the shard's worker again on the host that shall have it.

        And once more where the old host's has it back: on a busy machine the one that starts may be so long
        between taking the shard and applying what waits that the other finds it abandoned.
        """
        self._calm()
        old = self._observer.now(shard).host
        (new,) = set(WORKERS) - {old}
        struck = time.monotonic()
        ready = self._machines[new].ready(f"shard-{shard}")
        for _attempt in range(_ATTEMPTS):
            self._machines[new].restart(f"shard-{shard}")
            self._until(ready.exists, f"the worker of shard {shard} at {new}")
            self._for(_CALM)
            if self._observer.first_outcome(shard, struck, not_by=old) is not None:
                break
            say(f"shard {shard} is still at {old}")
        self._taken_over("moved by an operator", old, [shard], struck)

    def _strike(self, fault: Fault) -> None:
        """Strike a host that has shards; heal when they are taken over."""
        if self._fenced:
            self._calm()
        victim = self._observer.now(1).host
        shards = [shard for shard in _SHARDS if self._observer.now(shard).host == victim]
        struck = time.monotonic()
        fault.strike(self._network, self._machines[victim])
        self._taken_over(fault.name, victim, shards, struck)
        fault.heal(self._network, self._machines[victim])

    def _taken_over(self, why: str, old: str, shards: list[int], struck: float) -> None:
        for shard in shards:
            self._until(
                lambda shard=shard: self._observer.first_outcome(shard, struck, not_by=old) is not None,  # type: ignore[misc]
                f"shard {shard} to be taken over: {why}",
            )
        for shard in shards:
            first = self._observer.first_outcome(shard, struck, not_by=old)
            assert first is not None
            before = self._observer.last_outcome(shard, first.at - 1e-6)
            took = Takeover(why, shard, first.at - before, first.at - struck)
            self._takeovers.append(took)
            say(f"{why}: shard {shard} from {old} to {first.host}, {took.gap:.2f} s without an outcome")

    def verdict(self) -> bool:
        """Stop the load, wait for what is under way, and judge. Whether it is red."""
        for flow in self._flows:
            flow.stop()
        resolved: Counter[str] = sum((flow.resolve() for flow in self._flows), Counter())
        journal = total(flow.journal for flow in self._flows)
        say(f"the clients know: {journal}; asked of what was unknown: {dict(resolved)}")
        with self._network[DATABASE].inside():
            faults = self._judge(list(journal.acknowledged.values()), list(journal.refused))
        self._print()
        faults |= {"still unknown": len(journal.unknown), "stopped by the tables": self._stopped_by_tables()}
        say(", ".join(f"{name}: {count}" for name, count in faults.items()))
        return any(faults.values()) or not journal.acknowledged

    def _judge(self, acknowledged: list[str], refused: list[str]) -> dict[str, int]:
        from orders.models import Command, CommandStatus, Fill, Order  # noqa: PLC0415
        from tradeplatform.common.invariants import check_all  # noqa: PLC0415

        pending = Command.objects.filter(status=CommandStatus.PENDING)
        if self._fenced:
            self._until(lambda: not pending.exists(), "the last commands")
        ids = [int(one) for one in acknowledged]
        there = Order.objects.filter(id__in=ids)
        never = {place.split("/")[1] for place in refused}
        waiting = pending.filter(order_id__in=ids).count()
        broken = [finding.code for finding in check_all() if not finding.holds]
        if broken:
            say(f"BROKEN: {', '.join(broken)}")
        say(f"fills of the clients' orders: {Fill.objects.filter(order_id__in=ids).count()}")
        return {
            "lost": len(ids) - there.count() + waiting,
            "doubled": len(ids) - len(set(ids)) + Order.objects.filter(client_order_id__in=never).count(),
            "invariants broken": len(broken),
        }

    def _stopped_by_tables(self) -> int:
        """How often a second writer got so far that only a constraint of a table stopped it."""
        return sum(machine.logs().count("drain_failed") for machine in self._machines.values())

    def _print(self) -> None:
        logs = "".join(machine.logs() for machine in self._machines.values())
        fenced, taken = logs.count("has left epoch"), logs.count("shard_taken")
        say(f"takeovers in the logs: {taken}; writes that the fence refused: {fenced}")
        say(f"{'':<28}{'takeovers':>10}{'p50':>8}{'p95':>8}{'max':>8}   seconds without an outcome")
        for why in dict.fromkeys(took.why for took in self._takeovers):
            _row(why, [took.gap for took in self._takeovers if took.why == why])
        _row("all", [took.gap for took in self._takeovers])


def _row(name: str, gaps: list[float]) -> None:
    cuts = statistics.quantiles(gaps, n=20, method="inclusive") if len(gaps) > 1 else gaps * 19
    say(
        f"{name:<28}{len(gaps):>10}{cuts[9]:>8.2f}{cuts[18]:>8.2f}{max(gaps):>8.2f}"
        if gaps
        else f"{name}: none"
    )


def say(text: str) -> None:
    """A line of what happens."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()
