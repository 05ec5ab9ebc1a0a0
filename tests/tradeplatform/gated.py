"""A WSGI application for tests of the worker around it: it notes what it has begun, and can be held up."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# A refusal is in the platform's words.
from tradeplatform import wsgi as _platform  # noqa: F401
from tradeplatform.common.arrivals import WAITED

FOLDER = "GATED_FOLDER"
LOG, GATE = "begun.txt", "gate"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Note the request; one to /held waits until nobody holds the gate.

    One to /process is told who serves it, one to /waited for how long it waited.
    """
    folder = Path(os.environ[FOLDER])
    line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {environ.get('HTTP_AUTHORIZATION', '-')}\n"
    with (folder / LOG).open("a") as log:
        log.write(line)
    if environ["PATH_INFO"] == "/held":
        with (folder / GATE).open() as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
    told = {"/process": os.getpid(), "/waited": environ[WAITED]}
    said = str(told.get(environ["PATH_INFO"], "ok")).encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]
