"""Links to PostgreSQL that forward nothing any more, under load: given up, and nothing is lost or doubled.

`python -m tests.simulation.faults.dead_links` does it with every link, and with resets, and measures.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.simulation.faults.dead_links import BLACK_HOLE, parts_at_work, strike_again_and_again

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "readonly"]),
    pytest.mark.timeout(0),
]

LINKS = ("web-postgresql", "shard-postgresql")


def test_a_dead_link_is_given_up_and_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chance = random.Random(1)
    with parts_at_work(tmp_path, LINKS) as parts:
        for link in LINKS:
            found = strike_again_and_again(
                parts, link, BLACK_HOLE, times=1, clients=3, hold=0.0, chance=chance
            )

            sys.stdout.write(f"{found}\n")
            told = found.verdict
            assert told is not None
            assert told.acknowledged > 0
            assert (told.lost, told.doubled, told.strange, told.surprises) == ([], [], [], [])
            assert (found.unknown, found.pending, found.without, found.broken) == (0, 0, 0, [])
            # Nobody mended it before that.
            assert found.noticed
