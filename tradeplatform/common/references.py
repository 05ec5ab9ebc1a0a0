"""References of facts, looked up once for each statement that inserts, where a foreign key asks for each row.

A batch brings thousands of rows that name a few dozen others. A foreign key looks each of them up and locks
it, which cost a third of the database's time in a drain (ADR 16). What is named this way must be a row that
is never deleted and keeps the columns it is named by: nothing here watches that side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pgtrigger


@dataclass(frozen=True, slots=True)
class Reference:
    """`columns`, each with the column of `table` it must equal; `name` is what a refusal says was broken."""

    name: str
    table: str
    columns: Mapping[str, str]


def references(*wanted: Reference) -> pgtrigger.Trigger:
    """The trigger that refuses an INSERT or COPY with a row that names nothing; columns must be NOT NULL."""
    return pgtrigger.Trigger(
        name="references",
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=pgtrigger.Insert,
        referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
        func="".join(map(_check, wanted)) + "\nRETURN NULL;",
    )


def _check(wanted: Reference) -> str:
    # A scalar subquery is looked up by index for each distinct value, whatever plan was once cached: a join
    # might read the whole table for one row.
    ours = ", ".join(wanted.columns)
    matches = " AND ".join(f"named.{theirs} = added.{own}" for own, theirs in wanted.columns.items())
    return f"""
IF EXISTS (
    SELECT FROM (SELECT DISTINCT {ours} FROM added) added
    WHERE (SELECT true FROM {wanted.table} named WHERE {matches}) IS NULL
) THEN
    RAISE EXCEPTION 'insert into % breaks reference {wanted.name}', TG_TABLE_NAME
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{wanted.name}';
END IF;"""  # noqa: S608 - names from our own code
