"""Where a server listens."""

import errno
import ipaddress
import os
import socket

from ..errors import ListenError


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Take a port, before anything slow is done; 0 takes any that is free.

    Raises:
        ListenError: It is in use, or the address is none of this machine's.
    """
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
        shows = f"`ss -ltnp 'sport = :{port}'` shows by whom"
        return ListenError(f"port {port} is in use", hint=f"{shows}; --port chooses another; 0 takes any that is free")
    return ListenError(
        f"can't listen on {host} port {port}: {os.strerror(error.errno or 0)}", hint="--host and --port choose others"
    )


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """The address that a socket listens on, as a URL."""
    host, port, *_ = listener.getsockname()
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
