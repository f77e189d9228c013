"""The findings for people and programs: the paper's tables with our figures, a plot, JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rich.table import Table

from . import published
from .figures import Choice, Row
from .published import Claim

_EDGE_COLOURS = ("#0550ae", "#218bff", "#80ccff")
_ALONE_COLOUR = "#656d76"


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    """One for each device: what it takes alone, and with each edge over each network."""
    for device, of_device in groupby(_sorted(rows), key=lambda row: row.device):
        table = Table(title=f"{device}, alone and with an edge", title_justify="left")
        for name in ("edge", "network"):
            table.add_column(name, no_wrap=True)
        for name in ("size", "device s", "edge s", "network s", "total s", "speed-up", "% saved", "video fps", "ratio"):
            table.add_column(name, justify="right")
        table.add_row(
            "the paper's",
            "",
            "",
            published.DEVICE_S.text,
            published.EDGE_S,
            "",
            "",
            published.SPEED_UP.text,
            published.SAVED_PCT.text,
            "",
            published.VIDEO_RATIO.text,
            end_section=True,
        )
        for row in of_device:
            video = ("", "") if row.video_fps is None else (f"{row.video_fps:.2f}", f"{row.video_ratio:.0f}")
            seconds = (f"{value:.3f}" for value in (row.device_s, row.edge_s, row.network_s, row.total_s))
            table.add_row(
                row.edge, row.network, str(row.size), *seconds, f"{row.speed_up:.1f}", f"{row.saved_pct:.2f}", *video
            )
        yield table


def choice_table(choices: Sequence[Choice]) -> Table:
    """Where the client had frames answered."""
    table = Table(title="What the client decides when the device has a model of its own", title_justify="left")
    for name in ("device", "edge"):
        table.add_column(name)
    for name in ("device s", "by the edge s", "the client's s", "on the device"):
        table.add_column(name, justify="right")
    for one in choices:
        seconds = (f"{value:.3f}" for value in (one.local_s, one.remote_s, one.chosen_s))
        table.add_row(one.device, one.edge, *seconds, f"{100 * one.local_share:.0f} %")
    return table


def choice_verdict(choices: Sequence[Choice]) -> str:
    """How often that was right."""
    wrong = [f"{one.device} with {one.edge}" for one in choices if not one.right]
    right = f"Most frames went where answers come sooner in {len(choices) - len(wrong)} of {len(choices)} pairs"
    return f"{right}; not so: {', '.join(wrong)}." if wrong else f"{right}."


def verdicts(rows: Sequence[Row]) -> Iterator[str]:
    """The paper's claims, one by one, for each device and edge; where one is not met, what would meet it."""
    for (device, edge), group in groupby(_sorted(rows), key=lambda row: (row.device, row.edge)):
        of_pair = list(group)
        ratios = [row.video_ratio for row in of_pair if row.video_ratio is not None]
        parts = [
            _judged("speed-up", [row.speed_up for row in of_pair], published.SPEED_UP),
            _judged("% saved", [row.saved_pct for row in of_pair], published.SAVED_PCT),
            *([_judged("video ratio", ratios, published.VIDEO_RATIO)] if ratios else []),
        ]
        yield f"{device} with {edge}: {'; '.join(parts)}." + _needed(of_pair)


def write_json(path: Path, document: dict[str, Any], rows: Sequence[Row], choices: Sequence[Choice]) -> None:
    """Everything, with what follows from it, into a file."""
    figures = {
        "rows": [asdict(row) | {name: getattr(row, name) for name in _DERIVED} for row in rows],
        "choices": [asdict(one) | {"right": one.right} for one in choices],
    }
    path.write_text(json.dumps(document | figures, indent=2) + "\n", encoding="utf-8")


def plot(path: Path, rows: Sequence[Row]) -> None:
    """Draw a frame's time by image size over the first network: alone, and with each edge.

    Raises:
        OSError: the file can't be written.
        ValueError: the file's name ends in no format that there is.
    """
    mpl.use("Agg")
    devices = list(dict.fromkeys(row.device for row in rows))
    network = rows[0].network
    figure, axes = plt.subplots(
        1, len(devices), figsize=(5 * len(devices), 4), layout="constrained", squeeze=False, sharey=True
    )
    for device, axis in zip(devices, axes[0], strict=True):
        _draw(axis, [row for row in _sorted(rows) if (row.device, row.network) == (device, network)])
        axis.set(title=f"{device}, {network}", xlabel="image size, pixels")
    axes[0][0].set_ylabel("a frame, s")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    try:
        figure.savefig(path)
    finally:
        plt.close(figure)


_DERIVED = ("speed_up", "saved_pct", "video_ratio")


def _draw(axis: Axes, rows: Sequence[Row]) -> None:
    sizes = sorted({row.size for row in rows})
    edges = list(dict.fromkeys(row.edge for row in rows))
    width = 0.8 / (1 + len(edges))
    alone = {row.size: row.device_s for row in rows}
    axis.bar(range(len(sizes)), [alone[size] for size in sizes], width, color=_ALONE_COLOUR, label="the device alone")
    for place, edge in enumerate(edges, start=1):
        of_edge = {row.size: row for row in rows if row.edge == edge}
        where = [index + place * width for index in range(len(sizes))]
        totals = [of_edge[size].total_s for size in sizes]
        colour = _EDGE_COLOURS[(place - 1) % len(_EDGE_COLOURS)]
        axis.bar(where, totals, width, color=colour, label=f"with the edge: {edge}")
        for x, size in zip(where, sizes, strict=True):
            axis.annotate(f"{of_edge[size].speed_up:.0f}x", (x, of_edge[size].total_s), ha="center", va="bottom")
    axis.set(yscale="log", xticks=[index + width * len(edges) / 2 for index in range(len(sizes))], xticklabels=sizes)


def _judged(what: str, values: Sequence[float], claim: Claim) -> str:
    low, high = min(values), max(values)
    digits = 2 if claim is published.SAVED_PCT else 0
    span = f"{low:.{digits}f}" + (f" to {high:.{digits}f}" if f"{low:.{digits}f}" != f"{high:.{digits}f}" else "")
    reached = "reached" if low >= claim.least else "reached in part" if high >= claim.least else "not reached"
    return f"{what} {span}, the paper's {claim.text} {reached}"


def _needed(rows: Sequence[Row]) -> str:
    """What an edge's inference might take at most for the paper's saving; nothing where that is met."""
    short = [row for row in rows if row.saved_pct < published.SAVED_PCT.least]
    if not short:
        return ""
    worst = max(short, key=lambda row: row.total_s / row.device_s)
    whole_s = worst.device_s * (1 - published.SAVED_PCT.least / 100)
    left_s = whole_s - worst.network_s
    begin = (
        f" To save {published.SAVED_PCT.text} % at {worst.size} over {worst.network}, a frame may take {whole_s:.3f} s"
    )
    if left_s <= 0:
        return f"{begin}, which is less than the {worst.network_s:.3f} s without inference."
    return f"{begin}: the edge {left_s:.3f} s, and it took {worst.edge_s:.3f} s."


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """By device and edge in their order, then by size."""
    places = {key: place for place, key in enumerate(dict.fromkeys((row.device, row.edge) for row in rows))}
    devices = {device: place for place, device in enumerate(dict.fromkeys(row.device for row in rows))}
    return sorted(rows, key=lambda row: (devices[row.device], places[row.device, row.edge], row.size))
