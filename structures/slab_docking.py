"""A molecule put on a slab by its atoms, its plane or any side, with bonds of their own length.

`place_on_surface` (`adsorbates`) knows radii only, which draws a molecule into a metal like
lithium. Here lone pairs bind to the metals at the length of such bonds, carbon rings stay where
they lie on an ion, and all else keeps its van der Waals distance (`touching`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

from .adsorbates import APART, Placement, image_distance, surface_grid, with_molecule
from .anchors import Anchor, find_anchors
from .docking import Sampling, contact_words, search
from .errors import InputError, StructureError
from .heads import ANY, PLANE, guest_heads
from .poses import Approach, unlike_ends
from .species import Species
from .touching import lone_pairs
from .tries import Try, anchor_distance

Floats = NDArray[np.float64]

_DEEP = 4.0  # Angstrom below the highest atom; what is deeper is not felt
_WIDE = 4.0  # Angstrom beside the molecule
_COMPARED = 5.0  # Angstrom; farther atoms of the slab may be outside what is looked at
_LAYER = 0.8  # Angstrom from the highest atom: the face


@dataclass(frozen=True, kw_only=True)
class DockedOnSlab(Placement):
    """A guest on a slab."""

    head: str
    distance: float  # Angstrom from the face to what looks at it
    clearance: float  # closest contact over the sum of covalent radii
    words: str  # what holds the guest


def dock_on_slab(
    slab: Structure,
    guest: Species,
    *,
    heads: Sequence[str] | None = None,
    n: int = 1,
    spacing: float = 1.8,
    angle: float = 30.0,
) -> list[DockedOnSlab]:
    """Return the best placements of a molecule on a slab, best first, no two alike.

    Parameters
    ----------
    slab
        c along z and vacuum above.
    heads
        What of the guest looks down: elements, atoms, "plane" or "any" (each face of its hull);
        by default lone pairs, the plane of a flat molecule, any side of a large one.
    spacing, angle
        Angstrom of the grid over the smallest cell that the slab repeats; degrees between turns.

    Raises
    ------
    InputError
        The molecule is larger than the cell, or has no such head.
    StructureError
        Nothing reaches the slab without a clash.

    Examples
    --------
    >>> from heterofire.structures.catalogue import build_named
    >>> from heterofire.structures.molecules import build_species
    >>> best = dock_on_slab(build_named("Li(001)").structure, build_species("H2O"))[0]
    >>> best.head, 1.8 < best.distance < 2.2
    ('O', True)
    """
    if n < 1:
        raise InputError(f"{n} placements of {guest.name} on a slab: ask for 1 or more")
    host = _patch(slab, guest, spacing)
    ways = list(_approaches(slab, host, guest, heads, spacing))
    to_images = list[float]()

    def fits(places: Floats) -> bool:
        to_images.append(image_distance(slab, places))
        return to_images[-1] >= APART

    sampling = Sampling(n=n, spacing=np.inf, angle=angle, compared=_COMPARED, fits=fits)
    try:
        found = search(host, guest, ways, sampling, "the slab")
    except StructureError as error:
        if max(to_images, default=APART) >= APART:
            raise
        a, b, _ = slab.lattice.abc
        raise InputError(
            f"{guest.name} comes within {max(to_images):.2f} Angstrom of its own image in a cell "
            f"of {a:.2f} x {b:.2f} Angstrom (at least {APART} is wanted): repeat the cell"
        ) from error
    return [_on_slab(slab, host, guest, one) for one in found]


def _patch(slab: Structure, guest: Species, spacing: float) -> Species:
    """Return the uppermost atoms of a slab and its images around the places tried."""
    top = slab.cart_coords[:, 2].max()
    extent = float(np.linalg.norm(guest.positions - guest.positions.mean(axis=0), axis=1).max())
    radius = extent + _WIDE
    middle = _grid_points(slab, spacing).mean(axis=0)
    upper = [site for site in slab if site.coords[2] > top - _DEEP]
    reach = [int(np.ceil(radius / length)) + 1 for length in slab.lattice.abc[:2]]
    images = [
        np.array([i, j, 0]) @ slab.lattice.matrix
        for i in range(-reach[0], reach[0] + 1)
        for j in range(-reach[1], reach[1] + 1)
    ]
    symbols, places = list[str](), list[Floats]()
    for image in images:
        for site in upper:
            place = site.coords + image
            if np.linalg.norm((place - middle)[:2]) < radius:
                symbols.append(site.specie.symbol)
                places.append(place)
    electrons = sum(Element(s).Z for s in symbols)
    return Species(
        name="slab",
        symbols=tuple(symbols),
        positions=np.array(places),
        charge=0,
        multiplicity=1 + electrons % 2,
    )


def _approaches(
    slab: Structure, host: Species, guest: Species, heads: Sequence[str] | None, spacing: float
) -> Iterator[Approach]:
    """Yield each head of the guest over each place of the slab's smallest cell."""
    heights = host.positions[:, 2]
    face = tuple(int(i) for i in np.flatnonzero(heights > heights.max() - _LAYER))
    frame = np.eye(3)
    if heads is None:
        heads = _usual_heads(guest)
    for point in _grid_points(slab, spacing):
        anchor = Anchor(kind="surface", name="slab", atoms=face, point=point, direction=frame[:, 2])
        for head, own in unlike_ends(guest, guest_heads(guest, anchor, heads)):
            yield Approach(anchor=anchor, head=head, frame=frame, own=own)


def _grid_points(slab: Structure, spacing: float) -> Floats:
    """Return the places tried on the face, (n, 3) Angstrom."""
    fractions = [[x, y, 0.0] for x, y in surface_grid(slab, spacing)]
    points: Floats = np.array(fractions) @ slab.lattice.matrix
    points[:, 2] = slab.cart_coords[:, 2].max()
    return points


def _usual_heads(guest: Species) -> list[str]:
    """Return what may look down when nothing is asked for."""
    pairs = lone_pairs(guest)
    flat = any(a.kind == "pi" for a in find_anchors(guest))
    strong = {guest.symbols[i] for i, share in pairs.items() if share == max(pairs.values())}
    if len(guest.symbols) > 20:
        return [PLANE, ANY] if flat else [ANY]
    return [*sorted(strong), *([PLANE] if flat else [])] or [ANY]


def _on_slab(slab: Structure, host: Species, guest: Species, tried: Try) -> DockedOnSlab:
    """Return a placement as a structure."""
    places = tried.positions
    x, y, _ = slab.lattice.get_fractional_coords(places.mean(axis=0)) % 1.0
    return DockedOnSlab(
        structure=with_molecule(slab, guest, places),
        atoms=tuple(range(len(slab), len(slab) + len(guest.symbols))),
        species=guest,
        score=tried.score,
        site=(float(x), float(y)),
        height=float(places[:, 2].min() - slab.cart_coords[:, 2].max()),
        head=tried.pose.head.label,
        distance=anchor_distance(host, tried),
        clearance=tried.clearance(host),
        words=contact_words(host, guest, tried),
    )
