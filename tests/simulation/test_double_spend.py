"""64 requests of 80 at once against 100: by every path, and by all of them together, at most one succeeds."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, close_old_connections

from tests.simulation import spending
from tests.simulation.spending import MIXED, PATHS, REQUESTS, spend
from tradeplatform.common.invariants import check_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "readonly"])

ROUNDS = 2


@pytest.mark.parametrize("path", [*PATHS, MIXED])
def test_no_money_is_spent_twice(path: str) -> None:
    result = spend(iter([path] * ROUNDS))

    assert result.failures == []
    assert result.successes == {1: ROUNDS}
    assert sum(result.refusals.values()) == ROUNDS * (REQUESTS - 1)
    assert result.holds
    assert result.seen.samples > 0
    assert result.seen.least is not None
    assert result.seen.least >= 0
    codes = ["iM2", "iM4-balance", "iM4-chain", "iM4-held", "iM5", "iA2-money", "iA5", "iA6"]
    assert [finding.code for finding in check_all(only=codes) if not finding.holds] == []


def test_a_request_that_fails_before_the_others_start_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = threading.Lock()

    def fails_once() -> None:
        if first.acquire(blocking=False):
            raise OperationalError("gone")
        close_old_connections()

    monkeypatch.setattr(spending, "PATIENCE", 1.0)
    monkeypatch.setattr(spending, "close_old_connections", fails_once)

    result = spend(iter([PATHS[0]]))

    assert result.failures.count("order: OperationalError: gone") == 1
    assert len(result.failures) == REQUESTS
    assert not result.holds
