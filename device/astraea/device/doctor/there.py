"""What the device reaches: the broker, its clock, the way to an edge server, the server's answer."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from email.utils import parsedate_to_datetime
from time import perf_counter, time
from typing import TypeVar

import httpx
import numpy as np
from numpy.typing import NDArray

from ..candidates import RemoteTarget
from ..candidates.broker import BrokerClient
from ..candidates.enrolment import stored_key
from ..codec import encode
from ..encoding import Encoding
from ..errors import DeviceError, LateError, RefusedError, TransportError
from ..transports import Credential, Transport
from .finding import Finding

_T = TypeVar("_T")

_TIMEOUT_S = 5.0
_SMALL_BYTES, _LARGE_BYTES = 64, 64 * 1024
_SMALL, _LARGE = 5, 3
_SLOW_MBPS = 1.0
"""About where a small board and the edge are equally soon."""
_LONG_MS = 150.0
_CLOCK_S = 5.0
"""Tokens are dated; a server does not take those of a minute that has not come."""
_FRAME_BYTES = 45_000
_MEDIA_TYPE = "image/jpeg"


async def check_broker(url: str, service: str, credential: Credential) -> tuple[Finding, list[RemoteTarget]]:
    """Ask the broker for the service's instances; they are returned too, and the credential gets the broker's token."""
    subject = f"broker {url}"
    try:
        targets, ms = await _candidates(url, service, credential)
    except DeviceError as error:
        hint = error.hint or "is the address right (--broker, ASTRAEA_BROKER), and does `astraea broker` run there?"
        return Finding(subject, "failed", str(error), hint), []
    if not targets:
        text = f"it answers in {ms:.0f} ms, and knows no instance of {service}"
        return Finding(subject, "failed", text, f"`astraea deploy {service}`, then `astraea status`"), []
    names = ", ".join(target.name for target in targets)
    return Finding(subject, "ok", f"it answers in {ms:.0f} ms: {names}"), targets


async def _candidates(url: str, service: str, credential: Credential) -> tuple[list[RemoteTarget], float]:
    """The instances, and the ms that the broker took."""
    client = BrokerClient(url, service, None, credential, stored_key(url))
    start = perf_counter()
    try:
        return (await client.candidates(None)).targets, (perf_counter() - start) * 1000
    finally:
        await client.close()


async def check_clock(url: str) -> Finding:
    """Compare this device's clock with that of a server, by the Date header of whatever it answers."""
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            before_s = time()
            response = await client.get(url)
            now_s = (before_s + time()) / 2
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("clock", "warning", f"nothing to compare it with: {error or type(error).__name__}")
    try:
        theirs = parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError):
        return Finding("clock", "warning", f"{url} does not tell the time")
    return judge_clock(now_s, theirs)


def judge_clock(now_s: float, theirs: datetime) -> Finding:
    """Compare the time since the epoch with a server's, which is told in whole seconds."""
    ahead_s = now_s - (theirs.timestamp() + 0.5)
    if abs(ahead_s) <= _CLOCK_S:
        return Finding("clock", "ok", "it agrees with the server's to some seconds")
    text = f"it is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the server's"
    return Finding("clock", "failed", text, "sudo timedatectl set-ntp true; else tokens are refused")


async def check_link(target: RemoteTarget, transport: Transport) -> Finding:
    """Time small and large messages to an edge server."""
    subject = f"link to {target.name}"
    try:
        small = [await _timed(transport, _SMALL_BYTES) for _ in range(_SMALL)]
        large = [await _timed(transport, _LARGE_BYTES) for _ in range(_LARGE)]
    except TransportError as error:
        return Finding(subject, "failed", str(error), f"does the network let this device reach {target.url}?")
    return judge_link(subject, min(small), min(large))


async def _timed(transport: Transport, size_bytes: int) -> float:
    return (await _within(transport.probe(bytes(size_bytes)))).network_ms


async def _within(work: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await work
    except TimeoutError:
        raise LateError(f"no answer within {_TIMEOUT_S:g} s") from None


def judge_link(subject: str, small_ms: float, large_ms: float) -> Finding:
    """Say what a link is good for, from the shortest times of `_SMALL_BYTES` and of `_LARGE_BYTES`."""
    ms_per_byte = max((large_ms - small_ms) / (_LARGE_BYTES - _SMALL_BYTES), 1e-6)
    mbps = 8 / ms_per_byte / 1000
    rate = f"{mbps:.1f} Mbit/s" if mbps < 100 else "more than 100 Mbit/s"
    frame_ms = small_ms + _FRAME_BYTES * ms_per_byte
    text = f"round trip {small_ms:.0f} ms, uplink {rate}: {frame_ms:.0f} ms for a frame of 45 kB"
    if mbps < _SLOW_MBPS:
        return Finding(subject, "warning", text, "slow: a smaller --size, or a better place for the antenna")
    if small_ms > _LONG_MS:
        return Finding(subject, "warning", text, "far: deploy the service in a region nearer to this device")
    return Finding(subject, "ok", text)


async def check_edge(target: RemoteTarget, transport: Transport, image: NDArray[np.uint8] | None) -> Finding:
    """Have a picture answered."""
    subject = f"edge {target.name}"
    picture = image if image is not None else np.full((480, 640, 3), 128, np.uint8)
    start = perf_counter()
    try:
        reply = await _within(transport.send(encode(picture, Encoding()), _MEDIA_TYPE))
    except RefusedError as error:
        return Finding(subject, "failed", str(error), "`astraea logs` tells what the server makes of it")
    except TransportError as error:
        return Finding(subject, "failed", str(error), error.hint)
    ms = (perf_counter() - start) * 1000
    text = f"a picture is answered in {ms:.0f} ms, {reply.server.infer_ms:.0f} ms of it inference"
    return Finding(subject, "ok", text + (f", by revision {reply.revision}" if reply.revision else ""))
