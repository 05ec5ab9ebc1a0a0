"""What to run and how to start it: every child has its own session, its own log and dies with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tradeplatform.supervisor.users import ServiceUser

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child between fork and exec must not have to import or allocate.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ProgramFailedError(Exception):
    """A program could not start or ended when it must not; the message ends with its last words."""


@dataclass(frozen=True, slots=True)
class Program:
    """One child process. `stop_signal` asks it to finish; the kernel sends the same when its parent dies."""

    name: str
    argv: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    user: ServiceUser | None = None
    #: Fed to standard input and closed: the place for secrets, which arguments would show to everyone.
    stdin: bytes | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    #: Others depend on it, so it stops after them.
    is_server: bool = False
    #: Seconds it may take to finish before it is killed.
    grace: float = 10.0
    cwd: Path = Path("/")


def spawn(program: Program, log: Path, *, follow_parent: bool) -> subprocess.Popen[bytes]:
    """Start a program with its output appended to `log`.

    `follow_parent` makes the kernel end it when this process dies, however it dies. Call from the main
    thread only: the kernel watches the thread that forked.
    """
    stop = int(program.stop_signal)

    def before_exec() -> None:
        # After the change of user, which would clear the death signal.
        if follow_parent and _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, stop, 0, 0, 0)

    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in program.argv],
            env=dict(program.env),
            cwd=program.cwd,
            stdin=subprocess.PIPE if program.stdin is not None else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal must reach the supervisor alone, which then stops things in order.
            start_new_session=True,
            # Safe here: the supervisor has one thread, and the function only makes a system call.
            preexec_fn=before_exec,  # noqa: PLW1509
            **(program.user.popen_arguments() if program.user else {}),
        )
    if program.stdin is not None and child.stdin is not None:
        child.stdin.write(program.stdin)
        child.stdin.close()
    return child


def log_path(var_dir: Path, name: str) -> Path:
    """Where the output of a program of that name goes."""
    return var_dir / "log" / f"{name}.log"


def last_words(log: Path, lines: int = 15) -> str:
    """The end of a log file, for the message of whoever found its program dead."""
    if not log.is_file():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 8192))
        text = stream.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def plain_environment() -> dict[str, str]:
    """The little a server needs from the environment, without our secrets."""
    keep = ("PATH", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in keep if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}
