"""Where the servers' data and programs lie, so that the account that runs them can reach both."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from tradeplatform.config import ConfigurationError
from tradeplatform.supervisor.users import ServiceUser

_ELSEWHERE = Path("/var/lib/tradeplatform")


def server_home(var_dir: Path, user: ServiceUser | None) -> Path:
    """The folder for data and copied programs: var/servers, unless the account cannot reach it.

    A checkout under a closed folder (as /root is) gets its home under /var/lib, with a link in var.
    """
    wanted = var_dir / "servers"
    if wanted.is_symlink():
        home = wanted.resolve()
        home.mkdir(parents=True, exist_ok=True)
        return home
    wanted.mkdir(parents=True, exist_ok=True)
    if user is None:
        if not os.access(wanted, os.W_OK):
            msg = f"{wanted} belongs to another account: set TRADEPLATFORM_VAR_DIR to a folder of your own."
            raise ConfigurationError(msg)
        return wanted
    wanted.chmod(0o755)
    if _reaches(user, wanted):
        return wanted
    if any(wanted.iterdir()):
        msg = f"The account {user.name} cannot reach {wanted}, which has data: open its parents (o+x)."
        raise ConfigurationError(msg)
    home = _ELSEWHERE / hashlib.sha256(str(wanted.resolve()).encode()).hexdigest()[:16]
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    wanted.rmdir()
    wanted.symlink_to(home)
    return home


def _reaches(user: ServiceUser, folder: Path) -> bool:
    probe = folder / "probe"
    probe.mkdir(exist_ok=True)
    user.owns(probe)
    reached = user.can_write(probe)
    probe.rmdir()
    return reached


def runnable(program: Path, *, package: list[Path], home: Path, label: str, user: ServiceUser | None) -> Path:
    """A path of `program` that the account can start: itself, or a copy of the folders it needs.

    `package` lists those folders; `program` lies in the first. They keep their places beside each
    other, because the libraries are found by relative path.
    """
    if user is None or user.can_run(program):
        return program
    copy = home / "programs" / label
    if not copy.is_dir():
        fresh = copy.with_name(f"{label}.{os.getpid()}")
        fresh.mkdir(mode=0o755, parents=True)
        for folder in package:
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(folder, fresh / folder.name, symlinks=True, ignore=ignore)
        fresh.rename(copy)
    moved = copy / package[0].name / program.relative_to(package[0])
    if not user.can_run(moved):
        msg = f"The account {user.name} cannot start {moved}: set TRADEPLATFORM_SERVICE_USER to one that can."
        raise ConfigurationError(msg)
    return moved
