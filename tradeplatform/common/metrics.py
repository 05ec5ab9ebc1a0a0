"""Counts of what happens: in the memory of each process, and their sums over all processes in Valkey.

A process adds what has come since the last time to one hash, every few seconds and when it ends. So a process
that dies takes a few seconds of counts with it and nothing else, and processes on any number of machines are
one platform to whoever reads. Gauges, which are true of a process at a moment, lie beside it, for as long as
their process renews them.

Counting costs a microsecond and asks nobody. Counts may be lost, or come twice when Valkey's answer to an
addition was lost: they are looked at, never decided by.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client import Histogram as LibraryHistogram
from prometheus_client.core import Metric
from redis.exceptions import RedisError

from tradeplatform.common.valkey import client

NAMESPACE = "tradeplatform"
#: All that is counted in processes. What is read from the database when it is asked for is not here.
REGISTRY = CollectorRegistry()
#: Seconds between two additions of a process.
INTERVAL = 5.0
#: A gauge that was not renewed for so long belongs to a process that has ended.
_GAUGE_SECONDS = 4 * INTERVAL
_COUNTS, _GAUGES = "metrics:counts", "metrics:gauges"
_MEASURES = frozenset({"gauge"})

_log = structlog.get_logger(__name__)

# A second sample of each counter, of when it was made: of a sum over processes it would mean nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Histogram(LibraryHistogram):
    """The library's, which also takes one amount that was seen many times."""

    def observe_many(self, amount: float, times: int) -> None:
        """As `observe`, so many times."""
        self._sum.inc(amount * times)
        for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            if amount <= bound:
                bucket.inc(times)
                break


def counter(
    name: str, about: str, labels: Mapping[str, Iterable[str]] | Sequence[str] = (), *, unit: str = ""
) -> Counter:
    """A counter, which is there from the first moment for each of the `labels`' values that are known."""
    found = Counter(name, about, tuple(labels), namespace=NAMESPACE, unit=unit, registry=REGISTRY)
    if isinstance(labels, Mapping):
        # A rise from nothing is no rise to Prometheus: it has to have seen the zero.
        ((label, values),) = labels.items()
        for value in values:
            found.labels(**{label: value})
    return found


def histogram(name: str, about: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
    """A histogram; `buckets` are the upper bounds it counts below, in the unit of its name."""
    return Histogram(name, about, labels, namespace=NAMESPACE, buckets=buckets, registry=REGISTRY)


def gauge(name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
    """A figure of each process, which is added up over the processes that have the same labels."""
    return Gauge(name, about, labels, namespace=NAMESPACE, registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class Point:
    """One sample: what Prometheus calls its name, its labels in order, and its value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Publisher:
    """Adds this process's counts to those of all."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()
        self._pid = 0

    def publish(self) -> None:
        """Add what has come since the last time.

        Raises RedisError, OSError; what was not added then is added the next time.
        """
        with self._lock:
            counts, gauges = _here()
            pipe = client().pipeline(transaction=True)
            for field, value in counts.items():
                # Also what is zero, once: it has to be seen before it rises.
                if value != self._told.get(field):
                    pipe.hincrbyfloat(_COUNTS, field, value - self._told.get(field, 0.0))
            if gauges:
                pipe.hset(_GAUGES, _process(), orjson.dumps({"at": time.time(), "points": gauges}).decode())
            pipe.execute()
            self._told = counts

    def keep_on(self) -> bool:
        """Publish from now on, in a thread, until the process ends; False if it does already.

        Not before a process forks: its children would have no such thread.
        """
        if self._pid == os.getpid():
            return False
        with self._lock:
            if self._pid == os.getpid():
                return False
            self._pid = os.getpid()
        threading.Thread(target=self._run, name="metrics", daemon=True).start()
        atexit.register(self._try)
        return True

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(INTERVAL):
            self._try()

    def _try(self) -> None:
        try:
            self.publish()
        except (RedisError, OSError) as error:
            _log.warning("metrics_not_published", error=str(error))


PUBLISHER = Publisher()


def read() -> list[Metric]:
    """Every family with the sums over all processes. Raises RedisError, OSError."""
    families, owner = {}, {}
    for known in REGISTRY.collect():
        families[known.name] = Metric(known.name, known.documentation, known.type)
        for name in _sample_names(known):
            owner[name] = known.name
    for point in sorted(_points(), key=_order):
        # Another version may count what this one does not know.
        if point.name in owner:
            families[owner[point.name]].add_sample(point.name, dict(point.labels), point.value)
    return list(families.values())


def _here() -> tuple[dict[str, float], dict[str, float]]:
    """The counts and the gauges of this process, by field."""
    counts: dict[str, float] = {}
    gauges: dict[str, float] = {}
    for family in REGISTRY.collect():
        into = gauges if family.type in _MEASURES else counts
        for sample in family.samples:
            into[_field(sample.name, sample.labels)] = sample.value
    return counts, gauges


def _points() -> Iterable[Point]:
    pipe = client().pipeline(transaction=False)
    pipe.hgetall(_COUNTS)
    pipe.hgetall(_GAUGES)
    counts, gauges = pipe.execute()
    sums: dict[bytes, float] = {field: float(value) for field, value in counts.items()}
    now, ended = time.time(), []
    for process, told in gauges.items():
        said = orjson.loads(told)
        if now - said["at"] > _GAUGE_SECONDS:
            ended.append(process)
            continue
        for field, value in said["points"].items():
            sums[field.encode()] = sums.get(field.encode(), 0.0) + value
    if ended:
        client().hdel(_GAUGES, *ended)
    for field, value in sums.items():
        name, labels = orjson.loads(field)
        yield Point(name, tuple((key, text) for key, text in labels), value)


def _field(name: str, labels: Mapping[str, str]) -> str:
    return orjson.dumps([name, list(labels.items())]).decode()


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _sample_names(family: Metric) -> Sequence[str]:
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return [family.name + ending for ending in endings.get(family.type, ("",))]


def _order(point: Point) -> tuple[object, ...]:
    """By name and labels, the buckets of a histogram from the lowest to the highest."""
    others = tuple(pair for pair in point.labels if pair[0] != "le")
    bound = dict(point.labels).get("le")
    return point.name, others, float(bound) if bound else 0.0
