"""The run as a moving picture: what the camera saw, who answered, and how long it took."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import cv2
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from .experiment import Answered
from .report import annotate, plot_times

_PICTURE_PX = (400, 300)
_CHART_PX = (560, 300)
_CAPTION_PX = 34
_STEP = 2
_PICTURE_MS = 300
_DPI = 100
_FONT_PX = 16
_QUALITY = 45


def write(path: Path, run: Sequence[Answered], others: Mapping[str, Sequence[float]]) -> None:
    """Write an animated WebP with a picture for every second frame.

    Args:
        path: where to.
        run: the adaptive run.
        others: the response times in ms of the other strategies, per frame.
    """
    chart = _Chart(run, others)
    pictures = [_compose(run[index], chart.until(index)) for index in range(0, len(run), _STEP)]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=_PICTURE_MS, loop=0, quality=_QUALITY, method=4
    )


class _Chart:
    """The run's chart, drawn once, of which any beginning can be shown."""

    def __init__(self, run: Sequence[Answered], others: Mapping[str, Sequence[float]]) -> None:
        figure, axes = plt.subplots(figsize=(_CHART_PX[0] / _DPI, _CHART_PX[1] / _DPI), dpi=_DPI, layout="tight")
        plot_times(axes, run, others)
        self._whole = _drawn(figure)
        for line in axes.get_lines():
            line.set_visible(False)
        self._empty = _drawn(figure)
        self._positions_px = [round(axes.transData.transform((index + 0.5, 1))[0]) for index in range(len(run))]
        plt.close(figure)

    def until(self, index: int) -> Image.Image:
        """The lines up to a frame of the run."""
        past = (0, 0, self._positions_px[index], self._whole.height)
        shown = self._empty.copy()
        shown.paste(self._whole.crop(past), past)
        return shown


def _drawn(figure: Figure) -> Image.Image:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    return Image.open(content).convert("RGB")


def _compose(answered: Answered, chart: Image.Image) -> Image.Image:
    """One picture: the frame with its boxes, the chart up to it, and a line that says what happened."""
    frame = Image.fromarray(cv2.resize(annotate(answered), _PICTURE_PX, interpolation=cv2.INTER_AREA))
    picture = Image.new("RGB", (_PICTURE_PX[0] + _CHART_PX[0], _PICTURE_PX[1] + _CAPTION_PX), "white")
    picture.paste(frame, (0, 0))
    picture.paste(chart, (_PICTURE_PX[0], 0))
    where = (10, _PICTURE_PX[1] + (_CAPTION_PX - _FONT_PX) // 2)
    ImageDraw.Draw(picture).text(where, _caption(answered), fill="black", font=ImageFont.load_default(_FONT_PX))
    return picture


def _caption(answered: Answered) -> str:
    result = answered.result
    return (
        f"uplink {answered.condition.name}: answered by the {result.tier or 'nobody'} in {result.actual_ms:.0f} ms, "
        f"{result.predicted_ms:.0f} ms were predicted"
    )
