"""Figures of charges: numbers in, axes out. Nothing is saved and no style is set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .charge_figure_data import Slice, Surface
from .planar import heights_above, normal_height, unfolded_positions
from .plots import BLACK, BLUE, GREY, VERMILION, axes_or_new, pretty
from .records import DensityDifference, Floats

# Elements as in most viewers, dark enough on white.
ELEMENTS = {
    "Mo": "#3B8686",
    "S": "#C9A800",
    "Se": "#E07B00",
    "C": "#4D4D4D",
    "N": "#3050F8",
    "K": "#8F40D4",
}
_RADII = {"Mo": 1.3, "S": 1.0, "Se": 1.15, "C": 0.7, "N": 0.7, "K": 1.6}  # Angstrom, to look at
_LINES = ("-", "--", ":", "-.")
_AZIMUTH_DEG = -75  # from where isosurfaces are looked at
_ROOM = 1.5  # Angstrom: atoms farther apart have room for a name anywhere


def plot_difference_profile(
    frame: pd.DataFrame,
    ax: Axes | None = None,
    *,
    planes: Sequence[float] = (),
    atoms: Mapping[str, Sequence[float]] | None = None,
) -> Axes:
    """Draw the planar sum of a density difference, and its running integral on a second axis.

    Parameters
    ----------
    frame
        Columns z (Angstrom), delta (e/Angstrom), integrated (e) of one model.
    planes
        z of the planes between fragments.
    atoms
        z of the atoms of each element, drawn as ticks along the bottom.
    """
    ax = axes_or_new(ax)
    z, delta = frame["z"].to_numpy(), frame["delta"].to_numpy()
    ax.fill_between(z, delta, where=delta > 0, color=VERMILION, alpha=0.5, lw=0)
    ax.fill_between(z, delta, where=delta < 0, color=BLUE, alpha=0.5, lw=0)
    ax.plot(z, delta, color=BLACK, lw=0.6, label=r"$\Delta\rho(z)$")
    ax.axhline(0.0, color=GREY, lw=0.5)
    for plane in planes:
        ax.axvline(plane, color=BLACK, lw=0.6, ls="--")
    # The most frequent element first and longest, so that none hides another at its height.
    by_number = sorted((atoms or {}).items(), key=lambda item: -len(item[1]))
    for i, (symbol, heights) in enumerate(by_number):
        ax.plot(
            heights, np.zeros(len(heights)), "|", color=ELEMENTS.get(symbol, GREY), mew=1.4,
            ms=max(12 - 2.5 * i, 3),
            transform=ax.get_xaxis_transform(), clip_on=False, label=symbol,
        )  # fmt: skip
    ax.set(xlabel="z (Å)", ylabel="$\\Delta\\rho$\n(e Å$^{-1}$)")
    second = ax.twinx()
    second.plot(z, frame["integrated"], color=GREY, lw=1.0, ls="-.", label="integral")
    limit = 1.15 * float(np.abs(frame["integrated"]).max() or 1.0)
    second.set(ylim=(-limit, limit), ylabel="integral (e)")
    second.spines["right"].set_visible(True)
    bound = 1.15 * float(np.abs(delta).max() or 1.0)
    ax.set_ylim(-bound, bound)
    return ax


def plot_slice(data: Slice, ax: Axes | None = None, *, limit: float | None = None) -> Any:
    """Draw a slice of a density difference in true proportions; returns the image.

    Parameters
    ----------
    data
        See `charge_figure_data.slice_through`.
    limit
        Ends of the colour scale, e/Angstrom^3; by default the 99.5th percentile of its size.
    """
    ax = axes_or_new(ax)
    limit = limit or float(np.percentile(np.abs(data.values), 99.5)) or 1.0
    extent = (data.along[0], data.along[-1], data.z[0], data.z[-1])
    image = ax.imshow(
        data.values, origin="lower", extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit,
        aspect="equal", interpolation="bilinear",
    )  # fmt: skip
    _name_atoms(data, ax)
    if data.between is None:
        ax.set(xlabel="along $a$ (Å)", ylabel="z (Å)")
    else:
        ax.set(
            xlabel="across (Å)",
            ylabel=f"{pretty(data.between[0])} to {pretty(data.between[1])} (Å)",
        )
    return image


def _name_atoms(data: Slice, ax: Axes) -> None:
    """Mark the atoms near a slice and write their symbols where there is room."""
    places = data.atoms[["along", "z"]].to_numpy(dtype=float)
    ax.plot(*places.T, "o", mfc="none", mec=BLACK, ms=4, mew=0.5)
    for symbol, place in zip(data.atoms["symbol"], places, strict=True):
        ax.annotate(
            str(symbol), tuple(place), xytext=tuple(5.5 * _away(place, places)),
            textcoords="offset points", ha="center", va="center", fontsize=5.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 0.2},
        )  # fmt: skip


def _away(place: Floats, places: Floats) -> Floats:
    """Return the direction from the nearest other atom to one: where its name has room."""
    others = places[np.linalg.norm(places - place, axis=1) > 1e-6]
    if not len(others):
        return np.array([0.8, 0.6])
    steps = place - others
    distances = np.linalg.norm(steps, axis=1)
    if distances.min() > _ROOM:
        return np.array([0.8, 0.6])
    step: Floats = steps[distances.argmin()] / distances.min()
    return step


def plot_isosurfaces(surfaces: Sequence[Surface], difference: DensityDifference, ax: Any) -> Any:
    """Draw isosurfaces and atoms on three-dimensional axes, seen along the layers.

    Parameters
    ----------
    surfaces
        See `charge_figure_data.isosurfaces`: red where electrons gather, blue where they leave.
    difference
        For its atoms and cell.
    ax
        Axes with the projection "3d".
    """
    from matplotlib.colors import LightSource
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]  # slow

    structure = difference.structure
    light = LightSource(azdeg=_AZIMUTH_DEG + 270, altdeg=35)
    heights = heights_above(structure, float(difference.z[0]))
    lattice = np.asarray(structure.lattice.matrix)
    for surface in surfaces:
        colour = VERMILION if surface.level > 0 else BLUE
        # Marching cubes winds its triangles alike around a hill and a hollow of the density.
        outwards = surface.faces[:, ::-1] if surface.level > 0 else surface.faces
        # Opaque, with edges in the colour of their faces: else the triangles show as a net.
        mesh = Poly3DCollection(
            surface.vertices[outwards], facecolors=colour, edgecolors=colour, shade=True,
            lightsource=light, lw=0.15,
        )  # fmt: skip
        mesh.set_rasterized(True)
        ax.add_collection3d(mesh)
    positions = unfolded_positions(structure, float(difference.z[0]))
    _draw_atoms(structure, positions, ax)
    low = float(heights.min()) - 1.2
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ lattice[:2]
    corners = corners + lattice[2] * low / normal_height(structure)
    ax.plot(corners[:, 0], corners[:, 1], low, color=GREY, lw=0.5)
    spread = [corners[:, 0], corners[:, 1], np.array([low, float(heights.max()) + 1.2])]
    ax.set(xlim=_ends(spread[0]), ylim=_ends(spread[1]), zlim=_ends(spread[2]))
    ax.set_box_aspect([float(np.ptp(values)) for values in spread], zoom=1.4)
    ax.view_init(elev=8, azim=_AZIMUTH_DEG)
    ax.set_proj_type("ortho")
    ax.set_axis_off()
    return ax


def _draw_atoms(structure: Any, positions: Any, ax: Any) -> None:
    """Draw atoms as spheres, those of a face of the cell once, in one cell."""
    symbols = [site.specie.symbol for site in structure]
    for symbol in dict.fromkeys(symbols):
        chosen = [i for i, name in enumerate(symbols) if name == symbol]
        ax.scatter(
            *positions[chosen].T,
            s=22 * _RADII.get(symbol, 1.0) ** 2, color=ELEMENTS.get(symbol, GREY),
            edgecolors=BLACK, linewidths=0.3, label=symbol, depthshade=False,
        )  # fmt: skip


def _ends(values: Any) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def plot_charges(
    frame: pd.DataFrame, ax: Axes | None = None, *, colours: Mapping[str, tuple[str, str]]
) -> Axes:
    """Draw the net charge of the ion along one hop, a colour per model, a line per scheme.

    Parameters
    ----------
    frame
        Columns model, scheme, path (Angstrom), net (e), quantity, status.
    colours
        Colour and marker of each model.
    """
    ax = axes_or_new(ax)
    schemes = list(dict.fromkeys(frame["scheme"]))
    several = frame["quantity"].nunique() > 1
    for (model, scheme, ion), part in frame.groupby(["model", "scheme", "quantity"], sort=False):
        colour, marker = colours[str(model)]
        number = schemes.index(str(scheme))
        ax.plot(
            part["path"], part["net"], marker, ls=_LINES[number % len(_LINES)], color=colour,
            mfc=colour if number == 0 else "white", ms=3.5, lw=0.9,
            alpha=1.0 if (part["status"] == "ok").all() else 0.4,
            label=f"{pretty(str(model))}, {scheme}" + (f", {ion}" if several else ""),
        )  # fmt: skip
    quantity = str(frame["quantity"].iloc[0]) if len(frame) else "net charge"
    ax.margins(y=0.15)
    ax.locator_params(axis="y", nbins=4, min_n_ticks=3)
    ax.set(xlabel="path (Å)", ylabel=f"{quantity.replace('net charge of', 'charge of')} (e)")
    return ax
