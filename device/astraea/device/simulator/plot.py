"""Simulated sessions over time, as a picture."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from .players import EDGE
from .replay import Session
from .trace import Trace

_COLOURS = {"adaptive": "tab:blue", "oracle": "tab:green", "ewma": "tab:orange", "local": "tab:gray", "edge": "tab:red"}


def plot_sessions(traces: Mapping[str, Trace], sessions: Mapping[str, Mapping[str, Session]], path: Path) -> None:
    """Draw, for each trace, the uplink and every policy's response times; ticks below show the frames that were sent.

    Raises:
        OSError: the file can't be written.
        ValueError: the file's name ends in no format that there is.
    """
    mpl.use("Agg")
    figure, axes = plt.subplots(len(traces), 1, figsize=(12, 3.2 * len(traces)), squeeze=False, layout="constrained")
    for (name, trace), axis in zip(traces.items(), axes[:, 0], strict=True):
        _draw_uplink(trace, axis.twinx())
        axis.set_zorder(1)  # above its twin, and seen through
        axis.patch.set_visible(False)
        for policy, session in reversed(list(sessions[name].items())):
            times_s = [answer.captured_s for answer in session.answers]
            axis.plot(
                times_s,
                [answer.response_ms for answer in session.answers],
                color=_COLOURS[policy],
                label=policy,
                linewidth=1,
            )
        sent_s = [answer.captured_s for answer in sessions[name]["adaptive"].answers if answer.target == EDGE]
        axis.plot(sent_s, [0.02] * len(sent_s), "|", color=_COLOURS["adaptive"], transform=axis.get_xaxis_transform())
        axis.set(title=name, ylabel="response [ms]", yscale="log", xlabel="captured [s]")
        axis.legend(loc="upper right", ncols=len(_COLOURS))
    try:
        figure.savefig(path)
    finally:
        plt.close(figure)


def _draw_uplink(trace: Trace, axis: Axes) -> None:
    times_s = [index / 10 for index in range(int(trace.duration_s * 10))]
    axis.fill_between(times_s, [trace.mbps(time_s) for time_s in times_s], color="0.92", step="post")
    axis.set_ylabel("uplink [Mbit/s]")
