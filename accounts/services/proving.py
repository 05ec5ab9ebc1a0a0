"""Prove that all invariants hold, and store what was found with a hash of the balances it was found of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog

from accounts.models import ProofRun
from audit.actor import Actor
from tradeplatform.common.invariants import Finding, all_invariants, check_each, one_snapshot, read

logger = structlog.get_logger(__name__)

# Balances as they are stored: always eighteen digits after the point.
_HASHES = """
    SELECT a.code AS asset, count(*) AS accounts, sum(l.balance)::text AS sum,
           encode(sha256(string_agg(l.id || ':' || l.balance, ',' ORDER BY l.id)::bytea), 'hex') AS sha256
    FROM accounts_ledgeraccount l JOIN instruments_asset a ON a.id = l.asset_id
    GROUP BY a.code ORDER BY a.code"""


@dataclass(frozen=True, slots=True)
class Step:
    """One invariant, checked: the `place`-th `of` all, in so many seconds."""

    place: int
    of: int
    finding: Finding
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """What is stored of it."""
        return self.finding.as_json() | {"seconds": round(self.seconds, 3)}


def prove_in_steps(*, actor: Actor, now: datetime) -> Iterator[Step | ProofRun]:
    """Check every invariant in one snapshot, tell each as it is done, then store the run and tell it last.

    A run that is not read to its end is not stored.
    """
    started = time.monotonic()
    chosen = all_invariants()
    steps = []
    with one_snapshot():
        before = started
        for place, finding in enumerate(check_each(chosen), start=1):
            after = time.monotonic()
            steps.append(Step(place, len(chosen), finding, after - before))
            yield steps[-1]
            before = after
        balances = {row.pop("asset"): row for row in read(_HASHES)}
    broken = [step.finding.code for step in steps if not step.finding.holds]
    if broken:
        logger.error("proof_broken", invariants=broken)
    yield ProofRun.objects.create(
        at=now,
        seconds=round(Decimal(time.monotonic() - started), 3),
        holds=not broken,
        actor_label=actor.label,
        findings=[step.as_json() for step in steps],
        balances=balances,
    )


def prove(*, actor: Actor, now: datetime) -> ProofRun:
    """Check everything and store the result."""
    *_steps, run = prove_in_steps(actor=actor, now=now)
    if not isinstance(run, ProofRun):
        raise TypeError("a proof ends with its run")
    return run
