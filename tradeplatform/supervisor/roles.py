"""The processes of the platform and how each is started: what the supervisor runs is what systemd would."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tradeplatform.config import BASE_DIR, Config, Role
from tradeplatform.supervisor.program import Program

_PYTHON = sys.executable

#: Celery warns whoever runs as root; started by root, the supervisor has been told so by its operator.
_ROOT_WARNING = "ignore:You're running the worker with superuser"


class Roles:
    """Builds the programs for one configuration; `environment` holds the servers' addresses."""

    def __init__(self, config: Config, environment: Mapping[str, str]) -> None:
        """Nothing starts yet."""
        self._config = config
        self._environment = {
            **os.environ,
            **environment,
            "DJANGO_SETTINGS_MODULE": "tradeplatform.settings",
            "TRADEPLATFORM_VAR_DIR": str(config.var_dir.absolute()),
            "TRADEPLATFORM_HTTP_PORT": str(config.http_port),
            "TRADEPLATFORM_WS_PORT": str(config.ws_port),
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, name: str, *arguments: str) -> Program:
        """A management command."""
        return self._program(name, "command", ["manage.py", *arguments])

    def web(self) -> Program:
        """Admin and API: threads in one worker, because the work is waiting for PostgreSQL."""
        config = self._config
        arguments = [
            *("-m", "gunicorn", "tradeplatform.wsgi:application"),
            f"--bind={config.bind_host}:{config.http_port}",
            "--worker-class=tradeplatform.web_worker.FairWorker",
            f"--workers={config.http_workers}",
            f"--threads={config.http_threads}",
            # Loaded before the workers are forked: one that dies is replaced by one that answers at once.
            # Otherwise connections, which the port takes all the while, wait until it is loaded.
            "--preload",
            "--timeout=60",
            "--graceful-timeout=8",
            "--keep-alive=30",
            # The operators' control socket is not used, and its file would be left behind.
            "--no-control-socket",
            "--log-level=warning",
        ]
        return self._program("web", "web", arguments)

    def sockets(self) -> Program:
        """`/ws/v1`. One process: its hub holds one subscription for all its sockets."""
        config = self._config
        arguments = [
            *("-m", "daphne", "--verbosity=0", "--no-server-name"),
            *("-b", config.bind_host, "-p", str(config.ws_port)),
            "--websocket_timeout=-1",
            "--websocket-max-message-size=65536",
            "--websocket-max-frame-size=65536",
            "--application-close-timeout=3",
            "tradeplatform.asgi:application",
        ]
        return self._program("sockets", "sockets", arguments)

    def shard(self, shard_id: int, ready_file: Path) -> Program:
        """The single writer of a shard: one process, one task at a time."""
        return self._celery(f"shard-{shard_id}", "shard", f"shard-{shard_id}", ready_file)

    def worker(self, ready_file: Path) -> Program:
        """Everything that is not matching."""
        return self._celery("worker", "worker", "default", ready_file)

    def beat(self) -> Program:
        """The clock that sends periodic tasks.

        The schedule is code; its file remembers only when each task was last sent, so losing it costs one
        extra run.
        """
        schedule = self._config.var_dir.absolute() / "beat-schedule"
        arguments = [
            *("-m", "celery", "--quiet", "-A", "tradeplatform", "beat"),
            *(f"--schedule={schedule}", "--pidfile="),
        ]
        return self._program("beat", "beat", arguments)

    def ingest(self) -> Program:
        """The reader of external trades: a consumer of the stream. One that dies loses nothing."""
        return self._program("ingest", "ingest", ["manage.py", "ingest"])

    def participants(self) -> Program:
        """Market makers and takers that keep the demo markets alive."""
        return self.manage("participants", "simulate", "--forever")

    def _celery(self, name: str, role: Role, queue: str, ready_file: Path) -> Program:
        arguments = [
            *("-W", _ROOT_WARNING, "-m", "celery", "--quiet", "-A", "tradeplatform", "worker"),
            *("-P", "solo", "-Q", queue, "-n", f"{name}@%h"),
            # Workers do not talk to each other: the database row is what they agree on.
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
        # `prepare` has just run the system checks; each worker need not load every page to run them again.
        extra = {"TRADEPLATFORM_READY_FILE": str(ready_file), "CELERY_SKIP_CHECKS": "1"}
        return self._program(name, role, arguments, extra)

    def _program(
        self, name: str, role: Role, arguments: Sequence[str], extra: Mapping[str, str] | None = None
    ) -> Program:
        env = {**self._environment, "TRADEPLATFORM_ROLE": role, **(extra or {})}
        return Program(name=name, argv=[_PYTHON, *arguments], env=env, cwd=BASE_DIR)
