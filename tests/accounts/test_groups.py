"""Trading groups and their exceptions: what the services and the database take, and what is recorded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import GroupInstrument, TradingGroup
from accounts.services import groups
from audit.models import AuditRecord
from tests.factories import ACTOR, NOW, make_asset, make_group, make_instrument
from tradeplatform.common.errors import Code, Refusal

pytestmark = pytest.mark.django_db

HOW: dict[str, Any] = {"actor": ACTOR, "now": NOW, "reason": "new terms"}


def test_a_group_is_created_and_changed() -> None:
    group = groups.create_group(name="Gold", values={"markup_steps": 5}, **HOW)
    groups.change_group_terms(group_id=group.pk, changes={"markup_steps": 3, "max_leverage": 50}, **HOW)

    group.refresh_from_db()
    assert (group.markup_steps, group.max_leverage) == (3, 50)
    row = AuditRecord.objects.get(action="accounts.group.change")
    assert row.before == {"markup_steps": 5, "max_leverage": 1000}
    assert row.after == {"markup_steps": 3, "max_leverage": 50}


def test_an_exception_is_set_changed_and_dropped() -> None:
    group, instrument = make_group(), make_instrument()
    where: dict[str, Any] = {"group_id": group.pk, "symbol": instrument.symbol}

    groups.set_exception(**where, values={"markup_steps": 7}, **HOW)
    groups.set_exception(**where, values={"markup_steps": None, "margin_rate": Decimal("0.2")}, **HOW)

    row = GroupInstrument.objects.get(group=group)
    assert (row.markup_steps, row.margin_rate, row.is_enabled) == (None, Decimal("0.2"), True)
    first, second = AuditRecord.objects.filter(action="accounts.group.set_exception").order_by("id")
    assert first.after == {"symbol": instrument.symbol, "markup_steps": 7}
    assert second.before == {"markup_steps": 7, "margin_rate": None}
    groups.drop_exception(**where, **HOW)
    assert not GroupInstrument.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_out_level": Decimal(101)},
        {"stop_out_level": Decimal(0)},
        {"max_leverage": 0},
        {"max_leverage": 1001},
        {"commission_rate": Decimal(1)},
        {"commission_per_contract": Decimal(-1)},
        {"commission_per_contract": Decimal(5)},  # of which asset?
        {"commission_minimum": Decimal(5)},
    ],
)
def test_terms_that_make_no_sense_are_refused_by_service_and_database(changes: dict[str, Any]) -> None:
    group = make_group()

    with pytest.raises(Refusal) as caught:
        groups.change_group_terms(group_id=group.pk, changes=changes, **HOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        TradingGroup.objects.filter(pk=group.pk).update(**changes)

    assert caught.value.code == Code.INVALID_FIELD


@pytest.mark.parametrize(
    "values",
    [
        {"margin_rate": Decimal(0)},
        {"margin_rate": Decimal("1.1")},
        {"max_leverage": 0},
        {"min_volume": Decimal(2), "max_volume": Decimal(1)},
        {"commission_rate": Decimal(-1)},
    ],
)
def test_exceptions_that_make_no_sense_are_refused_by_service_and_database(values: dict[str, Any]) -> None:
    group, instrument = make_group(), make_instrument()

    with pytest.raises(Refusal) as caught:
        groups.set_exception(group_id=group.pk, symbol=instrument.symbol, values=values, **HOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        GroupInstrument.objects.create(group=group, instrument=instrument, **values)

    assert (caught.value.code, GroupInstrument.objects.count()) == (Code.INVALID_FIELD, 0)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"reason": ""}, Code.REASON_REQUIRED),
        ({"group_id": 0}, Code.NOT_FOUND),
        ({"symbol": "NOPE"}, Code.UNKNOWN_SYMBOL),
        ({"values": {}}, Code.NO_CHANGE),
        ({"values": {"group": None}}, Code.FIELD_IS_FIXED),
    ],
)
def test_what_is_no_exception(how: dict[str, Any], code: Code) -> None:
    where = {"group_id": make_group().pk, "symbol": make_instrument().symbol, "values": {"markup_steps": 1}}

    with pytest.raises(Refusal) as caught:
        groups.set_exception(**HOW | where | how)

    assert (caught.value.code, GroupInstrument.objects.count()) == (code, 0)


def test_dropping_what_is_not_there_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        groups.drop_exception(group_id=make_group().pk, symbol=make_instrument().symbol, **HOW)

    assert caught.value.code == Code.NOT_FOUND


def test_commission_in_an_asset_is_taken() -> None:
    changes = {"commission_asset": make_asset(), "commission_per_contract": Decimal(5)}

    group = groups.change_group_terms(group_id=make_group().pk, changes=changes, **HOW)

    assert group.commission_per_contract == 5
