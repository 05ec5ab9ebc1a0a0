"""The browser of the tests: a Chromium of this machine, driven by playwright, which brings none."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_MISSING = (
    "The tests of the admin need Chromium, and none was found: install it (Debian: apt-get install chromium) "
    "or set TRADEPLATFORM_CHROMIUM to its path."
)

#: Root may not use the sandbox; the rest keeps it from calling home, which a closed network slows down.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> Path | None:
    """The program to drive, or None."""
    named = os.environ.get("TRADEPLATFORM_CHROMIUM")
    found = named if named and Path(named).is_file() else next(filter(None, map(shutil.which, _NAMES)), None)
    return Path(found) if found else None


def chromium() -> Path:
    """The program to drive; raises FileNotFoundError with a sentence that says what to do."""
    found = find_chromium()
    if found is None:
        raise FileNotFoundError(_MISSING)
    return found


if __name__ == "__main__":
    # Asked before the long test run, so that nobody waits for it to learn this.
    if find_chromium() is None:
        sys.exit(_MISSING)
