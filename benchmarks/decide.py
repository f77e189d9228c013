"""What a decision takes: `python -m benchmarks.decide`.

`decide` and all that is observed of the frame after it, for every objective, with a ladder of eight encodings and one
to three remote candidates on links that change from frame to frame. Times are of the CPU, which other processes don't
lengthen; the floor is the same loop around nothing.
"""

import argparse
import gc
import json
import random
from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import get_args

from astraea.device.decision import LOCAL, Aim, Objective, Policy
from astraea.device.encoding import Encoding, Size
from astraea.device.profile import Profile

FRAME = Size(640, 480)
DEADLINE_MS = 150.0
MOST_CANDIDATES = 3
BOUND_MS = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=5000, help="for each line")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    print(f"{'ms':>10}{'candidates':>12}{'p50':>10}{'p99':>10}")
    lines = [("floor", 0, *timed(lambda: None, arguments.frames))]
    lines += [
        (aim, candidates, *timed(Loop(aim, candidates), arguments.frames))
        for aim in get_args(Aim)
        for candidates in range(1, MOST_CANDIDATES + 1)
    ]
    for what, candidates, p50_ms, p99_ms in lines:
        print(f"{what:>10}{candidates:12}{p50_ms:10.4f}{p99_ms:10.4f}{'' if p99_ms <= BOUND_MS else '  above 0.1'}")
    if arguments.json:
        document = [dict(zip(("aim", "candidates", "p50_ms", "p99_ms"), line, strict=True)) for line in lines]
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def timed(step: Callable[[], None], frames: int) -> tuple[float, float]:
    """The median and the 99th percentile of a step in ms of CPU, without the garbage collector's share."""
    for _ in range(200):
        step()
    times_ms = []
    gc.disable()
    for _ in range(frames):
        start = thread_time()
        step()
        times_ms.append((thread_time() - start) * 1000)
    gc.enable()
    times_ms.sort()
    return times_ms[len(times_ms) // 2], times_ms[len(times_ms) * 99 // 100]


class Loop:
    """One frame after the other, as a client has them: decided on, encoded, sent, answered."""

    def __init__(self, aim: Aim, candidates: int) -> None:
        profile = Profile()
        self._policy = Policy(local=True, objective=Objective(aim, DEADLINE_MS), profile=profile)
        self._rungs = {rung.encoding: rung for rung in profile.ladder}
        self._random = random.Random(7)  # noqa: S311 - a link, not a secret
        self._now = 0.0
        names = [f"edge-{index}" for index in range(candidates)]
        self._policy.offer(names)
        self._policy.observe_local(profile.local_ms)
        for name in names * 4:
            self._answer(name, profile.ladder[-1].encoding)

    def __call__(self) -> None:
        """One frame."""
        self._now += 0.1
        decision = self._policy.decide(FRAME, now=self._now)
        assert decision is not None  # noqa: S101 - there is the device
        if decision.target == LOCAL or decision.encoding is None:
            self._policy.observe_local(450 + self._random.random())
        else:
            self._answer(decision.target, decision.encoding)

    def _answer(self, target: str, encoding: Encoding) -> None:
        size_bytes, now = self._rungs[encoding].bytes, self._now
        network_ms = 40 + size_bytes * 8 / 1000 / self._random.uniform(2, 9)
        self._policy.observe_encoding(FRAME, encoding, size_bytes, 6 + self._random.random())
        self._policy.observe_sent(target, size_bytes=size_bytes, now=now)
        self._policy.observe_answer(
            target,
            size_bytes=size_bytes,
            network_ms=network_ms,
            server_ms=12 + self._random.random(),
            sent_at=now,
            now=now + network_ms / 1000,
            encoding=encoding,
        )


if __name__ == "__main__":
    main()
