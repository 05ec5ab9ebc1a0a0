"""Random trading with faults from one seed against an auditor with a mind of its own.

SIMULATION_TURNS and SIMULATION_SEEDS make it longer; `python -m tests.simulation.long_run` does it for as
long as wanted. What differs names its turn; the same seed does the same again.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

import pytest

from tests.partitions import partitions_put_back
from tests.simulation.breaking import BREAKS
from tests.simulation.simulating import simulate

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "readonly"]),
    pytest.mark.timeout(0),
]

TURNS = int(os.environ.get("SIMULATION_TURNS", "12"))
# A control ends where it is found.
_CONTROL = 50
SEEDS = [int(seed) for seed in os.environ.get("SIMULATION_SEEDS", "1,2").split(",")]


@pytest.fixture(autouse=True)
def quiet(transactional_db: None) -> Iterator[None]:
    """What is broken on purpose would say so at length; partitions that were made under way go again."""
    logging.disable(logging.CRITICAL)
    with partitions_put_back():
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_stored_is_what_should_be(seed: int) -> None:
    report = simulate(seed, turns=TURNS)

    sys.stdout.write("\n".join(report.lines()))
    assert report.differences == []
    assert report.broken == []
    assert report.steps > 10 * TURNS
    assert sum(report.faults.values()) > 0


def test_the_same_seed_does_the_same_to_the_byte() -> None:
    first, second, other = (simulate(seed, turns=TURNS // 2) for seed in (3, 3, 4))

    assert first.differences == second.differences == other.differences == []
    assert (first.fingerprint, first.steps) == (second.fingerprint, second.steps)
    assert first.fingerprint != other.fingerprint


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_it_finds_what_is_wrong(name: str) -> None:
    """The controls: each is one thing done wrong, of a kind that must not get past."""
    report = simulate(5, turns=_CONTROL, break_name=name)

    sys.stdout.write(f"{name}: {report.differences or report.broken}\n")
    assert not report.holds
