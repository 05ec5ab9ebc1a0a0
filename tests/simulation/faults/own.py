"""A platform of one's own for a fault run, and what is said of the run at its end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.running import Platform
from tests.simulation.participants import own_platform
from tradeplatform.config import BASE_DIR, load_config
from tradeplatform.supervisor.processes import Record, read_records

if TYPE_CHECKING:
    from tests.simulation.faults.clients import Load

#: Of a process to come back, of the last commands to be applied, of an unknown order to be known.
PATIENCE = 120.0


@contextmanager
def own_folder() -> Iterator[Path]:
    """A private folder, which the account that runs the servers can reach."""
    with tempfile.TemporaryDirectory(prefix="tradeplatform-faults-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        os.environ |= {
            "TRADEPLATFORM_ENVIRONMENT": "test",
            "TRADEPLATFORM_VAR_DIR": made,
            "TRADEPLATFORM_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "tradeplatform.settings",
        }
        yield folder


@contextmanager
def platform_with_django(
    folder: Path, *, settings: Mapping[str, str] | None = None, ours: Mapping[str, str] | None = None
) -> Iterator[Platform]:
    """A platform without participants, and Django set up on its database.

    `settings` go into the platform's environment; `ours` are addresses by which this process reaches the same
    servers, where what it looks at must not go the platform's way.
    """
    with own_platform(folder, settings=settings) as platform:
        os.environ.update(dict(settings or {}) | platform.environment | dict(ours or {}))
        load_config.cache_clear()
        import django  # noqa: PLC0415 - settings are read on import, so the environment comes first

        django.setup()
        from django.db import connections  # noqa: PLC0415

        yield platform
        connections.close_all()


def say(text: str) -> None:
    """With the time."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def record(platform: Platform, name: str) -> Record:
    """The child of the supervisor whose name begins so, as it was last started."""
    return next(found for found in read_records(platform.var_dir) if found.name.startswith(name))


def running(platform: Platform) -> set[str]:
    """The names of the children that run now."""
    return {found.name for found in read_records(platform.var_dir) if _runs(found)}


def _runs(found: Record) -> bool:
    try:
        process = psutil.Process(found.pid)
        return process.create_time() == found.created and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], bool], *, seconds: float = PATIENCE) -> bool:
    """Whether it came about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def conclude(platform: Platform, load: Load, *, seed: int, runs: int, faults: Mapping[str, int]) -> bool:
    """Wait for the last outcomes, compare, say all figures; whether everything holds."""
    from django.db import DatabaseError, connections  # noqa: PLC0415 - see above

    from orders.models import Command, CommandStatus  # noqa: PLC0415
    from tests.simulation.faults.clients import compare  # noqa: PLC0415

    def settled() -> bool:
        try:
            return not Command.objects.filter(status=CommandStatus.PENDING).exists()
        except DatabaseError:
            connections.close_all()
            return False

    load.rest()
    unknown = load.learn(seconds=PATIENCE)
    applied = wait_for(settled)
    connections.close_all()
    verdict = compare(load)
    back = wait_for(lambda: running(platform) >= set(platform.pids))
    waits = load.waits()
    missing = len(load.strikes) * len(load.clients) - len(waits)
    say(f"seed {seed}, runs {runs}, faults injected {dict(faults)}")
    say(
        f"acknowledged {verdict.acknowledged}, refused {verdict.refused}, still unknown {unknown};"
        f" acknowledged lost {len(verdict.lost)}, doubled {len(verdict.doubled)},"
        f" neither {len(verdict.strange)}, surprising answers {len(verdict.surprises)}"
    )
    for line in [*verdict.lost, *verdict.doubled, *verdict.strange, *verdict.surprises][:5]:
        say(f"  {line}")
    heard = sum((client.journal.heard for client in load.clients), start=load.clients[0].journal.heard.copy())
    heard -= load.clients[0].journal.heard
    say(f"heard meanwhile: {dict(heard)}; longest request {load.longest_request():.1f} s")
    say(f"time to the next outcome: {_percentiles(waits)}, without one {missing}")
    say(f"commands {'all applied' if applied else 'STILL PENDING'}; {_children(platform, back=back)}")
    sound = invariants(platform)
    say(f"invariants {'all hold' if sound else 'BROKEN'}")
    return verdict.holds and unknown == missing == 0 and applied and back and sound


def trust_the_machine() -> None:
    """A control: from now on sessions answer before what they committed is on disk."""
    from django.db import connection  # noqa: PLC0415 - needs the settings

    with connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE tradeplatform SET synchronous_commit TO off")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
    say("control: synchronous_commit is off")


def _percentiles(waits: list[float]) -> str:
    if not waits:
        return "none measured"
    middle, high = waits[len(waits) // 2], waits[min(len(waits) - 1, len(waits) * 95 // 100)]
    return f"p50 {middle:.1f} s, p95 {high:.1f} s, max {waits[-1]:.1f} s ({len(waits)} measured)"


def _children(platform: Platform, *, back: bool) -> str:
    restarts = {found.name: found.restarts for found in read_records(platform.var_dir) if found.restarts}
    missing = "" if back else f" MISSING {set(platform.pids) - running(platform)}"
    return f"processes {'all back by themselves' if back else 'NOT ALL BACK'}{missing}, restarts {restarts}"


def manage(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator would."""
    env = os.environ | platform.environment | {"TRADEPLATFORM_VAR_DIR": str(platform.var_dir)}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )


def invariants(platform: Platform) -> bool:
    """Whether the command says that all hold; shows what it says of those that do not."""
    done = manage(platform, "invariants")
    if done.returncode != 0:
        say(f"{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return done.returncode == 0
