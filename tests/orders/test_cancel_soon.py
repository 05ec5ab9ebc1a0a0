"""Cancels that many threads ask for: together, by our ids, and never behind a lock of their account."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import transaction

from orders.models import Source
from orders.services.batching import cancel_soon
from orders.services.owners import lock_owners
from orders.services.requests import Requested
from tests.factories import ACTOR, Market, everything_stored, make_market, stored
from tests.orders.proofs import refused
from tests.threads import all_at_once
from tradeplatform.common.errors import Code

pytestmark = pytest.mark.django_db(transaction=True)


def cancel(account_id: int, order_id: int) -> Requested:
    return cancel_soon(order_id=order_id, account_id=account_id, actor=ACTOR, source=Source.API)


@pytest.fixture
def market() -> Market:
    return make_market()


def test_whoever_holds_the_account_keeps_no_cancel_waiting(market: Market) -> None:
    seller = market.trader()
    ids = [market.sell(seller, 1, 50_000 + number) for number in range(8)]
    with transaction.atomic():
        lock_owners([seller.id])
        outcomes = all_at_once([partial(cancel, seller.id, order_id) for order_id in ids])
    assert [outcome.order_id for outcome in outcomes if isinstance(outcome, Requested)] == ids

    market.drain()

    assert [(stored(order_id).status, stored(order_id).reason) for order_id in ids] == [
        ("cancelled", "client")
    ] * 8


def test_one_that_is_refused_leaves_nothing_and_stops_no_other(market: Market) -> None:
    seller, other = market.trader(), market.trader()
    mine, gone = market.sell(seller, 1, 50_000), market.sell(seller, 1, 50_001)
    market.cancel(gone, seller)
    market.drain()
    before = everything_stored()

    for order_id in (0, -1, gone + 1, 2**63 - 1, 2**63, 10**40):
        assert refused(partial(cancel, seller.id, order_id)).code == Code.ORDER_NOT_FOUND
    assert refused(partial(cancel, other.id, mine)).code == Code.ORDER_NOT_FOUND
    assert refused(partial(cancel, seller.id, gone)).code == Code.ORDER_NOT_OPEN
    assert everything_stored() == before

    asked = [partial(cancel, other.id, mine), partial(cancel, seller.id, mine)] * 4
    outcomes = all_at_once(asked)
    assert [isinstance(outcome, Requested) for outcome in outcomes] == [False, True] * 4
    market.drain()
    assert stored(mine).status == "cancelled"
