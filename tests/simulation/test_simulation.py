"""Random trading against an auditor with a mind of its own.

SIMULATION_STEPS and SIMULATION_SEEDS make it longer: `SIMULATION_STEPS=5000 SIMULATION_SEEDS=100,101 pytest
tests/simulation`. A failure names its seed; the same seed does the same again.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.workload import Workload

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(0)]

STEPS = int(os.environ.get("SIMULATION_STEPS", "200"))
SEEDS = [int(seed) for seed in os.environ.get("SIMULATION_SEEDS", "1,2,3,4").split(",")]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_stored_is_what_should_be(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = Workload(seed, monkeypatch)
    for number in range(STEPS):
        try:
            workload.step()
        except BaseException as error:
            error.add_note(f"again: SIMULATION_SEEDS={seed} SIMULATION_STEPS={number + 1}")
            raise
    workload.finish()

    assert workload.counts["order"] > STEPS // 4
    assert workload.counts["drain"] > STEPS // 20
