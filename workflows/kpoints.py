"""Gamma-centred meshes: given outright, or by the spacing they must not exceed."""

from collections.abc import Mapping
from math import ceil, prod
from typing import Any, Literal

from pymatgen.core import Structure

Kind = Literal["slab", "box", "bulk"]  # vacuum along c, all around, nowhere
Mesh = tuple[int, int, int]


def mesh_for(structure: Structure, wanted: Mapping[str, Any], kind: Kind) -> Mesh:
    """Return the k-point mesh of a structure.

    Parameters
    ----------
    structure
        Its reciprocal lattice sets the mesh.
    wanted
        ``{"mesh": [3, 3, 1]}``, or ``{"spacing": 0.25}``: largest distance of neighbouring points
        in 1/Angstrom, 2 pi included, as VASP's KSPACING.
    kind
        One point along vacuum: c of a slab, all three axes of a box.

    Examples
    --------
    >>> from heterofire.structures.layers import mx2_monolayer
    >>> mesh_for(mx2_monolayer(), {"spacing": 0.25}, "slab")
    (10, 10, 1)
    """
    if "mesh" in wanted:
        n1, n2, n3 = (int(n) for n in wanted["mesh"])
        return (n1, n2, n3)
    if kind == "box":
        return (1, 1, 1)
    lengths = structure.lattice.reciprocal_lattice.abc  # 2 pi included
    # 1e-8: an axis that fits exactly must not get one point more by a rounding error
    n1, n2, n3 = (max(1, ceil(length / wanted["spacing"] - 1e-8)) for length in lengths)
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


def inequivalent_points(mesh: Mesh) -> int:
    """Return how many points of a Gamma-centred mesh differ when k and -k count as one.

    Examples
    --------
    >>> [inequivalent_points(mesh) for mesh in ((1, 1, 1), (2, 2, 1), (3, 3, 1))]
    [1, 4, 5]
    """
    self_inverse = prod(1 if n % 2 else 2 for n in mesh)
    return (prod(mesh) + self_inverse) // 2
