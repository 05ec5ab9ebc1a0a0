"""Counts of a test's own: in a hash that no other test adds to, and by how much each figure has risen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client.core import Metric

from tests.factories import tag
from tradeplatform.common import metrics
from tradeplatform.config import BASE_DIR

Figures = dict[tuple[str, ...], float]


def own_hashes(patch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Let this process add to hashes of its own, from the figures of now on."""
    names = f"metrics:counts:{tag()}", f"metrics:gauges:{tag()}"
    patch.setattr(metrics, "_COUNTS", names[0])
    patch.setattr(metrics, "_GAUGES", names[1])
    return names


def flat(families: Iterator[Metric] | list[Metric]) -> Figures:
    """Every sample by its name and the values of its labels; without our prefix."""
    return {
        (sample.name.removeprefix("tradeplatform_"), *map(str, sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def here() -> Figures:
    """What this process has counted."""
    return flat(list(metrics.REGISTRY.collect()))


def risen(before: Figures) -> Figures:
    """What has risen since, and by how much; histograms by their count alone."""
    now = here()
    return {
        key: value - before.get(key, 0.0)
        for key, value in now.items()
        if value != before.get(key, 0.0) and not key[0].endswith(("_bucket", "_sum"))
    }


_PROGRAM = """
import django
django.setup()
from orders import metrics as orders
from tradeplatform.common import metrics
metrics._COUNTS, metrics._GAUGES = {counts!r}, {gauges!r}
metrics.PUBLISHER.keep_on()
orders.ACCEPTED.labels("api").inc({orders})
orders.OUTCOME.observe_many({seconds}, {orders})
"""


def count_in_a_process(names: tuple[str, str], *, orders: int, seconds: float) -> None:
    """Start a process that counts so many orders with this latency, and ends."""
    code = _PROGRAM.format(counts=names[0], gauges=names[1], orders=orders, seconds=seconds)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tradeplatform.settings"}
    subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, env=environment, check=True, timeout=60)
