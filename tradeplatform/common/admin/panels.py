"""What a detail page is made of: facts, tables and free panels, each drawn by a template of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value; `hint` explains it on hover."""

    label: str
    value: object
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values in columns."""

    title: str
    facts: Sequence[Fact]
    template: ClassVar[str] = "backoffice/panels/facts.html"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; numbers stand to the right."""

    label: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under columns; `empty` says what an empty table means, `more` leads to the rest."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[object]]
    empty: str
    note: str = ""
    more: tuple[str, str] | None = None
    template: ClassVar[str] = "backoffice/panels/table.html"
    wide: bool = True

    def body(self) -> list[list[tuple[object, Column]]]:
        """Each cell with its column, for the template."""
        return [list(zip(row, self.columns, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Custom:
    """A panel with a template and values of its own."""

    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    wide: bool = True


Panel = Facts | Table | Custom


def columns(*labels: str) -> list[Column]:
    """Columns by their labels; one that starts with # holds numbers."""
    return [Column(label.removeprefix("#"), numeric=label.startswith("#")) for label in labels]
