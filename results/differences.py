"""Charge-density differences: what joining fragments does to their electrons."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import ceil

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from pymatgen.core import Structure

from ..structures.errors import RunError
from .densities import Density
from .planar import dividing_planes, heights_above, planar_profile
from .records import DensityDifference, Floats, Run

_SAME_PLACE = 0.01  # Angstrom; fragments are frozen where they are in the whole
_SAME_LATTICE = 1e-4  # Angstrom
_ELECTRONS = 2e-3  # e; fragments that together hold as many electrons as the whole
_NOTHING = 1e-8  # of the largest difference; in a box most points are empty
_COARSE = 0.2  # Angstrom, spacing of the grid that is stored


def subtract_densities(joint: Density, fragments: Mapping[str, Density]) -> Floats:
    """Return the density of the whole minus those of its fragments on their common grid.

    Parameters
    ----------
    joint, fragments
        Valence densities (CHGCAR), of the whole and of each fragment in the same cell.

    Returns
    -------
    numpy.ndarray
        (n1, n2, n3), density times cell volume in electrons; positive where electrons gather.

    Raises
    ------
    RunError
        The grids or cells differ, an atom is missing, moved or in two fragments, or the
        fragments do not hold as many electrons as the whole.
    """
    match_fragments(joint, fragments)
    delta = joint.values.copy()
    for density in fragments.values():
        delta -= density.values
    excess = float(delta.mean())
    if abs(excess) > _ELECTRONS:
        raise RunError(
            f"{joint.path}: the whole has {joint.n_electrons:.4f} electrons, its fragments "
            f"{', '.join(fragments)} have {joint.n_electrons - excess:.4f}. Give the fragments "
            "charges that add up to that of the whole."
        )
    return delta


def match_fragments(joint: Density, fragments: Mapping[str, Density]) -> dict[str, tuple[int, ...]]:
    """Return which atoms of the whole each fragment is.

    Raises
    ------
    RunError
        As in `subtract_densities`, for grids, cells and atoms.
    """
    owner: dict[int, str] = {}
    found: dict[str, tuple[int, ...]] = {}
    for name, density in fragments.items():
        _check_frame(joint, density)
        atoms = _atoms_of(joint, density)
        for atom in atoms:
            if owner.setdefault(atom, name) != name:
                raise RunError(
                    f"{density.path}: atom {atom + 1} is in the fragments {owner[atom]} and {name}"
                )
        found[name] = atoms
    missing = sorted(set(range(len(joint.structure))) - set(owner))
    if missing:
        names = ", ".join(f"{joint.structure[i].specie}{i + 1}" for i in missing[:5])
        raise RunError(
            f"{joint.path}: {len(missing)} of its atoms ({names} ...) are in none of the "
            f"fragments {', '.join(fragments)}. Every atom belongs to exactly one fragment."
        )
    return found


def _check_frame(joint: Density, fragment: Density) -> None:
    """Refuse a fragment on another grid or in another cell."""
    if joint.grid != fragment.grid:
        grids = ("x".join(map(str, d.grid)) for d in (joint, fragment))
        raise RunError(
            f"{fragment.path}: its grid is not that of {joint.path} ({' and '.join(grids)}). "
            "Run both with the same NGXF, NGYF and NGZF in the same cell."
        )
    matrices = joint.structure.lattice.matrix, fragment.structure.lattice.matrix
    if not np.allclose(*matrices, atol=_SAME_LATTICE, rtol=0):
        raise RunError(f"{fragment.path}: its cell is not that of {joint.path}. Keep the cell.")


def _atoms_of(joint: Density, fragment: Density) -> tuple[int, ...]:
    """Return the atoms of the whole that stand where the fragment's atoms are."""
    lattice = joint.structure.lattice
    distances = lattice.get_all_distances(
        fragment.structure.frac_coords, joint.structure.frac_coords
    )
    nearest = distances.argmin(axis=1)
    for i, (site, j) in enumerate(zip(fragment.structure, nearest, strict=True)):
        other = joint.structure[int(j)]
        if distances[i, j] > _SAME_PLACE or site.specie != other.specie:
            raise RunError(
                f"{fragment.path}: {site.specie}{i + 1} is {distances[i, j]:.3f} Angstrom from the "
                f"nearest atom of {joint.path} ({other.specie}{j + 1}). A fragment is frozen in "
                "the geometry of the whole: run it from that structure with NSW = 0."
            )
    return tuple(int(j) for j in nearest)


