"""Replies that are lost, and retries through another web process while the first is still at work.

LOST_REPLY_ROUNDS makes it longer; `python -m tests.simulation.lost_replies` does hundreds on durable servers.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orders.models import Order
from tests.factories import make_market, tokens_of
from tests.simulation.doors import Web, ending
from tests.simulation.lost_replies import Call, order_body, play
from tradeplatform.common.invariants import check_all

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "readonly"]),
    pytest.mark.timeout(0),
]

ROUNDS = int(os.environ.get("LOST_REPLY_ROUNDS", "40"))


@pytest.fixture
def doors(tmp_path: Path, transactional_db: None) -> Iterator[tuple[Web, Web]]:
    """Two web processes before the tests' database."""
    both = Web(tmp_path), Web(tmp_path)
    with ending(*both):
        yield both


def test_a_reply_that_is_lost_and_a_retry_by_another_process(doors: tuple[Web, Web]) -> None:
    """With a client order id: one order, one hold, the same id in every answer. Without: unknown."""
    market = make_market()

    result = play(market, doors, rounds=ROUNDS, chance=random.Random(1))

    sys.stdout.write(f"{result}\n")
    assert (result.lost, result.doubled, result.different) == ([], [], [])
    assert min(result.kinds[kind] for kind in ("cut at once", "cut in the reply", "both read")) > 0
    market.drain()
    assert [finding for finding in check_all() if not finding.holds] == []

    # The control, and what docs/api-errors.md says: what has no name is another order each time it is sent.
    trader = market.trader()
    body, token = order_body(market, trader, random.Random(1)), tokens_of(trader.user).access
    Call(doors[0].port, token, body).cut_in_reply()
    Call(doors[1].port, token, body).reply()
    assert Order.objects.filter(account=trader).count() == 2
