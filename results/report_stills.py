"""Still pictures of structures as SVG: what is seen where nothing can be turned."""

from html import escape
from itertools import combinations, product
from operator import ne

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from ase.data.colors import jmol_colors

from .records import Floats
from .report_calculations import Geometry

_SIZE = 0.75  # of the covalent radius: atoms of a bond overlap a little
_MARGIN = 0.6  # Angstrom around all atoms
_CORNERS = tuple(product((0.0, 1.0), repeat=3))
_EDGES = np.array(  # (12, 2, 3) pairs of corners that differ in one coordinate
    [pair for pair in combinations(_CORNERS, 2) if sum(map(ne, *pair)) == 1]
)


def still(geometry: Geometry, title: str) -> str:
    """Return an SVG of a structure, seen from the side; the box is its cell.

    The third lattice vector points up, or, where it is nearly filled in a plane, the flat side
    of a molecule is turned to the reader.

    Parameters
    ----------
    geometry
        What to draw.
    title
        Its name, for those who cannot see it.

    Examples
    --------
    >>> atoms = Geometry(symbols=("Li",), positions=np.zeros((1, 3)), cell=4 * np.eye(3))
    >>> still(atoms, "Li").count("<circle")
    1
    """
    flat, depth, edges = _projected(geometry)
    radii = np.array([_SIZE * _radius(symbol) for symbol in geometry.symbols])
    around = np.vstack([flat - radii[:, None], flat + radii[:, None], edges.reshape(-1, 2)])
    low, high = around.min(axis=0) - _MARGIN, around.max(axis=0) + _MARGIN
    width, height = high - low
    x, y = flat[:, 0] - low[0], high[1] - flat[:, 1]
    circles = [
        f'<circle cx="{x[i]:.2f}" cy="{y[i]:.2f}" r="{radii[i]:.2f}" '
        f'fill="{colour(geometry.symbols[i])}"/>'
        for i in np.argsort(depth, kind="stable")
    ]
    lines = " ".join(
        "M" + " L".join(f"{a - low[0]:.2f},{high[1] - b:.2f}" for a, b in edge) for edge in edges
    )
    box = f'<path class="cell" d="{lines}"/>' if lines else ""
    words = escape(f"{title}: {geometry.words}")
    return (
        f'<svg class="still" viewBox="0 0 {width:.2f} {height:.2f}" role="img" '
        f'aria-label="{words}">{box}{"".join(circles)}</svg>'
    )


def colour(symbol: str) -> str:
    """Return the colour of an element, Jmol's, which 3Dmol.js has as well.

    Examples
    --------
    >>> colour("S")
    '#ffff30'
    """
    red, green, blue = (round(255 * part) for part in jmol_colors[atomic_numbers[symbol]])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _radius(symbol: str) -> float:
    return float(covalent_radii[atomic_numbers[symbol]])


def _projected(geometry: Geometry) -> tuple[Floats, Floats, Floats]:
    """Return positions in the plane of the paper, how near they are, and the cell's edges."""
    if is_boxed(geometry):
        centred = geometry.positions - geometry.positions.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=True)
        turned = centred @ axes.T
        return turned[:, :2], turned[:, 2], np.zeros((0, 2, 2))
    a, b, c = geometry.cell
    right = a / np.linalg.norm(a)
    up = c - (c @ right) * right
    up /= np.linalg.norm(up)
    towards = np.cross(right, up)
    if towards @ b > 0:
        towards = -towards
    axes = np.array([right, up])
    edges = _EDGES @ geometry.cell @ axes.T
    return geometry.positions @ axes.T, geometry.positions @ towards, edges


def is_boxed(geometry: Geometry) -> bool:
    """Return whether atoms fill less than the cell less 6 Angstrom along each axis: a molecule."""
    inverse = np.linalg.inv(geometry.cell)
    extent = np.ptp(geometry.positions @ inverse, axis=0)
    return bool(((1 - extent) / np.linalg.norm(inverse, axis=0) >= 6.0).all())
