"""How soon two brokers on one PostgreSQL see each other's changes: `python -m benchmarks.shared_store postgresql://...`.

An operator sets a service's weights at one broker, and the other is asked for them until it has them; each change is
sent to the brokers by turns. The bound is one second. The database should be an empty one: it is written to.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from astraea.protocol.broker_api import Sharing, calls
from astraea.protocol.broker_api.client import BrokerApi

_POLL_S = 0.005
_PATIENCE_S = 30.0


@contextmanager
def broker(store: str) -> Iterator[str]:
    """A broker process on a store; its address."""
    command = [sys.executable, "-m", "astraea.deployer", "broker", "--port", "0", "--store", store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout  # noqa: S101 - it was asked for
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise SystemExit("the broker did not start")
            yield found[0]
        finally:
            process.terminate()


def seen_after_s(told: BrokerApi, asked: BrokerApi, weight: float) -> float:
    """Change something at one broker; when the other knows of it, in seconds after the first has acknowledged it."""
    wanted = Sharing(weights={"canary": weight, "stable": 100.0})
    told.send(calls.share_out("plates", wanted))
    began = time.perf_counter()
    while asked.send(calls.sharing("plates")) != wanted:
        if time.perf_counter() > began + _PATIENCE_S:
            raise SystemExit(f"the other broker did not see the change within {_PATIENCE_S:g} s")
        time.sleep(_POLL_S)
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_store", description=__doc__.splitlines()[0])
    parser.add_argument("store", help="the database, postgresql://user@host/database")
    parser.add_argument("--changes", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(trust_env=False, timeout=10))
        pair = [BrokerApi(http, stack.enter_context(broker(given.store))) for _ in range(2)]
        times = [seen_after_s(pair[n % 2], pair[1 - n % 2], float(n)) for n in range(given.changes)]
    figures = {"median_s": statistics.median(times), "longest_s": max(times), "changes": len(times)}
    print(f"{len(times)} changes seen by the other broker after {figures['median_s']:.2f} s (median),")
    print(f"{figures['longest_s']:.2f} s (longest); bound: 1 s")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