def fragment_gains(difference: DensityDifference) -> dict[str, float] | None:
    """Return the electrons each fragment gains between its dividing planes.

    Returns
    -------
    dict or None
        Positive = electrons gained; the sum is 0. None where no planes divide the fragments.
    """
    if len(difference.planes) != len(difference.fragments) - 1:
        return None
    total = np.interp(difference.planes, difference.z, difference.integrated)
    steps = np.diff([0.0, *total, 0.0])
    heights = heights_above(difference.structure, float(difference.z[0]))
    upwards = sorted(
        difference.fragments, key=lambda name: heights[list(difference.fragments[name])].mean()
    )
    return {name: float(step) for name, step in zip(upwards, steps, strict=True)}


def nearest_gains(difference: DensityDifference) -> dict[str, float]:
    """Return the electrons each fragment gains, every point given to the fragment it is nearest to.

    For fragments that no plane divides, as in a complex in a box. Distances are counted in
    covalent radii (Cordero, Dalton Trans. (2008) 2832, as ASE has them), so that the border
    between unlike atoms lies where their bond divides.

    Returns
    -------
    dict
        Positive = electrons gained; the sum is that of the difference, 0.
    """
    shape = np.array(difference.coarse.shape)
    size = np.abs(difference.coarse)
    chosen = np.argwhere(size > _NOTHING * size.max())
    points = chosen / shape @ np.asarray(difference.structure.lattice.matrix)
    ratios = np.stack(
        [_ratios(difference.structure, atoms, points) for atoms in difference.fragments.values()]
    )
    owners = ratios.argmin(axis=0)
    values = difference.coarse[tuple(chosen.T)] * difference.structure.volume / size.size
    return {name: float(values[owners == i].sum()) for i, name in enumerate(difference.fragments)}


def _ratios(structure: Structure, atoms: Sequence[int], points: Floats) -> Floats:
    """Return the least distance of points to atoms, images included, by covalent radius."""
    from scipy.spatial import cKDTree  # slow to import

    matrix = np.asarray(structure.lattice.matrix)
    images = np.array(list(product((-1, 0, 1), repeat=3))) @ matrix
    found = np.full(len(points), np.inf)
    symbols = [structure[i].specie.symbol for i in atoms]
    for symbol in dict.fromkeys(symbols):
        same = [i for i, name in zip(atoms, symbols, strict=True) if name == symbol]
        places = (structure.frac_coords[same] % 1.0) @ matrix
        tree = cKDTree((places[:, None] + images).reshape(-1, 3))
        radius = covalent_radii[atomic_numbers[symbol]]
        found = np.minimum(found, tree.query(points)[0] / radius)
    return found


def low_pass(values: Floats, lengths: Floats, spacing: float = _COARSE) -> Floats:
    """Return a periodic function on a coarser grid, without the waves that do not fit on it.

    Parameters
    ----------
    values
        (n1, n2, n3).
    lengths
        (3,) of the lattice vectors, in Angstrom.
    spacing
        Largest one of the new grid, Angstrom; a coarser grid stays as it is.

    Examples
    --------
    >>> low_pass(np.full((8, 8, 8), 2.0), np.array([1.0, 1.0, 1.0]), 0.25).shape
    (4, 4, 4)
    """
    from scipy.signal import resample  # slow to import

    for axis, length in enumerate(lengths):
        n = max(1, ceil(length / spacing))
        if n < values.shape[axis]:
            values = resample(values, n, axis=axis)
    return np.ascontiguousarray(values)


def difference_record(
    joint: Density, fragments: Mapping[str, Density], run: Run, folder: str
) -> tuple[DensityDifference, Floats]:
    """Return the record of a difference, and the difference itself on the full grid.

    Parameters
    ----------
    joint, fragments
        Densities, see `subtract_densities`.
    run
        The run of the whole: its settings and convergence.
    folder
        Where the difference is kept.
    """
    delta = subtract_densities(joint, fragments)
    atoms = match_fragments(joint, fragments)
    structure = joint.structure
    profile = planar_profile(structure, joint.values, delta)
    planes = dividing_planes(profile, structure, atoms)
    notes = () if planes else ("fragments share a range of z: no plane divides them",)
    coarse = low_pass(delta, np.array(structure.lattice.abc)) / structure.volume
    record = DensityDifference(
        folder=folder,
        settings=run.settings,
        engine_version=run.engine_version,
        status=run.status,
        reasons=run.reasons,
        structure=structure,
        fragments=atoms,
        **vars(profile),
        planes=planes,
        coarse=coarse,
        grid=joint.grid,
        notes=notes,
    )
    return record, delta
