"""The wires of a web process and of a shard's worker are cut in the middle of what clients do over HTTP.

CUT_SEED says at which messages; `python -m tests.simulation.faults.cut_doors` does it at every one.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from tests.simulation.faults.cut_doors import WEB, WORKER, Sweep, in_front_of_wires
from tests.simulation.wire import Moment
from tradeplatform.common.invariants import check_all

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "readonly"]),
    pytest.mark.timeout(0),
]

SEED = int(os.environ.get("CUT_SEED", "0"))
POINTS = 4


def test_whatever_message_is_the_last_each_command_has_one_outcome(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with in_front_of_wires(tmp_path) as play:
        sweep = Sweep(play)
        for target in (WEB, WORKER):
            part = sweep.lengths[target] // (POINTS + 1)
            for number in range(POINTS):
                at = number * part + chance.randint(1, part)
                sweep.strike(target, at, list(Moment)[number % 2], kill=number == POINTS // 2)

    result = sweep.result
    sys.stdout.write(f"seed {SEED}: {result}\n")
    assert (result.lost, result.doubled, result.different) == ([], [], [])
    assert {name for name, cuts in result.cuts.items() if cuts} == {
        WEB, f"{WEB}, killed", WORKER, f"{WORKER}, killed"
    }  # fmt: skip
    assert [finding for finding in check_all() if not finding.holds] == []


def test_a_door_that_says_taken_where_it_cannot_tell_is_found_out(tmp_path: Path) -> None:
    with in_front_of_wires(tmp_path, promises=True) as play:
        sweep = Sweep(play)
        # Of the first order's messages.
        sweep.strike(WEB, sweep.lengths[WEB] // 20, Moment.BEFORE, kill=False)

    assert sweep.result.lost
    assert not sweep.result.holds
