"""The figure of charges that fragments carry along a route, and of the bonds they weaken."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from .charges import BY_NEAREST, INTEGRATED
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
from .plots import BLACK, GREY, axes_or_new, pretty, styles
from .published import printed_values
from .records import Property

_SCHEMES = ("Bader near-grid", "Bader weight", "PAW spheres", "Mulliken")  # the first there counts
_GAINED = "electrons gained by "
_BOND = "C-F bond"
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
    models = list(dict.fromkeys(charges["model"]))
    n_panels = len(models) + (not lengths.empty)
    figure, axes = panels(n_panels, 0.8 + 1.5 * n_panels)
    used = []
    for ax, model in zip(axes, models, strict=False):
        part = charges[charges["model"] == model]
        scheme = next((s for s in _SCHEMES if (part["scheme"] == s).any()), part["scheme"].iloc[0])
        used.append(scheme)
        plot_fragments(part[part["scheme"] == scheme], ax)
        set_title(ax, f"{model}: {scheme}")
    if not lengths.empty:
        plot_bonds(lengths, axes[-1])
    add_legend(figure, axes, columns=3)
    frame = pd.concat([charges, lengths], ignore_index=True)
    remarks = ["net charge: positive = electrons lost"] if len(charges) else []
    if any(not scheme.startswith("Bader") for scheme in used):
        remarks.append("no Bader charges in some panels: another scheme, named there")
    return Drawing(
        figure,
        frame,
        (*remarks, *poor_remark(frame, "faded"), *_printed(source), *orderings_remark(source)),
    )


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
    ax.margins(x=0.12, y=0.15)
    ax.set_ylabel("net charge (e)")
    return ax


def _lines(name: str) -> str:
    return pretty(name).replace(" + ", "\n+ ").replace(": ", ":\n")


def plot_bonds(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw C-F lengths, a row per system and a mark per bond.

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
    markers = dict(zip(dict.fromkeys(frame["bond"]), "osD^v<>", strict=False))
    for bond, part in frame.assign(row=rows).groupby("bond", sort=False):
        ax.plot(
            part["length"], [names.index(row) for row in part["row"]], markers.get(str(bond), "."),
            mfc="none", color=BLACK, ms=4, label=str(bond),
        )  # fmt: skip
    ax.set_yticks(range(len(names)), [pretty(name) for name in names], fontsize=6)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("C-F length (Å)")
    ax.locator_params(axis="x", nbins=5)
    ax.ticklabel_format(axis="x", useOffset=False)
    low, high = float(frame["length"].min()), float(frame["length"].max())
    spare = max(_LEAST_RANGE - (high - low), 0.1 * (high - low)) / 2
    ax.set_xlim(low - spare, high + spare)
    ax.grid(axis="x", lw=0.3, color="0.85")
    return ax
