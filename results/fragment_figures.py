"""The figure of charges that fragments carry along a route, and of the bonds they weaken."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .charges import BY_NEAREST, INTEGRATED
from .drawings import (
    WIDTH,
    Drawing,
    Source,
    lean_names,
    orderings_remark,
    poor_remark,
    set_title,
)
from .plots import BLACK, GREY, axes_or_new, name_rows, pretty, styles, with_minus
from .published import printed_values
from .records import Property

_SCHEMES = ("Bader near-grid", "Bader weight", "Mulliken")  # the first there counts
_GAINED = "electrons gained by "
_BOND = "C-F bond"
_ROUTE, _TITLE, _ROW = 1.8, 0.55, 0.16  # inches: a route, a title with an axis, a row
_FEW = 4  # states whose names fit side by side
_LEAST_RANGE = 0.02  # Angstrom shown; a thousandth is no difference to look at


def fragment_frame(properties: list[Property]) -> pd.DataFrame:
    """Return the net charge of every fragment of every state.

    States are in the order of the route whose state has the same model and label; others in
    the order of the properties.

    Returns
    -------
    pandas.DataFrame
        Columns model, state, position, fragment, scheme, net (e, positive = electrons lost) and
        status. Differences of densities are left out: they are no charges.
    """
    places = {
        (p.model, p.label): (str(p.detail["state"]), int(p.detail["position"]))
        for p in properties
        if p.quantity == "state energy" and "position" in p.detail
    }
    rows: list[dict[str, Any]] = []
    seen = set()
    for item in properties:
        what = (item.model, item.label, item.reference)
        if (
            not item.quantity.startswith(_GAINED)
            or item.value is None
            or item.reference in (INTEGRATED, BY_NEAREST)
            or what in seen
        ):
            continue
        seen.add(what)
        same_model = {row["state"]: row["position"] for row in rows if row["model"] == item.model}
        default = (item.label, same_model.get(item.label, len(same_model)))
        state, position = places.get((item.model, item.label), default)
        rows += [
            {
                "model": item.model,
                "state": state,
                "position": position,
                "fragment": fragment,
                "scheme": item.reference,
                "net": -float(gain),
                "status": item.status,
            }
            for fragment, gain in item.detail["fragments"].items()
        ]
    names = ["model", "state", "position", "fragment", "scheme", "net", "status"]
    frame = pd.DataFrame(rows, columns=names).astype({"net": "float64"})
    return frame.sort_values(["model", "scheme", "position"], kind="stable", ignore_index=True)


def bond_frame(properties: list[Property]) -> pd.DataFrame:
    """Return every C-F bond length: columns model, label, bond, length (Angstrom), status."""
    rows = [
        {
            "model": item.model,
            "label": item.label,
            "bond": item.quantity,
            "length": item.value,
            "status": item.status,
        }
        for item in properties
        if item.quantity.startswith(_BOND) and item.value is not None
    ]
    frame = pd.DataFrame(rows, columns=["model", "label", "bond", "length", "status"])
    return frame.astype({"length": "float64"})


def draw_fragment_charges(source: Source) -> Drawing | None:
    """Draw the net charges of fragments along each route, and C-F lengths below."""
    charges = fragment_frame(source.properties)
    lengths = _of_the_anion(bond_frame(source.properties))
    if charges.empty and lengths.empty:
        return None
    shown = _one_scheme(charges)
    routes, single = _routes_and_single(shown)
    heights = [*(_ROUTE for _ in routes), *([_TITLE + _ROW * len(single)] if len(single) else [])]
    heights += [] if lengths.empty else [_TITLE + _ROW * _n_rows(lengths)]
    figure = Figure(figsize=(WIDTH, 0.5 + sum(heights)), layout="constrained")
    # A part of its own for each panel: long names of rows would narrow the other panels.
    parts = list(np.ravel(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)))
    for part, model in zip(parts, routes, strict=False):
        ax = part.subplots()
        of_model = shown[shown["model"] == model]
        plot_fragments(of_model, ax)
        set_title(ax, f"{model}: {of_model['scheme'].iloc[0]}")
    if len(single):
        plot_single(single, parts[len(routes)].subplots())
    if not lengths.empty:
        plot_bonds(lengths, parts[-1].subplots())
    frame = pd.concat([charges, lengths], ignore_index=True)
    remarks = ["net charge: positive = electrons lost"] if len(charges) else []
    if any(not scheme.startswith("Bader") for scheme in shown["scheme"]):
        remarks.append("no Bader charges in some panels: another scheme, named there")
    poor = poor_remark(frame, "faded")
    return Drawing(figure, frame, (*remarks, *poor, *_printed(source), *orderings_remark(source)))


def _one_scheme(charges: pd.DataFrame) -> pd.DataFrame:
    """Return the charges of each model by the first scheme that it has."""
    parts = []
    for _, part in charges.groupby("model", sort=False):
        scheme = next((s for s in _SCHEMES if (part["scheme"] == s).any()), part["scheme"].iloc[0])
        parts.append(part[part["scheme"] == scheme])
    return pd.concat(parts) if parts else charges


def _routes_and_single(shown: pd.DataFrame) -> tuple[list[str], pd.DataFrame]:
    """Return the models with several states, and the charges of those with one."""
    n_states = shown.groupby("model", sort=False)["position"].nunique()
    routes = [str(model) for model, n in n_states.items() if n > 1]
    return routes, shown[~shown["model"].isin(routes)]


def _n_rows(lengths: pd.DataFrame) -> int:
    return len(lengths[["model", "label"]].drop_duplicates())


def _of_the_anion(lengths: pd.DataFrame) -> pd.DataFrame:
    """Return the lengths of TFSI- alone and in complexes, where there are any; else all."""
    is_anion = lengths["label"].str.contains("TFSI-", regex=False)
    return lengths[is_anion] if is_anion.any() else lengths


def _printed(source: Source) -> tuple[str, ...]:
    """Return the printed numbers of this figure."""
    words: dict[str, list[str]] = {}
    for item in printed_values(source.study, source.figure):
        what = _BOND if item.quantity.startswith(_BOND) else item.quantity
        words.setdefault(f"{what} of {item.system}", []).append(f"{item.value:g}")
    return tuple(f"published: {pretty(name)} {', '.join(found)}" for name, found in words.items())


def plot_fragments(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the net charge of each fragment, state by state.

    Parameters
    ----------
    frame
        Columns state, position, fragment, net, status of one model and scheme.
    """
    ax = axes_or_new(ax)
    colours = styles(frame["fragment"])
    for name, part in frame.groupby("fragment", sort=False):
        colour, marker = colours[str(name)]
        ax.plot(
            part["position"], part["net"], marker, ls="-", color=colour, ms=3.5, lw=0.8,
            label=pretty(str(name)), alpha=1.0 if (part["status"] == "ok").all() else 0.4,
        )  # fmt: skip
    states = frame.drop_duplicates("position")
    ax.set_xticks(states["position"], [_lines(name) for name in states["state"]], fontsize=6)
    if len(states) > _FEW:
        lean_names(ax)
    ax.axhline(0.0, color=GREY, lw=0.5, ls=":")
    ax.margins(x=0.05, y=0.15)
    ax.set_ylabel("net charge (e)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    return ax


def plot_single(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the net charges of fragments of single states, a row for each.

    Parameters
    ----------
    frame
        Columns model, state, fragment, scheme, net, status.
    """
    ax = axes_or_new(ax)
    colours = styles(frame["model"])
    rows = frame.to_dict(orient="records")
    for i, row in enumerate(rows):
        ax.barh(
            i, row["net"], 0.6, color=colours[str(row["model"])][0],
            alpha=1.0 if row["status"] == "ok" else 0.4,
        )  # fmt: skip
        ax.annotate(
            with_minus(row["net"]), (1.0, i), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=6.5,
        )  # fmt: skip
    ax.axvline(0.0, color=BLACK, lw=0.6)
    name_rows(ax, [f"{row['state']}: {row['fragment']}" for row in rows])
    ax.tick_params(axis="y", labelsize=6)
    ax.set_xlabel("net charge (e)")
    set_title(ax, ", ".join(dict.fromkeys(frame["scheme"])))
    return ax


def _lines(name: str) -> str:
    return pretty(name).replace(" + ", "\n+ ").replace(": ", ":\n")


def plot_bonds(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw C-F lengths, a row per system and a ring per bond.

    Parameters
    ----------
    frame
        See `bond_frame`.
    """
    ax = axes_or_new(ax)
    rows = [
        f"{model}, {label}" for model, label in zip(frame["model"], frame["label"], strict=True)
    ]
    names = list(dict.fromkeys(rows))
    ax.plot(
        frame["length"], [names.index(row) for row in rows], "o", mfc="none", color=BLACK, ms=3.5,
        mew=0.7,
    )  # fmt: skip
    ax.set_yticks(range(len(names)), [pretty(name) for name in names], fontsize=6)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("lengths of C-F bonds (Å)")
    ax.locator_params(axis="x", nbins=5)
    ax.ticklabel_format(axis="x", useOffset=False)
    low, high = float(frame["length"].min()), float(frame["length"].max())
    spare = max(_LEAST_RANGE - (high - low), 0.1 * (high - low)) / 2
    ax.set_xlim(low - spare, high + spare)
    ax.grid(axis="x", lw=0.3, color="0.85")
    return ax
