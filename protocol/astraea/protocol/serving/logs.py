"""The log: lines on stderr, for people or for machines."""

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum


class LogFormat(StrEnum):
    """How a line of the log looks."""

    PLAIN = "plain"
    JSON = "json"


class LogLevel(StrEnum):
    """The least important lines that are shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logging(form: LogFormat, level: LogLevel) -> None:
    """Send the log of the whole process to stderr; call it once, from a command."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else plain)
    logging.basicConfig(handlers=[handler], level=level.upper())
    # One line for each heartbeat, and uvicorn's account of its own start, say nothing to whoever runs a service.
    quiet = logging.INFO if level is LogLevel.DEBUG else logging.WARNING
    for name in ("aioice", "aiortc", "httpx", "httpcore", "uvicorn", "websockets"):
        logging.getLogger(name).setLevel(quiet)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a client's damaged form is in its own reply


_IDS = ("request_id", "trace_id")


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`; if there are any, `request_id`, `trace_id` and `traceback`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name in _IDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)
