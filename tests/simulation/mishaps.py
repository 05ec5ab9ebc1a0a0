"""What goes wrong in a simulation: from the same seed as all else, one fault at a time, each with its name.

None of them may change what comes of a request that was acknowledged, nor leave anything of one that was not.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, InterfaceError

from django_partition import catalog
from django_partition.services import apply_all
from orders.models import Shard
from orders.services import books
from orders.services import drain as draining
from orders.services.drain import Drained, Fenced, drain_all
from orders.services.kill_switch import ask_release, press
from orders.services.pending import PendingCommand
from risk.models import KillScope
from risk.services.kill_switch import EVERYTHING, Target
from tests.audit.agreeing import agree
from tests.audit.naming import by
from tests.factories import ACTOR, tag
from tests.simulation.auditor import Asked, Difference
from tests.simulation.workload import Workload
from tests.threads import PATIENCE, start_elsewhere
from tradeplatform.common.db import execute, fetch

SHARE = 0.3
#: Commands that may be set aside in so long, one less than stop a shard.
_ASIDE, _WITHIN = 4, timedelta(minutes=10)
_TRADING = ("orders_", "accounts_transfer", "audit_record")


class Crash(Exception):  # noqa: N818 - what is thrown on purpose, not an error of ours
    """Something that is made to fail half-way."""


@dataclass
class Faults:
    """Strikes a workload; `done` counts what really happened."""

    workload: Workload
    favourite: str = ""
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._poison: set[int] = set()
        self._set_aside: deque[datetime] = deque(maxlen=_ASIDE)
        self._stopped: list[tuple[int, str, int, int]] = []  # until turn, scope, key, switch
        self._kinds: list[tuple[int, str, Callable[[], bool]]] = [
            (10, "engine thrown away", self.forget_engine),
            (10, "drain fails before its commit", self.fail_drain),
            (8, "intake fails before its commit", self.fail_intake),
            (8, "answer lost, sent again", self.lose_answer),
            (8, "wake-up lost", self.lose_wake),
            (8, "wake-up repeated", self.repeat_wake),
            (3, "two drains, session lost", self.two_drains_session_lost),
            (3, "two drains, lock lost", self.two_drains_lock_lost),
            (6, "clock stands still", self.stop_clock),
            (4, "clock jumps ahead", self.jump_ahead),
            (6, "one clock behind", self.fall_behind),
            (3, "kill switch pressed", self.press),
            (3, "command cannot be applied", self.poison),
            (1, "partitions made under way", self.make_partitions),
            (1, "partition missing", self.outrun_partitions),
        ]
        if self.favourite:
            self._kinds += [(1_000, *kind[1:]) for kind in self._kinds if kind[1] == self.favourite]
        self._patch_encode()

    def strike(self) -> None:
        """Perhaps something goes wrong now; what was stopped by the kill switch is released in time."""
        rng = self.workload.rng
        self._release_until(self.workload.turns)
        if rng.random() >= SHARE:
            return
        ((_, name, fault),) = rng.choices(self._kinds, [weight for weight, *_ in self._kinds])
        if fault():
            self.done[name] += 1
            self.workload.steps += 1

    def end(self) -> None:
        """Leave nothing stopped."""
        self._release_until(self.workload.turns + 1_000)

    def _release_until(self, turn: int) -> None:
        for stopped in [stop for stop in self._stopped if stop[0] <= turn]:
            self._release(*stopped[1:])
            self._stopped.remove(stopped)

    def _some_shard(self) -> Shard:
        return self.workload.rng.choice(self.workload.shards)

    def _busy_shard(self) -> int | None:
        """One on which something waits."""
        busy = [shard.id for shard in self.workload.shards if self.workload.auditor.waiting[shard.id]]
        return self.workload.rng.choice(busy) if busy else None

    # --- The worker

    def forget_engine(self) -> bool:
        """A worker comes up with nothing in memory."""
        books.forget(self._some_shard().id)
        return True

    def fail_drain(self) -> bool:
        """A drain that fails between the engine and its commit has done nothing."""
        shard_id = self._busy_shard()
        if shard_id is None:
            return False
        step = self.workload.rng.choice(["mark_done", "_move_books", "_move_shard"])
        with self.workload.monkeypatch.context() as patched:
            patched.setattr(draining, step, _crash)
            try:
                self.workload.drain(shard_id)
            except Crash:
                return True
        raise Difference(f"a drain that was to fail at {step} did not")

    def lose_wake(self) -> bool:
        """A wake-up does not come: what waits is found by the sweep, or with the next."""
        lost = bool(self.workload.heard)
        self.workload.heard.clear()
        return lost

    def repeat_wake(self) -> bool:
        """It comes twice: the second finds nothing to do."""
        heard = sorted(set(self.workload.heard))
        for shard_id in heard:
            self.workload.drain_to_the_end(shard_id)
            if done := self.workload.drain(shard_id):
                raise Difference(f"a second wake-up applied {done} commands")
        return bool(heard)

    def two_drains_session_lost(self) -> bool:
        """A drain freezes, the server ends its session, another drains; then it thaws."""
        steps = ["read_pending", "OrderState.load", "mark_done", "_move_books", "_move_shard"]
        return self._two_drains(self.workload.rng.choice(steps), lock=True)

    def two_drains_lock_lost(self) -> bool:
        """As behind a pooler that gave the session away: both believe that they hold the shard."""
        return self._two_drains(self.workload.rng.choice(["read_pending", "OrderState.load"]), lock=False)

    def _two_drains(self, step: str, *, lock: bool) -> bool:
        shard_id = self._busy_shard()
        if shard_id is None:
            return False
        with self.workload.monkeypatch.context() as patched:
            frozen = _Frozen(patched, step, lock=lock)
            outcome = frozen.drain(shard_id, self.workload.now)
            if lock:
                execute("SELECT pg_terminate_backend(%s)", [frozen.session])
            self.workload.drain(shard_id, batch=1_000)
            frozen.thaw()
            try:
                done = outcome.result(PATIENCE)
            except (DatabaseError, InterfaceError, Fenced):
                return True
        raise Difference(f"a drain whose shard was taken over applied {done.commands} commands")

    # --- The door

    def fail_intake(self) -> bool:
        """An intake that fails before its commit has taken nothing; its client sends the same again."""
        requests, failed = self.workload.requests(), False
        with self.workload.monkeypatch.context() as patched:
            patched.setattr("orders.services.intake.wake_after_commit", _crash)
            try:
                outcomes = self.workload.submit(requests)
            except Crash:
                failed = True
        if failed:
            outcomes = self.workload.submit(requests)
        self.workload.believe(requests, outcomes)
        return failed

    def lose_answer(self) -> bool:
        """An intake has committed and its answer is lost; its client sends the same again."""
        requests = self.workload.requests()
        self.workload.intake(requests)
        self.workload.intake(requests)
        return True

    # --- The clock

    def stop_clock(self) -> bool:
        """It stands for some turns."""
        self.workload.still = self.workload.rng.randint(2, 6)
        return True

    def jump_ahead(self) -> bool:
        """By minutes, or past midnight."""
        by = self.workload.rng.choice([timedelta(minutes=7), timedelta(hours=13)])
        self.workload.set_clock(self.workload.now + by)
        return True

    def fall_behind(self) -> bool:
        """What comes in by one door, for one shard, bears times that are past already."""
        workload, shard = self.workload, self._some_shard()
        among = [i for i in workload.instruments.values() if workload.auditor.terms[i.id].shard == shard.id]
        right = workload.now
        workload.set_clock(right - timedelta(milliseconds=workload.rng.randint(1, 5_000)))
        workload.intake(workload.requests(among))
        workload.amend()
        workload.set_clock(right)
        return True

    # --- The operator

    def press(self) -> bool:
        """The kill switch, while commands wait."""
        workload, rng = self.workload, self.workload.rng
        account, instrument = rng.choice(workload.accounts), rng.choice(list(workload.instruments.values()))
        target = rng.choice(
            [
                EVERYTHING,
                Target(KillScope.INSTRUMENT, instrument.id, instrument.symbol),
                Target(KillScope.ACCOUNT, account.id, account.account_number),
                Target(KillScope.ACCOUNT, account.id, account.account_number),
            ]
        )
        pressed = press(target=target, actor=ACTOR, now=workload.now, reason="test")
        if pressed.already:
            return False
        workload.auditor.pressed(target.scope.value, target.key)
        until = workload.turns + (1 if target == EVERYTHING else rng.randint(2, 5))
        self._stopped.append((until, target.scope.value, target.key, pressed.act.switch_id))
        return True

    def _release(self, scope: str, key: int, switch_id: int) -> None:
        """By two people, in two steps, once nothing waits that came before it."""
        workload = self.workload
        for shard in workload.shards:
            workload.drain_to_the_end(shard.id)
        maker, checker = workload.officers
        for _ in range(2):
            asked = ask_release(
                switch_id=switch_id, request_id=tag(), actor=by(maker), now=workload.now, reason="test"
            )
            agree(asked, checker, now=workload.now)
        workload.auditor.released(scope, key)

    # --- What cannot be applied

    def poison(self) -> bool:
        """A new order that the engine's door cannot read: it is set aside, and the rest goes on."""
        workload = self.workload
        if len(self._set_aside) == _ASIDE and self._set_aside[0] > workload.now - _WITHIN:
            return False
        shard_id = self._busy_shard()
        if shard_id is None:
            return False
        # What the kill switch has to do is not counted when it is done beside a quarantine.
        workload.drain(shard_id, batch=0)
        waiting = [asked for asked in workload.auditor.waiting[shard_id] if self._can_be_poisoned(asked)]
        if not waiting:
            return False
        order = workload.rng.choice(waiting).order
        if order is None:
            return False
        self._poison.add(order.id)
        self._set_aside.append(workload.now)
        workload.auditor.poisoned(order)
        done = drain_all(shard_id=shard_id, clock=lambda: workload.now, owner="one")
        workload.drained(shard_id, done.commands)
        self._poison.clear()
        return True

    def _can_be_poisoned(self, asked: Asked) -> bool:
        order = asked.order
        return order is not None and asked.kind == "new" and not self.workload.auditor.is_killed(order)

    def _patch_encode(self) -> None:
        real, poison = PendingCommand.encode, self._poison

        def encode(command: PendingCommand) -> bytes:
            if command.order_id in poison and not command.reason_code:
                raise ValueError("this command means nothing to the engine")
            return real(command)

        self.workload.monkeypatch.setattr(PendingCommand, "encode", encode)

    # --- Partitions

    def make_partitions(self) -> bool:
        """What the hourly task does: rows that wait in a DEFAULT partition get one of their own."""
        models = [m for m in catalog.partitioned_models() if m._meta.db_table.startswith(_TRADING)]
        apply_all(models, today=self.workload.now.date())
        return True

    def outrun_partitions(self) -> bool:
        """Nobody has made partitions for days."""
        self.workload.set_clock(self.workload.now + timedelta(days=9))
        return True


