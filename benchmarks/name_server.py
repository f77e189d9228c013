"""A name server that knows one address, for tests of what happens without one: `python -m benchmarks.name_server`."""

import argparse
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address

_HEADER_BYTES = 12
_ANSWER_FLAGS = 0x8580
"""A response, authoritative, without an error; see RFC 1035, section 4.1.1."""
_TYPE_A, _CLASS_IN = 1, 1
_POINTER_TO_QUESTION = 0xC00C
_TTL_S = 1


def answer(query: bytes, address: IPv4Address) -> bytes:
    """The reply to a query with one question: the address whatever the name, and nothing for other types.

    Raises:
        ValueError: it is no such query.
    """
    end = query.find(b"\0", _HEADER_BYTES) + 5
    if end < _HEADER_BYTES + 5 or end > len(query):
        raise ValueError("no question in it")
    number, question = query[:2], query[_HEADER_BYTES:end]
    (kind,) = struct.unpack("!H", question[-4:-2])
    record = struct.pack("!HHHIH", _POINTER_TO_QUESTION, _TYPE_A, _CLASS_IN, _TTL_S, 4) + address.packed
    answers = 1 if kind == _TYPE_A else 0
    return number + struct.pack("!HHHHH", _ANSWER_FLAGS, 1, answers, 0, 0) + question + answers * record


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.name_server", description=__doc__)
    parser.add_argument("listen", help="IPv4 address to listen on, port 53")
    parser.add_argument("address", type=IPv4Address, help="the address to tell")
    given = parser.parse_args()
    # Without a traceback: by itself Ctrl-C ends it, and in a lab everything is ended together.
    with suppress(KeyboardInterrupt), socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind((given.listen, 53))
        print("ready", flush=True)
        while True:
            query, client = server.recvfrom(512)
            with suppress(ValueError):
                server.sendto(answer(query, given.address), client)


if __name__ == "__main__":
    main()
