"""How good decisions are on measured networks, beside a clairvoyant's: `python -m benchmarks.regret`.

On every uplink trace of a folder, by the client's own policy in virtual time:

- latency, open loop, for four devices: regret, the mean response time over the oracle's, in percent. Each frame is
  judged on its own; a policy has heard only what has really come back by the frame's capture, so a frame that is stuck
  tells nothing before it is overdue. `unhedged` is what the choice alone is worth: without the device's beginning on
  overdue frames. `told` is an EWMA that hears before each frame what the edge would have taken for the one before, sent
  or not: no real client can, but references are often made like that.
- accuracy within a deadline, open loop: the mean accuracy over the oracle's, a late answer counting nothing, and how
  many more deadlines are missed.
- latency, closed loop: the device and the link really are busy, and frames that find no time are dropped.

Nothing is fitted while it runs, but these are not unseen traces: four parameters that `accuracy` depends on were chosen
with them in view (what a missed deadline takes away, 3; the tails' degrees of freedom, 5; the least share of a time
that varies as sending does, 0.5; when a rung is surely in time, 6 sigma). The leave-one-out figures refit nothing; they
show that no single trace carries the result: the least and the greatest pooled figure with one trace left out.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from astraea.device.decision import Objective
from astraea.device.profile import Profile
from astraea.device.simulator import (
    ADAPTIVE,
    ORACLE,
    Session,
    Trace,
    World,
    figures,
    loop_figures,
    mean_ms,
    objective_figures,
    read_trace,
    regret_pct,
    simulate,
)

SHARED_TRACES = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces"
LOCAL_MS = (450.0, 60.0, 11.0, 2000.0)
"""A Raspberry Pi 4 with a small YOLO; faster boards; a Pi 5 with a Hailo-class accelerator, as published; a Pi 4 with a
larger model."""
DEADLINE_MS = 100.0
"""For the objective accuracy; beyond the reach of the first device's own model."""
UNHEDGED, TOLD = "unhedged", "told"
EWMA_WEIGHT = 0.3

Sessions = Mapping[str, Mapping[str, Session]]
"""By trace, then by policy."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED_TRACES, help="folder of traces")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    traces = uplink_traces(arguments.data)
    console = Console(stderr=True)
    bar = track(LOCAL_MS, "simulating", console=console, transient=True, disable=not console.is_terminal)
    devices = {f"{local_ms:.0f}": measure(traces, Profile(local_ms=local_ms)) for local_ms in bar}
    document = {"latency": devices, "accuracy": measure_accuracy(traces, Profile())}
    for local_ms, device in devices.items():
        show(local_ms, device)
    show_accuracy(document["accuracy"])
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def uplink_traces(folder: Path) -> list[Trace]:
    """Those of the folder's CSV files that say by their header that they are of an uplink."""
    paths = sorted(folder.glob("*.csv"))
    return [read_trace(path) for path in paths if path.open(encoding="utf-8").readline().startswith("t_s,uplink_mbps")]


def measure(traces: Sequence[Trace], profile: Profile) -> dict[str, Any]:
    sessions = {}
    for trace in traces:
        unhedged = simulate(trace, profile, hedge=False)[ADAPTIVE]
        sessions[trace.name] = {**simulate(trace, profile), UNHEDGED: unhedged}
    closed = {trace.name: simulate(trace, profile, closed_loop=True) for trace in traces}
    told_ms = {trace.name: told_ewma_ms(trace, profile) for trace in traces}
    left_out = [pooled({name: sessions[name] for name in sessions if name != without}) for without in sessions]
    return {
        "traces": {
            name: regrets(one) | {TOLD: regret_pct(told_ms[name], mean_ms([one[ORACLE]]))}
            for name, one in sessions.items()
        },
        "pooled": pooled(sessions) | {TOLD: pooled_told(sessions, told_ms)},
        "leave_one_out": spread(one[ADAPTIVE] for one in left_out),
        "over_better_static_pct": {name: over_better_static_pct(one) for name, one in sessions.items()},
        "hedged_pct": {name: share_pct(one[ADAPTIVE], "hedged") for name, one in sessions.items()},
        "local_pct": {name: share_pct(one[ADAPTIVE], "local") for name, one in sessions.items()},
        "probe_bytes_pct": {
            name: figures(one[ADAPTIVE], one[ORACLE], profile).probe_bytes_pct for name, one in sessions.items()
        },
        "closed_loop": closed_loop(closed, profile),
    }


def regrets(sessions: Mapping[str, Session]) -> dict[str, float]:
    oracle_ms = mean_ms([sessions[ORACLE]])
    return {who: regret_pct(mean_ms([one]), oracle_ms) for who, one in sessions.items() if who != ORACLE}


def pooled(sessions: Sessions) -> dict[str, float]:
    """Over the frames of all traces."""
    oracle_ms = mean_ms(one[ORACLE] for one in sessions.values())
    players = [who for who in next(iter(sessions.values())) if who != ORACLE]
    return {who: regret_pct(mean_ms(one[who] for one in sessions.values()), oracle_ms) for who in players}


def over_better_static_pct(sessions: Mapping[str, Session]) -> float:
    """How much worse than the better of always local and always edge; below 0 when better than both."""
    return regret_pct(mean_ms([sessions[ADAPTIVE]]), min(mean_ms([sessions[who]]) for who in ("local", "edge")))


