"""The numbers behind the figures of charges, as tidy tables made from the store alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .planar import heights_above, normal_height, unfolded_positions
from .records import DensityDifference, Floats, Property

_MARGIN = 2.0  # Angstrom shown below the lowest and above the highest atom
_ON_LINE = 0.2  # Angstrom: a point this near a line gives no plane with it
_PIXEL = 0.1  # Angstrom, of a slice
_SAME_SITE = 1.0  # Angstrom between an atom and the one that stands for it in another model
_FINE = 2  # points of an isosurface's grid for one of the stored grid, along each axis
_NEAR = 0.8  # Angstrom: atoms this near a slice are drawn on it
_LEVEL_SHARE = 98.0  # percentile of |Delta rho| around the atoms that an isosurface is drawn at


def window(difference: DensityDifference) -> tuple[float, float]:
    """Return the range of z that holds the atoms and a margin, in Angstrom."""
    heights = heights_above(difference.structure, float(difference.z[0]))
    return float(heights.min() - _MARGIN), float(heights.max() + _MARGIN)


def difference_frame(differences: Mapping[str, DensityDifference]) -> pd.DataFrame:
    """Return planar sums of each model's density difference.

    Returns
    -------
    pandas.DataFrame
        Columns model, z (Angstrom), delta (e/Angstrom), integrated (e), status.
    """
    parts = [
        pd.DataFrame(
            {
                "model": model,
                "z": d.z,
                "delta": d.delta,
                "integrated": d.integrated,
                "status": "ok" if d.status == "converged" else d.status,
            }
        )
        for model, d in differences.items()
    ]
    empty = pd.DataFrame(columns=["model", "z", "delta", "integrated", "status"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def charge_frame(properties: Iterable[Property]) -> pd.DataFrame:
    """Return net charges along hops or reactions.

    Returns
    -------
    pandas.DataFrame
        Columns model, hop, image, path (Angstrom), scheme, net (e, positive = electrons lost),
        quantity and status, along each path in order.
    """
    rows = [
        {
            "model": item.model,
            "hop": item.detail["hop"],
            "image": item.detail["image"],
            "path": item.detail["path"],
            "scheme": item.reference,
            "net": item.value,
            "quantity": item.quantity,
            "status": item.status,
        }
        for item in properties
        if item.value is not None and "hop" in item.detail
    ]
    names = ["model", "hop", "image", "path", "scheme", "net", "quantity", "status"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.sort_values(["hop", "model", "scheme", "image"], kind="stable", ignore_index=True)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A density difference in a plane along the first lattice vector and the normal."""

    along: Floats  # (n,) Angstrom along the first lattice vector
    z: Floats  # (m,) Angstrom along the normal
    values: Floats  # (m, n), e/Angstrom^3
    atoms: pd.DataFrame  # symbol, along, z of the atoms near the plane
    # Two fragments in a box: z runs from the middle of the first to that of the second.
    between: tuple[str, str] | None = None

    def frame(self) -> pd.DataFrame:
        """Return the sampled points: columns along, z, delta."""
        along, z = np.meshgrid(self.along, self.z)
        columns = {"along": along.ravel(), "z": z.ravel(), "delta": self.values.ravel()}
        return pd.DataFrame(columns)


def changed_sites(differences: Mapping[str, DensityDifference]) -> dict[str, Floats]:
    """Return the site at which models of one cell have different elements, where there is one.

    Returns
    -------
    dict
        Fractional coordinates by model: of the atom whose element not all models have, and in the
        others of the atom in its place. Empty where there is no such atom in every model.
    """
    elements = {m: {str(e) for e in d.structure.composition} for m, d in differences.items()}
    rare = set[str].union(*elements.values()) - set[str].intersection(*elements.values())
    place = next(
        (
            site.frac_coords
            for d in differences.values()
            for site in d.structure
            if site.specie.symbol in rare
        ),
        None,
    )
    if place is None:
        return {}
    found: dict[str, Floats] = {}
    for model, difference in differences.items():
        lattice = difference.structure.lattice
        distances = lattice.get_all_distances(place, difference.structure.frac_coords)[0]
        if distances.min() > _SAME_SITE:
            return {}
        found[model] = difference.structure.frac_coords[int(distances.argmin())]
    return found


