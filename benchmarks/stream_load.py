"""A load over streams that hardly costs any: a blocking socket, and frames one after the other."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from astraea.protocol.stream import SUBPROTOCOL, FrameMessage, ResultMessage, read_from_edge

from .load import Exchange

_RECEIVED_BYTES = 65536


@contextmanager
def stream_client(url: str, body: bytes, headers: Mapping[str, str]) -> Iterator[Callable[[], Exchange]]:
    """A stream to a server; calling it has the body answered."""
    protocol = ClientProtocol(
        parse_uri(f"ws://{urlsplit(url).netloc}/stream"), subprotocols=[cast("Subprotocol", SUBPROTOCOL)]
    )
    with socket.create_connection((protocol.uri.host, protocol.uri.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0

        def receive() -> Frame:
            while True:
                for event in protocol.events_received():
                    if isinstance(event, Frame):
                        return event
                if not (data := connection.recv(_RECEIVED_BYTES)):
                    raise ConnectionError(f"{url} closed the stream")
                protocol.receive_data(data)

        def ask() -> Exchange:
            nonlocal number
            number += 1
            began_s = time.perf_counter()
            protocol.send_binary(FrameMessage(number, body).encode())
            connection.sendall(b"".join(protocol.data_to_send()))
            result = cast("ResultMessage", read_from_edge(bytes(receive().data)))
            return Exchange(began_s, (time.perf_counter() - began_s) * 1e3, result.status, result.body)

        request = protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        protocol.send_request(request)
        connection.sendall(b"".join(protocol.data_to_send()))
        receive()  # the hello
        yield ask
