"""Reaction profiles: levels of states, joined by dashed lines."""

import pandas as pd
from matplotlib.axes import Axes

from .plots import GREY, axes_or_new, pretty, styles, with_minus

HALF = 0.32  # half the width of a level; states are 1 apart


def plot_pathways(
    frame: pd.DataFrame, ax: Axes | None = None, *, is_largest_written: bool = True
) -> Axes:
    """Draw the energy of each state of every route; the largest step carries its energy.

    Parameters
    ----------
    frame
        Columns model, route, reference (one for all rows), position, state, energy (eV), step
        (eV), is_rate_determining, status; see `figure_data.pathway_frame`.
        With a column has_top, steps where it is true have no dashed line.
    is_largest_written
        Whether the largest step carries its energy, and a thicker line.
    """
    ax = axes_or_new(ax)
    colours = styles(route_names(frame))
    if not is_largest_written:
        frame = frame.assign(is_rate_determining=False)
    for name, part in frame.groupby(route_names(frame), sort=False):
        _draw_route(ax, part.sort_values("position"), pretty(str(name)), colours[str(name)][0])
    ax.axhline(0.0, color=GREY, lw=0.5, ls=":")
    labels = _labels(frame)
    ax.set_xticks(list(labels), list(labels.values()), fontsize=6)
    ax.tick_params(axis="x", length=0)
    ax.margins(y=0.12)
    reference = frame["reference"].iloc[0] if len(frame) else ""
    kind = rf"$E + F_\mathrm{{vib}}$ at {reference}" if reference else "$E$"
    ax.set_ylabel(f"{kind} (eV)")
    return ax


def route_names(frame: pd.DataFrame) -> pd.Series:
    """Return system and route of each row; the system alone where all have one route."""
    if frame["route"].nunique() <= 1:
        return frame["model"]
    return frame["model"] + ", " + frame["route"]


def _draw_route(ax: Axes, route: pd.DataFrame, name: str, colour: str) -> None:
    """Draw levels, hollow where not converged, and the way between neighbours."""
    states = {row["position"]: row for row in route.to_dict(orient="records")}
    for i, row in states.items():
        ends, energy = (i - HALF, i + HALF), row["energy"]
        label = name if row is next(iter(states.values())) else None
        ax.plot(ends, (energy, energy), color=colour, lw=2.2, solid_capstyle="butt", label=label)
        if row["status"] != "ok":
            ax.plot(ends, (energy, energy), color="white", lw=1.0, solid_capstyle="butt")
        if i - 1 not in states or row.get("has_top"):
            continue
        before = states[i - 1]["energy"]
        is_largest = row["is_rate_determining"]
        ax.plot(
            (i - 1 + HALF, i - HALF), (before, energy), color=colour, ls="--",
            lw=1.2 if is_largest else 0.6,
        )  # fmt: skip
        if is_largest:
            ax.annotate(
                f"{with_minus(row['step'])} eV", (i, energy), (0, 3), textcoords="offset points",
                ha="center", color=colour, fontsize=6.5,
            )  # fmt: skip


def _labels(frame: pd.DataFrame) -> dict[int, str]:
    """Return what the states at each position are called, in lines short enough for an axis."""
    labels: dict[int, list[str]] = {}
    for row in frame.sort_values("position", kind="stable").to_dict(orient="records"):
        lines = pretty(str(row["state"])).replace(" + ", "\n+ ")
        names = labels.setdefault(int(row["position"]), [])
        if lines not in names:
            names.append(lines)
    return {position: "\nor ".join(names) for position, names in labels.items()}
