import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from netlab import Change, Conditions, Link, Namespace, NetlabError

pytestmark = pytest.mark.usefixtures("netns")


class Lab(NamedTuple):
    device: Namespace
    edge: Namespace
    link: Link


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Namespace() as device, Namespace() as edge, Link(device, edge) as link:
        yield Lab(device, edge, link)


def sockets(lab: Lab) -> tuple[socket.socket, socket.socket]:
    """A datagram socket on the device that sends to one on the edge."""
    with lab.edge.entered():
        there = socket.socket(type=socket.SOCK_DGRAM)
    there.bind((lab.link.right, 0))
    there.settimeout(5)
    with lab.device.entered():
        here = socket.socket(type=socket.SOCK_DGRAM)
    here.connect(there.getsockname())
    here.settimeout(5)
    return here, there


def test_the_delay_holds_in_both_directions(lab: Lab) -> None:
    lab.link.become(Conditions(delay_ms=40), Conditions(delay_ms=20))
    here, there = sockets(lab)
    with here, there:
        began_s = time.monotonic()
        here.send(b"ping")
        _, sender = there.recvfrom(10)
        assert time.monotonic() - began_s >= 0.04
        there.sendto(b"pong", sender)
        assert here.recv(10) == b"pong"
        assert time.monotonic() - began_s >= 0.06


def test_an_outage_is_silent_and_ends(lab: Lab) -> None:
    here, there = sockets(lab)
    with here, there:
        lab.link.become(Conditions(up=False))
        here.send(b"lost")
        lab.link.become(Conditions())
        here.send(b"there")
        assert there.recv(10) == b"there"


def test_a_schedule_is_followed_by_the_clock(lab: Lab) -> None:
    start_s = time.monotonic() + 0.2
    away, back = Conditions(rate_mbps=0), Conditions()
    lab.link.follow([Change(start_s, away, back), Change(start_s + 0.3, back, back)])
    here, there = sockets(lab)
    with here, there:
        time.sleep(start_s + 0.05 - time.monotonic())
        here.send(b"waits")
        assert there.recv(10) == b"waits"
        assert time.monotonic() >= start_s + 0.3


def test_a_stream_gets_no_more_than_the_rate(lab: Lab) -> None:
    lab.link.become(Conditions(rate_mbps=1.6, delay_ms=5))
    with lab.edge.entered():
        server = socket.create_server((lab.link.right, 0))
    with server, lab.device.entered():
        sender = socket.create_connection(server.getsockname())
        with sender, server.accept()[0] as receiver:
            began_s = time.monotonic()
            sender.sendall(bytes(40_000))  # what a receive buffer holds, for nobody reads yet
            sender.shutdown(socket.SHUT_WR)
            while receiver.recv(65536):
                pass
            assert time.monotonic() - began_s >= 0.2


def test_processes_run_inside_under_their_own_number_and_end_with_the_namespace() -> None:
    with Namespace() as host:
        process = host.start(
            [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        with process.stdout:
            assert int(process.stdout.readline()) == process.pid
        assert Path(f"/proc/{process.pid}/ns/net").stat().st_ino == os.fstat(host.fd).st_ino
    assert process.returncode == -signal.SIGTERM


def test_a_process_that_does_not_listen_ends_with_the_namespace_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netlab.namespace._END_S", 0.1)
    with Namespace() as host:
        deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
        process = host.start([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
    assert process.returncode == -signal.SIGKILL


def test_a_command_that_fails_says_what_it_said() -> None:
    with Namespace() as host, pytest.raises(NetlabError, match="does not exist"):
        host.run("ip", "link", "show", "nosuch")


def test_two_hosts_may_have_more_than_one_link() -> None:
    with Namespace() as device, Namespace() as edge, Link(device, edge), Link(device, edge, "10.77.1.0/30"):
        assert device.run("ip", "-brief", "address").count("10.77.") == 4


def test_a_link_whose_shaper_has_died_says_so(lab: Lab) -> None:
    lab.link._shaper.kill()
    lab.link._shaper.wait()
    with pytest.raises(NetlabError, match="has ended"):
        lab.link.become(Conditions())


def test_a_link_leaves_nothing_behind() -> None:
    with Namespace() as device, Namespace() as edge:
        Link(device, edge).close()
        assert "10.77." not in device.run("ip", "address") + edge.run("ip", "address")