class _Frozen:
    """A drain on a connection of its own that stops dead right after a step, until it is thawed."""

    def __init__(self, patched: pytest.MonkeyPatch, step: str, *, lock: bool) -> None:
        self._frozen, self._thawed = threading.Event(), threading.Event()
        self._thread: int | None = None
        self.session = 0
        owner: Any = draining
        name = step
        if "." in step:
            first, name = step.split(".")
            owner = getattr(draining, first)
        real, take = getattr(owner, name), draining._take

        def stop(*args: Any, **how: Any) -> Any:
            result = real(*args, **how)
            if threading.get_ident() == self._thread and not self._frozen.is_set():
                self._frozen.set()
                self._thawed.wait(PATIENCE)
            return result

        def take_without_lock(shard_id: int, by: str, now: datetime, *, yielding: bool) -> Shard:
            mine = threading.get_ident() == self._thread
            return Shard.objects.get(id=shard_id) if mine else take(shard_id, by, now, yielding=yielding)

        patched.setattr(owner, name, stop)
        if not lock:
            patched.setattr(draining, "_take", take_without_lock)

    def drain(self, shard_id: int, now: datetime) -> Any:
        """Begin, and return once it is frozen; what will come of it."""

        def work() -> Drained:
            self._thread = threading.get_ident()
            self.session = fetch("SELECT pg_backend_pid()")[0][0]
            return draining.drain(shard_id=shard_id, now=now, owner="one", batch=1_000)

        outcome = start_elsewhere(work)
        if not self._frozen.wait(PATIENCE):
            raise TimeoutError("a drain that was to freeze did not come so far")
        return outcome

    def thaw(self) -> None:
        """Let it go on."""
        self._thawed.set()


def _crash(*_args: Any, **_how: Any) -> None:
    raise Crash
