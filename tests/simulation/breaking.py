"""Controls: one wrong thing of each kind, which a simulation must find. `long_run --break NAME` does one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction

from accounts.models import TransferKind
from accounts.services.posting import Ledger
from orders.models import Command, CommandStatus, Shard
from orders.services import drain as draining
from orders.services import intake
from orders.services.killing import Standing
from orders.services.pending import read_pending
from orders.services.projecting import Projection
from tests.simulation.workload import Workload

_EVERY = 200


def fence(patch: pytest.MonkeyPatch) -> None:
    """Neither lock nor fence: whoever was taken over writes all the same."""

    def move(shard: Shard, applied: int, now: Any) -> None:
        Shard.objects.filter(id=shard.id).update(position=shard.position + applied, drained_at=now)

    patch.setattr(draining, "_move_shard", move)


def fill_not_posted(patch: pytest.MonkeyPatch) -> None:
    """Of one trade in many the quote is not paid."""
    real, trades = Ledger.transfer, _Counter()

    def transfer(ledger: Ledger, **how: Any) -> Any:
        if how["kind"] == TransferKind.TRADE_QUOTE and trades.strikes():
            return how["entry"]
        return real(ledger, **how)

    patch.setattr(Ledger, "transfer", transfer)


def hold_not_released(patch: pytest.MonkeyPatch) -> None:
    """One ended order in many keeps its hold."""
    real, ended = Projection._hold, _Counter()

    def hold(projection: Projection, order: Any, needed: Any) -> None:
        if order.is_live or not order.held or not ended.strikes():
            real(projection, order, needed)

    patch.setattr(Projection, "_hold", hold)


def acknowledged_before_commit(patch: pytest.MonkeyPatch) -> None:
    """An intake answers, and then its commit fails."""
    real, lists = Workload.submit, _Counter(10)

    def submit(workload: Workload, requests: Sequence[Any]) -> Any:
        with transaction.atomic():
            outcomes = real(workload, requests)
            transaction.set_rollback(lists.strikes())
        return outcomes

    patch.setattr(Workload, "submit", submit)


def identity_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What was asked before is not known any more."""
    patch.setattr(intake, "_unknown_identities", lambda drafts, _before, _outcomes: drafts)


def kill_not_in_backlog(patch: pytest.MonkeyPatch) -> None:
    """What waited when the kill switch was pressed is applied as if nothing had been."""
    patch.setattr(Standing, "refuse", lambda _standing, commands: list(commands))


def command_skipped(patch: pytest.MonkeyPatch) -> None:
    """One pending command in many is marked done and never shown to the engine."""
    real, batches = read_pending, _Counter(20)

    def read(shard_id: int, limit: int) -> Any:
        pending = real(shard_id, limit)
        if len(pending) > 1 and batches.strikes():
            Command.objects.filter(id=pending[0].id).update(status=CommandStatus.DONE, position=0)
            return pending[1:]
        return pending

    patch.setattr(draining, "read_pending", read)


def priority_lost(patch: pytest.MonkeyPatch) -> None:
    """The last pending command goes first now and then."""
    real, batches = read_pending, _Counter(5)

    def read(shard_id: int, limit: int) -> Any:
        pending = real(shard_id, limit)
        return pending[::-1] if len(pending) > 1 and batches.strikes() else pending

    patch.setattr(draining, "read_pending", read)


class _Counter:
    """Says yes once in so many times."""

    def __init__(self, every: int = _EVERY) -> None:
        self._every, self._number = every, 0

    def strikes(self) -> bool:
        """Whether this is the one."""
        self._number += 1
        return self._number % self._every == 0


@dataclass(frozen=True, slots=True)
class Break:
    """How to do it wrong, and the fault that happens most, where it takes one to be seen."""

    do: Callable[[pytest.MonkeyPatch], None]
    fault: str = ""


BREAKS = {
    "fence": Break(fence, "two drains, lock lost"),
    "fill": Break(fill_not_posted),
    "hold": Break(hold_not_released),
    "acknowledgement": Break(acknowledged_before_commit),
    "identity": Break(identity_forgotten, "answer lost, sent again"),
    "kill": Break(kill_not_in_backlog, "kill switch pressed"),
    "skip": Break(command_skipped),
    "order": Break(priority_lost),
}
