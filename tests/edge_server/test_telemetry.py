"""Spans reach a collector by OTLP over HTTP, and go on with the trace that a request brings."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from astraea.edge_server import MissingExtraError, OptionError
from astraea.edge_server.telemetry import open_spans
from tests.edge_server.conftest import INSTANCE, StartServer, WriteService, wait_until

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HANDLER = """
    def predict(model, text: str):
        return 1 / int(text)
"""


@dataclass
class Collector:
    """What an OpenTelemetry collector was sent."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({pair.key: pair.value.string_value for pair in group.resource.attributes})
            self.spans += [span for scope in group.scope_spans for span in scope.spans]

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """One that listens, and that the environment names."""
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            found.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def error_of(span: Any) -> str:
    return str({pair.key: pair.value.string_value for pair in span.attributes}["error.type"])


def context(*, sampled: bool) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-0{sampled:d}"}


def test_a_request_is_a_span_of_its_trace_with_one_for_each_stage(
    start_server: StartServer, write_service: WriteService, collector: Collector
) -> None:
    with start_server(write_service(HANDLER), "--instance", "it").client() as client:
        assert client.post("/predict", content=b"4", headers=context(sampled=True)).status_code == 200
        wait_until(lambda: len(collector.spans) == 5)
    (whole,) = collector.named("predict")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    stages = [collector.named(name)[0] for name in ("queue", "decode", "infer", "post")]
    times = [time for stage in stages for time in (stage.start_time_unix_nano, stage.end_time_unix_nano)]
    times = [whole.start_time_unix_nano, *times, whole.end_time_unix_nano]
    assert times == sorted(times)
    assert {stage.parent_span_id for stage in stages} == {whole.span_id}
    assert {"service.name": "sizes", "service.instance.id": "it"}.items() <= collector.resources[0].items()


def test_failures_and_refusals_are_told_and_what_is_not_sampled_is_not(
    start_server: StartServer, write_service: WriteService, collector: Collector
) -> None:
    server = start_server(write_service(HANDLER))
    with server.client() as client:
        assert client.post("/predict", content=b"4", headers=context(sampled=False)).status_code == 200
        assert client.post("/predict", content=b"0").status_code == 500
        assert client.post("/predict", content=b"\xff").status_code == 400
    assert server.stop() == 0  # which sends what is left
    failed, refused = collector.named("predict")
    errors = [
        {pair.key: pair.value.string_value for pair in span.attributes}["error.type"] for span in (failed, refused)
    ]
    assert errors == ["ZeroDivisionError", "BadInputError"]
    assert (failed.status.code, refused.status.code) == (2, 0)  # ERROR, UNSET: what a client did is no error of ours


def test_a_collector_that_is_away_holds_nothing_up(
    start_server: StartServer, write_service: WriteService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    server = start_server(write_service(HANDLER))
    with server.client() as client:
        assert client.post("/predict", content=b"4").status_code == 200
    assert server.stop() == 0


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_being_asked_nothing_is_told(environment: dict[str, str]) -> None:
    assert open_spans(INSTANCE, environment) is None


def test_what_cannot_be_done_is_told_with_what_can(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}
    with pytest.raises(OptionError, match="'grpc'"):
        open_spans(INSTANCE, environment | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    monkeypatch.delitem(sys.modules, "astraea.edge_server.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtraError) as caught:
        open_spans(INSTANCE, environment)
    assert "astraea[otel]" in str(caught.value.hint)
