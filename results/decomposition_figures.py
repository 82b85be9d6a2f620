"""Figures of decomposition: routes with their barriers, and hops of an ion apart from them."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .drawings import (
    Drawing,
    Source,
    add_legend,
    lean_names,
    orderings_remark,
    panels,
    poor_remark,
    set_title,
)
from .figure_data import pathway_frame, profile_frame
from .pathway_plots import HALF, plot_pathways, route_names
from .plots import plot_profile, pretty, styles, with_minus
from .records import Property

_PLACE = ["model", "route", "position"]
_TOP = 0.12  # half the width of the mark of a transition state
_LINE = 0.055  # of the height of the panel: a line of text


def step_barriers(properties: list[Property]) -> pd.DataFrame:
    """Return the barriers that belong to steps of routes, on the scale of the route's states.

    A barrier belongs to the step of its model and label. It is put on the scale by an end of its
    band that is a state of the route; where neither is, for instance because Li is added between,
    ``top`` is empty.

    Returns
    -------
    pandas.DataFrame
        Columns model, route, position (of the state the step leads to), to, barrier (eV, forward),
        top (eV, of the transition state), is_rate_determining, status.
    """
    steps = {(p.model, p.label): p for p in properties if p.quantity == "step energy"}
    states = {
        (p.model, p.detail.get("route"), p.detail.get("position")): p
        for p in properties
        if p.quantity == "state energy"
    }
    deciding = {
        (p.model, p.label, p.detail.get("to"))
        for p in properties
        if p.quantity == "rate-determining barrier" and p.value is not None
    }
    back = {(p.model, p.label): p.value for p in properties if p.quantity == "barrier back"}
    rows = []
    for item in properties:
        step = steps.get((item.model, item.label))
        if item.quantity != "barrier forward" or item.value is None or step is None:
            continue
        about = step.detail
        ends = [
            states.get((item.model, about["route"], about["position"] + shift)) for shift in (-1, 0)
        ]
        rows.append(
            {
                "model": item.model,
                "route": about["route"],
                "position": about["position"],
                "to": about["to"],
                "barrier": item.value,
                "top": _top(item, back.get((item.model, item.label)), ends),
                "is_rate_determining": (item.model, about["route"], about["to"]) in deciding,
                "status": item.status,
            }
        )
    names = ["model", "route", "position", "to", "barrier", "top", "is_rate_determining", "status"]
    return pd.DataFrame(rows, columns=names).astype({"barrier": "float64", "top": "float64"})


def _top(item: Property, back: float | None, ends: list[Property | None]) -> float | None:
    """Return the energy of the transition state, by whichever end of the band is a state."""
    _, initial, final = item.keys
    for key, height, state in zip((initial, final), (item.value, back), ends, strict=True):
        known = state is not None and state.value is not None and height is not None
        if known and state.detail.get("cell") == key:  # type: ignore[union-attr]
            return float(state.value + height)  # type: ignore[union-attr, operator]
    return None


def draw_decomposition(source: Source) -> Drawing | None:
    """Draw every route with the barriers between its states, and say which step decides."""
    frame = pathway_frame(source.properties)
    frame = frame[frame["reference"] == ""]
    if frame.empty:
        return None
    barriers = step_barriers(source.properties)
    figure, axes = panels(1, 3.6)
    tops = barriers[barriers["top"].notna()]
    on_scale = set(tops[_PLACE].itertuples(index=False, name=None))
    has_top = [place in on_scale for place in frame[_PLACE].itertuples(index=False, name=None)]
    plot_pathways(frame.assign(has_top=has_top), axes[0], is_largest_written=False)
    plot_tops(barriers, axes[0], frame)
    lean_names(axes[0])
    if frame["route"].nunique() == 1:
        set_title(axes[0], str(frame["route"].iloc[0]))
    add_legend(figure, axes, columns=3)
    joined = frame.merge(
        barriers.drop(columns=["to", "is_rate_determining", "status"]),
        on=_PLACE, how="left",
    )  # fmt: skip
    remarks = (
        *(pretty(text) for text in deciding_steps(source.properties)),
        *(pretty(text) for text in _off_scale(barriers)),
        *poor_remark(frame, "hollow"),
        *orderings_remark(source),
    )
    return Drawing(figure, joined, remarks)


def deciding_steps(properties: list[Property]) -> tuple[str, ...]:
    """Return one sentence per route: which step decides its rate, by barrier or by energy."""
    by_barrier = {
        (p.model, p.label): p for p in properties if p.quantity == "rate-determining barrier"
    }
    labels = {p.label for p in properties if p.quantity == "rate-determining step"}
    sentences = []
    for item in properties:
        if item.quantity != "rate-determining step" or item.reference or item.value is None:
            continue
        barrier = by_barrier.get((item.model, item.label))
        name = item.model if len(labels) == 1 else f"{item.model}, {item.label}"
        if barrier is not None and barrier.value is not None:
            text = f"barrier {barrier.value:.2f} eV at {barrier.detail['step']}"
        else:
            text = f"largest step {item.value:.2f} eV at {item.detail['step']} (no barriers)"
        sentences.append(f"{name}: {text}")
    return tuple(sentences)


def _off_scale(barriers: pd.DataFrame) -> tuple[str, ...]:
    """Name barriers whose band starts and ends at no state of the route."""
    rows = barriers[barriers["top"].isna()].to_dict(orient="records")
    return tuple(
        f"{row['model']}, to {row['to']}: barrier {row['barrier']:.2f} eV from its own start, "
        "which is no state of the route"
        for row in rows
    )


def plot_tops(barriers: pd.DataFrame, ax: Axes, frame: pd.DataFrame) -> Axes:
    """Draw transition states between the levels of `plot_pathways`, and how they are reached.

    Parameters
    ----------
    barriers
        See `step_barriers`.
    frame
        The states, for colours and energies.
    """
    names = route_names(frame)
    colours = dict(zip(zip(frame["model"], frame["route"], strict=True), names, strict=True))
    shown = styles(names)
    energies = {
        (row["model"], row["route"], row["position"]): row["energy"]
        for row in frame.to_dict(orient="records")
    }
    deciding = []
    for row in barriers[barriers["top"].notna()].to_dict(orient="records"):
        colour = shown[colours[row["model"], row["route"]]][0]
        i, top = row["position"], row["top"]
        ends = [energies.get((row["model"], row["route"], i + shift)) for shift in (-1, 0)]
        width = 1.4 if row["is_rate_determining"] else 0.7
        places = ((i - 1 + HALF, i - 0.5 - _TOP), (i - HALF, i - 0.5 + _TOP))
        for end, place in zip(ends, places, strict=True):
            if end is not None:
                ax.plot(place, (end, top), color=colour, lw=width * 0.7, ls="-")
        ax.plot((i - 0.5 - _TOP, i - 0.5 + _TOP), (top, top), color=colour, lw=width + 0.8)
        if row["is_rate_determining"]:
            deciding.append((i, top, row["barrier"], colour))
    ax.margins(y=0.15)
    _write_barriers(deciding, ax)
    return ax


def _write_barriers(deciding: list[tuple[int, float, float, str]], ax: Axes) -> None:
    """Write the barriers that decide left of their tops, none over another."""
    low, high = ax.get_ylim()
    least = _LINE * (high - low)
    written: dict[int, float] = {}
    for i, top, barrier, colour in sorted(deciding):
        height = max(top, written.get(i, -np.inf) + least)
        written[i] = height
        ax.annotate(
            with_minus(barrier), (i - 0.5 - _TOP, height), (-2, 0), va="center", ha="right",
            textcoords="offset points", color=colour, fontsize=6.5,
        )  # fmt: skip


def draw_hop_profiles(source: Source) -> Drawing | None:
    """Draw the profiles of hops of an ion; bands that break a bond are left out."""
    steps = {(p.model, p.label) for p in source.properties if p.quantity == "step energy"}
    hops = [p for p in source.properties if (p.model, p.label) not in steps]
    frame = profile_frame(hops)
    if frame.empty:
        return None
    models = list(dict.fromkeys(frame["model"]))
    figure, axes = panels(len(models), 0.7 + 1.35 * len(models))
    for ax, (model, part) in zip(axes, frame.groupby("model", sort=False), strict=True):
        # One colour per hop: hops of two systems have no names in common.
        plot_profile(part.assign(model=part["label"]), ax, colours=styles(part["label"]))
        _name_hops(part, ax)
        set_title(ax, str(model))
        ax.set_xlabel(ax.get_xlabel() if ax is axes[-1] else "")
    low = min(float(ax.get_ylim()[0]) for ax in axes)
    high = max(float(ax.get_ylim()[1]) for ax in axes)
    for ax in axes:
        ax.set_ylim(low, high)
    remarks = (*poor_remark(frame, "open symbols"), *orderings_remark(source))
    return Drawing(figure, frame, remarks)


def _name_hops(part: pd.DataFrame, ax: Axes) -> None:
    """Write the name of each hop over its barrier in the legend."""
    legend = ax.get_legend()
    if legend is None:
        return
    hops = part.groupby("label", sort=False)["forward"].first()
    for text, (hop, forward) in zip(legend.get_texts(), hops.items(), strict=True):
        name = fill(pretty(str(hop)), 22)
        text.set(text=f"{name}\n{with_minus(forward)} eV", fontsize=5.5)
