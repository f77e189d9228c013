"""The command, its table and its plot.

The broker's own selection against nearest node, round robin and least loaded, and against the optimum. A flash crowd of
20 % of all devices comes up in one city within ten seconds; later every node of another region fails at once.
"""

import argparse
import asyncio
import json
import logging
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np

from astraea.broker import Broker, SqliteStore
from astraea.protocol.broker_api import Sharing

from .optimum import optimum
from .policies import LeastLoaded, Nearest, Ours, RoundRobin
from .simulation import ASK_S, Figures, simulate
from .world import CROWD_AT_S, OBJECTIVE, OUTAGE_AT_S, Floats, World, world

_POLICIES = ("nearest", "round robin", "least loaded", "astraea")


def run(w: World, seed: int, names: Sequence[str]) -> dict[str, tuple[Figures, Floats]]:
    clock = [0.0]
    chance = np.random.default_rng(seed)
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder, closing(loop), closing(SqliteStore(Path(folder) / "b.db")) as store:
        broker = Broker(store, lease_s=ASK_S, clock=lambda: clock[0], chance=chance)
        loop.run_until_complete(broker.share_out("plates", Sharing(objective=OBJECTIVE)))
        policies = (Nearest(w), RoundRobin(w), LeastLoaded(w, chance), Ours(w, broker, clock, loop, chance))
        done = {policy.name: simulate(w, policy, seed) for policy in policies if policy.name in names}
    return done | {"optimum": optimum(w)}


def table(results: Sequence[Figures]) -> str:
    best = results[-1]
    head = (
        f"{'':14}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>9}{'p95 ratio':>11}{'cost':>8}{'ratio':>7}"
        f"{'overload':>10}{'us/ask':>8}"
    )
    lines = [head]
    lines += [
        f"{r.policy:14}{r.p50_ms:8.1f}{r.p95_ms:8.1f}{r.p99_ms:9.1f}{r.p95_ms / best.p95_ms:11.2f}{r.cost:8.3f}"
        f"{r.cost / best.cost:7.2f}{r.longest_overload_s:8} s{r.us_per_ask:8.0f}"
        for r in results
    ]
    return "\n".join(lines)


def plot(results: dict[str, tuple[Figures, Floats]], path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - only when a plot is asked for

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, (_, per_second) in results.items():
        style = {"color": "black", "linestyle": "--"} if name == "optimum" else {}
        axes.plot(per_second, label=name, **style)  # type: ignore[arg-type] # matplotlib's keywords
    for at, what in ((CROWD_AT_S, "flash crowd"), (OUTAGE_AT_S, "a region fails")):
        axes.axvline(at, color="grey", linewidth=0.8)
        axes.annotate(what, (at + 1, 0.97), xycoords=("data", "axes fraction"), va="top", fontsize=9)
    axes.set(yscale="log", xlabel="s", ylabel="95th percentile of response times, ms", title="100,000 devices")
    axes.legend()
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--devices", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the world and of chance (default: %(default)s)")
    parser.add_argument(
        "--surprise",
        type=float,
        default=0.1,
        help="how far round trips are from the model of the distance, as a standard deviation (default: %(default)s)",
    )
    parser.add_argument(
        "--only", nargs="+", default=_POLICIES, choices=_POLICIES, metavar="POLICY", help="of %(choices)s"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures to a file")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="also draw the 95th percentile over time")
    given = parser.parse_args(arguments)
    logging.getLogger("astraea").setLevel(logging.ERROR)  # a region's leases expire
    w = world(given.devices, given.nodes, given.seed, given.surprise)
    results = run(w, given.seed, given.only)
    figures = [figure for figure, _ in results.values()]
    print(table(figures))
    print("bounds: astraea's p95 <= 1.15 x the optimum's, cost <= 1.10 x, no node above its capacity for more than 5 s")
    if given.json:
        given.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    if given.plot:
        plot(results, given.plot)


if __name__ == "__main__":
    main()
