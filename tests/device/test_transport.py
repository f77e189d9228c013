import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from astraea.device import CorruptError, HttpTransport, RefusedError, UnreachableError
from astraea.protocol import PROBLEM_MEDIA_TYPE, Problem, ServerTiming

from .conftest import HttpReply, Peer

TIMING = ServerTiming(decode_ms=1, infer_ms=2, total_ms=3.5)


@pytest_asyncio.fixture
async def transport(peer: Peer) -> AsyncIterator[HttpTransport]:
    transport = HttpTransport(peer.url)
    yield transport
    await transport.close()


async def test_a_frame_goes_out_and_its_answer_comes_back(peer: Peer, transport: HttpTransport) -> None:
    headers = (("Server-Timing", TIMING.to_header()), ("Astraea-Instance", "i"), ("Astraea-Revision", "r"))
    peer.reply = HttpReply(body=b"{}", headers=headers)
    reply = await transport.send(b"jpeg", "image/jpeg")
    assert peer.requests == [("POST", "/predict", b"jpeg")]
    assert (reply.body, reply.server, reply.instance, reply.revision) == (b"{}", TIMING, "i", "r")
    assert reply.network_ms == pytest.approx(max(0, reply.elapsed_ms - 3.5))


async def test_a_probe_carries_as_many_bytes_as_asked(peer: Peer, transport: HttpTransport) -> None:
    peer.reply = HttpReply(status=204)
    await transport.probe(bytes(4096))
    assert peer.requests == [("POST", "/probe", bytes(4096))]


async def test_a_refusal_gives_the_problem_document_s_reason(peer: Peer, transport: HttpTransport) -> None:
    problem = Problem(title="Overloaded", status=503, detail="8 requests are waiting, the most allowed")
    peer.reply = HttpReply(503, problem.model_dump_json().encode(), (("content-type", PROBLEM_MEDIA_TYPE),))
    with pytest.raises(RefusedError, match="503: 8 requests are waiting"):
        await transport.send(b"", "image/jpeg")


async def test_a_refusal_without_a_problem_document_gives_its_status(peer: Peer, transport: HttpTransport) -> None:
    peer.reply = HttpReply(502, b"<html>Bad gateway</html>")
    with pytest.raises(RefusedError, match="502: no reason given"):
        await transport.send(b"", "image/jpeg")


@pytest.mark.parametrize(
    "reply", [HttpReply(body=bytes(9 * 2**20)), HttpReply(headers=(("Server-Timing", "total;dur=soon"),))]
)
async def test_a_reply_too_large_or_garbled_is_corrupt(peer: Peer, transport: HttpTransport, reply: HttpReply) -> None:
    peer.reply = reply
    with pytest.raises(CorruptError):
        await transport.send(b"", "image/jpeg")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://no-such-host.invalid", "ftp://host", "http://[::bad"]
)
async def test_an_address_where_nobody_answers_is_unreachable(url: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        transport = HttpTransport(url.format(port=unused.getsockname()[1]))
        with pytest.raises(UnreachableError):
            await transport.send(b"", "image/jpeg")
        await transport.close()
