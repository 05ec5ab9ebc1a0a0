"""What the supervisor shows a person: prefixed log lines, short notes, one table when all is ready."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.table import Table

#: Servers write much that only matters after a failure; their files keep it.
_SILENT = frozenset({"postgres", "valkey"})
#: The levels below a warning, in text and in JSON, as settings/logs.py writes them.
_ORDINARY = re.compile(r'^\S+ \[(?:debug|info) *\]|"level": ?"(?:debug|info)"')
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Console:
    """Standard output; colours only where it is a terminal."""

    def __init__(self) -> None:
        """Without a terminal lines are not wrapped: a machine reads them."""
        self._rich = RichConsole(highlight=False)
        self._width = self._rich.width if self._rich.is_terminal else 10_000

    def line(self, name: str, text: str) -> None:
        """One log line of a child; what is ordinary would scroll the addresses away: its file keeps it."""
        if name not in _SILENT and not _ORDINARY.search(_COLOURS.sub("", text)):
            self._rich.print(f"[dim]{name:>12}[/] {escape(text)}", soft_wrap=True)

    def note(self, text: str) -> None:
        """Something the supervisor did."""
        self._rich.print(f"[bold]{escape(text)}[/]", soft_wrap=True)

    def fail(self, text: str) -> None:
        """Why it could not."""
        self._rich.print(f"[bold red]{escape(text)}[/]", soft_wrap=True)

    def table(self, table: Table) -> None:
        """A table."""
        self._rich.print(table)

    def ready(self, report: dict[str, Any], *, demo: bool, seconds: float) -> None:
        """Where everything is and how to get in."""
        base = report["base_url"]
        table = Table(title=f"Ready after {seconds:.1f} s", title_justify="left", show_header=False)
        rows = [
            ("Admin", f"{base}/admin/"),
            ("API", f"{base}/api/v1/"),
            ("API document", f"{base}/api/docs"),
            ("Sockets", report["ws_url"]),
            ("Operator", _operator(Path(report["operator_file"]))),
            ("Participants", "trading" if demo else "none (--no-demo)"),
            ("Logs", f"{report['var_dir']}/log (here: warnings only)"),
        ]
        for row in rows:
            table.add_row(*row)
        self.table(table)
        self.note("Ctrl-C stops everything.")


def _operator(path: Path) -> str:
    """The generated login; a site that made its own operators has no such file."""
    if not path.is_file():
        return "as you made it (manage.py createsuperuser)"
    login = json.loads(path.read_text())
    return f"{login['username']}  {login['password']}   (kept in {path})"
