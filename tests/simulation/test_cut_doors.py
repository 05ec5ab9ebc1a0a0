"""The API and a shard's worker as processes, their wires to PostgreSQL cut under load, some killed with it.

CUT_DOORS makes it longer; `python -m tests.simulation.cut_doors` does a hundred on durable servers.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from tests.simulation.cut_doors import play
from tradeplatform.common.invariants import check_all

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "readonly"]),
    pytest.mark.timeout(0),
]

CUTS = int(os.environ.get("CUT_DOORS", "10"))


def test_what_was_acknowledged_is_there_once_whatever_wire_is_cut(tmp_path: Path) -> None:
    result = play(tmp_path, cuts=CUTS, chance=random.Random(7))

    sys.stdout.write(f"{result}\n")
    assert (result.lost, result.doubled, result.stuck) == ([], [], 0)
    assert result.acknowledged > 0
    assert result.cuts.keys() == result.kills.keys() == {"web", "worker"}
    assert [finding for finding in check_all() if not finding.holds] == []
