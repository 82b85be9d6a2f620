"""The figure of the electron localization function in a plane of the molecule, state by state."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .drawings import WIDTH, Drawing, Source
from .elf_lines import ElfSlice, elf_slice
from .plots import axes_or_new, pretty
from .records import Property

_PER_ROW = 4
_QUANTITY = "lowest ELF between "
_BESIDE = 3  # pixels around an atom that its name covers
_LIGHT = 0.6  # ELF from which the colours are light
_MOST_BONDS = 3  # lines under a title, so that all panels of a row are of one height


def draw_elf_slices(source: Source) -> Drawing | None:
    """Draw the ELF of every state in the plane its request names, on one colour scale."""
    found: dict[tuple[str, str], list[Property]] = {}
    for item in source.properties:
        if item.quantity.startswith(_QUANTITY) and item.value is not None:
            found.setdefault((item.model, item.label), []).append(item)
    if not found:
        return None
    slices = {place: _slice(source, items[0]) for place, items in found.items()}
    models = list(dict.fromkeys(model for model, _ in slices))
    columns = min(_PER_ROW, max(sum(m == model for m, _ in slices) for model in models))
    rows = [
        [place for place in slices if place[0] == model][i : i + columns]
        for model in models
        for i in range(0, sum(m == model for m, _ in slices), columns)
    ]
    width = max(WIDTH, 1.1 * columns + 0.6)
    height = 0.5 + len(rows) * (0.5 + (width - 0.75) / columns)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    image: Any = None
    for line, places in zip(axes, rows, strict=True):
        for ax in line[len(places) :]:
            ax.set_axis_off()
        for ax, place in zip(line, places, strict=False):
            image = plot_elf_slice(slices[place], ax)
            ax.set_title(_title(place, found[place]), fontsize=5.5, loc="left", pad=2)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30)
    bar.set_label("ELF")
    frame = pd.concat(
        [s.frame().assign(model=m, label=name) for (m, name), s in slices.items()],
        ignore_index=True,
    )
    poor = sorted(
        {f"{p.model}, {p.label}" for items in found.values() for p in items if p.status != "ok"}
    )
    widths = sorted({round(float(np.ptp(s.across)), 1) for s in slices.values()})
    wide = f"{widths[0]:g}" if len(widths) == 1 else f"{widths[0]:g} to {widths[-1]:g}"
    remarks = [
        "plane through three atoms of each state; in brackets the lowest ELF along the bond; "
        f"panels are {wide} Å wide"
    ]
    remarks += [f"not converged: {'; '.join(poor)}"] if poor else []
    return Drawing(figure, frame, tuple(remarks))


def _slice(source: Source, item: Property) -> ElfSlice:
    i, j, k = item.detail["plane"]
    return elf_slice(source.store.get_run(item.keys[0]), (i, j, k))


def _title(place: tuple[str, str], items: list[Property]) -> str:
    """Return system and state, and below how the bonds stand, in lines that fit a panel."""
    state = place[1].partition(": ")[2] or place[1]
    bonds = [f"{p.detail['bond']} {p.detail['length']:.2f} Å [{p.value:.2f}]" for p in items]
    lines = [f"{pretty(place[0])}, {pretty(state)}", *bonds]
    return "\n".join(lines + [""] * (_MOST_BONDS - len(bonds)))


def plot_elf_slice(data: ElfSlice, ax: Axes | None = None) -> Any:
    """Draw the ELF in a plane, 0 to 1, with the atoms near it; returns the image.

    Parameters
    ----------
    data
        See `elf_lines.elf_slice`.
    """
    ax = axes_or_new(ax)
    extent = (data.across[0], data.across[-1], data.up[0], data.up[-1])
    image = ax.imshow(
        data.values, origin="lower", extent=extent, cmap="viridis", vmin=0.0, vmax=1.0,
        aspect="equal", interpolation="bilinear",
    )  # fmt: skip
    for row in data.atoms.to_dict(orient="records"):
        ax.annotate(
            str(row["symbol"]), (row["across"], row["up"]), ha="center", va="center", fontsize=5.5,
            color=_readable(data, row["across"], row["up"]), fontweight="bold",
        )  # fmt: skip
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return image


def _readable(data: ElfSlice, across: float, up: float) -> str:
    """Return black where the colours around an atom are light, else white."""
    row, column = np.abs(data.up - up).argmin(), np.abs(data.across - across).argmin()
    around = data.values[max(row - _BESIDE, 0) : row + _BESIDE + 1]
    around = around[:, max(column - _BESIDE, 0) : column + _BESIDE + 1]
    return "black" if float(around.mean()) > _LIGHT else "white"
