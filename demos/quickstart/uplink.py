"""A mobile uplink in user space: TCP proxies whose common rate, delay and outages a script controls. No root needed.

What it cannot do: lose single packets, or be refused a connection; an outage is silence, as a dead radio link is.
"""

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

from astraea.device import Transport
from astraea.device.transports import AutoTransport

_T = TypeVar("_T")

_SEGMENT_BYTES = 2048
"""What is shaped at once: about 1 ms at 16 Mbit/s, so that a small message is not stuck behind a large one's whole."""
_BITS_PER_BYTE = 8


class Condition(NamedTuple):
    """What the link is like for a while."""

    name: str
    mbps: float
    """Towards the edge; the way back carries little and is only delayed."""
    delay_ms: float
    """In each direction."""
    up: bool = True
    """False: nothing passes until it is True again."""


class Uplink:
    """Everything that a device sends to any edge server shares this one link. Use it as a context manager."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._free_at_s = 0.0
        self._open = asyncio.Event()
        self._routes: dict[str, str] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="uplink", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.become(self._condition)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def become(self, condition: Condition) -> None:
        """Change what the link is like, at once, for what is under way too."""
        self._run(self._become(condition))

    def route(self, url: str) -> str:
        """The address by which `url` is reached over this link."""
        if url not in self._routes:
            self._routes[url] = self._run(self._listen(url))
        return self._routes[url]

    def transport(self, url: str) -> Transport:
        """A device's way to `url` over this link."""
        return AutoTransport(self.route(url))

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _become(self, condition: Condition) -> None:
        self._condition = condition
        self._free_at_s = self._loop.time()
        if condition.up:
            self._open.set()
        else:
            self._open.clear()

    async def _listen(self, url: str) -> str:
        parts = urlsplit(url)

        async def carry(device: asyncio.StreamReader, to_device: asyncio.StreamWriter) -> None:
            try:
                edge, to_edge = await asyncio.open_connection(parts.hostname, parts.port)
            except OSError:
                to_device.close()  # nobody listens there: as near to a refusal as a proxy gets
                return
            self._spawn(self._pump(device, to_edge, shaped=True))
            self._spawn(self._pump(edge, to_device, shaped=False))

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        self._servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, shaped: bool) -> None:
        """Carry one direction of a connection; its segments are under way at the same time, each delayed by itself."""
        flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._spawn(self._land(flight, sink))
        try:
            while segment := await source.read(_SEGMENT_BYTES):
                await self._open.wait()
                if shaped:
                    await self._take_turn(len(segment))
                flight.put_nowait((self._loop.time() + self._condition.delay_ms / 1000, segment))
        except ConnectionError:
            pass  # the same as its end
        finally:
            flight.put_nowait((self._loop.time(), b""))

    async def _take_turn(self, size_bytes: int) -> None:
        """Wait until the link, which all connections share, has carried this segment too."""
        duration_s = size_bytes * _BITS_PER_BYTE / (self._condition.mbps * 1e6)
        self._free_at_s = max(self._free_at_s, self._loop.time()) + duration_s
        await asyncio.sleep(self._free_at_s - self._loop.time())

    async def _land(self, flight: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter) -> None:
        try:
            while True:
                at_s, segment = await flight.get()
                if not segment:
                    return
                await asyncio.sleep(at_s - self._loop.time())
                await self._open.wait()
                sink.write(segment)
                await sink.drain()
        except ConnectionError:
            pass  # the receiver is gone, and so is what was meant for it
        finally:
            sink.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the closed connections' own turn
