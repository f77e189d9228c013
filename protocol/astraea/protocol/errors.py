"""The errors of the shared types, and the base of every part's own family.

AstraeaError
├── BrokerApiError     a broker that is away, refuses, or answers what makes no sense
├── CertificateError   files of a certificate that a server can't show
├── ListenError        an address that a server can't listen on, or must not without authentication
├── MissingExtraError  a package that only some installations have
├── NoAnswerError      a result without an answer, asked for what it found
├── ServiceSpecError   an astraea.yaml that is missing, unreadable or says something wrong
├── StreamError        a message of a stream that breaks its rules
└── TimingError        a Server-Timing header that does not parse

Each part draws its own tree below AstraeaError in its `errors.py`.
"""


class AstraeaError(Exception):
    """Something a user can put right: `str(error)` says what and why in one line, `hint` what to do next."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class BrokerApiError(AstraeaError):
    """A call of the broker's API was not answered as it should be."""

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        """The HTTP status of a broker that refuses; None of one that can't be reached, or that makes no sense."""


class CertificateError(AstraeaError):
    """A certificate's files can't be read, or don't belong together."""


class ListenError(AstraeaError):
    """A server can't listen where it was told to."""


class MissingExtraError(AstraeaError):
    """A package is needed that only some installations have; the hint says what to install."""


class NoAnswerError(AstraeaError):
    """A result has no detections to give."""


class ServiceSpecError(AstraeaError):
    """An `astraea.yaml` is missing, is no YAML, or has a key or value that is not allowed."""


class StreamError(AstraeaError):
    """A message of a WebSocket stream isn't what `docs/stream-protocol.md` says."""


class TimingError(AstraeaError):
    """A `Server-Timing` header does not follow its grammar."""
