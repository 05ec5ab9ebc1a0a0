"""Spans, sent by OpenTelemetry's own exporter. Loaded by `tracing`, where it is on, and by nobody else."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

_NOBODY = Context()
_IS_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")


def trace_id_of(correlation_id: str) -> int:
    """The trace of a correlation id: the same number where it is one, as ours are; else its hash."""
    if _IS_TRACE_ID.fullmatch(correlation_id):
        return int(correlation_id, 16)
    return int.from_bytes(hashlib.sha256(correlation_id.encode()).digest()[:16], "big")


class Traces:
    """Sends spans in the background; where nobody takes them, the oldest that wait are dropped."""

    def __init__(self, role: str) -> None:
        ids: Any = _Ids()
        self._ids: _Ids = ids
        self.provider = TracerProvider(
            resource=Resource.create({"service.namespace": "tradeplatform", "service.name": role}),
            id_generator=ids,
        )
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self.provider.get_tracer("tradeplatform")

    def record(
        self,
        name: str,
        began: int,
        ended: int,
        correlation_id: str,
        attributes: Mapping[str, str | int],
        *,
        server: bool,
    ) -> None:
        """A span that has ended, in the trace of a correlation id, without a parent."""
        self._ids.trace.id = trace_id_of(correlation_id)
        span = self._tracer.start_span(
            name,
            context=_NOBODY,
            kind=SpanKind.SERVER if server else SpanKind.INTERNAL,
            attributes={**attributes, "correlation_id": correlation_id},
            start_time=began,
        )
        span.end(ended)


class _Ids:
    """An IdGenerator that takes the id of a trace from whoever begins it; each thread begins its own."""

    def __init__(self) -> None:
        self.trace = threading.local()

    def generate_trace_id(self) -> int:
        """The id that was given for the span that is being made."""
        return int(self.trace.id)

    def generate_span_id(self) -> int:
        """Any but zero."""
        return secrets.randbelow(2**64 - 1) + 1

    def is_trace_id_random(self) -> bool:
        """Not as the word is meant there: it may be a hash."""
        return False
