"""Pages by the last row seen: no COUNT(*), no OFFSET, and page ten thousand costs what the first one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from tradeplatform.common.admin import show
from tradeplatform.common.admin.filters import as_id

OLDER, NEWER = "older", "newer"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows newest first, and the cursors that lead on; None where there is nothing further.

    `reach` is how many ids were looked through, where the page stopped looking before it was full.
    """

    rows: Sequence[Any]
    older: str | None = None
    newer: str | None = None
    reach: int | None = None


class KeysetPaginator:
    """What Django's change list asks of a paginator, without ever counting."""

    def __init__(self, per_page: int) -> None:
        self.per_page = per_page


class CountedChangeList(ChangeList):
    """A change list of a small table, whose rows are prepared at once."""

    model_admin: Any

    def get_results(self, request: HttpRequest) -> None:
        """Count, cut, and hand the page's rows to the list."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.full_result_count = self.result_count  # equal: the theme says nothing of totals
        self.model_admin.prepare_rows(self.result_list)


class KeysetChangeList(ChangeList):
    """A change list that takes its rows from `model_admin.page_of_rows`."""

    model_admin: Any
    filter_specs: Any

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """The filtered rows; the cursors are no filters, and every new filter starts at the newest row."""
        for cursor in (OLDER, NEWER):
            self.params.pop(cursor, None)
            self.filter_params.pop(cursor, None)
        queryset: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        return queryset

    def filter_value(self, parameter: str) -> str:
        """What the filter with this parameter was asked for, or nothing."""
        return next((spec.value for spec in self.filter_specs if spec.parameters[0] == parameter), "")

    def walks(self) -> bool:
        """Whether the filters in use have no index among them, so that rows are found only by walking."""
        used = [spec for spec in self.filter_specs if spec.used_parameters]
        return bool(used) and all(spec.walks() for spec in used)

    def get_results(self, request: HttpRequest) -> None:
        """One page and one row more, to know whether it goes on."""
        self.request = request
        page: Page = self.model_admin.page_of_rows(
            self, older=request.GET.get(OLDER), newer=request.GET.get(NEWER)
        )
        self.result_list = page.rows
        self.model_admin.prepare_rows(page.rows)
        self.result_count = len(page.rows)
        self.full_result_count = self.result_count  # equal: the theme says nothing of totals
        self.show_full_result_count = False
        self.show_admin_actions = False
        self.can_show_all = False
        self.multi_page = bool(page.older or page.newer)
        self.paginator = KeysetPaginator(self.list_per_page)
        self.reach = page.reach and show.whole(page.reach)
        self.older_url = page.older and self.get_query_string({OLDER: page.older})
        self.newer_url = page.newer and self.get_query_string({NEWER: page.newer})
        self.newest_url = page.newer and self.get_query_string()


#: At most so many rows with keys below the first number, or the lowest above the second; highest first.
Take = Callable[[int | None, int | None, int], list[Any]]


def page_by_id(queryset: QuerySet[Any], *, older: str | None, newer: str | None, size: int) -> Page:
    """The page of rows with ids just below `older`, or just above `newer`, or the highest; highest first."""

    def take(below: int | None, above: int | None, limit: int) -> list[Any]:
        rows = list(_cut(queryset, below, above, limit))
        return rows if above is None else rows[::-1]

    return page_by(take, older=older, newer=newer, size=size)


def page_within_reach(
    queryset: QuerySet[Any],
    whole: QuerySet[Any],
    *,
    older: str | None,
    newer: str | None,
    size: int,
    reach: int,
) -> Page:
    """As `page_by_id`, for rows that no index finds: at most `reach` ids are looked through for one page.

    A page that is not full may have more behind it; its cursors lead on from where the looking stopped.
    `whole` is the unfiltered table.
    """
    top = whole.order_by("-pk").values_list("pk", flat=True).first() or 0
    above, below = as_id(newer or ""), as_id(older or "")
    if above is not None:
        high = min(above + reach, top)
        rows = list(queryset.filter(pk__gt=above, pk__lte=high).order_by("pk")[: size + 1])[::-1]
        full, shown = len(rows) > size, rows[-size:]
        back = shown[-1].pk if shown else above + 1
        on = shown[0].pk if full else high if high < top else None
        return Page(shown, older=_cursor(back), newer=_cursor(on), reach=None if full else reach)
    first = below or top + 1
    low = max(first - reach, 1)
    rows = list(queryset.filter(pk__lt=first, pk__gte=low).order_by("-pk")[: size + 1])
    full, shown = len(rows) > size, rows[:size]
    on = shown[-1].pk if full else low if low > 1 else None
    back = None if below is None else shown[0].pk if shown else max(first - 1, 1)
    return Page(shown, older=_cursor(on), newer=_cursor(back), reach=reach if on and not full else None)


def _cursor(key: int | None) -> str | None:
    return None if key is None else str(key)


def page_of_sources(
    sources: Sequence[QuerySet[Any]],
    whole: QuerySet[Any],
    *,
    older: str | None,
    newer: str | None,
    size: int,
) -> Page:
    """As `page_by_id`, of rows that are in any of the sources; `whole` fetches them with what they show.

    Each source should be read by an index that ends in id: it is then read for one page and no more, where
    an OR over all of them would walk the whole table.
    """

    def take(below: int | None, above: int | None, limit: int) -> list[Any]:
        parts = [_cut(source.values("pk"), below, above, limit) for source in sources]
        ids = sorted((row["pk"] for row in _merged(parts)), reverse=above is None)[:limit]
        return list(whole.filter(pk__in=ids).order_by("-pk"))

    return page_by(take, older=older, newer=newer, size=size)


def page_of_timed_sources(
    sources: Sequence[QuerySet[Any]],
    whole: QuerySet[Any],
    *,
    older: str | None,
    newer: str | None,
    size: int,
) -> Page:
    """As `page_of_sources`, for a table cut by its time `at`, newest first by (at, id).

    Each source should be read by an index that ends in (at, id): only as many partitions are opened as one
    page needs. The cursors are still ids.
    """

    def take(below: int | None, above: int | None, limit: int) -> list[Any]:
        edge = _place(whole, below if above is None else above)
        side = "lt" if above is None else "gt"
        parts = [_cut_in_time(source.values("at", "pk"), edge, side, limit) for source in sources]
        found = sorted(((row["at"], row["pk"]) for row in _merged(parts)), reverse=above is None)[:limit]
        if not found:
            return []
        times = [at for at, _pk in found]
        rows = whole.filter(pk__in=[pk for _at, pk in found], at__range=(min(times), max(times)))
        return list(rows.order_by("-at", "-pk"))

    return page_by(take, older=older, newer=newer, size=size)


def _merged(parts: Sequence[QuerySet[Any]]) -> Sequence[Any]:
    if not parts:
        return []
    return list(parts[0].union(*parts[1:])) if len(parts) > 1 else list(parts[0])


def _place(whole: QuerySet[Any], key: int | None) -> tuple[Any, int] | None:
    """Where (at, id) the row with this id is, or would be."""
    if key is None:
        return None
    near = whole.filter(pk__lte=key).order_by("-pk").values_list("at", flat=True).first()
    return None if near is None else (near, key)


def _cut_in_time(
    queryset: QuerySet[Any], edge: tuple[Any, int] | None, side: str, limit: int
) -> QuerySet[Any]:
    """The rows before ("lt") or after ("gt") the edge, those next to it first."""
    if edge is not None:
        at, pk = edge
        beyond = Q(**{f"at__{side}": at}) | Q(**{f"pk__{side}": pk})
        queryset = queryset.filter(beyond, **{f"at__{side}e": at})
    return queryset.order_by("-at", "-pk")[:limit] if side == "lt" else queryset.order_by("at", "pk")[:limit]


def page_by(take: Take, *, older: str | None, newer: str | None, size: int) -> Page:
    """One page by a function that takes rows; it is asked for one more, to know whether there are more."""
    above, below = as_id(newer or ""), as_id(older or "")
    if above is not None:
        rows = take(None, above, size + 1)
        if rows:
            shown = rows[-size:]
            more = str(shown[0].pk) if len(rows) > size else None
            return Page(shown, older=str(shown[-1].pk), newer=more)
        below = None
    rows = take(below, None, size + 1)
    shown = rows[:size]
    newer_cursor = None
    if below is not None:
        newer_cursor = str(shown[0].pk if shown else max(below - 1, 1))
    return Page(shown, older=str(shown[-1].pk) if len(rows) > size else None, newer=newer_cursor)


def _cut(queryset: QuerySet[Any], below: int | None, above: int | None, limit: int) -> QuerySet[Any]:
    """The rows nearest to the bound, those next to it first."""
    if above is not None:
        return queryset.filter(pk__gt=above).order_by("pk")[:limit]
    if below is not None:
        queryset = queryset.filter(pk__lt=below)
    return queryset.order_by("-pk")[:limit]
