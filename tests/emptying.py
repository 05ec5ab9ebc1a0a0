"""What follows a test that commits: the tables it filled are emptied, and no others are touched.

Django truncates every table there is and then makes the rows of content types and permissions anew, which
takes longer than most of these tests.
"""

from __future__ import annotations

import pgtrigger
from django.db import connections, transaction
from django.test import TransactionTestCase

#: Made with the schema; no test changes them.
_KEPT = {"django_content_type", "auth_permission"}
#: Made with the schema as well: where its row is missing, everything is stopped.
_GLOBAL_SWITCH = (
    "INSERT INTO risk_killswitch (scope, key, label, stage, members)"
    " VALUES ('global', 0, 'everything', 'open', '{}')"
)


def empty_filled_tables(test: TransactionTestCase) -> None:
    """Take the place of `TransactionTestCase._fixture_teardown`.

    Rows that may never be deleted go as well: their triggers are told to look away. Foreign keys are checked
    at the end of the transaction, so that the order of tables does not matter.
    """
    for alias in test._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        tables = connections[alias].introspection.django_table_names(include_views=False)
        looks = " UNION ALL ".join(
            f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")"  # noqa: S608 - names of our own models
            for table in sorted(set(tables) - _KEPT)
        )
        with (
            transaction.atomic(using=alias, durable=True),
            connections[alias].cursor() as cursor,
            pgtrigger.ignore(databases=[alias]),
        ):
            cursor.execute(looks)
            for (table,) in cursor.fetchall():
                cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608
            cursor.execute(_GLOBAL_SWITCH)
