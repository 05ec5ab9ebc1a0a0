"""Money under random acts: every rule holds after each, and the trade store gives the same positions."""

from __future__ import annotations

import os

import pytest

from tests.simulation.money_storm import Storm
from tradeplatform.common.invariants import check_all

# A soak takes more of them, from elsewhere.
STEPS = int(os.environ.get("MONEY_STEPS", "200"))
SEED = int(os.environ.get("MONEY_SEED", "11"))


@pytest.mark.django_db
def test_every_rule_of_money_holds_after_each_act(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another connection would not see the test's own transaction: every check would hold of nothing.
    for module in ("tradeplatform.common.invariants", "orders.invariants"):
        monkeypatch.setattr(f"{module}.READ_ONLY", "default")
    storm = Storm(SEED)
    for number in range(STEPS):
        storm.step()
        broken = [finding for finding in check_all() if not finding.holds]
        assert not broken, (number, dict(storm.counts), broken)

    assert all(finding.examined for finding in check_all(only=("iM1", "iM2", "iM4-held", "iQ3-points")))
    assert set(storm.regenerated()) == {(0, 0)}
    # What never happened proves nothing.
    quiet = [act.__name__ for _weight, act in storm.acts if not storm.counts[act.__name__]]
    assert not quiet, dict(storm.counts)
