"""`manage.py up --status` and `--stop`: what another run in the same folder is doing, and its end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from rich.table import Table

from tradeplatform.supervisor.processes import Record, read_records, session_of
from tradeplatform.supervisor.servers import is_locked

if TYPE_CHECKING:
    from tradeplatform.supervisor.console import Console

_STOP_SECONDS = 60.0


def print_status(var_dir: Path, console: Console) -> int:
    """Print a row for each process; exit code 3 when the platform does not run here (as init scripts say)."""
    pid = running_pid(var_dir)
    if pid is None:
        console.note("The platform does not run here.")
        return 3
    table = Table("Process", "Pid", "Up for", "Restarts", "RSS, MB", "Private share, MB")
    supervisor = psutil.Process(pid)
    rows = [(Record("supervisor", pid, supervisor.create_time(), 0), [supervisor])]
    rows += [(record, _with_descendants(record)) for record in read_records(var_dir)]
    total_rss = total_pss = 0
    for record, processes in rows:
        rss, pss = memory_of(processes)
        total_rss, total_pss = total_rss + rss, total_pss + pss
        table.add_row(
            record.name,
            str(record.pid) if processes else "dead",
            f"{time.time() - record.created:.0f} s",
            str(record.restarts),
            _megabytes(rss),
            _megabytes(pss),
        )
    table.add_row("total", "", "", "", _megabytes(total_rss), _megabytes(total_pss), style="bold")
    console.table(table)
    console.note("RSS counts memory that processes share once for each; the private share counts it once.")
    return 0


def stop_running(var_dir: Path, console: Console) -> int:
    """Ask the running supervisor to stop and wait until it has; nothing to do is success."""
    pid = running_pid(var_dir)
    if pid is None:
        console.note("The platform does not run here.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while is_locked(var_dir / "up.lock"):
        if time.monotonic() > deadline:
            console.fail(f"Process {pid} did not stop in {_STOP_SECONDS:.0f} s.")
            return 1
        time.sleep(0.1)
    console.note("Stopped.")
    return 0


def running_pid(var_dir: Path) -> int | None:
    """The supervisor that runs in this folder, if one does."""
    path = var_dir / "up.lock"
    if not path.is_file() or not is_locked(path):
        return None
    text = path.read_text().strip()
    return int(text) if text else None


def memory_of(processes: list[psutil.Process]) -> tuple[int, int]:
    """Bytes: resident set sizes added up, and proportional ones, which count shared memory once."""
    rss = pss = 0
    for process in processes:
        try:
            rss += process.memory_info().rss
            pss += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return rss, pss


def _with_descendants(record: Record) -> list[psutil.Process]:
    """A child and all below it: PostgreSQL's processes lead sessions of their own."""
    members = session_of(record)
    found = {process.pid: process for process in members}
    for member in members:
        found |= {process.pid: process for process in member.children(recursive=True)}
    return list(found.values())


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.0f}"
