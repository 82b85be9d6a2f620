"""Powder patterns drawn: the lines of refined crystals under the peaks that were measured."""

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes

from ..structures.diffraction import PhaseFit
from ..structures.indexing import STRONG, VISIBLE
from .drawings import add_legend, panels
from .plots import BLACK, BLUE, GREY, ORANGE, VERMILION, axes_or_new

_STYLE = {"font.size": 7, "legend.frameon": False, "svg.hashsalt": "heterofire"}
_MARGIN = 5.0  # degrees beyond the first and last peak


def plot_pattern(fit: PhaseFit, ax: Axes | None = None) -> Axes:
    """Draw the lines of a refined crystal, and the measured peaks as ticks above them.

    Parameters
    ----------
    fit
        See `fit_phase`.
    """
    ax = axes_or_new(ax)
    left, right = fit.peaks[0].two_theta - _MARGIN, fit.peaks[-1].two_theta + _MARGIN
    used = {peak.line for peak in fit.peaks}
    lines = [x for x in fit.lines if left < x.two_theta < right and x.intensity >= VISIBLE]
    for colour, label, chosen in (
        (GREY, "other line", [x for x in lines if x not in used and x not in fit.absent]),
        (BLUE, "line of a peak", [x for x in lines if x in used]),
        (ORANGE, "strong, not measured", [x for x in lines if x in fit.absent]),
    ):
        if chosen:
            angles, heights = zip(*((x.two_theta, x.intensity) for x in chosen), strict=True)
            ax.vlines(angles, 0, heights, color=colour, lw=1.2, label=label)
    for line in lines:
        if line in used or line in fit.absent or line.intensity > STRONG:
            ax.annotate(
                line.label, (line.two_theta, max(line.intensity, 70)), xytext=(2, 0), fontsize=5,
                textcoords="offset points", rotation=90, va="top",
            )  # fmt: skip
    for colour, label, is_explained in (
        (BLACK, "measured", True),
        (VERMILION, "measured, unexplained", False),
    ):
        peaks = [p.two_theta for p in fit.peaks if p.is_explained == is_explained]
        if peaks:
            ax.plot(peaks, [112] * len(peaks), "|", color=colour, ms=8, mew=1.2, label=label)
    ax.set(xlim=(left, right), ylim=(0, 122), yticks=(0, 50, 100), ylabel="intensity (%)")
    return ax


def draw_patterns(fits: Sequence[PhaseFit], *, kind: str) -> bytes:
    """Return the patterns of some phases, one below the other, as a png, svg or pdf file."""
    stream = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure, axes = panels(len(fits), 0.6 + 1.3 * len(fits))
        for ax, fit in zip(axes, fits, strict=True):
            plot_pattern(fit, ax)
            deviation = f"{fit.deviation:.2f}° mean deviation"
            ax.set_title(f"{fit.name}, {deviation}", loc="left", fontsize=7, fontweight="bold")
        axes[-1].set_xlabel(f"2θ (°), {fits[0].wavelength:.6g} Å")
        add_legend(figure, axes, columns=2)
        figure.savefig(stream, format=kind, dpi=300)
    return stream.getvalue()
