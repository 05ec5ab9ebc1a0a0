"""Traces: a request, its intake and its drain are spans of one trace; off, nothing of it is loaded."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from orders.models import Order
from orders.tasks import sweep_waiting_shards
from tests.api.client import Api, order_body
from tests.factories import make_market
from tradeplatform.common import tracing
from tradeplatform.common.correlation import bind
from tradeplatform.common.otlp import Traces, trace_id_of
from tradeplatform.config import BASE_DIR


class Collector:
    """Takes what is exported over OTLP/HTTP, as a collector's port does."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.spans: list[tuple[str, Any]] = []
        taken = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                taken.take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name is given
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: bytes) -> None:
        self.paths.add(path)
        message: Any = ExportTraceServiceRequest
        for resource in message.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(named["service.name"], span) for span in scope.spans]

    def trace(self, trace_id: int) -> list[Any]:
        """The spans of a trace, in the order in which they began."""
        wanted = trace_id.to_bytes(16, "big")
        found = [span for _service, span in self.spans if span.trace_id == wanted]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


@pytest.fixture(autouse=True)
def nothing_bound() -> Iterator[None]:
    """No id from another test, none for the next."""
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


@pytest.fixture
def traces(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    """Tracing, on, towards the collector."""
    monkeypatch.setenv(tracing.ENDPOINT, collector.url)
    monkeypatch.setattr(tracing, "_ON", True)
    traces = Traces("web")
    monkeypatch.setattr(tracing, "_traces", traces)
    yield traces
    traces.provider.shutdown()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


@pytest.mark.django_db
def test_a_request_its_intake_and_its_drain_are_one_trace(collector: Collector, traces: Traces) -> None:
    market = make_market()
    trader = market.trader()

    answer = Api().sign_in(trader.user).post("/orders", order_body(market, trader, price="49000"))
    market.drain()
    traces.provider.force_flush()

    correlation_id = answer.headers["X-Correlation-ID"]
    assert Order.objects.get().correlation_id == correlation_id
    spans = collector.trace(int(correlation_id, 16))
    assert [span.name for span in spans] == ["POST /api/v1/orders", "intake", "drain"]
    request, intake, drain = map(attributes, spans)
    assert request["http.response.status_code"] == answer.status_code == 202
    assert intake["requests"] == 1
    assert (drain["shard"], drain["commands"]) == (market.shard.id, 1)
    assert {found["correlation_id"] for found in (request, intake, drain)} == {correlation_id}
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    assert (collector.paths, {service for service, _span in collector.spans}) == ({"/v1/traces"}, {"web"})


@pytest.mark.django_db
def test_a_drain_of_two_requests_is_in_the_trace_of_each(collector: Collector, traces: Traces) -> None:
    market = make_market()
    ids = [bind(uuid.uuid4().hex), bind("desk-7:order.41_x")]
    for correlation_id in ids:
        bind(correlation_id)
        market.buy(market.trader(), 1, 49000)

    market.drain()
    traces.provider.force_flush()

    for correlation_id in ids:
        assert [span.name for span in collector.trace(trace_id_of(correlation_id))] == ["intake", "drain"]


@pytest.mark.django_db
def test_a_job_is_in_the_trace_of_whoever_sent_it(collector: Collector, traces: Traces) -> None:
    correlation_id = bind(uuid.uuid4().hex)

    sweep_waiting_shards.apply()
    traces.provider.force_flush()

    assert [span.name for span in collector.trace(int(correlation_id, 16))] == ["orders.sweep_waiting_shards"]


def test_an_id_that_is_no_number_has_a_trace_and_always_the_same() -> None:
    assert trace_id_of("0123456789abcdef0123456789abcdef") == 0x0123456789ABCDEF0123456789ABCDEF
    assert trace_id_of("desk-7") == trace_id_of("desk-7") != trace_id_of("desk-8")
    assert trace_id_of("0" * 32) != 0  # which is no trace


def test_work_that_is_done_is_not_undone_by_a_trace_that_fails(
    traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_what: Any, **_how: Any) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(traces, "record", fail)

    with capture_logs() as logs:
        tracing.record("drain", began=0, correlation_ids=["one"])

    assert [entry["event"] for entry in logs] == ["trace_failed"]


def test_off_nothing_of_it_is_loaded() -> None:
    """By a process that drains, answers and works; but Valkey's client loads the API where there is one."""
    program = (
        "import tradeplatform.wsgi, tradeplatform.celery, orders.services.drain, sys;"
        "from tradeplatform.common import tracing;"
        "tracing.record('drain', began=0, correlation_ids=['one']);"
        "print([name for name in sys.modules"
        " if name == 'tradeplatform.common.otlp' or name.startswith('opentelemetry.exporter')])"
    )
    environment = {name: value for name, value in os.environ.items() if name != tracing.ENDPOINT}

    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert found.stdout.splitlines()[-1] == "[]"
