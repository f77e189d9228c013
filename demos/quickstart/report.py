"""What the run showed: `report.json` for programs, `index.html` for people, a table for the terminal."""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import jinja2
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.table import Table

from .experiment import Answered, found_in

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_STRATEGIES = ("adaptive", "local_only", "edge_only")
_COLOURS = {"adaptive": "#1a7f37", "local_only": "#bf8700", "edge_only": "#0969da"}
_TIER_RGB = {"device": (191, 135, 0), "edge": (26, 127, 55), "cloud": (9, 105, 218)}
_PHASE_SHADES = {"throttled": "#fff8c5", "cut": "#ffebe9"}
_SAME_PLACE_IOU = 0.5


def summarise(run: Sequence[Answered], local_ms: Sequence[float], edge_ms: Sequence[float]) -> dict[str, Any]:
    """The figures of `report.json`. Plates are counted where the scene knows what is written on them."""
    tiers = Counter(answered.result.tier for answered in run)
    times = {
        "adaptive": [answered.result.actual_ms for answered in run],
        "local_only": list(local_ms),
        "edge_only": list(edge_ms),
    }
    known = [answered for answered in run if answered.frame.truth is not None]
    return {
        "frames": len(run),
        "answered": sum(answered.result.answered for answered in run),
        "unanswered": sum(not answered.result.answered for answered in run),
        "by_target": {"local": tiers["device"], "edge": tiers["edge"]},
        "switches": sum(before.result.tier != after.result.tier for before, after in pairwise(run)),
        **{name: {"mean_ms": float(np.mean(ms)), "p95_ms": float(np.percentile(ms, 95))} for name, ms in times.items()},
        "plates_expected": sum(len(answered.frame.truth or ()) for answered in known) if known else None,
        "plates_read": sum(_plates_read(answered) for answered in known) if known else None,
        "prediction_error_pct": 100 * median(_prediction_error(answered) for answered in run),
    }


def write(
    folder: Path, summary: dict[str, Any], run: Sequence[Answered], others: Mapping[str, Sequence[float]]
) -> None:
    """Write `report.json` and the self-contained `index.html` into a folder, which is made.

    Args:
        folder: where to.
        summary: what `summarise` returned, and `emulation`, a sentence on what was not real.
        run: the adaptive run.
        others: the response times in ms of the other strategies, per frame.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(summary, indent=2) + "\n")
    page = jinja2.Environment(autoescape=True).from_string(_TEMPLATE.read_text(encoding="utf-8"))
    document = page.render(
        summary=summary,
        strategies=_STRATEGIES,
        times_plot=_times_plot(run, others),
        prediction_plot=_prediction_plot(run),
        pictures=[_picture(answered) for answered in _moments(run)],
    )
    (folder / "index.html").write_text(document, encoding="utf-8")


def table(summary: dict[str, Any]) -> Table:
    """The comparison, for the terminal."""
    shown = Table(title="Response time, the same frames over the same link", title_justify="left", min_width=50)
    shown.add_column("")
    shown.add_column("mean ms", justify="right")
    shown.add_column("p95 ms", justify="right")
    for name in _STRATEGIES:
        style = "bold green" if name == "adaptive" else ""
        shown.add_row(
            name.replace("_", " "), f"{summary[name]['mean_ms']:.0f}", f"{summary[name]['p95_ms']:.0f}", style=style
        )
    return shown


def sentence(summary: dict[str, Any]) -> str:
    """The rest of the figures, for the terminal."""
    targets = summary["by_target"]
    text = (
        f"{summary['frames']} frames, {summary['unanswered']} unanswered: {targets['edge']} answered at the edge, "
        f"{targets['local']} on the device, {summary['switches']} switches; "
        f"predictions off by {summary['prediction_error_pct']:.0f} % in the median"
    )
    if summary["plates_expected"]:
        text += f"; {summary['plates_read']} of {summary['plates_expected']} plates read without a mistake"
    return text


def _plates_read(answered: Answered) -> int:
    """Plates of the scene that were found where they are and read without a mistake."""
    return sum(
        any(
            found.text == plate.text and found.box.iou(plate.box) >= _SAME_PLACE_IOU
            for found in answered.result.detections or ()
        )
        for plate in answered.frame.truth or ()
    )


def _prediction_error(answered: Answered) -> float:
    return abs(answered.result.predicted_ms - answered.result.actual_ms) / answered.result.actual_ms


def plot_times(axes: Axes, run: Sequence[Answered], others: Mapping[str, Sequence[float]]) -> None:
    """Draw each strategy's response time per frame, and what the link was like."""
    times = {"adaptive": [answered.result.actual_ms for answered in run], **others}
    for index, answered in enumerate(run):
        if shade := _PHASE_SHADES.get(answered.condition.name):
            axes.axvspan(index - 0.5, index + 0.5, color=shade, lw=0)
    for name in reversed(_STRATEGIES):
        axes.plot(times[name], color=_COLOURS[name], label=name.replace("_", " "), lw=2 if name == "adaptive" else 1)
    axes.set(xlabel="frame", ylabel="response time, ms", yscale="log", xlim=(-0.5, len(run) - 0.5))
    for before, after in pairwise(range(len(run))):
        if run[before].condition != run[after].condition:
            axes.axvline(after - 0.5, color="#656d76", lw=0.5)
            axes.text(after, axes.get_ylim()[1], f" {run[after].condition.name}", va="bottom", color="#656d76")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=len(_STRATEGIES), frameon=False)


