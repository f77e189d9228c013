"""Networks that misbehave as told, for tests and benchmarks: hosts on this machine, joined by links with faults.

    with Namespace() as device, Namespace() as edge, Link(device, edge) as link:
        server = edge.start(["python", "-m", "http.server"])
        link.become(Conditions(rate_mbps=20, delay_ms=15, jitter_ms=5, loss_pct=1))
        device.run("curl", f"http://{link.right}:8000")
        link.become(Conditions(up=False))

Needs Linux, root and `ip` of iproute2; `unavailable()` says what is missing. Namespaces and links have no names and no
files: when the process that made them ends, in whatever way, the kernel takes them away.

Links are shaped by a process of our own rather than by the kernel's netem: it is there on every kernel, follows a
measured trace to the millisecond, and its queue is one that a test can check.
"""

from .conditions import Change, Conditions
from .errors import NetlabError
from .link import Link
from .namespace import Namespace, unavailable

__all__ = ["Change", "Conditions", "Link", "Namespace", "NetlabError", "unavailable"]
