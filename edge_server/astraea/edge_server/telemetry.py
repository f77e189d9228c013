"""Whether requests are told to an OpenTelemetry collector: when the standard variables `OTEL_*` name one.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import importlib
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from astraea.protocol import Instance

from .errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from .spans import Spans

_logger = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"


def open_spans(instance: Instance, environment: Mapping[str, str] = os.environ) -> "Spans | None":
    """What tells a collector of requests; None if the environment names none, or says not to.

    Raises:
        MissingExtraError: The environment names one, and OpenTelemetry's SDK isn't installed.
        OptionError: The environment asks for another protocol than OTLP over HTTP.
    """
    endpoint = next(filter(None, map(environment.get, _ENDPOINTS)), None)
    off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if endpoint is None or off:
        return None
    protocol = next(filter(None, map(environment.get, _PROTOCOLS)), _PROTOCOL)
    if protocol != _PROTOCOL:
        raise OptionError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}", hint=f"spans are sent by {_PROTOCOL!r} only")
    try:
        spans: Spans = importlib.import_module(".spans", __package__).Spans(instance)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT names a collector, and there is no module {error.name!r} to send it spans",
            hint="pip install 'astraea[otel]', or set OTEL_SDK_DISABLED=true",
        ) from error
    _logger.info("spans go to the collector %s", endpoint)
    return spans
