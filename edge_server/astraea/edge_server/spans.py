"""Spans of requests, sent to an OpenTelemetry collector; needs the extra `otel`.

A request's span `predict` goes on with the W3C trace context that it brings, and has one span within it for each stage.
What is refused before it is taken on has none: it costs nothing, and is counted in the metrics.
"""

import asyncio
import contextlib
import logging
import threading
import time

from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from astraea.protocol import Instance

from .errors import RequestError
from .stages import Stages

_logger = logging.getLogger(__name__)

_ORDER = ("queue", "decode", "infer", "post")
"""How the stages follow each other."""
_FLUSH_S = 3.0


class Spans:
    """Makes the spans of an instance, and has them sent by a thread of the SDK's."""

    def __init__(self, instance: Instance) -> None:
        ours = {"service.name": instance.service, "service.instance.id": instance.id, "host.name": instance.node}
        said = OTELResourceDetector().detect().attributes  # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
        self._provider = TracerProvider(resource=Resource.create({**ours, **said}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("astraea.edge_server")

    def record(
        self, trace: bytes | None, took_s: float, revision: str, stages: Stages | None, error: Exception | None
    ) -> None:
        """Tell of a request that has just ended.

        Args:
            trace: The W3C trace context that it brought.
            took_s: From its last byte to its end.
            revision: Of the service that took it on.
            stages: Of its answer; None without one.
            error: Why it got none.
        """
        end_ns = time.time_ns()
        start_ns = end_ns - int(took_s * 1e9)
        attributes = {"astraea.revision": revision}
        if error is not None:
            attributes["error.type"] = type(error).__name__
        span = self._tracer.start_span(
            "predict", _parent(trace), trace_api.SpanKind.SERVER, attributes, start_time=start_ns
        )
        if span.is_recording():
            if stages is not None:
                self._record_stages(trace_api.set_span_in_context(span), start_ns, stages)
            elif not isinstance(error, RequestError) or error.status >= 500:
                span.set_status(trace_api.StatusCode.ERROR)
        span.end(end_ns)

    async def close(self) -> None:
        """Send what is left; not for long, if the collector is away."""
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def flush() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waited for so long, and the loop is closed
                loop.call_soon_threadsafe(done.set)

        threading.Thread(target=flush, name="telemetry", daemon=True).start()
        try:
            async with asyncio.timeout(_FLUSH_S):
                await done.wait()
        except TimeoutError:
            _logger.warning("the last spans could not be sent within %.0f s", _FLUSH_S)

    def _record_stages(self, within: Context, start_ns: int, stages: Stages) -> None:
        for name in _ORDER:
            took_ns = int(getattr(stages, f"{name}_ms") * 1e6)
            self._tracer.start_span(name, within, start_time=start_ns).end(start_ns + took_ns)
            start_ns += took_ns


def _parent(trace: bytes | None) -> Context | None:
    """The span, elsewhere, that a W3C trace context names."""
    if trace is None:
        return None
    _, trace_id, span_id, flags = trace.decode().split("-")
    parent = trace_api.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace_api.TraceFlags(int(flags, 16))
    )
    return trace_api.set_span_in_context(trace_api.NonRecordingSpan(parent))
