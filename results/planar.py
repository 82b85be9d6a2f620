"""Densities summed over planes: profiles along the normal of a slab, and where they divide it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pymatgen.core import Structure

from ..structures.gaps import widest_gap
from .records import Floats


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Planar sums along the normal, from vacuum to vacuum."""

    z: Floats  # (n,) in Angstrom
    joint: Floats  # (n,) e/Angstrom
    delta: Floats  # (n,) e/Angstrom
    integrated: Floats  # (n,) e, from z[0]; trapezoids of the planes


def planar_profile(structure: Structure, joint: Floats, delta: Floats) -> Profile:
    """Return planar sums of a density and its difference, starting in the vacuum.

    Parameters
    ----------
    structure
        Atoms and cell; z runs along the normal of its first two vectors.
    joint, delta
        (n1, n2, n3), density times cell volume in electrons.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> cell = Structure(Lattice.cubic(4.0), ["H"], [[0, 0, 0.5]])
    >>> profile = planar_profile(cell, np.ones((2, 2, 8)), np.zeros((2, 2, 8)))
    >>> float(profile.joint[0]), float(profile.z[0])  # one electron in 4 Angstrom
    (0.25, 0.0)
    """
    height = normal_height(structure)
    n = joint.shape[2]
    start = round(vacuum_middle(structure) / height * n)
    lines = (np.roll(values.mean(axis=(0, 1)) / height, -start) for values in (joint, delta))
    joint_line, delta_line = lines
    step = height / n
    # A plane stands for the slice around it: up to the plane itself half of its own counts.
    integrated = (np.cumsum(delta_line) - delta_line / 2) * step
    return Profile(
        z=(start + np.arange(n)) * step,
        joint=joint_line,
        delta=delta_line,
        integrated=integrated,
    )


def normal_height(structure: Structure) -> float:
    """Return the height of the cell over its first two vectors in Angstrom."""
    a, b, _ = structure.lattice.matrix
    return float(structure.volume / np.linalg.norm(np.cross(a, b)))


def vacuum_middle(structure: Structure) -> float:
    """Return z in the middle of the widest stretch without atoms, in Angstrom."""
    return widest_gap(structure.frac_coords[:, 2]).middle * normal_height(structure)


def heights_above(structure: Structure, start: float) -> Floats:
    """Return each atom's z in Angstrom, folded into the cell height that begins at ``start``."""
    height = normal_height(structure)
    heights: Floats = start + (structure.frac_coords[:, 2] * height - start) % height
    return heights


def unfolded_positions(structure: Structure, start: float) -> Floats:
    """Return Cartesian positions, moved by whole c vectors as `heights_above` folds heights.

    In the plane atoms are in the cell that begins at 0; (n_atoms, 3), Angstrom.
    """
    fractions = structure.frac_coords % 1.0
    fractions[:, 2] = heights_above(structure, start) / normal_height(structure)
    positions: Floats = fractions @ structure.lattice.matrix
    return positions


def dividing_planes(
    profile: Profile, structure: Structure, fragments: Mapping[str, tuple[int, ...]]
) -> tuple[float, ...]:
    """Return where the whole's density is lowest between fragments stacked along z.

    Returns
    -------
    tuple of float
        z in Angstrom from the lowest gap up; empty when two fragments share a range of z.
    """
    heights = heights_above(structure, float(profile.z[0]))
    ranges = sorted((heights[list(a)].min(), heights[list(a)].max()) for a in fragments.values())
    planes = []
    for (_, below), (above, _) in pairwise(ranges):
        inside = np.flatnonzero((profile.z > below) & (profile.z < above))
        if above <= below or not len(inside):
            return ()
        planes.append(float(profile.z[inside[profile.joint[inside].argmin()]]))
    return tuple(planes)
