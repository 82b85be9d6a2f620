"""Common supercells drawn: how many atoms buy how little strain."""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..structures.matching import Match, pareto
from .plots import BLACK, axes_or_new


def plot_matches(matches: Sequence[Match], ax: Axes | None = None) -> Axes:
    """Draw strain against atoms, coloured by twist; the best ones on a line.

    Parameters
    ----------
    matches
        See `match_lattices`.
    """
    ax = axes_or_new(ax)
    atoms = [m.n_atoms for m in matches]
    strains = [100 * abs(m.strain.largest) for m in matches]
    points = ax.scatter(atoms, strains, c=[m.twist_deg for m in matches], s=12, cmap="viridis")
    front = pareto(matches)
    ax.step(
        [m.n_atoms for m in front], [100 * abs(m.strain.largest) for m in front],
        where="post", color=BLACK, lw=0.7,
    )  # fmt: skip
    for match in front:
        ax.annotate(
            str(match.n_atoms), (match.n_atoms, 100 * abs(match.strain.largest)),
            xytext=(2, 3), textcoords="offset points", fontsize=6,
        )  # fmt: skip
    if ax.figure is not None:
        ax.figure.colorbar(points, ax=ax, label="twist (°)")
    ax.set(xlabel="atoms", ylabel="largest principal strain (%)")
    ax.set_ylim(0, 1.08 * float(np.max(strains)))
    return ax


def draw_matches(matches: Sequence[Match], *, title: str, kind: str) -> bytes:
    """Return the drawing as a png, svg or pdf file."""
    stream = io.BytesIO()
    with mpl.rc_context({"font.size": 7, "svg.hashsalt": "heterofire"}):
        figure = Figure(figsize=(3.5, 2.6), layout="constrained")
        axes = plot_matches(matches, figure.subplots())
        axes.set_title(title, loc="left", fontsize=7, fontweight="bold")
        figure.savefig(stream, format=kind, dpi=300)
    return stream.getvalue()
