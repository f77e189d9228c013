"""How long a request taken on now will take: measured, so that one which would be too late is refused at once."""

_MEMORY = 0.95  # the weight that the past keeps with each call that ends: some 20 calls count
_DEVIATIONS = 4  # as RFC 6298 has it


class Pace:
    """Learns from calls that end. Pure: times are given, in seconds of any one clock.

    Two figures are kept, each a mean over recent calls: how long a call takes once it has begun, and how much time
    passes from one end to the next while there is work. The second covers several workers, and batches, alike.
    """

    def __init__(self) -> None:
        self._ended = 0.0
        self._working_s = 0.0
        self._service_s = 0.0
        self._last_end_s = 0.0
        self._error_s: float | None = None
        self._service_error_s = 0.0

    @property
    def service_s(self) -> float:
        """What a call takes once it has begun; 0 before any has ended."""
        return self._service_s / self._ended if self._ended else 0.0

    @property
    def needed_s(self) -> float:
        """What to leave for a call when it begins: few take longer."""
        return self.service_s + _DEVIATIONS * self._service_error_s

    @property
    def interval_s(self) -> float:
        """What passes between two ends while there is work; 0 before any."""
        return self._working_s / self._ended if self._ended else 0.0

    def observe(self, began_s: float, ended_s: float) -> None:
        """Learn from a call that has ended; calls must come in the order of their ends."""
        took_s = max(0.0, ended_s - began_s)
        since_last_s = max(0.0, ended_s - self._last_end_s)
        if self._ended:
            error_s = abs(took_s - self.service_s)
            self._service_error_s = _MEMORY * self._service_error_s + (1 - _MEMORY) * error_s
        self._ended = self._ended * _MEMORY + 1
        self._service_s = self._service_s * _MEMORY + took_s
        # If the last one ended before this one began, nothing was done in between.
        self._working_s = self._working_s * _MEMORY + min(took_s, since_last_s)
        self._last_end_s = ended_s

    def expect_s(self, waiting: int) -> float:
        """From now until a call that is taken on now ends, when so many must begin before it."""
        return waiting * self.interval_s + self.service_s

    def judge(self, expected_s: float, actual_s: float) -> None:
        """Learn how good an expectation was."""
        error_s = abs(actual_s - expected_s)
        self._error_s = error_s if self._error_s is None else _MEMORY * self._error_s + (1 - _MEMORY) * error_s

    @property
    def margin_s(self) -> float:
        """What to add to an expectation so that few calls take longer; like RFC 6298's, made of the mean deviation."""
        return _DEVIATIONS * (self._error_s or 0.0)
