"""Where an instance listens, and where devices reach it."""

import ipaddress
import socket

from astraea.protocol import ListenError
from astraea.protocol.serving import listening


def listen(host: str, port: int, *, open_to_network: bool) -> socket.socket:
    """Take a port, before anything slow is done.

    Raises:
        ListenError: It is in use, or the address is none of this machine's, or others than this machine can reach it
            and they may not (`open_to_network`).
    """
    if not (open_to_network or listening.is_loopback(host)):
        raise ListenError(
            f"{host} is open to the network, and requests are not authenticated",
            hint="--api-key-file or --jwks ask for a token; --insecure is for a network where you trust everyone",
        )
    return listening.listen(host, port)


def url_of(listener: socket.socket, *, registering: bool, scheme: str = "http") -> str:
    """The address that a socket listens on, as a URL.

    Raises:
        ListenError: Devices are to be told it by a broker, and it is a wildcard.
    """
    host = listener.getsockname()[0]
    if registering and ipaddress.ip_address(host).is_unspecified:
        raise ListenError(
            f"{host} is no address at which devices reach this node", hint="--advertise http://NAME:PORT tells one"
        )
    return listening.url_of(listener, scheme)
