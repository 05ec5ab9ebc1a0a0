"""Invariants of the history, seen through the connection of the test's own transaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tradeplatform.common.invariants import check_all

HISTORY = ("iQ3-points", "iQ3-live", "iQ3-sum", "iH1", "iH2")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The codes of the history's invariants that do not hold now."""
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")

    def codes() -> list[str]:
        return [found.code for found in check_all(only=HISTORY) if not found.holds]

    return codes
