"""Log files of the children: rotated by size, and followed so that the console shows them as they grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 10_000_000
_KEPT = 3
_CHUNK = 64 * 1024


class LogFile:
    """One file that a child appends to. Children hold it open, so it is copied and cut, never moved."""

    def __init__(self, path: Path) -> None:
        """Follow from the present end."""
        self.path = path
        self._offset = path.stat().st_size if path.is_file() else 0
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """Whole lines written since the last call; at most 64 kB, so that a flood cannot stop the caller."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as stream:
            stream.seek(self._offset)
            chunk = stream.read(_CHUNK)
        self._offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")

    def rotate_if_large(self, limit: int = MAX_BYTES) -> None:
        """Past the limit, keep the text as `.1` (and older ones as `.2`, `.3`) and start again."""
        if not self.path.is_file() or self.path.stat().st_size <= limit:
            return
        for number in range(_KEPT, 1, -1):
            older = self.path.with_name(f"{self.path.name}.{number - 1}")
            if older.is_file():
                older.replace(self.path.with_name(f"{self.path.name}.{number}"))
        # Not a rename: the child goes on writing to the same file.
        self.path.with_name(f"{self.path.name}.1").write_bytes(self.path.read_bytes())
        with self.path.open("r+b") as stream:
            stream.truncate(0)
        self._offset = 0
        self._rest = b""
