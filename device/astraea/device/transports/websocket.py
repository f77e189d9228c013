"""Frames over one WebSocket that stays open: `GET {url}/stream`, as `docs/stream-protocol.md` describes it."""

import asyncio
from time import monotonic, perf_counter
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from astraea.protocol import ServerTiming
from astraea.protocol.stream import (
    MAX_DEADLINE_MS,
    EchoMessage,
    FrameMessage,
    Hello,
    ProbeMessage,
    ResultMessage,
)

from ..errors import RefusedError, TransportError, UnreachableError
from .base import Credential, Reply, refusal
from .credits import Credits
from .silence import ASK_S, SUSPECT_S, Silence
from .wire import Wire, open_wire

_T = TypeVar("_T")

_LOOK_S = 0.1
_OK = 200
_NO_TIME = ServerTiming()


class _Answer(NamedTuple):
    result: ResultMessage
    hello: Hello
    """The last one before it: it says who answered."""


class WebSocketTransport:
    """A stream to one edge server, over one connection after the other.

    It connects when there is something to send. When nothing moves though an answer is due, it tries another
    connection beside the first; frames that have reached the server get their results on whichever comes through.

    Args:
        url: the server's base address.
        credential: what authorises us, if the server wants to know.
    """

    def __init__(self, url: str, credential: Credential | None = None) -> None:
        self._url = url.rstrip("/")
        self._credential = credential or Credential()
        self._wire: Wire | None = None
        self._hello: Hello | None = None
        self._closed = False
        self._suspect = False
        """Whether the connection may be dead."""
        self._dialing: asyncio.Task[None] | None = None
        self._credits = Credits()
        self._last_id = self._last_probe = 0
        self._results: dict[int, asyncio.Future[_Answer]] = {}
        """Of frames that were sent over a connection and not answered, whether anyone still waits for them or not."""
        self._echoes: dict[int, asyncio.Future[None]] = {}
        self._silence = Silence(0.0)
        self._asked = False
        self._looking: asyncio.TimerHandle | None = None

    async def send(
        self,
        payload: bytes,
        media_type: str,  # noqa: ARG002 - the service knows what it takes
        *,
        deadline_ms: float | None = None,
        traceparent: str | None = None,
    ) -> Reply:
        """See Transport.send. Waiting for the server's leave to send counts as its queue."""
        await self._ready()
        began_s = perf_counter()
        last_credit = await self._credits.take()
        sent_s = perf_counter()
        waited_ms = (sent_s - began_s) * 1e3
        frame = FrameMessage(
            self._last_id + 1,
            payload,
            0 if deadline_ms is None else round(min(max(1.0, deadline_ms - waited_ms), MAX_DEADLINE_MS)),
            traceparent.encode() if traceparent else b"",
            last_credit,
        )
        answer = await self._transmit(frame, self._results)
        elapsed_ms = (perf_counter() - sent_s) * 1e3
        result = answer.result
        if result.status != _OK:
            raise refusal(self._url, result.status, result.body)
        decode_ms, queue_ms, infer_ms, post_ms, total_ms = result.times_ms
        server = ServerTiming(
            decode_ms=decode_ms,
            queue_ms=queue_ms + waited_ms,
            infer_ms=infer_ms,
            post_ms=post_ms,
            total_ms=total_ms + waited_ms,
        )
        return Reply(result.body, server, elapsed_ms + waited_ms, answer.hello.instance, answer.hello.revision)

    async def probe(self, payload: bytes) -> Reply:
        """See Transport.probe."""
        await self._ready()
        self._last_probe += 1
        sent_s = perf_counter()
        await self._transmit(ProbeMessage(self._last_probe, payload), self._echoes)
        return Reply(b"", _NO_TIME, (perf_counter() - sent_s) * 1e3)

    async def close(self) -> None:
        """See Transport.close."""
        self._closed = True
        if self._dialing is not None:
            self._dialing.cancel()
        if self._looking is not None:
            self._looking.cancel()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        error = UnreachableError(f"{self._url}: the stream was closed")
        self._credits.fail(error)
        _fail(self._echoes, error)
        _fail(self._results, error)

    def on_hello(self, wire: Wire, hello: Hello) -> None:
        """See Receiver."""
        if wire is self._wire:  # another revision answers from now on
            self._hello = hello
            self._credits.add(hello.credits)
            return
        old, self._wire = self._wire, wire
        if old is not None:
            old.abort()
        resumed = self._hello is not None and hello.session == self._hello.session
        self._hello, self._suspect = hello, False
        self._last_id = max(self._last_id, hello.last_id)
        lost = UnreachableError(f"{self._url}: it was lost with the connection")
        _fail(self._echoes, lost)
        _fail(self._results, lost, but=hello.pending if resumed else ())
        self._credits.reset(hello.credits)

    def on_result(self, wire: Wire, result: ResultMessage) -> None:
        """See Receiver."""
        if wire is not self._wire or self._hello is None:
            return
        self._credits.add(result.credits)
        waiting = self._results.pop(result.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(_Answer(result, self._hello))

    def on_echo(self, wire: Wire, echo: EchoMessage) -> None:  # noqa: ARG002 - see Receiver
        """See Receiver."""
        waiting = self._echoes.pop(echo.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def on_lost(self, wire: Wire, error: TransportError) -> None:
        """See Receiver. What has reached the server can still be had, unless it has said that it ends."""
        if wire is not self._wire:
            return
        self._wire = None
        self._credits.fail(error)
        _fail(self._echoes, error)
        if wire.going_away or not self._results:
            _fail(self._results, error)
        else:
            self._dial()

    async def _transmit(self, message: FrameMessage | ProbeMessage, waiting: "dict[int, asyncio.Future[_T]]") -> _T:
        wire, data = self._wire, message.encode()
        if wire is None or self._hello is None:
            raise UnreachableError(f"{self._url}: the connection broke off")
        if len(data) > self._hello.max_bytes:
            if isinstance(message, FrameMessage):
                self._credits.add(1)
            raise RefusedError(f"{self._url} takes messages of {self._hello.max_bytes} bytes; this has {len(data)}")
        if isinstance(message, FrameMessage):
            self._last_id = message.id
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        waiting[message.id] = future
        wire.send(data)
        self._watch(wire)
        return await future

    async def _ready(self) -> None:
        """Have a connection that is not suspect.

        Raises:
            TransportError: it can't be had.
        """
        while self._wire is None or self._suspect:
            if self._closed:
                raise UnreachableError(f"{self._url}: the stream was closed")
            dialing = self._dial()
            await asyncio.wait((dialing,))
            if not dialing.cancelled():  # as it is when the first connection has come back to life
                dialing.result()

    def _dial(self) -> "asyncio.Task[None]":
        if self._dialing is None:
            self._dialing = asyncio.get_running_loop().create_task(self._connect())
            self._dialing.add_done_callback(self._dialed)
        return self._dialing

    async def _connect(self) -> None:
        query = f"?session={quote(self._hello.session)}" if self._hello else ""
        await open_wire(self._url, query, self._credential.headers, self)

    def _dialed(self, task: "asyncio.Task[None]") -> None:
        self._dialing = None
        if not task.cancelled() and (error := task.exception()) is not None and self._wire is None:
            failed = error if isinstance(error, TransportError) else UnreachableError(f"{self._url}: {error!r}")
            _fail(self._results, failed)

    def _watch(self, wire: Wire) -> None:
        """Look every now and then whether the connection lives, for as long as something is due."""
        if self._looking is None:
            self._look_at(wire, due=False)
            self._looking = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        self._looking = None
        wire = self._wire
        if wire is None or not (self._results or self._echoes):
            return
        silent_s = self._look_at(wire, due=True)
        if silent_s < ASK_S:
            self._asked = False
            if self._suspect:
                self._suspect = False
                if self._dialing is not None:
                    self._dialing.cancel()
        elif not self._asked:
            self._asked = True
            wire.ping()
        elif silent_s > SUSPECT_S and not self._suspect:
            self._suspect = True
            self._dial()
        self._looking = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look_at(self, wire: Wire, *, due: bool) -> float:
        return self._silence.look(
            monotonic(), due=due, heard_bytes=wire.heard_bytes, unacknowledged_bytes=wire.unacknowledged_bytes
        )


def _fail(waiting: "dict[int, asyncio.Future[_T]]", error: TransportError, but: "tuple[int, ...]" = ()) -> None:
    """Tell those who wait, but for some, that nothing comes."""
    for number in [number for number in waiting if number not in but]:
        future = waiting.pop(number)
        if not future.done():
            future.set_exception(error)
