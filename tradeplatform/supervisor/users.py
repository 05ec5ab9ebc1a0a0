"""Which ordinary account runs the servers when root starts the platform: PostgreSQL refuses root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeplatform.config import BASE_DIR, ConfigurationError


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """An account to become before exec."""

    name: str
    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """The arguments that make `subprocess` become this account and nothing more."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def owns(self, path: Path) -> None:
        """Give a file or folder to the account."""
        os.chown(path, self.uid, self.gid)

    def can_write(self, folder: Path) -> bool:
        """Whether the account reaches and may write a folder (a 0700 parent such as /root says no)."""
        probe = ["/bin/sh", "-c", 'test -w "$1" && test -x "$1"', "sh", str(folder)]
        return subprocess.run(probe, check=False, **self.popen_arguments()).returncode == 0

    def can_run(self, program: Path) -> bool:
        """Whether the account can start a program where it lies."""
        try:
            done = subprocess.run(
                [program, "--version"], check=False, capture_output=True, cwd="/", **self.popen_arguments()
            )
        except OSError:
            return False
        return done.returncode == 0


def service_user(configured: str | None, *, data: Path) -> ServiceUser | None:
    """The account for the servers, or None when we are not root and simply stay who we are.

    In order: the configured one, the owner of the data that is there, the owner of the checkout (as with
    sudo), `postgres`, `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if configured:
        entry = _lookup(configured)
        if entry is None or entry.uid == 0:
            msg = f"TRADEPLATFORM_SERVICE_USER is {configured!r}: name an existing account other than root."
            raise ConfigurationError(msg)
        return entry
    owners = [path.stat().st_uid for path in (data, BASE_DIR) if path.exists()]
    candidates: list[int | str] = [*owners, "postgres", "nobody"]
    for candidate in candidates:
        entry = _lookup(candidate)
        if entry is not None and entry.uid != 0:
            return entry
    msg = "PostgreSQL refuses to run as root: set TRADEPLATFORM_SERVICE_USER to an ordinary account."
    raise ConfigurationError(msg)


def _lookup(who: int | str) -> ServiceUser | None:
    try:
        entry = pwd.getpwuid(who) if isinstance(who, int) else pwd.getpwnam(who)
    except KeyError:
        return None
    return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
