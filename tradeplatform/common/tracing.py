"""Traces: what was done for a request, from its door to the drain, for whoever collects them over OTLP/HTTP.

On where OTEL_EXPORTER_OTLP_ENDPOINT is set; other words of OpenTelemetry's environment count as well. Off,
nothing of it is loaded here, and a call is a look at a constant. A trace's id is made from the correlation id
alone, so the processes need not tell each other of it, and a drain of many requests is a span in the trace of
each. What goes wrong here is logged and goes no further.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from tradeplatform.common.otlp import Traces

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_ON = bool(os.environ.get(ENDPOINT))

logger = structlog.get_logger(__name__)

_making = threading.Lock()
_traces: Traces | None = None


def record(
    name: str,
    *,
    began: int,
    correlation_ids: Iterable[str],
    server: bool = False,
    **attributes: str | int,
) -> None:
    """Note that this began at `began` (time.time_ns) for these requests and has ended now.

    `server`: it is a request itself. Whoever has no correlation id is in no trace.
    """
    if not _ON:
        return
    ended = time.time_ns()
    try:
        traces = _of_this_process()
        for correlation_id in filter(None, correlation_ids):
            traces.record(name, began, ended, correlation_id, attributes, server=server)
    except Exception:
        # The work is done, and committed: nobody is to hear of it by an error.
        logger.exception("trace_failed", span=name)


def _of_this_process() -> Traces:
    """Made at its first use: a process that forks has not used it, and each of its children has its own."""
    global _traces  # noqa: PLW0603 - one for the process
    with _making:
        if _traces is None:
            from tradeplatform.common.otlp import Traces  # noqa: PLC0415 - loaded only where it is on

            _traces = Traces(os.environ.get("TRADEPLATFORM_ROLE", "command"))
    return _traces
