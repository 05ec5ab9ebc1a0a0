"""Numbers that name rows."""

from __future__ import annotations

ID_MAX = 2**63 - 1


def is_id(number: int) -> bool:
    """Whether a row can have this number at all: to ask for another is an error of the database."""
    return 0 < number <= ID_MAX