def told_ewma_ms(trace: Trace, profile: Profile) -> float:
    """The mean response time of an EWMA that is told of every frame, sent or not, before the next."""
    world, rung = World(trace, profile), profile.ladder[-1]
    frames = max(1, round(trace.duration_s * profile.fps))
    rate, total_ms = 0.0, 0.0
    for frame in range(frames):
        exchange = world.frame(frame * profile.frame_every_s, rung)
        known_ms = rung.encode_ms + profile.rtt_ms + rung.edge_ms
        at_edge = rate == 0 or known_ms + rung.bytes / rate < profile.local_ms
        total_ms += exchange.response_s * 1000 if at_edge else profile.local_ms
        sample = rung.bytes / max(exchange.response_s * 1000 - known_ms, 0.01)
        rate = sample if rate == 0 else EWMA_WEIGHT * sample + (1 - EWMA_WEIGHT) * rate
    return total_ms / frames


def pooled_told(sessions: Sessions, told_ms: Mapping[str, float]) -> float:
    frames = {name: len(one[ORACLE].answers) for name, one in sessions.items()}
    mean = sum(told_ms[name] * count for name, count in frames.items()) / sum(frames.values())
    return regret_pct(mean, mean_ms(one[ORACLE] for one in sessions.values()))


def share_pct(session: Session, kind: str) -> float:
    """Of the frames, those that the device alone worked on (`local`), or the device and the edge (`hedged`)."""
    chosen = sum(answer.hedged if kind == "hedged" else answer.target == "local" for answer in session.answers)
    return 100 * chosen / len(session.answers)


def closed_loop(sessions: Sessions, profile: Profile) -> dict[str, dict[str, float]]:
    """Over the frames of all traces, as if they had been one."""
    document = {}
    for who in next(iter(sessions.values())):
        one = Session(0, profile.deadline_ms)
        for session in (trace[who] for trace in sessions.values()):
            one.frames += session.frames
            one.answers += session.answers
            one.duration_s += session.duration_s
        found = figures(one, one, profile)
        kept = ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "deadline_miss_pct")
        document[who] = {key: getattr(found, key) for key in kept} | loop_figures(one)._asdict()
    return document


def measure_accuracy(traces: Sequence[Trace], profile: Profile) -> dict[str, Any]:
    objective = Objective("accuracy", DEADLINE_MS)
    sessions = {trace.name: simulate(trace, profile, objective) for trace in traces}
    left_out = [
        over_traces({name: one for name, one in sessions.items() if name != without}, profile) for without in sessions
    ]
    return {
        "deadline_ms": DEADLINE_MS,
        "traces": {name: over_traces({name: one}, profile) for name, one in sessions.items()},
        "pooled": over_traces(sessions, profile),
        "leave_one_out": {
            key: spread(one[ADAPTIVE][key] for one in left_out) for key in ("accuracy_pct", "more_misses")
        },
    }


def over_traces(sessions: Sessions, profile: Profile) -> dict[str, dict[str, float]]:
    """Mean accuracy in percent of the oracle's, and deadlines missed beyond the oracle's, in points."""
    totals = {}
    for who in next(iter(sessions.values())):
        frames = sum(len(one[who].answers) for one in sessions.values())
        accuracy = sum(objective_figures(one[who]).accuracy * len(one[who].answers) for one in sessions.values())
        missed = sum(
            figures(one[who], one[ORACLE], profile).deadline_miss_pct * len(one[who].answers)
            for one in sessions.values()
        )
        totals[who] = accuracy / frames, missed / frames
    best, fewest = totals[ORACLE]
    return {
        who: {"accuracy_pct": 100 * accuracy / best, "more_misses": missed - fewest}
        for who, (accuracy, missed) in totals.items()
    }


def spread(values: Iterable[float]) -> list[float]:
    ordered = sorted(values)
    return [ordered[0], ordered[-1]]


def show(local_ms: str, device: Mapping[str, Any]) -> None:
    players = [*device["pooled"]]
    extra = {
        "over static": "over_better_static_pct",
        "hedged %": "hedged_pct",
        "local %": "local_pct",
        "probes %": "probe_bytes_pct",
    }
    print(f"\nlocal {local_ms} ms, latency: regret in %")
    print(f"{'':32}" + "".join(f"{heading:>12}" for heading in (*players, *extra)))
    for name, row in device["traces"].items():
        last = [device[key][name] for key in extra.values()]
        print(f"{name:32}" + "".join(f"{value:12.2f}" for value in (*(row[who] for who in players), *last)))
    print(f"{'pooled':32}" + "".join(f"{device['pooled'][who]:12.2f}" for who in players))
    least, most = device["leave_one_out"]
    print(f"adaptive, pooled, with any one trace left out: {least:.2f} to {most:.2f}")
    columns = list(device["closed_loop"][ADAPTIVE])
    print(f"{'closed loop, all traces':32}" + "".join(f"{column:>18}" for column in columns))
    for who, row in device["closed_loop"].items():
        print(f"{who:32}" + "".join(f"{row[column]:18.1f}" for column in columns))


def show_accuracy(report: Mapping[str, Any]) -> None:
    players = [who for who in report["pooled"] if who != ORACLE]
    deadline_ms = report["deadline_ms"]
    print(
        f"\naccuracy within {deadline_ms:.0f} ms: mean accuracy in % of the oracle's, and points of misses beyond its"
    )
    print(f"{'':32}" + "".join(f"{who:>18}" for who in players))
    for name, row in (*report["traces"].items(), ("pooled", report["pooled"])):
        cells = (f"{row[who]['accuracy_pct']:10.1f}{row[who]['more_misses']:+8.2f}" for who in players)
        print(f"{name:32}" + "".join(cells))
    (least, most), (fewest, worst) = report["leave_one_out"].values()
    print(f"adaptive, any one trace left out: {least:.1f} to {most:.1f} % at {fewest:+.2f} to {worst:+.2f} points")


if __name__ == "__main__":
    main()
