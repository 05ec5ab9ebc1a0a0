"""Wall 1: only the drain writes events and an order's state."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orders.models import Event, Fill, Order, Trade
from orders.services.changing import cancel_all_orders
from orders.services.phases import halt_instrument
from tests.factories import ACTOR, NOW, make_market
from tradeplatform.config import BASE_DIR

APPS = ("tradeplatform", "liquidity", "orders", "risk", "accounts", "instruments", "audit")
TABLES = r"orders_(order|event|trade|fill)"
WRITES = re.compile(
    rf"\b(UPDATE|INSERT\s+INTO|DELETE\s+FROM|TRUNCATE|COPY)\s+(ONLY\s+)?{TABLES}\b", re.IGNORECASE
)
COPYING = {"copy_rows", "copy_packed", "copying", "Insertion"}
COPIES = re.compile(rf"^{TABLES}$")
MODELS = {"Order", "Event", "Trade", "Fill"}
ORM_WRITES = {
    "create", "bulk_create", "get_or_create", "update_or_create", "update", "bulk_update", "save", "delete",
    "acreate", "aupdate", "adelete", "asave",
}  # fmt: skip
SAVES = {"save", "asave"}

# Who may: intake inserts an order, and the two halves of the drain write everything else.
ALLOWED = {
    ("orders/services/writing.py", "orders_order"),
    ("orders/services/order_state.py", "orders_order"),
    ("orders/services/projecting.py", "orders_event"),
    ("orders/services/projecting.py", "orders_trade"),
    ("orders/services/projecting.py", "orders_fill"),
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module that runs in production, but migrations."""
    for app in APPS:
        for path in sorted(Path(BASE_DIR, app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(BASE_DIR)), ast.parse(path.read_text(), str(path))


def written_tables(module: ast.Module) -> Iterator[str]:
    """Tables that SQL or a COPY of this module writes."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in WRITES.finditer(node.value):
                yield f"orders_{found[3].lower()}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COPYING:
            table = node.args[0]
            if isinstance(table, ast.Constant) and COPIES.match(str(table.value)):
                yield str(table.value)


def root_name(node: ast.AST) -> str | None:
    """The name that a chain of attributes and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def orm_writes(module: ast.Module) -> Iterator[str]:
    """Calls such as Order.objects.filter(...).update(...) and order.save()."""
    for node in ast.walk(module):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ORM_WRITES
        ):
            root = root_name(node.func.value)
            if root in MODELS or (
                node.func.attr in {"save", "asave"} and root in {"order", "event", "trade"}
            ):
                yield f"line {node.lineno}: {root}...{node.func.attr}()"


def test_wall_01_only_the_drain_writes_events_and_order_state() -> None:
    found = {(path, table) for path, module in sources() for table in written_tables(module)}

    assert found == ALLOWED


def test_wall_01_nobody_goes_around_it_through_the_orm() -> None:
    found = {path: list(orm_writes(module)) for path, module in sources()}

    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.django_db
def test_wall_01_doors_only_send_commands() -> None:
    market = make_market()
    trader, other = market.trader(), market.trader()
    resting = market.sell(trader, 2, 50000)
    market.buy(other, 1, 50000)
    market.drain()

    def picture() -> object:
        orders = list(Order.objects.filter(id__in=[resting]).values())
        return orders, [model.objects.count() for model in (Event, Trade, Fill)], market.book().seq

    before = picture()
    market.buy(other, 1, 50000)
    market.cancel(resting, trader)
    market.amend(resting, trader, quantity=3)
    cancel_all_orders(account_id=trader.id, actor=ACTOR, now=NOW)
    halt_instrument(symbol=market.symbol, actor=ACTOR, now=NOW, reason="news")

    assert picture() == before
    assert market.drain().commands == 5
    assert picture() != before
