"""What hot rows name: a row that names nothing is refused, and nothing that is named goes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, models, transaction

from accounts.models import TradingAccount
from instruments.models import Asset, Instrument
from orders.models import Fill, Order, OrderIdentity, Trade
from tests.factories import Market, everything_stored, make_market
from tradeplatform.common.db import copy_rows, execute, fetch

pytestmark = pytest.mark.django_db

NOBODY = 2**14


@pytest.fixture
def market() -> Market:
    market = make_market()
    market.sell(market.trader(), 1, 50000)
    market.buy(market.trader(), 1, 50000)
    market.drain()
    return market


def copied(model: type[models.Model], changes: dict[str, Any]) -> None:
    """Bring the last stored row twice more, under new ids; the second time with these changes."""
    table, key = model._meta.db_table, str(model._meta.pk.column)
    names = [str(field.column) for field in model._meta.concrete_fields if not field.generated]
    ((*values,),) = fetch(f"SELECT {', '.join(names)} FROM {table} ORDER BY {key} DESC LIMIT 1")  # noqa: S608
    row = dict(zip(names, values, strict=True))

    def another(number: int) -> dict[str, Any]:
        names = {"client_order_id": f"copy-{number}"} if "client_order_id" in row else {}
        return row | names | {key: row[key] + number}

    honest, broken = another(1), another(2) | changes
    with transaction.atomic():
        copy_rows(table, names, [list(each.values()) for each in (honest, broken)])


@pytest.mark.parametrize("model", [Order, OrderIdentity, Trade, Fill])
def test_the_rows_as_such_could_be_written(market: Market, model: type[models.Model]) -> None:
    before = model._default_manager.count()

    copied(model, {})

    assert model._default_manager.count() == before + 2


@pytest.mark.parametrize(
    ("model", "column", "reference"),
    [
        (Order, "account_id", "order_of_account"),
        (Order, "instrument_id", "order_of_instrument"),
        (OrderIdentity, "account_id", "identity_of_account"),
        (Trade, "instrument_id", "trade_of_instrument"),
        (Trade, "buyer_id", "trade_of_buyer"),
        (Trade, "seller_id", "trade_of_seller"),
        (Fill, "account_id", "fill_of_account"),
        (Fill, "instrument_id", "fill_of_instrument"),
        (Fill, "fee_asset_id", "fill_of_fee_asset"),
    ],
)
def test_a_row_that_names_nothing_is_refused_with_its_whole_statement(
    market: Market, model: type[models.Model], column: str, reference: str
) -> None:
    before = everything_stored()

    with pytest.raises(IntegrityError, match=reference):
        copied(model, {column: NOBODY})

    assert everything_stored() == before


def deleted(model: type[models.Model], number: int) -> None:
    execute(f"DELETE FROM {model._meta.db_table} WHERE id = %s", [number])  # noqa: S608 - our own names
    execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_what_a_trade_names_cannot_be_deleted(market: Market) -> None:
    """Its foreign keys would have refused: the instrument, its assets, and who traded are named by others."""
    trade = Trade.objects.get()
    named = [
        (Instrument, trade.instrument_id),
        (TradingAccount, trade.buyer_id),
        (TradingAccount, trade.seller_id),
        (Asset, market.instrument.base_id),
        (Asset, market.instrument.quote_id),
    ]
    before = everything_stored()

    for model, number in named:
        with pytest.raises(DatabaseError), transaction.atomic():
            deleted(model, number)

    assert everything_stored() == before


@pytest.mark.parametrize("column", ["account_id", "instrument_id"])
def test_an_order_keeps_its_account_and_its_instrument(market: Market, column: str) -> None:
    other = {"account_id": market.trader().pk, "instrument_id": make_market().instrument.pk}[column]
    before = everything_stored()

    with pytest.raises(IntegrityError, match="keeps its account and its instrument"), transaction.atomic():
        Order.objects.update(**{column: other})

    assert everything_stored() == before
