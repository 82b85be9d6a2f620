"""The figures of charges: along hops, and of density differences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .charge_figure_data import (
    changed_sites,
    charge_frame,
    difference_frame,
    isosurfaces,
    slice_between,
    slice_through,
    window,
)
from .charge_plots import plot_charges, plot_difference_profile, plot_isosurfaces, plot_slice
from .charges import BY_NEAREST, INTEGRATED
from .compatibility import is_isolated
from .drawings import WIDTH, Drawing, Source, add_legend, panels, poor_remark, set_title
from .planar import heights_above
from .plots import pretty, styles
from .records import DensityDifference

_NEARLY = 1.0  # Angstrom
_SHOWN = ("Bader near-grid", "Mulliken")  # schemes; the table has all of them


def _differences(source: Source) -> dict[str, DensityDifference]:
    """Return the density difference of each model, where there is one."""
    keys = {
        item.model: item.keys[-1]
        for item in source.properties
        if item.reference in (INTEGRATED, BY_NEAREST) and item.value is not None
    }
    return {model: source.store.get_difference(key) for model, key in keys.items()}


def draw_charges(source: Source) -> Drawing | None:
    """Draw net charges along every hop."""
    frame = charge_frame(source.properties)
    if frame.empty:
        return None
    shown = frame[frame["scheme"].isin(_SHOWN)]
    shown = frame if shown.empty else shown
    n_hops = shown["hop"].nunique()
    figure, axes = panels(n_hops, 0.9 + 1.2 * n_hops)
    colours = styles(shown["model"])
    for ax, (hop, part) in zip(axes, shown.groupby("hop", sort=False), strict=True):
        plot_charges(part, ax, colours=colours)
        set_title(ax, str(hop))
        ax.set_xlabel(ax.get_xlabel() if ax is axes[-1] else "")
    add_legend(figure, axes, columns=2)
    remarks = ("positive: electrons lost", *poor_remark(shown, "faded"))
    return Drawing(figure, frame, remarks)


def draw_profile(source: Source) -> Drawing | None:
    """Draw the planar density difference of each model, with its running integral."""
    differences = _differences(source)
    if not differences:
        return None
    figure, axes = panels(len(differences), 0.7 + 1.6 * len(differences))
    frame = difference_frame(differences)
    ends, gains = _common_windows(differences), _gains(source)
    for ax, (model, difference) in zip(axes, differences.items(), strict=True):
        heights = heights_above(difference.structure, float(difference.z[0]))
        symbols = [site.specie.symbol for site in difference.structure]
        atoms = {
            symbol: [float(z) for z, name in zip(heights, symbols, strict=True) if name == symbol]
            for symbol in dict.fromkeys(symbols)
        }
        part = frame[frame["model"] == model]
        plot_difference_profile(part, ax, planes=difference.planes, atoms=atoms)
        ax.set_xlim(*ends[model])
        set_title(ax, f"{model}: {gains[model]}")
        ax.set_xlabel(ax.get_xlabel() if ax is axes[-1] else "")
    add_legend(figure, figure.axes, columns=7)
    divided = any(difference.planes for difference in differences.values())
    between = "; dashed: between the layers" if divided else "; gains: every point to nearest atom"
    remark = f"integrated from the vacuum below{between}"
    return Drawing(figure, frame, (remark, *_poor(differences)))


def _common_windows(
    differences: Mapping[str, DensityDifference],
) -> dict[str, tuple[float, float]]:
    """Return the range of z of each model; one for all where they nearly agree."""
    ends = {model: window(difference) for model, difference in differences.items()}
    low, high = (list(values) for values in zip(*ends.values(), strict=True))
    if max(max(low) - min(low), max(high) - min(high)) < _NEARLY:
        return dict.fromkeys(ends, (min(low), max(high)))
    return ends


def _poor(differences: Mapping[str, DensityDifference]) -> tuple[str, ...]:
    """Return the remark that names the models whose difference is not converged."""
    names = [model for model, d in differences.items() if d.status != "converged"]
    return (f"not converged: {', '.join(names)}",) if names else ()


def _gains(source: Source) -> dict[str, str]:
    """Return in words what a fragment of each model gains, as it was derived."""
    words: dict[str, str] = {}
    for item in source.properties:
        if item.reference in (INTEGRATED, BY_NEAREST) and item.value is not None:
            name = item.quantity.removeprefix("electrons gained by ")
            does = "gains" if item.value >= 0 else "loses"
            words.setdefault(item.model, f"{name} {does} {abs(item.value):.3f} e")
    return words


def _is_boxed(differences: Mapping[str, DensityDifference]) -> bool:
    return any(is_isolated(d.structure) for d in differences.values())


def draw_slice(source: Source) -> Drawing | None:
    """Draw a slice through the largest difference of each model, on one colour scale."""
    differences = _differences(source)
    if not differences:
        return None
    sites = {} if _is_boxed(differences) else changed_sites(differences)
    slices = {
        model: slice_between(d) if is_isolated(d.structure) else slice_through(d, sites.get(model))
        for model, d in differences.items()
    }
    limit = max(float(np.percentile(np.abs(s.values), 99.5)) for s in slices.values())
    shape = max(float(np.ptp(s.z) / np.ptp(s.along)) for s in slices.values())
    # Two fit into a column; each one more is as wide, so that its name has room above it.
    width = (WIDTH - 1.35) / min(len(slices), 2)
    height = width * shape + 0.8
    figure = Figure(figsize=(1.35 + width * len(slices), height), layout="compressed")
    axes = list(
        figure.subplots(1, len(slices), squeeze=False, sharey=not _is_boxed(differences))[0]
    )
    image: Any = None
    gains = _gains(source)
    for ax, (model, data) in zip(axes, slices.items(), strict=True):
        image = plot_slice(data, ax, limit=limit)
        set_title(ax, model)
        if any(s.between for s in slices.values()):
            set_title(ax, f"{model}: {gains[model]}")
        else:
            ax.label_outer()
    bar = figure.colorbar(image, ax=axes, shrink=0.8, extend="both")
    bar.set_label(r"$\Delta\rho$ (e Å$^{-3}$)")
    frame = pd.concat(
        [
            s.frame().assign(model=model, status=differences[model].status)
            for model, s in slices.items()
        ]
    )
    boxed = any(s.between for s in slices.values())
    remarks = (
        "plane through the middles of both fragments and the largest difference"
        if boxed
        else "plane along $a$ and the normal through the site where the models differ"
        if sites
        else "plane along $a$ and the normal through the largest difference of each model",
        "red: electrons gather; blue: they leave; at most 0.5 % of the points are off the scale",
    )
    return Drawing(figure, frame, (*remarks, *_poor(differences)))


def draw_isosurface(source: Source) -> Drawing | None:
    """Draw surfaces of equal gain and loss of electrons around the layers of each model."""
    differences = _differences(source)
    if not differences:
        return None
    name, first = next(iter(differences.items()))
    found = isosurfaces(first)
    if not found:
        return None
    # One level for all models, so that the surfaces can be compared.
    level = abs(found[0].level)
    figure = Figure(figsize=(WIDTH, 2.2), layout="constrained")
    rows = []
    for number, (model, difference) in enumerate(differences.items(), start=1):
        ax: Any = figure.add_subplot(1, len(differences), number, projection="3d")
        surfaces = found if difference is first else isosurfaces(difference, level)
        plot_isosurfaces(surfaces, difference, ax)
        ax.set_title(pretty(model), fontsize=7, fontweight="bold", pad=0)
        rows += [
            {
                "model": model,
                "level": surface.level,
                "area": surface.area,
                "volume": surface.volume,
                "electrons": surface.electrons,
                "status": difference.status,
            }
            for surface in surfaces
        ]
    handles = {
        label: h
        for a in figure.axes
        for h, label in zip(*a.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=6)
    remark = f"isosurfaces at +{level:.4f} (red, electrons gather) and −{level:.4f} e/Å$^3$ (blue)"
    chosen = f"the level is the 98th percentile around the atoms of {pretty(name)}"
    bare = sorted(set(differences) - {row["model"] for row in rows})
    empty = (f"nowhere beyond it: {', '.join(bare)}",) if bare else ()
    return Drawing(figure, pd.DataFrame(rows), (remark, chosen, *empty, *_poor(differences)))
