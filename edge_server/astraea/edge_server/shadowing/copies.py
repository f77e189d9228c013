"""Copies of answered requests for a canary: sent beside the work, by a thread of their own, or not at all."""

import contextlib
import http.client
import logging
import queue
import random
import threading
from http import HTTPStatus
from typing import Literal, NamedTuple

from astraea.protocol import Lease, Shadow

from ..api import Api
from .comparing import MOST_COMPARED_BYTES, disagreement
from .line import Line, Response, UnreachableError

_logger = logging.getLogger(__name__)

_MOST_WAITING = 8
_MOST_BODY_BYTES = 4 * 2**20
"""Of one copy: those that wait hold 32 MiB at most."""

Outcome = Literal["compared", "failed", "refused", "unreachable", "dropped"]
"""What became of a copy: both answers are there; the canary failed; it had no room; no way led to it; no room here."""

_NO_ROOM = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NOT_TAKEN = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    }
)
_SERVER_ERROR = 500


class _Copy(NamedTuple):
    shadow: Shadow
    body: bytes
    answer: bytes
    """The one that was given here."""


class Shadowing:
    """Copies a share of an instance's answered requests for as long as the broker asks for it.

    One copy is under way at a time and a few wait. What finds no room is dropped, so a canary that is slow, or hangs,
    costs requests nothing.

    Args:
        api: Whose requests they are.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._shadow: Shadow | None = None
        self._waiting: queue.Queue[_Copy | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._closed = False

    def heard(self, lease: Lease | None) -> None:
        """Do as the broker says in its answer to a heartbeat; without one, copy nothing."""
        shadow, before = None if lease is None else lease.shadow, self._shadow
        self._shadow = shadow
        self._api.on_answered = None if shadow is None else self._offer
        if shadow is not None and self._thread is None:
            self._thread = threading.Thread(target=self._work, name="shadowing", daemon=True)
            self._thread.start()
        if shadow is not None and (before is None or before.revision != shadow.revision):
            _logger.info("copying %.0f %% of requests to revision %s", shadow.share * 100, shadow.revision)

    def close(self) -> None:
        """Copy nothing any more. Doesn't wait for the copy under way."""
        self._shadow, self._api.on_answered, self._closed = None, None, True
        with contextlib.suppress(queue.Full):  # then the thread doesn't wait for one
            self._waiting.put_nowait(None)

    def _offer(self, body: bytes, answer: bytes) -> None:
        shadow = self._shadow
        if shadow is None or random.random() >= shadow.share:  # noqa: S311 - a sample, not a secret
            return
        fits = len(body) <= _MOST_BODY_BYTES and len(answer) <= MOST_COMPARED_BYTES
        if fits and not self._waiting.full():  # this thread alone puts anything in
            self._waiting.put_nowait(_Copy(shadow, body, answer))
        else:
            self._api.metrics.shadowed(shadow.revision, "dropped")

    def _work(self) -> None:
        with contextlib.closing(Line()) as line:
            while (copy := self._waiting.get()) is not None and not self._closed:
                outcome, differing = _try(line, copy)
                self._api.metrics.shadowed(copy.shadow.revision, outcome, differing)


def _try(line: Line, copy: _Copy) -> tuple[Outcome, float | None]:
    try:
        return judged(copy.answer, line.ask(copy.shadow, copy.body))
    except UnreachableError as error:
        _logger.debug("no way to %s: %s", copy.shadow.url, error)
        return "unreachable", None
    except (OSError, http.client.HTTPException) as error:
        _logger.debug("no answer from %s: %r", copy.shadow.url, error)
        return "failed", None


def judged(answer: bytes, response: Response) -> tuple[Outcome, float | None]:
    """What a response to a copy says of the other revision, and by how much it differs from the answer given here."""
    if response.status == HTTPStatus.OK:
        return "compared", disagreement(answer, response.body)
    if response.status in _NOT_TAKEN:  # what is answered here
        return "compared", 1.0
    if response.status in _NO_ROOM:
        return "refused", None
    return ("failed" if response.status >= _SERVER_ERROR else "unreachable"), None
