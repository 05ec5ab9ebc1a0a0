"""What pages ask the database: few questions, no count over a partitioned table, indexes only."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orders.models import Order, Trade
from tests.admin.conftest import Lived
from tests.admin.registry import MODELS, PAGES, address
from tests.factories import make_market

PARTITIONED = [model._meta.db_table for model in MODELS if hasattr(model, "partitioning")]
COUNT = re.compile(r"\bcount\s*\(", re.IGNORECASE)
# Session, person, roles, and how many acts wait for the person's approval.
SIGNED_IN = 4


@pytest.fixture
def lived(lived_shared: Lived) -> Lived:
    """One market for all of this module; a test undoes what it did."""
    return lived_shared


def questions(client: Client, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url)
    assert answer.status_code == 200, url
    return [query["sql"] for query in captured.captured_queries]


def counts_a_large_table(sql: str) -> bool:
    """A count over a partitioned table that no LIMIT inside bounds."""
    return bool(COUNT.search(sql) and any(table in sql for table in PARTITIONED) and "LIMIT" not in sql)


def more_orders(lived: Lived, count: int) -> None:
    """Orders of new accounts, each traded against the resting sell; and two more books."""
    for _ in range(count):
        lived.market.buy(lived.market.trader(), "0.01", 50000)
    lived.market.drain()
    for market in (make_market(shard=lived.market.shard), make_market(shard=lived.market.shard)):
        market.buy(market.trader(), 1, 49000)
        market.drain()


def test_there_are_partitioned_tables_to_watch() -> None:
    assert sorted(PARTITIONED) == [
        "accounts_transfer", "audit_auditrecord", "history_externaltrade", "orders_command",
        "orders_event", "orders_fill", "orders_order", "orders_trade",
    ]  # fmt: skip


def test_the_watch_itself_sees_a_count() -> None:
    assert counts_a_large_table('SELECT COUNT(*) AS "__count" FROM "orders_order"')
    assert not counts_a_large_table("SELECT count(*) FROM (SELECT 1 FROM orders_order LIMIT 11) x")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label_lower)
class TestEveryPage:
    def test_list_counts_nothing_large_and_asks_the_same_for_any_number_of_rows(
        self, model: Any, boss: Client, lived: Lived
    ) -> None:
        url = address(model, "changelist")
        few = questions(boss, url)
        more_orders(lived, 8)

        many = questions(boss, url)

        assert not [sql for sql in few + many if counts_a_large_table(sql)]
        assert len(many) == len(few)
        assert len(many) <= SIGNED_IN + 9

    def test_detail_counts_nothing_large_and_asks_little(
        self, model: Any, boss: Client, lived: Lived
    ) -> None:
        more_orders(lived, 8)

        asked = questions(boss, address(model, "change", lived.rows[model._meta.label_lower]))

        assert not [sql for sql in asked if counts_a_large_table(sql)]
        assert len(asked) <= SIGNED_IN + 15


@pytest.mark.parametrize("name", ["index", "markets"])
def test_first_pages_count_nothing_large(name: str, boss: Client, lived: Lived) -> None:
    asked = questions(boss, reverse(f"admin:{name}"))

    assert not [sql for sql in asked if counts_a_large_table(sql)]
    assert len(asked) <= SIGNED_IN + 12


def test_an_order_that_was_filled_often_asks_no_more(boss: Client, lived: Lived) -> None:
    url = address(Order, "change", lived.part_filled)
    few = questions(boss, url)
    more_orders(lived, 10)

    assert len(questions(boss, url)) == len(few)


def test_search_by_client_order_id_uses_its_index(boss: Client, lived: Lived) -> None:
    """The plan for many accounts: the unique index is probed, the identities are never read through."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT i.order_id FROM accounts_tradingaccount a CROSS JOIN LATERAL ("
            " SELECT order_id FROM orders_orderidentity"
            " WHERE account_id = a.id AND client_order_id = 'x' LIMIT 1) i"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Index Scan using order_identity_forever" in plan or "Index Only Scan" in plan


def test_newest_trades_read_each_book_by_its_index(boss: Client, lived: Lived) -> None:
    other = make_market()
    assert other.symbol != lived.market.symbol

    with CaptureQueriesContext(connection) as captured:
        boss.get(address(Trade, "changelist"))

    (sql,) = [query["sql"] for query in captured.captured_queries if "CROSS JOIN LATERAL" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index" in plan
    assert "Seq Scan" not in plan


def test_each_list_says_its_question_and_what_to_do_when_empty() -> None:
    assert all(page.question.endswith("?") for page in PAGES)
    assert all(page.when_empty.endswith((".", "`.")) for page in PAGES)
