"""The figures of charges: along hops, and of density differences."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .charge_figure_data import (
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
from .differences import fragment_gains, nearest_gains
from .drawings import WIDTH, Drawing, Source, add_legend, panels, poor_remark, set_title
from .planar import heights_above
from .plots import pretty, styles
from .records import DensityDifference

_SHOWN = ("Bader near-grid", "Mulliken", "PAW spheres")  # schemes; the table has all


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
    for ax, (model, difference) in zip(axes, differences.items(), strict=True):
        heights = heights_above(difference.structure, float(difference.z[0]))
        symbols = [site.specie.symbol for site in difference.structure]
        atoms = {
            symbol: [float(z) for z, name in zip(heights, symbols, strict=True) if name == symbol]
            for symbol in dict.fromkeys(symbols)
        }
        part = frame[frame["model"] == model]
        plot_difference_profile(part, ax, planes=difference.planes, atoms=atoms)
        ax.set_xlim(*window(difference))
        set_title(ax, f"{model}: {_gain(difference)}")
        ax.set_xlabel(ax.get_xlabel() if ax is axes[-1] else "")
    add_legend(figure, figure.axes, columns=7)
    divided = any(difference.planes for difference in differences.values())
    between = "; dashed: between the layers" if divided else "; gains: every point to nearest atom"
    remark = f"integrated from the vacuum below{between}"
    return Drawing(figure, frame, (remark, *_poor(differences)))


def _poor(differences: Mapping[str, DensityDifference]) -> tuple[str, ...]:
    """Return the remark that names the models whose difference is not converged."""
    names = [model for model, d in differences.items() if d.status != "converged"]
    return (f"not converged: {', '.join(names)}",) if names else ()


def _gain(difference: DensityDifference) -> str:
    """Return in words what the first fragment gains."""
    gains = fragment_gains(difference) or nearest_gains(difference)
    name, value = next(iter(gains.items()))
    return f"{name} {'gains' if value >= 0 else 'loses'} {abs(value):.3f} e"


def _is_boxed(differences: Mapping[str, DensityDifference]) -> bool:
    return any(is_isolated(d.structure) for d in differences.values())


def draw_slice(source: Source) -> Drawing | None:
    """Draw a slice through the largest difference of each model, on one colour scale."""
    differences = _differences(source)
    if not differences:
        return None
    slices = {
        model: slice_between(d) if is_isolated(d.structure) else slice_through(d)
        for model, d in differences.items()
    }
    limit = max(float(np.percentile(np.abs(s.values), 99.5)) for s in slices.values())
    shape = max(float(np.ptp(s.z) / np.ptp(s.along)) for s in slices.values())
    width = (WIDTH - 1.0) / len(slices)
    figure = Figure(figsize=(WIDTH, width * shape + 0.7), layout="constrained")
    axes = list(
        figure.subplots(1, len(slices), squeeze=False, sharey=not _is_boxed(differences))[0]
    )
    image: Any = None
    for ax, (model, data) in zip(axes, slices.items(), strict=True):
        image = plot_slice(data, ax, limit=limit)
        set_title(ax, model)
        if any(s.between for s in slices.values()):
            ax.set_title(f"{pretty(model)}: {_gain(differences[model])}", loc="left", fontsize=6)
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
        else "plane along a and the normal through the largest difference of each model",
        "red: electrons gather; blue: they leave; 0.5 % of the points are beyond the scale",
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
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    rows = []
    for number, (model, difference) in enumerate(differences.items(), start=1):
        ax: Any = figure.add_subplot(1, len(differences), number, projection="3d")
        surfaces = isosurfaces(difference, level)
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
    remark = f"isosurfaces at +{level:.4f} (red, electrons gather) and -{level:.4f} e/Å$^3$ (blue)"
    chosen = f"the level is the 98th percentile around the atoms of {name}"
    bare = sorted(set(differences) - {row["model"] for row in rows})
    empty = (f"nowhere beyond it: {', '.join(bare)}",) if bare else ()
    return Drawing(figure, pd.DataFrame(rows), (remark, chosen, *empty, *_poor(differences)))


CHARGE_FIGURES: dict[str, Callable[[Source], Drawing | None]] = {
    "charges": draw_charges,
    "difference-profile": draw_profile,
    "difference-slice": draw_slice,
    "difference-isosurface": draw_isosurface,
}
