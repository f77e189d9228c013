"""A profile as a picture: what accuracy costs in bytes."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter

from ..profile import Profile


def plot_profile(profile: Profile, path: Path, *, ordinate: str) -> None:
    """Draw each resolution's curve of accuracy over bytes, and the rungs worth choosing among.

    Raises:
        OSError: the file can't be written.
        ValueError: the file's name ends in no format that there is.
    """
    mpl.use("Agg")
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    for side in dict.fromkeys(rung.max_side for rung in profile.rungs):
        rungs = sorted((rung for rung in profile.rungs if rung.max_side == side), key=lambda rung: rung.bytes)
        name = "full size" if side is None else f"{side} px"
        axis.plot([rung.bytes / 1000 for rung in rungs], [rung.accuracy for rung in rungs], "o-", label=name)
        for rung in rungs:
            axis.annotate(f"q{rung.quality}", (rung.bytes / 1000, rung.accuracy), (4, -9), textcoords="offset points")
    front = profile.ladder
    axis.plot([rung.bytes / 1000 for rung in front], [rung.accuracy for rung in front], color="0.8", lw=6, zorder=0)
    axis.set(xscale="log", xlabel="a frame's bytes [kB]", ylabel=ordinate)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend(title="longer side")
    axis.grid(alpha=0.3)
    try:
        figure.savefig(path)
    finally:
        plt.close(figure)
