"""Acceptance scenarios of settlement: what a trade costs and moves, to the last digit."""

from __future__ import annotations

import pytest

from accounts.models import LedgerAccount, LedgerKind
from tests.factories import short
from tests.live.desk import Desk

pytestmark = pytest.mark.live


def test_ac_18_fees_are_on_what_was_traded(desk: Desk) -> None:
    buyer, seller = desk.trader(), desk.trader()
    bid = buyer.buy("1", "50000")

    taking = seller.sell("0.5")

    assert buyer.fees(bid) == [("maker", "12.5")]
    assert seller.fees(taking) == [("taker", "25")]


def test_ac_42_a_trade_settles_to_the_last_digit(desk: Desk) -> None:
    seller, buyer = desk.trader(base=1, quote=10_000), desk.trader(base=1, quote=10_000)
    seller.sell("0.1", "50000")

    buyer.buy("0.1")

    assert buyer.balances() == {"base": ("1.1", "0"), "quote": ("4995", "0")}
    assert seller.balances() == {"base": ("0.9", "0"), "quote": ("14997.5", "0")}
    assert held_by_the_house(desk) == "7.5"
    for asset in (desk.instrument.base, desk.instrument.quote):
        rows = LedgerAccount.objects.filter(asset=asset)
        assert sum(row.balance for row in rows) == 0


def held_by_the_house(desk: Desk) -> str:
    """The balance of the fee account in the instrument's quote asset."""
    fee = LedgerAccount.objects.get(kind=LedgerKind.FEE, asset=desk.instrument.quote)
    return short(fee.balance)
