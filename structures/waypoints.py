"""Paths through given structures, such as those of a relaxed scan along a bond."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from pymatgen.core import Structure

from .checks import check_structure
from .errors import InputError, StructureError
from .paths import Floats, check_same_atoms, displacements, with_positions


def path_through(
    nodes: Sequence[Structure], n_images: int, highest: int | None = None
) -> list[Structure]:
    """Return images spread along straight ways from node to node, both ends included.

    Parameters
    ----------
    nodes
        Same cell and atoms in the same order; the first and the last are the end points.
    n_images
        Images between the end points, as VASP's IMAGES.
    highest
        The node between the end points, counted from 0, that becomes an image as it is: the
        highest one, so that a band of few images starts near the saddle.

    Returns
    -------
    list
        n_images + 2 structures with the site properties of the first node.

    Raises
    ------
    StructureError
        The nodes are not of the same atoms, or two neighbours are the same structure.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> box = Lattice.cubic(10)
    >>> nodes = [Structure(box, ["K"], [[x, 0, 0]]) for x in (0.0, 0.1, 0.4)]
    >>> [round(float(image[0].x), 3) for image in path_through(nodes, 1, highest=0)]
    [0.0, 1.0, 4.0]
    """
    if n_images < 1 or len(nodes) < 3:
        raise InputError(
            f"a path through {len(nodes)} structures with {n_images} images: at least one image, "
            "and one structure between the end points, are wanted"
        )
    places = _unwrapped(nodes)
    lengths = [float(np.linalg.norm(b - a)) for a, b in pairwise(places)]
    if min(lengths) < 1e-6:
        raise StructureError("two structures of the path are the same: leave one of them out")
    at = np.concatenate([[0.0], np.cumsum(lengths)])
    inner = [_between(places, at, x) for x in _spread(at, n_images, highest)]
    path = [with_positions(nodes[0], image) for image in (places[0], *inner, places[-1])]
    for image in path:
        check_structure(image)
    return path


def _unwrapped(nodes: Sequence[Structure]) -> list[Floats]:
    """Return positions that run on from node to node, whichever cell an atom was wrapped into."""
    places = [nodes[0].cart_coords]
    for before, after in pairwise(nodes):
        check_same_atoms(before, after)
        places.append(places[-1] + displacements(before, after))
    return places


def _spread(at: Floats, n_images: int, highest: int | None) -> Floats:
    """Return the places of the images along the path, in Angstrom from its start."""
    if highest is None:
        return np.linspace(0, at[-1], n_images + 2)[1:-1]
    top = at[highest + 1]
    before = round((n_images - 1) * top / at[-1])
    ways = (np.linspace(0, top, before + 2)[1:], np.linspace(top, at[-1], n_images - before + 1))
    return np.concatenate([ways[0], ways[1][1:-1]])


def _between(places: Sequence[Floats], at: Floats, x: float) -> Floats:
    """Return the positions at a place along the path."""
    after = int(np.searchsorted(at, x))
    share = (x - at[after - 1]) / (at[after] - at[after - 1])
    image: Floats = places[after - 1] + share * (places[after] - places[after - 1])
    return image
