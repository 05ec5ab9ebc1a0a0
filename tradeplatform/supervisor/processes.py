"""Keeps a set of child processes running: restarts with growing delays, records, and stops in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from tradeplatform.supervisor.logfiles import LogFile
from tradeplatform.supervisor.program import Program, ProgramFailedError, last_words, log_path, spawn

#: Seconds between an unexpected end and the next start: doubled each time, forgotten after a calm minute.
#: The longest is short, because a market stands still while its worker waits.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 5.0
_CALM = 60.0


class StopRequestedError(Exception):
    """Somebody asked the supervisor to stop."""


@dataclass(slots=True)
class Child:
    """One supervised program and what has happened to it."""

    program: Program
    log: LogFile
    popen: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    delay: float = _FIRST_DELAY
    due: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What var/processes.json keeps of a child, enough to know it again after our own death."""

    name: str
    pid: int
    created: float
    restarts: int


@dataclass(slots=True)
class Supervisor:
    """Starts programs, keeps them running, and stops them all."""

    var_dir: Path
    say: Callable[[str, str], None]
    children: list[Child] = field(default_factory=list)
    _stop_requested: bool = False

    def start(self, program: Program) -> subprocess.Popen[bytes]:
        """Start a program and keep it running from now on."""
        path = log_path(self.var_dir, program.name)
        log = LogFile(path)
        popen = spawn(program, path, follow_parent=True)
        self.children.append(Child(program, log, popen, time.monotonic()))
        self._write_records()
        return popen

    def run_once(self, program: Program, *, seconds: float) -> None:
        """Run a program to its end while watching the others; raises ProgramFailedError if it fails."""
        path = log_path(self.var_dir, program.name)
        log = LogFile(path)
        child = spawn(program, path, follow_parent=True)
        deadline = time.monotonic() + seconds
        try:
            while child.poll() is None:
                if time.monotonic() > deadline:
                    msg = f"{program.name} did not finish in {seconds:.0f} s:\n{last_words(path)}"
                    raise ProgramFailedError(msg)
                self.tick()
                self._show(program.name, log)
                time.sleep(0.05)
        finally:
            if child.poll() is None:
                _signal_group(child.pid, signal.SIGKILL)
                child.wait()
        self._show(program.name, log)
        if child.returncode != 0:
            msg = f"{program.name} failed with code {child.returncode}:\n{last_words(path)}"
            raise ProgramFailedError(msg)

    def wait_until(self, condition: Callable[[], bool], what: str, *, seconds: float) -> None:
        """Watch until the condition holds; raises ProgramFailedError past the deadline."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                msg = f"{what} is not ready after {seconds:.0f} s: see {self.var_dir / 'log'}"
                raise ProgramFailedError(msg)
            self.tick()
            time.sleep(0.05)

    def request_stop(self) -> None:
        """Make the next `tick` raise; safe to call from a signal handler."""
        self._stop_requested = True

    def tick(self) -> None:
        """Show new log lines, restart what died and is due; raises StopRequestedError when asked to stop."""
        if self._stop_requested:
            raise StopRequestedError
        now = time.monotonic()
        for child in self.children:
            self._show(child.program.name, child.log)
            child.log.rotate_if_large()
            if child.due is not None:
                if now >= child.due:
                    self._restart(child)
            elif child.popen.poll() is not None:
                self._plan_restart(child, now)

    def _show(self, name: str, log: LogFile) -> None:
        for line in log.new_lines():
            self.say(name, line)

    def _plan_restart(self, child: Child, now: float) -> None:
        if now - child.started > _CALM:
            child.delay = _FIRST_DELAY
        # What its dead leader left of the group would hold its port or its queue.
        _signal_group(child.popen.pid, signal.SIGKILL)
        code, delay = child.popen.returncode, child.delay
        name = child.program.name
        self.say("supervisor", f"{name} ended with code {code}; starting it again in {delay:g} s")
        child.due = now + delay
        child.delay = min(delay * 2, _LONGEST_DELAY)

    def _restart(self, child: Child) -> None:
        child.due = None
        child.restarts += 1
        child.started = time.monotonic()
        child.popen = spawn(child.program, child.log.path, follow_parent=True)
        self._write_records()

    def stop(self) -> None:
        """Stop the children, servers after those that use them, and return when none is left."""
        self._stop([child for child in self.children if not child.program.is_server])
        self._stop([child for child in self.children if child.program.is_server])
        self.children.clear()
        records_path(self.var_dir).unlink(missing_ok=True)

    def _stop(self, children: list[Child]) -> None:
        running = [child for child in children if child.popen.poll() is None]
        for child in running:
            child.popen.send_signal(child.program.stop_signal)
        for child in running:
            try:
                child.popen.wait(child.program.grace)
            except subprocess.TimeoutExpired:
                name, grace = child.program.name, child.program.grace
                self.say("supervisor", f"{name} did not stop in {grace:g} s: killed")
            _signal_group(child.popen.pid, signal.SIGKILL)
            child.popen.wait()
            self._show(child.program.name, child.log)

    def _write_records(self) -> None:
        records = [
            Record(
                name=child.program.name,
                pid=child.popen.pid,
                created=psutil.Process(child.popen.pid).create_time(),
                restarts=child.restarts,
            )
            for child in self.children
            if child.popen.poll() is None
        ]
        path = records_path(self.var_dir)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(record) for record in records], indent=1))
        fresh.rename(path)


def records_path(var_dir: Path) -> Path:
    """Where the supervisor notes its children."""
    return var_dir / "processes.json"


def read_records(var_dir: Path) -> list[Record]:
    """The children noted by the last supervisor, alive or not."""
    path = records_path(var_dir)
    return [Record(**raw) for raw in json.loads(path.read_text())] if path.is_file() else []


def session_of(record: Record) -> list[psutil.Process]:
    """The processes alive of a recorded child: itself and what it started.

    Every child leads a session of its own, whose number is the child's pid and cannot be given to
    another process while a member lives. A process of that pid with another start time is a stranger.
    """
    members = []
    for process in psutil.process_iter():
        try:
            if process.pid == record.pid and process.create_time() != record.created:
                return []
            if os.getsid(process.pid) == record.pid and process.create_time() >= record.created:
                members.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return members


def end_leftovers(var_dir: Path) -> list[str]:
    """End what a supervisor that was killed left running; returns the names of what was found."""
    found = [(record.name, session_of(record)) for record in reversed(read_records(var_dir))]
    for name, members in found:
        # PostgreSQL takes SIGTERM as "wait for all sessions to end", SIGINT as "end them".
        end_processes(members, signal.SIGINT if name == "postgres" else signal.SIGTERM, seconds=10)
    records_path(var_dir).unlink(missing_ok=True)
    return [name for name, members in found if members]


def end_processes(processes: Sequence[psutil.Process], ask: signal.Signals, *, seconds: float) -> None:
    """Ask processes to finish, wait, and kill those that did not; one that ends meanwhile is fine."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(ask)
    _, stubborn = psutil.wait_procs(processes, timeout=seconds)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def _signal_group(leader: int, what: signal.Signals) -> None:
    try:
        os.killpg(leader, what)
    except ProcessLookupError:
        return
