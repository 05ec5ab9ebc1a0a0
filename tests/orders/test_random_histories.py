"""Random trading days: after each, every invariant holds and the journal replays to the same events."""

from __future__ import annotations

from collections import Counter

import pytest

from orders.models import Event, EventKind
from tests.orders.histories import History
from tradeplatform.common.invariants import check_all


@pytest.mark.django_db
def test_every_invariant_holds_after_any_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeplatform.common.invariants.READ_ONLY", "default")
    monkeypatch.setattr("orders.invariants.READ_ONLY", "default")
    for seed in (1, 2):
        History(seed).run(120)

    assert [finding for finding in check_all() if not finding.holds] == []
    kinds = Counter(EventKind(kind) for kind in Event.objects.values_list("kind", flat=True))
    assert set(kinds) >= set(EventKind) - {EventKind.AMEND_REJECTED, EventKind.CANCEL_REJECTED}
