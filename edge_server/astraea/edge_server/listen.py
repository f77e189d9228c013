"""Where the server listens."""

import errno
import ipaddress
import os
import socket

from .errors import ListenError


def listen(host: str, port: int, *, open_to_network: bool) -> socket.socket:
    """Take a port, before anything slow is done.

    Raises:
        ListenError: It is in use, or the address is none of this machine's, or others than this machine can reach it
            and they may not (`open_to_network`).
    """
    if not (open_to_network or _is_loopback(host)):
        raise ListenError(
            f"{host} is open to the network, and requests are not authenticated",
            hint="--api-key-file or --jwks ask for a token; --insecure is for a network where you trust everyone",
        )
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise ListenError(
            f"can't listen on {host}: {error.strerror}", hint="give --host an address of this machine"
        ) from None
    try:
        return socket.create_server(address, family=family)
    except OSError as error:
        raise _listen_error(host, port, error) from None


def _listen_error(host: str, port: int, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return ListenError(f"port {port} is in use", hint="--port chooses another; 0 takes any that is free")
    return ListenError(
        f"can't listen on {host} port {port}: {os.strerror(error.errno or 0)}",
        hint="--host and --port choose others",
    )


def url_of(listener: socket.socket, *, registering: bool, scheme: str = "http") -> str:
    """The address that a socket listens on, as a URL.

    Raises:
        ListenError: Devices are to be told it by a broker, and it is a wildcard.
    """
    host, port, *_ = listener.getsockname()
    if registering and ipaddress.ip_address(host).is_unspecified:
        raise ListenError(
            f"{host} is no address at which devices reach this node", hint="--advertise http://NAME:PORT tells one"
        )
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
