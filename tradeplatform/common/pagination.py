"""Lists that grow are read by keyset on the id: stable while rows arrive, and never a COUNT(*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row")
Stored = TypeVar("Stored", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows, and where the next page starts (None at the end)."""

    rows: list[Row]
    next_cursor: int | None

    def render(self, rows: Sequence[Any]) -> dict[str, Any]:
        """The body of an answer, with each row as it looks outside."""
        cursor = None if self.next_cursor is None else str(self.next_cursor)
        return {"results": rows, "next_cursor": cursor}


def cut(rows: Sequence[tuple[int, Row]], limit: int) -> Page[Row]:
    """A page from up to `limit + 1` rows with their ids, in order: one row too many means more follow."""
    more = len(rows) > limit
    return Page([row for _id, row in rows[:limit]], rows[limit - 1][0] if more else None)


def newest_first(sources: Sequence[QuerySet[Stored]], *, cursor: int | None, limit: int) -> Page[Stored]:
    """A page of the rows of several querysets, by falling id, below `cursor`.

    Each queryset should filter on the leading columns of an index that ends in -id: each is then read for
    `limit + 1` rows and no more, however many there are.
    """
    if not sources:
        return Page([], None)
    slices = [
        (rows if cursor is None else rows.filter(pk__lt=cursor)).order_by("-pk")[: limit + 1]
        for rows in sources
    ]
    first, *rest = slices
    merged = first.union(*rest, all=True).order_by("-pk")[: limit + 1] if rest else first
    return cut([(row.pk, row) for row in merged], limit)
