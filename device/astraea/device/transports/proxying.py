"""Connections through the proxy that the environment names, as HTTP requests go through it.

`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are read as Python's own urllib does; a stream asks the proxy for a tunnel
(CONNECT: RFC 9110, 9.3.6, and for WebSockets RFC 6455, 4.1).
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import TypeVar, cast

from websockets.exceptions import InvalidProxy, InvalidProxyStatus, ProxyError
from websockets.proxy import get_proxy, parse_proxy
from websockets.uri import WebSocketURI

from ..errors import NoStreamError, UnreachableError

_P = TypeVar("_P", bound=asyncio.Protocol)


async def open_connection(uri: WebSocketURI, make: Callable[[], _P], secure: ssl.SSLContext | None) -> _P:
    """Connect to an address, directly or as the environment says; the protocol that was made for it.

    Raises:
        NoStreamError: the proxy gives no tunnel.
        UnreachableError: it doesn't speak HTTP, or is no address.
        OSError: nobody answers.
    """
    proxy = get_proxy(uri)
    if proxy is not None:
        return await _through(proxy, uri, make, secure)
    _, protocol = await asyncio.get_running_loop().create_connection(make, uri.host, uri.port, ssl=secure)
    return protocol


async def _through(proxy: str, uri: WebSocketURI, make: Callable[[], _P], secure: ssl.SSLContext | None) -> _P:
    # Seldom needed, and what it imports takes a tenth of a second on a small board.
    from websockets.asyncio.client import connect_http_proxy  # noqa: PLC0415

    try:
        parsed = parse_proxy(proxy)
        if parsed.scheme not in {"http", "https"}:
            raise NoStreamError(f"no stream goes through a proxy of the kind {parsed.scheme}")
        tls = ssl.create_default_context() if parsed.scheme == "https" else None
        transport = await connect_http_proxy(parsed, uri, ssl=tls)
    except InvalidProxyStatus as error:
        raise NoStreamError(f"the proxy {parsed.host} gives no tunnel: {error}") from None
    except (InvalidProxy, ProxyError) as error:
        raise UnreachableError(f"the proxy: {error}") from None
    protocol = make()
    transport.set_protocol(protocol)
    if secure is not None:
        try:
            started = await asyncio.get_running_loop().start_tls(transport, protocol, secure, server_hostname=uri.host)
        except BaseException:
            transport.abort()
            raise
        transport = cast("asyncio.Transport", started)
    protocol.connection_made(transport)
    return protocol