def slice_through(difference: DensityDifference, site: Floats | None = None) -> Slice:
    """Return the plane along a and the normal through a site.

    Parameters
    ----------
    site
        Fractional coordinates; by default of the largest |Delta rho|.
    """
    from scipy.ndimage import map_coordinates  # slow to import

    lattice = np.asarray(difference.structure.lattice.matrix)
    low, high = window(difference)
    along = np.arange(0.0, np.linalg.norm(lattice[0]), _PIXEL)
    z = np.arange(low, high, _PIXEL)
    shape = np.array(difference.coarse.shape)
    largest = np.array(np.unravel_index(np.abs(difference.coarse).argmax(), shape)) / shape
    top = largest if site is None else np.array(site, dtype=float)
    first = lattice[0] / np.linalg.norm(lattice[0])
    normal = np.cross(lattice[0], lattice[1])
    normal /= np.linalg.norm(normal)
    across = np.cross(normal, first)
    height = normal_height(difference.structure)
    start = float(difference.z[0])
    # The image of the largest difference that lies in the range of z that is shown.
    top[2] = (start + (top[2] * height - start) % height) / height
    offset = float(top @ lattice @ across)
    points = (
        along[None, :, None] * first + z[:, None, None] * normal + offset * across
    ) @ np.linalg.inv(lattice)
    values = map_coordinates(
        difference.coarse, np.moveaxis(points * shape, -1, 0), order=3, mode="grid-wrap"
    )
    return Slice(
        along=along, z=z, values=values, atoms=_atoms_near(difference, first, across, offset)
    )


def slice_between(difference: DensityDifference) -> Slice:
    """Return the plane through the middles of two fragments and the largest |Delta rho|.

    For molecules in a box. ``z`` runs from the middle of the first fragment to that of the second
    and ``along`` across, both from the point half way.
    """
    from scipy.ndimage import map_coordinates  # slow to import

    structure = difference.structure
    matrix = np.asarray(structure.lattice.matrix)
    shape = np.array(difference.coarse.shape)
    positions = structure.cart_coords
    (one, first), (two, second) = list(difference.fragments.items())[:2]
    ends = positions[list(first)].mean(axis=0), positions[list(second)].mean(axis=0)
    middle = (ends[0] + ends[1]) / 2
    up = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    top = np.array(np.unravel_index(np.abs(difference.coarse).argmax(), shape)) / shape
    away = top - middle @ np.linalg.inv(matrix)
    across = _across((away - np.round(away)) @ matrix, up, positions - middle)
    flat = np.stack([(positions - middle) @ across, (positions - middle) @ up], axis=1)
    near = np.abs((positions - middle) @ np.cross(across, up)) < _NEAR
    shown = flat[near] if near.any() else flat
    low, high = shown.min(axis=0) - _MARGIN, shown.max(axis=0) + _MARGIN
    along, z = (np.arange(a, b, _PIXEL) for a, b in zip(low, high, strict=True))
    points = (middle + along[None, :, None] * across + z[:, None, None] * up) @ np.linalg.inv(
        matrix
    )
    values = map_coordinates(
        difference.coarse, np.moveaxis(points * shape, -1, 0), order=3, mode="grid-wrap"
    )
    rows = [
        {"symbol": structure[int(i)].specie.symbol, "along": flat[i, 0], "z": flat[i, 1]}
        for i in np.flatnonzero(near)
    ]
    atoms = pd.DataFrame(rows, columns=["symbol", "along", "z"])
    return Slice(along=along, z=z, values=values, atoms=atoms, between=(one, two))


def _across(offset: Floats, up: Floats, away: Floats) -> Floats:
    """Return the direction from a line to a point, or across the molecule where it is on it."""
    found = offset - (offset @ up) * up
    if np.linalg.norm(found) < _ON_LINE:
        flat = away - np.outer(away @ up, up)
        found = np.linalg.svd(flat)[2][0]
        found = found - (found @ up) * up
    unit: Floats = found / np.linalg.norm(found)
    return unit


