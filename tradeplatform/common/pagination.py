"""Lists by cursor: stable while rows arrive, and never a COUNT(*)."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination as RestCursorPagination


class CursorPagination(RestCursorPagination):
    """Newest first by id; `limit` up to 1,000."""

    ordering = "-id"
    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000
