"""The fingerprint of a request: the same for the same request, for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from orders.models import OrderType, Side, TimeInForce, TriggerBy
from orders.services.requests import ListKind, NewList, NewOrder, fingerprint, list_fingerprints
from tests.factories import NOW

LATER = NOW + timedelta(hours=1)


class TestFingerprint:
    """The same request has the same fingerprint for ever: these texts may never change."""

    PLAIN = NewOrder(
        account_id=1,
        symbol="BTC-USDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("1.50"),
        price=Decimal(50000),
    )

    def test_of_an_order_without_conditions_is_what_it_always_was(self) -> None:
        assert fingerprint(self.PLAIN) == ("e48e1db23a341dd5c3531680df99fe50ba2faeee8bfb65b1f84f4c2ca5565556")

    @pytest.mark.parametrize(
        "change",
        [
            {"trigger_price": Decimal(1)},
            {"trigger_by": TriggerBy.QUOTE},
            {"trail_amount": Decimal(1)},
            {"trail_percent": Decimal(1)},
            {"trail_step": Decimal(1)},
            {"limit_offset": Decimal(1)},
            {"display_quantity": Decimal(1)},
            {"display_quantity": Decimal(0)},
            {"min_quantity": Decimal(1)},
            {"quote_quantity": Decimal(1)},
            {"protection_price": Decimal(1)},
            {"expires_at": LATER},
            {"reduce_only": True},
            {"time_in_force": TimeInForce.DAY},
            {"type": OrderType.STOP},
            {"quantity": None},
        ],
    )
    def test_knows_every_condition(self, change: dict[str, Any]) -> None:
        assert fingerprint(replace(self.PLAIN, **change)) != fingerprint(self.PLAIN)

    def test_is_the_same_for_the_same_numbers_and_moments(self) -> None:
        one = replace(self.PLAIN, trigger_price=Decimal("1.50"), expires_at=LATER)
        other = replace(
            self.PLAIN,
            trigger_price=Decimal("1.5000"),
            expires_at=LATER.astimezone(timezone(timedelta(hours=-3))),
        )

        assert fingerprint(one) == fingerprint(other)

    def test_of_a_leg_speaks_for_its_list(self) -> None:
        def prints(**change: Any) -> list[str]:
            legs = [self.PLAIN, replace(self.PLAIN, price=Decimal(2), **change)]
            return list_fingerprints(NewList(kind=ListKind.OCO, orders=legs))

        assert prints() == prints()
        assert not set(prints()) & set(prints(client_order_id="x"))
        assert not set(prints()) & {fingerprint(self.PLAIN)}
        assert len(set(prints())) == 2