def _atoms_near(
    difference: DensityDifference, first: Floats, across: Floats, offset: float
) -> pd.DataFrame:
    """Return the atoms near a slice, images within the slice included."""
    structure = difference.structure
    lattice = np.asarray(structure.lattice.matrix)
    start = float(difference.z[0])
    heights, positions = heights_above(structure, start), unfolded_positions(structure, start)
    length = float(np.linalg.norm(lattice[0]))
    rows = []
    for site, position, height in zip(structure, positions, heights, strict=True):
        for image in ((i, j) for i in range(-3, 4) for j in range(-3, 4)):
            flat = position + np.array(image) @ lattice[:2]
            place = float(flat @ first)
            if abs(float(flat @ across) - offset) < _NEAR and 0 <= place < length:
                rows.append({"symbol": site.specie.symbol, "along": place, "z": float(height)})
    return pd.DataFrame(rows, columns=["symbol", "along", "z"]).drop_duplicates()


@dataclass(frozen=True, kw_only=True)
class Surface:
    """An isosurface of a density difference."""

    level: float  # e/Angstrom^3, negative where electrons have gone
    vertices: Floats  # (n, 3), Angstrom
    faces: NDArray[np.int32]  # (m, 3)
    area: float  # Angstrom^2
    volume: float  # Angstrom^3 beyond the level
    electrons: float  # in that volume


def isosurfaces(difference: DensityDifference, level: float | None = None) -> list[Surface]:
    """Return the surfaces at +level and -level, in a cell that begins in the vacuum.

    Parameters
    ----------
    difference
        Its coarse grid is used.
    level
        e/Angstrom^3; by default the 98th percentile of |Delta rho| around the atoms.
    """
    from skimage.measure import marching_cubes, mesh_surface_area  # slow to import

    structure = difference.structure
    lattice = np.asarray(structure.lattice.matrix)
    fine = _finer(difference.coarse)
    shape = fine.shape
    height = normal_height(structure)
    start = round(float(difference.z[0]) / height * shape[2])
    grid = np.roll(fine, -start, axis=2)
    grid = np.pad(grid, ((0, 1), (0, 1), (0, 0)), mode="wrap")
    inside = _around_atoms(difference, grid.shape[2], height)
    if level is None:
        level = float(np.percentile(np.abs(grid[:, :, inside]), _LEVEL_SHARE))
    cell = structure.volume / difference.coarse.size
    surfaces = []
    for signed in (level, -level):
        beyond = difference.coarse * np.sign(signed) > level
        if not beyond.any() or not grid.min() < signed < grid.max():
            continue
        corners, faces, _, _ = marching_cubes(grid, signed)  # type: ignore[no-untyped-call]
        fractions = (corners + np.array([0, 0, start])) / np.array(shape)
        vertices = fractions @ lattice
        surfaces.append(
            Surface(
                level=signed,
                vertices=vertices,
                faces=faces,
                area=float(mesh_surface_area(vertices, faces)),  # type: ignore[no-untyped-call]
                volume=float(beyond.sum() * cell),
                electrons=float(difference.coarse[beyond].sum() * cell),
            )
        )
    return surfaces


def _finer(values: Floats) -> Floats:
    """Return a periodic density on a finer grid, by its Fourier series: surfaces get smooth."""
    for axis, n in enumerate(values.shape):
        waves = np.moveaxis(np.fft.rfft(values, axis=axis), axis, -1)
        if n % 2 == 0:
            waves[..., -1] /= 2  # on the finer grid this wave has its mirror image beside it
        values = np.fft.irfft(np.moveaxis(waves, -1, axis), _FINE * n, axis=axis) * _FINE
    return values


def _around_atoms(difference: DensityDifference, n: int, height: float) -> NDArray[np.bool_]:
    """Return which planes of the rolled grid lie within the window."""
    z = float(difference.z[0]) + np.arange(n) * height / n
    low, high = window(difference)
    inside: NDArray[np.bool_] = (z >= low) & (z <= high)
    return inside
