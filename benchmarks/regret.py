"""How much longer frames take than they had to, on measured networks: `python -m benchmarks.regret`.

Three devices, open loop, on every uplink trace of a folder: the client's policy beside the plain ones, and what it
would come to without beginning on overdue frames. No parameter of the policy is fitted to traces, so there is nothing
to hold out; the leave-one-out figures show instead that no single trace carries the result: the least and the greatest
pooled regret with one trace left out.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from astraea.device.profile import Profile
from astraea.device.simulator import (
    ADAPTIVE,
    ORACLE,
    Session,
    Trace,
    mean_ms,
    read_trace,
    regret_pct,
    simulate,
)

SHARED_TRACES = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces"
LOCAL_MS = (450.0, 60.0, 2000.0)
"""A Raspberry Pi 4 with a small YOLO, one with an accelerator, and one with a larger model."""
UNHEDGED = "adaptive, unhedged"

Sessions = Mapping[str, Mapping[str, Session]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED_TRACES, help="folder of traces")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    traces = uplink_traces(arguments.data)
    console = Console(stderr=True)
    bar = track(LOCAL_MS, "simulating", console=console, transient=True, disable=not console.is_terminal)
    document = {f"{local_ms:.0f}": measure(traces, Profile(local_ms=local_ms)) for local_ms in bar}
    for local_ms, figures in document.items():
        show(local_ms, figures)
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
    left_out = [
        pooled({name: sessions[name] for name in sessions if name != without})[ADAPTIVE] for without in sessions
    ]
    return {
        "traces": {name: regrets(one) for name, one in sessions.items()},
        "pooled": pooled(sessions),
        "leave_one_out": [min(left_out), max(left_out)],
        "hedged_pct": {name: share_pct(one[ADAPTIVE]) for name, one in sessions.items()},
        "probe_bytes_pct": {name: probes_pct(one[ADAPTIVE], profile) for name, one in sessions.items()},
    }


def regrets(sessions: Mapping[str, Session]) -> dict[str, float]:
    oracle_ms = mean_ms([sessions[ORACLE]])
    return {who: regret_pct(mean_ms([one]), oracle_ms) for who, one in sessions.items() if who != ORACLE}


def pooled(sessions: Sessions) -> dict[str, float]:
    """Over the frames of all traces."""
    oracle_ms = mean_ms(one[ORACLE] for one in sessions.values())
    players = [who for who in next(iter(sessions.values())) if who != ORACLE]
    return {who: regret_pct(mean_ms(one[who] for one in sessions.values()), oracle_ms) for who in players}


def share_pct(session: Session) -> float:
    """Of the frames, those that the edge and the device both worked on."""
    return 100 * sum(answer.hedged for answer in session.answers) / len(session.answers)


def probes_pct(session: Session, profile: Profile) -> float:
    return 100 * session.probe_bytes / (session.frames * profile.frame_bytes)


def show(local_ms: str, figures: Mapping[str, Any]) -> None:
    players = list(figures["pooled"])
    print(f"\nlocal {local_ms} ms: regret in %")
    print(f"{'':34}" + "".join(f"{who:>20}" for who in (*players, "hedged %", "probe bytes %")))
    for name, row in figures["traces"].items():
        last = figures["hedged_pct"][name], figures["probe_bytes_pct"][name]
        print(f"{name:34}" + "".join(f"{value:20.2f}" for value in (*row.values(), *last)))
    print(f"{'pooled':34}" + "".join(f"{value:20.2f}" for value in figures["pooled"].values()))
    least, most = figures["leave_one_out"]
    print(f"adaptive, pooled, with any one trace left out: {least:.2f} to {most:.2f}")


if __name__ == "__main__":
    main()
