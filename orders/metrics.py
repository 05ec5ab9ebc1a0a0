"""What is counted of orders, from the door to the feed; each figure's meaning is in docs/metrics.md."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from django.db import transaction
from prometheus_client import Counter

from orders.models import CommandKind, Source
from tradeplatform.common.errors import Code, Refusal
from tradeplatform.common.metrics import counter, histogram

# 5 ms to 10 s; 0.5 is a bound of its own, because an alert asks for it.
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)

ACCEPTED = counter("orders_accepted", "Orders committed, by the door they came through.", {"door": Source})
DENIED = counter("orders_denied", "Orders refused before the book, by the code of the refusal.", ["code"])
HOLD_FAILURES = counter(
    "hold_failures", "Times that more was to be held than was available; dry runs count too."
)
COMMANDS = counter(
    "commands_accepted",
    "Commands committed for a shard to apply, by their kind.",
    {"kind": [kind.name.lower() for kind in CommandKind]},
)
INTAKE_BATCH = histogram("intake_batch_size", "Orders and cancels in one transaction of intake.", _SIZES)
DRAIN_BATCH = histogram("drain_batch_size", "Commands in one transaction of a drain.", _SIZES)
OUTCOME = histogram(
    "outcome_seconds", "From a command's acceptance until what became of it was committed.", _SECONDS
)
FENCED = counter("fenced", "Batches that were not written because another worker had taken the shard.")
TAKEOVERS = counter("shard_takeovers", "Changes of a shard's owner.")
GAPS = counter(
    "feed_gaps",
    "Frames that a socket process found missing or wrong, by what was wrong.",
    {"why": ("gap", "corrupt", "batch_missed", "batch_never_published", "broken_frame")},
)
RESYNCS = counter(
    "feed_resyncs", "Feeds that were read from the database again.", {"feed": ("market", "account")}
)


def count_accepted(doors: Iterable[Source]) -> None:
    """Count orders once the surrounding transaction has committed."""
    transaction.on_commit(partial(_add, ACCEPTED, Tally(door.value for door in doors)), robust=True)


def count_commands(kinds: Iterable[CommandKind]) -> None:
    """Count commands once the surrounding transaction has committed."""
    transaction.on_commit(partial(_add, COMMANDS, Tally(kind.name.lower() for kind in kinds)), robust=True)


def count_intake(size: int, denied: Iterable[Code]) -> None:
    """Count one transaction of intake, and the codes of what it denied."""
    INTAKE_BATCH.observe(size)
    codes = Tally(code.value for code in denied)
    _add(DENIED, codes)
    HOLD_FAILURES.inc(codes[Code.INSUFFICIENT_FUNDS.value])


@contextmanager
def counting_denied(orders: int) -> Iterator[None]:
    """Count so many orders as denied if the block refuses them."""
    try:
        with counting_hold_failure():
            yield
    except Refusal as refusal:
        DENIED.labels(refusal.code.value).inc(orders)
        raise


@contextmanager
def counting_hold_failure() -> Iterator[None]:
    """Count one if the block refuses because more was to be held than was available."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code == Code.INSUFFICIENT_FUNDS:
            HOLD_FAILURES.inc()
        raise


def count_applied(accepted_us: Sequence[int]) -> None:
    """Count a batch that a drain has just committed, by the moments its commands were accepted."""
    DRAIN_BATCH.observe(len(accepted_us))
    now_us = time.time_ns() // 1_000
    # What intake committed together has one moment: a batch has few.
    for moment_us, many in Tally(accepted_us).items():
        OUTCOME.observe_many(max(0, now_us - moment_us) / 1_000_000, many)


def _add(to: Counter, tally: Tally[str]) -> None:
    for label, many in tally.items():
        to.labels(label).inc(many)
