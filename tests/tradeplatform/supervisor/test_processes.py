"""The supervisor on small programs: restarts, records, order of stopping, and what its own death leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.tradeplatform.supervisor.waiting import wait_for
from tradeplatform.config import BASE_DIR
from tradeplatform.supervisor.processes import (
    StopRequestedError,
    Supervisor,
    end_leftovers,
    read_records,
    session_of,
)
from tradeplatform.supervisor.program import Program, ProgramFailedError, plain_environment

SLEEPER = ["/bin/sleep", "600"]


def shell(name: str, script: str, *, is_server: bool = False, grace: float = 10.0) -> Program:
    """A shell script as a supervised program."""
    argv = ["/bin/sh", "-c", script]
    return Program(name=name, argv=argv, env=plain_environment(), is_server=is_server, grace=grace)


def sleeper(name: str) -> Program:
    """A program that does nothing for a long time."""
    return Program(name=name, argv=SLEEPER, env=plain_environment())


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def said() -> list[str]:
    """What the supervisor said, a line each."""
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    """A supervisor that is stopped at the end, whatever the test did."""
    running = Supervisor(tmp_path, lambda name, line: said.append(f"{name}: {line}"))
    yield running
    running.stop()


def tick_until(supervisor: Supervisor, condition: object, what: str) -> None:
    """Let the supervisor work until a condition holds."""

    def look() -> bool:
        supervisor.tick()
        return bool(condition())  # type: ignore[operator]

    wait_for(look, what)


def test_a_killed_child_is_started_again_and_recorded(supervisor: Supervisor, said: list[str]) -> None:
    first = supervisor.start(sleeper("nap")).pid
    os.kill(first, signal.SIGKILL)
    tick_until(supervisor, lambda: supervisor.children[0].restarts == 1, "a restart")
    second = supervisor.children[0].popen.pid
    assert second != first
    assert alive(second)
    assert "supervisor: nap ended with code -9; starting it again in 0.5 s" in said
    assert [(record.name, record.pid, record.restarts) for record in read_records(supervisor.var_dir)] == [
        ("nap", second, 1)
    ]


def test_delays_double_for_a_child_that_keeps_dying(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(shell("moth", "exit 7"))
    tick_until(supervisor, lambda: supervisor.children[0].restarts == 2, "two restarts")
    tick_until(supervisor, lambda: len(said) == 3, "a third end")
    assert [line.rpartition("again in ")[2] for line in said] == ["0.5 s", "1 s", "2 s"]


def test_what_a_dead_child_had_started_is_ended_with_it(supervisor: Supervisor, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    supervisor.start(shell("parent", f"/bin/sleep 600 & echo $! > {note}; wait"))
    wait_for(lambda: note.is_file() and note.read_text().strip() != "", "the grandchild")
    grandchild = int(note.read_text())
    os.kill(supervisor.children[0].popen.pid, signal.SIGKILL)
    tick_until(supervisor, lambda: not alive(grandchild), "the end of the grandchild")


def test_servers_stop_after_those_that_use_them(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = "trap 'echo {0} >> {1}; exit' TERM; echo up; while :; do /bin/sleep 0.05; done"
    supervisor.start(shell("server", script.format("server", order), is_server=True))
    supervisor.start(shell("client", script.format("client", order)))
    logs = [tmp_path / "log" / f"{name}.log" for name in ("server", "client")]
    wait_for(lambda: all(log.read_text() == "up\n" for log in logs), "both up")
    supervisor.stop()
    assert order.read_text().split() == ["client", "server"]
    assert read_records(tmp_path) == []


def test_a_child_that_will_not_stop_is_killed_after_its_grace(
    supervisor: Supervisor, said: list[str]
) -> None:
    deaf = shell("deaf", "trap '' TERM; echo up; while :; do /bin/sleep 0.05; done", grace=0.2)
    child = supervisor.start(deaf)
    wait_for(lambda: (supervisor.var_dir / "log" / "deaf.log").read_text() == "up\n", "up")
    supervisor.stop()
    assert child.returncode == -signal.SIGKILL
    assert "supervisor: deaf did not stop in 0.2 s: killed" in said


def test_output_goes_to_the_childs_log_and_to_the_console(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(shell("teller", "echo out; echo err >&2; exec /bin/sleep 600"))
    tick_until(supervisor, lambda: len(said) == 2, "two lines")
    assert said == ["teller: out", "teller: err"]
    assert (supervisor.var_dir / "log" / "teller.log").read_text() == "out\nerr\n"


def test_a_step_that_fails_says_its_last_words(supervisor: Supervisor) -> None:
    with pytest.raises(ProgramFailedError, match=r"step failed with code 3:\nno such table"):
        supervisor.run_once(shell("step", "echo no such table; exit 3"), seconds=10)


def test_a_step_that_hangs_is_killed(supervisor: Supervisor) -> None:
    with pytest.raises(ProgramFailedError, match=r"step did not finish in 0 s"):
        supervisor.run_once(shell("step", "exec /bin/sleep 600"), seconds=0.1)


def test_a_stop_request_interrupts_any_wait(supervisor: Supervisor) -> None:
    supervisor.start(sleeper("nap"))
    supervisor.request_stop()
    with pytest.raises(StopRequestedError):
        supervisor.wait_until(lambda: False, "never", seconds=60)


VICTIM = """
    import sys, time
    from pathlib import Path
    from tradeplatform.supervisor.processes import Supervisor
    from tradeplatform.supervisor.program import Program, plain_environment

    supervisor = Supervisor(Path(sys.argv[1]), lambda *_: None)
    supervisor.start(Program(name="nap", argv=["/bin/sleep", "600"], env=plain_environment()))
    script = "trap '' TERM; /bin/sleep 600 & wait"
    supervisor.start(Program(name="deaf", argv=["/bin/sh", "-c", script], env=plain_environment()))
    print("up", flush=True)
    while True:
        supervisor.tick()
        time.sleep(0.05)
"""


def test_after_kill_9_children_follow_and_the_next_start_ends_the_rest(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(VICTIM), str(tmp_path)]
    with subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "up\n"
        nap, deaf = read_records(tmp_path)
        wait_for(lambda: len(session_of(deaf)) == 2, "the grandchild")
        victim.kill()
    wait_for(lambda: session_of(nap) == [], "the kernel to end the child of a dead parent")
    assert len(session_of(deaf)) == 2, "a child that ignores the signal stays, with its own child"
    assert end_leftovers(tmp_path) == ["deaf"]
    assert session_of(deaf) == []
    assert read_records(tmp_path) == []
    assert end_leftovers(tmp_path) == []


def test_a_strangers_process_with_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEPER, start_new_session=True) as stranger:
        (tmp_path / "processes.json").write_text(
            f'[{{"name": "old", "pid": {stranger.pid}, "created": 1.0, "restarts": 0}}]'
        )
        assert end_leftovers(tmp_path) == []
        assert stranger.poll() is None
        stranger.kill()