def _times_plot(run: Sequence[Answered], others: Mapping[str, Sequence[float]]) -> str:
    figure, axes = plt.subplots(figsize=(10, 4))
    plot_times(axes, run, others)
    return _svg(figure)


def _prediction_plot(run: Sequence[Answered]) -> str:
    figure, axes = plt.subplots(figsize=(5, 4))
    for tier, colour in (("device", _COLOURS["local_only"]), ("edge", _COLOURS["adaptive"])):
        chosen = [answered.result for answered in run if answered.result.tier == tier]
        axes.scatter([r.predicted_ms for r in chosen], [r.actual_ms for r in chosen], s=12, color=colour, label=tier)
    longest = max(answered.result.actual_ms for answered in run)
    axes.plot([1, longest], [1, longest], color="#656d76", lw=0.5)
    axes.set(xlabel="predicted, ms", ylabel="actual, ms", xscale="log", yscale="log")
    axes.legend()
    return _svg(figure)


def _svg(figure: Figure) -> str:
    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(text, format="svg", bbox_inches="tight")
    plt.close(figure)
    _, tag, rest = text.getvalue().partition("<svg")  # without the XML prolog, which HTML has no place for
    return tag + rest


def _moments(run: Sequence[Answered]) -> list[Answered]:
    """One frame from the middle of each phase."""
    phases: dict[str, list[Answered]] = {}
    for answered in run:
        phases.setdefault(answered.condition.name, []).append(answered)
    return [phase[len(phase) // 2] for phase in phases.values()]


def annotate(answered: Answered) -> NDArray[np.uint8]:
    """A frame (RGB uint8 H x W x 3) with its boxes, in the colour of who answered."""
    image: NDArray[np.uint8] = answered.frame.image.copy()
    colour = _TIER_RGB.get(answered.result.tier or "", (207, 34, 46))
    for found in answered.result.detections or ():
        x1, y1, x2, y2 = (round(edge) for edge in found.box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, 2)
    return image


def _picture(answered: Answered) -> dict[str, str]:
    """A frame as a data address, with its caption."""
    image = cv2.cvtColor(annotate(answered), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    result = answered.result
    took = f"{result.tier or 'nobody'}, {result.actual_ms:.0f} ms"
    return {
        "address": "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode(),
        "caption": f"{answered.condition.name}: {took}, found {found_in(result) or 'nothing'}",
    }
