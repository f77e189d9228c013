"""Keeps one instance running until it is asked to stop."""

import logging
import signal

from .logs import append_line, rotate
from .processes import InstanceProcess, free_port, serve_command
from .state import InstanceFolder, Report

logger = logging.getLogger(__name__)

STABLE_S = 30.0
"""A process that lived this long has started well: its end is not one more in a row."""
STOP_GRACE_S = 10.0
"""From asking a process to end to killing it; an edge server drains and leaves the broker in this time."""
_MAX_PAUSE_S = 30.0


def restart_pause_s(failures: int) -> float:
    """How long to wait before starting again what has ended this many times in a row: 0, 1, 2, 4, ... 30 seconds."""
    return 0.0 if failures <= 1 else min(2.0 ** min(failures - 2, 10), _MAX_PAUSE_S)


class Supervisor:
    """One instance's life: its process is started, started again when it ends, and ended when its folder says so.

    Args:
        folder: the instance's files.
        now: seconds on a monotonic clock, as for `step`.

    Raises:
        EngineError: the instance's plan doesn't read.
    """

    def __init__(self, folder: InstanceFolder, now: float) -> None:
        self._folder, self._plan = folder, folder.plan()
        self._report = folder.report().model_copy(update={"failures": 0})
        self._process = InstanceProcess.find(folder.service_files)
        self._started_at = self._start_at = now
        self._kill_at: float | None = None
        if self._process is not None:
            logger.info("found %s running as process %d", folder.id, self._process.pid)
            self._update(pid=self._process.pid)
        elif self._report.pid is not None:
            self._failed("ended while no agent watched", now)

    def step(self, now: float) -> bool:
        """Do what is due; False once the instance has been stopped and its files can go."""
        rotate(self._folder.log)
        if self._process is not None:
            self._notice_end(self._process, now)
        if self._folder.stop_requested:
            return self._stop(now)
        self._kill_at = None
        if self._process is None and now >= self._start_at:
            self._start(now)
        return True

    def _start(self, now: float) -> None:
        self._started_at = now
        try:
            port = free_port(self._plan.node.host, self._report.port)
            self._update(port=port)
            command = serve_command(self._plan, self._folder.service_files, port)
            folder = self._folder
            self._process = InstanceProcess.start(command, folder.service_files, folder.log, folder.env())
        except OSError as error:
            self._failed(f"can't be started: {error}", now)
        else:
            logger.info("started %s as process %d", self._folder.id, self._process.pid)
            self._update(pid=self._process.pid)

    def _notice_end(self, process: InstanceProcess, now: float) -> None:
        reason = process.ended()
        if reason is None:
            return
        self._process = None
        self._failed(reason, now)

    def _failed(self, reason: str, now: float) -> None:
        failures = 1 if now - self._started_at >= STABLE_S else self._report.failures + 1
        self._start_at = now + restart_pause_s(failures)
        logger.warning("%s: %s", self._folder.id, reason)
        append_line(self._folder.log, f"astraea: the instance ended: {reason}")
        self._update(pid=None, failures=failures, last_exit=reason, restarts=self._report.restarts + 1)

    def _stop(self, now: float) -> bool:
        if self._process is None:
            return False
        if self._kill_at is None:
            self._process.signal(signal.SIGTERM)
            self._kill_at = now + STOP_GRACE_S
        elif now >= self._kill_at:
            logger.warning("%s did not end within %.0f s: killing it", self._folder.id, STOP_GRACE_S)
            self._process.signal(signal.SIGKILL)
        return True

    def _update(self, **changes: object) -> None:
        self._report = Report.model_validate({**self._report.model_dump(), **changes})
        self._folder.write_report(self._report)
