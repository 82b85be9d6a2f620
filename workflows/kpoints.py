"""Meshes around Gamma or off it: given outright, or by the spacing they must not exceed."""

from collections.abc import Mapping
from math import ceil, prod
from typing import Any, Literal

from pymatgen.core import Structure

Kind = Literal["slab", "box", "bulk"]  # vacuum along c, all around, nowhere
Mesh = tuple[int, int, int]
Style = Literal["Gamma", "Monkhorst-Pack"]  # an even Monkhorst-Pack mesh has no point at Gamma


def mesh_for(structure: Structure, wanted: Mapping[str, Any], kind: Kind) -> Mesh:
    """Return the k-point mesh of a structure.

    Parameters
    ----------
    structure
        Its reciprocal lattice sets the mesh.
    wanted
        ``{"mesh": [3, 3, 1]}``, or ``{"spacing": 0.25}``: largest distance of neighbouring points
        in 1/Angstrom, 2 pi included, as VASP's KSPACING. With ``"style": "Monkhorst-Pack"`` a
        spacing gives even numbers, so that Gamma is none of the points.
    kind
        One point along vacuum: c of a slab, all three axes of a box.

    Examples
    --------
    >>> from heterofire.structures.layers import mx2_monolayer
    >>> mesh_for(mx2_monolayer(), {"spacing": 0.25}, "slab")
    (10, 10, 1)
    >>> mesh_for(mx2_monolayer(), {"spacing": 0.27, "style": "Monkhorst-Pack"}, "slab")
    (10, 10, 1)
    """
    if "mesh" in wanted:
        n1, n2, n3 = (int(n) for n in wanted["mesh"])
        return (n1, n2, n3)
    if kind == "box":
        return (1, 1, 1)
    lengths = structure.lattice.reciprocal_lattice.abc  # 2 pi included
    # 1e-8: an axis that fits exactly must not get one point more by a rounding error
    counts = [max(1, ceil(length / wanted["spacing"] - 1e-8)) for length in lengths]
    if wanted.get("style") == "Monkhorst-Pack":
        counts = [n + n % 2 for n in counts]
    n1, n2, n3 = counts
    return (n1, n2, 1 if kind == "slab" else n3)


def widest_spacing(structure: Structure, mesh: Mesh, kind: Kind) -> float:
    """Return the largest distance of k-points along the periodic axes, in 1/Angstrom.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> k = Structure(Lattice.cubic(5.328), ["K", "K"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> round(widest_spacing(k, (1, 1, 1), "bulk"), 3)
    1.179
    """
    periodic = {"slab": 2, "box": 0, "bulk": 3}[kind]
    lengths = structure.lattice.reciprocal_lattice.abc
    return max((lengths[i] / mesh[i] for i in range(periodic)), default=0.0)


def inequivalent_points(mesh: Mesh, style: str = "Gamma") -> int:
    """Return how many points of a mesh differ when k and -k count as one.

    Examples
    --------
    >>> [inequivalent_points(mesh) for mesh in ((1, 1, 1), (2, 2, 1), (3, 3, 1))]
    [1, 4, 5]
    >>> inequivalent_points((2, 2, 1), "Monkhorst-Pack")
    2
    """
    of_even = 2 if style == "Gamma" else 0
    self_inverse = prod(1 if n % 2 else of_even for n in mesh)
    return (prod(mesh) + self_inverse) // 2
