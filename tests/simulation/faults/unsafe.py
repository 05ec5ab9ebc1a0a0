"""A process of the platform without one of its safeties: what the controls of the fault runs start.

    python -m tests.simulation.faults.unsafe (waits | promises) MODULE ARGUMENTS...

One that `waits` has no patience limits: it waits for PostgreSQL and Valkey until they answer. A door that
`promises` says of every order that it is taken, also where it could not tell.
"""

from __future__ import annotations

import json
import runpy
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from tradeplatform import web_worker
from tradeplatform.common import valkey
from tradeplatform.common.postgresql.patience import PatientConnection
from tradeplatform.supervisor.program import Program

WAITS, PROMISES = "waits", "promises"
_LONG = 120.0

if TYPE_CHECKING:
    from tradeplatform.common.asked import Answer, Asked


def unsafe(what: str) -> Callable[[Program], Program]:
    """Changes a program that starts a module into one that does it without this safety."""

    def change(program: Program) -> Program:
        argv = list(program.argv)
        at = argv.index("-m") + 1
        return replace(program, argv=[*argv[:at], "tests.simulation.faults.unsafe", what, *argv[at:]])

    return change


def _wait_for_ever() -> None:
    PatientConnection.wait = Connection.wait  # type: ignore[method-assign]
    valkey._TIMEOUT_SECONDS = _LONG
    make = valkey.make_client
    valkey.make_client = lambda url, *, timeout=_LONG: make(url, timeout=timeout)


def _promise() -> None:
    answer = web_worker._answer

    def promise(
        application: web_worker.WSGI,
        serving: threading.local,
        environ: dict[str, Any],
        start_response: Callable[..., Any],
    ) -> Iterable[bytes]:
        heard: list[str] = []

        def listen(status: str, headers: Any, *rest: Any) -> Any:
            heard.append(status)
            if status.startswith("503") and environ["REQUEST_METHOD"] == "POST":
                return start_response("202 Accepted", [("Content-Type", "application/json")], *rest)
            return start_response(status, headers, *rest)

        body = answer(application, serving, environ, listen)
        if heard[0].startswith("503") and environ["REQUEST_METHOD"] == "POST":
            return [json.dumps({"id": "1"}).encode()]
        return body

    web_worker._answer = promise
    load = web_worker.FairWorker.load_wsgi

    def load_and_promise(self: web_worker.FairWorker) -> None:
        load(self)
        from tradeplatform.express import lane  # noqa: PLC0415 - it needs Django, which is loaded by now

        tell = vars(lane)["encoded"]

        def taken(asked: Asked, answer: Answer, *, close: bool) -> bytes:
            if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
                answer = replace(answer, status=202, body=b'{"id": "1"}', content_type="application/json")
            said: bytes = tell(asked, answer, close=close)
            return said

        vars(lane)["encoded"] = taken

    web_worker.FairWorker.load_wsgi = load_and_promise  # type: ignore[method-assign]


def main() -> None:
    """Take the safety away, then be the module."""
    what, module = sys.argv[1:3]
    {WAITS: _wait_for_ever, PROMISES: _promise}[what]()
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
