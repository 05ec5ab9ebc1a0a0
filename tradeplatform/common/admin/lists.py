"""The base of every list: nothing is added, edited or deleted in place; all acts are buttons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from tradeplatform.common.admin.paging import (
    CountedChangeList,
    KeysetChangeList,
    Page,
    page_by_id,
    page_within_reach,
)

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    from unfold.admin import ModelAdmin as _ModelAdmin


class BackOfficeList(_ModelAdmin):
    """A list that answers one `question`; `when_empty` says what to do about no rows."""

    change_list_template = "backoffice/change_list.html"
    actions = None
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[Any] = ()
    list_fullwidth = True
    question: ClassVar[str] = ""
    when_empty: ClassVar[str] = "There is nothing yet."
    search_hint: ClassVar[str] = ""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never in place: creating is a button with a reason."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never in place: changing is a button with a reason."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted here."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The change list of a small table."""
        return CountedChangeList

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Read at once what the rows of a page need beside themselves."""

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Any name turns the search box on; `search_rows` does the searching."""
        return ("pk",) if self.search_hint else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exact and by index alone."""
        term = search_term.strip() if self.search_hint else ""
        return (self.search_rows(queryset, term) if term else queryset), False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """PostgreSQL's text knows no NUL: a filter with one is a wrong address, answered by 400."""
        return "\0" not in str(value) and super().lookup_allowed(lookup, value, request)

    def search_rows(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Rows that are named by the term."""
        raise NotImplementedError


class KeysetList(BackOfficeList):
    """A list of a table that grows without end: newest first, paged by id."""

    ordering = ("-pk",)
    #: How many ids are looked through for one page by filters that no index serves.
    reach: ClassVar[int] = 100_000

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The change list that never counts."""
        return KeysetChangeList

    def page_of_rows(self, changes: KeysetChangeList, *, older: str | None, newer: str | None) -> Page:
        """One page, by id; `changes` is the change list with its filtered rows."""
        rows, size = changes.queryset, self.list_per_page
        if not changes.walks() or changes.query:
            return page_by_id(rows, older=older, newer=newer, size=size)
        whole = self.get_queryset(changes.request)
        return page_within_reach(rows, whole, older=older, newer=newer, size=size, reach=self.reach)
