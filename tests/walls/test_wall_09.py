"""Wall 9: integers in the engine, exact NUMERIC in the database, strings outside, one place of conversion."""

from __future__ import annotations

import ast
from collections.abc import Callable
from decimal import Decimal

import orjson
import pytest
from django.apps import apps
from django.db import connection, models

from instruments.selectors import rules_by_id
from orders.models import Command, Event, Fill, Order, Trade
from orders.rendering import order_json, stored_fill_json, trade_json
from tests.factories import make_asset, make_market
from tests.walls.test_wall_01 import sources

MONEY_ROOMS = (
    "accounts/models",
    "accounts/services",
    "instruments/",
    "risk/",
    "orders/models",
    "orders/services",
    "orders/api",
)


@pytest.mark.django_db
def test_wall_09_no_column_of_ours_is_a_float() -> None:
    tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_name = ANY(%s) AND data_type IN ('real', 'double precision', 'money')",
            [tables],
        )
        assert cursor.fetchall() == []


def test_wall_09_engine_columns_are_whole_and_money_columns_exact() -> None:
    whole = [
        model._meta.get_field(name) for model in (Command, Event) for name in ("price_ticks", "quantity_lots")
    ]
    exact = [
        Order._meta.get_field("price"),
        Order._meta.get_field("held"),
        Trade._meta.get_field("notional"),
        Fill._meta.get_field("fee"),
    ]

    assert {type(field) for field in whole} == {models.BigIntegerField}
    assert {(field.max_digits, field.decimal_places) for field in exact} == {(38, 18)}


def places(wanted: Callable[[ast.AST], bool]) -> set[str]:
    """The modules of the rooms where money is computed that contain such a node."""
    return {
        path
        for path, module in sources()
        if path.startswith(MONEY_ROOMS)
        if any(wanted(node) for node in ast.walk(module))
    }


def test_wall_09_no_float_where_money_is_computed() -> None:
    def is_float(node: ast.AST) -> bool:
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        called = isinstance(node, ast.Name) and node.id == "float"
        divided = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        return literal or called or divided

    # Seconds, pixels of a chart, and the average price: a quotient that nothing is computed from.
    assert places(is_float) <= {
        "accounts/services/api_keys.py",
        "accounts/services/proving.py",
        "accounts/services/rates.py",
        "accounts/services/signed_requests.py",
        "instruments/admin/spark.py",
        "orders/api/inputs.py",
        "orders/api/answers.py",
        "orders/api/kill_switch.py",
        "orders/api/listed.py",
        "orders/services/awaiting.py",
        "orders/services/kill_switch.py",
        "orders/services/outcomes.py",
        "orders/services/pacing.py",
        "orders/services/pressure.py",
        "orders/services/sending.py",
        "orders/models/order.py",
    }


def test_wall_09_steps_become_numbers_in_one_module() -> None:
    """Nobody else divides by a step or rounds: they call instruments.scaling."""

    def converts(node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr in {"quantize", "divmod", "remainder_near"}
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div | ast.FloorDiv | ast.Mod):
            names = {leaf.attr for leaf in ast.walk(node) if isinstance(leaf, ast.Attribute)}
            return bool(names & {"tick_size", "lot_size"})
        return False

    # The instrument checks its own steps; pre-trade rounds a protection price to a tick.
    assert places(converts) == {
        "instruments/scaling.py",
        "instruments/models/instrument.py",
        "risk/services/pretrade.py",
    }


@pytest.mark.django_db
def test_wall_09_the_largest_and_the_smallest_numbers_go_through_unharmed() -> None:
    market = make_market(
        base=make_asset(decimals=18),
        quote=make_asset(decimals=18),
        tick_size=Decimal("1E-9"),
        lot_size=Decimal("1E-9"),
        min_quantity=Decimal("1E-9"),
        max_quantity=Decimal(10) ** 9,
        reference_price=Decimal("987654321.123456789"),
        maker_fee=Decimal("0.000001"),
        taker_fee=Decimal("0.999999"),
    )
    seller = market.trader(base="123456789.987654321", quote=0)
    buyer = market.trader(base=0, quote="300000000000000000")
    sold = market.sell(seller, "123456789.987654321", "987654321.123456789")
    bought = market.buy(buyer, "123456789.987654321", "987654321.123456789")
    market.drain()

    notional = Decimal("123456789.987654321") * Decimal("987654321.123456789")
    trade = Trade.objects.get(instrument=market.instrument)
    assert trade.notional == notional == Decimal("121932632103337905.662094193112635269")
    fee = Fill.objects.get(order_id=bought).fee
    assert 0 <= fee - notional * Decimal("0.999999") < Decimal("1E-18")
    rules = rules_by_id([market.instrument.id])[market.instrument.id]
    shown = order_json(Order.objects.get(id=sold), rules)
    assert (shown["price"], shown["quantity"]) == ("987654321.123456789", "123456789.987654321")
    assert shown["filled_notional"] == "121932632103337905.662094193112635269"


@pytest.mark.django_db
def test_wall_09_numbers_leave_as_strings() -> None:
    market = make_market()
    sold = market.sell(market.trader(), 2, 50000)
    market.buy(market.trader(), 1, 50000)
    market.drain()

    rules = rules_by_id([market.instrument.id])[market.instrument.id]
    shapes = [
        order_json(Order.objects.get(id=sold), rules),
        trade_json(Trade.objects.get(), rules),
        *(stored_fill_json(fill, rules) for fill in Fill.objects.all()),
    ]

    def check(value: object) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                check(inner)
        assert not isinstance(value, float | Decimal)

    for shape in shapes:
        check(orjson.loads(orjson.dumps(shape)))
        for name in {"price", "quantity", "filled", "leaves", "held", "fee"} & shape.keys():
            assert isinstance(shape[name], str)
            assert "E" not in shape[name]
