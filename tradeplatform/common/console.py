"""Terminals for management commands: results to standard output, progress to standard error."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


def output(options: dict[str, Any]) -> Console:
    """Where a command prints its result; `call_command(..., stdout=...)` redirects it."""
    return Console(file=options.get("stdout") or sys.stdout, highlight=False)


def progress(*columns: str) -> Progress:
    """A progress bar on standard error, drawn only where that is a terminal.

    `columns` are further texts of the line, with rich's `{task.fields[name]}` placeholders.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        *(TextColumn(column) for column in columns),
        console=console,
        disable=not console.is_terminal,
    )
