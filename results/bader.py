"""Bader charges: electrons, volumes and moments of atoms from densities on a grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from ..structures.errors import InputError, RunError
from .bader_ascent import Labels, Points, ascend
from .bader_surfaces import surface_distances
from .bader_weight import flow_uphill
from .records import BaderCharges, Floats

ALGORITHMS = ("near-grid", "on-grid", "weight")
VACUUM = 1e-6  # e/Angstrom^3: below it is no atom's; a cell of vacuum holds under 0.001 e of it
_NEARBY = 0.5  # Angstrom: an attractor within this, or two steps of the grid, is an atom's own
_STRAY = 0.8  # Angstrom: the valence shell of a third-row atom has maxima up to here from it
_BALANCE = 1e-6  # relative; sums over volumes against the sum over the grid
_SPOKEN = 5  # attractors that are named one by one


def bader_charges(
    reference: Floats,
    integrand: Floats,
    structure: Structure,
    *,
    algorithm: str = "near-grid",
    reference_name: str = "AECCAR0+AECCAR2",
    valences: Sequence[float] | None = None,
    spin: Floats | None = None,
    vacuum_density: float | None = None,
) -> BaderCharges:
    """Return the electrons in the Bader volume of each atom.

    Parameters
    ----------
    reference
        (n1, n2, n3), the density whose maxima and zero-flux surfaces make the volumes, times the
        cell volume; it needs maxima at the nuclei, so cores belong to it.
    integrand
        The density that is summed, on the same grid, in electrons (density times cell volume).
    structure
        Atoms and cell; lattice vectors are rows.
    algorithm
        "near-grid", "on-grid" or "weight": see `bader_ascent` and `bader_weight`.
    reference_name
        What the reference is, for the record.
    valences
        ZVAL of each atom; without it there are no net charges.
    spin
        Up minus down on the same grid, in electrons.
    vacuum_density
        Points whose reference is below it belong to no atom; e/Angstrom^3, 1e-6 by default.

    Returns
    -------
    BaderCharges
        With notes on attractors that are no atom's own.

    Raises
    ------
    InputError
        There is no such algorithm.
    RunError
        Grids differ, an atom has no attractor of its own, or sums do not balance.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> pair = Structure(Lattice.orthorhombic(8, 4, 4), ["Na", "Cl"], [[0, 0, 0], [0.5, 0, 0]])
    >>> x, y = (np.cos(2 * np.pi * np.arange(n) / n) for n in (32, 16))
    >>> bumps = np.exp(y)[:, None] * np.exp(y)
    >>> density = (np.exp(3 * x) + 3 * np.exp(-3 * x))[:, None, None] * bumps
    >>> charges = bader_charges(density, 4 * density / density.mean(), pair, valences=[1, 3])
    >>> np.round(charges.electrons, 1).tolist(), charges.notes
    ([1.0, 3.0], ())
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"no Bader algorithm {algorithm!r}: choose of {', '.join(ALGORITHMS)}")
    if vacuum_density is not None and not vacuum_density >= 0:
        raise InputError(f"vacuum density {vacuum_density}: 0 or more e/Angstrom^3 is wanted")
    for name, values in (("integrand", integrand), ("spin density", spin)):
        if values is not None and values.shape != reference.shape:
            raise RunError(
                f"the {name} has the grid {values.shape}, the reference {reference.shape}: both "
                "must be of one run"
            )
    threshold = VACUUM if vacuum_density is None else vacuum_density
    volumes = _volumes(reference, integrand, spin, structure, algorithm, threshold)
    _check_balance(volumes, integrand)
    owners = _owners(volumes.maxima, structure, reference.shape)
    sums = np.zeros((len(structure), 3))
    np.add.at(sums, owners.atom, volumes.sums)
    distances = surface_distances(volumes.labels, owners.atom, structure)
    notes = _attractor_notes(volumes, owners, structure)
    if vacuum_density is not None:
        notes += (f"below {threshold:g} e/Angstrom^3 of the reference: vacuum",)
    return BaderCharges(
        algorithm=algorithm,
        reference=reference_name,
        electrons=sums[:, 0],
        net=None if valences is None else np.asarray(valences, dtype=float) - sums[:, 0],
        volumes=sums[:, 1],
        distances=distances,
        moments=None if spin is None else sums[:, 2],
        vacuum_electrons=float(volumes.vacuum[0]),
        vacuum_volume=float(volumes.vacuum[1]),
        grid=(reference.shape[0], reference.shape[1], reference.shape[2]),
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True)
class _Volumes:
    """What each attractor gathers."""

    labels: Labels  # (n1, n2, n3), attractor m has label m + 1; 0 in vacuum
    maxima: Points  # (n_attractors, 3) grid indices
    sums: Floats  # (n_attractors, 3): electrons, Angstrom^3, spin
    vacuum: Floats  # (3,)


def _volumes(
    reference: Floats,
    integrand: Floats,
    spin: Floats | None,
    structure: Structure,
    algorithm: str,
    threshold: float,
) -> _Volumes:
    """Return what each attractor gathers by one algorithm."""
    lattice, n = np.asarray(structure.lattice.matrix), reference.size
    floor = threshold * structure.volume
    per_point = structure.volume / n
    if algorithm == "weight":
        fields = np.zeros((3 if spin is not None else 2, *reference.shape))
        fields[0] = integrand / n
        fields[1] = per_point
        if spin is not None:
            fields[2] = spin / n
        sums, vacuum, labels, maxima = flow_uphill(reference, lattice, fields, floor)
        extra = 3 - len(fields)
        return _Volumes(
            labels=labels,
            maxima=maxima,
            sums=np.pad(sums, ((0, 0), (0, extra))),
            vacuum=np.pad(vacuum, (0, extra)),
        )
    labels, maxima = ascend(
        reference,
        lattice,
        near_grid=algorithm == "near-grid",
        floor=floor,
        merge=lambda found: _one_label_per_atom(_owners(found, structure, reference.shape)),
    )
    flat = labels.reshape(-1)
    columns = [
        np.bincount(flat, weights=integrand.reshape(-1), minlength=len(maxima) + 1) / n,
        np.bincount(flat, minlength=len(maxima) + 1) * per_point,
        np.zeros(len(maxima) + 1)
        if spin is None
        else np.bincount(flat, weights=spin.reshape(-1), minlength=len(maxima) + 1) / n,
    ]
    table = np.stack(columns, axis=1)
    return _Volumes(labels=labels, maxima=maxima, sums=table[1:], vacuum=table[0])


def _check_balance(volumes: _Volumes, integrand: Floats) -> None:
    """Refuse sums that lose or double electrons."""
    found = float(volumes.sums[:, 0].sum() + volumes.vacuum[0])
    total = float(integrand.mean())
    if abs(found - total) > _BALANCE * max(1.0, float(np.abs(integrand).mean())):
        raise RunError(f"Bader volumes sum to {found:.8f} electrons, the grid to {total:.8f}")


@dataclass(frozen=True, kw_only=True)
class _Owners:
    """Which atom each attractor belongs to."""

    atom: NDArray[np.int64]  # (n_attractors,)
    distance: Floats  # (n_attractors,), Angstrom from that atom
    is_own: NDArray[np.bool_]  # (n_attractors,), it is the atom's own


def _owners(maxima: Points, structure: Structure, shape: tuple[int, ...]) -> _Owners:
    """Give each attractor to its nearest atom; refuse atoms without one of their own."""
    steps = np.asarray(structure.lattice.matrix) / np.array(shape)[:, None]
    diagonal = float(np.linalg.norm(np.abs(steps).sum(axis=0)))
    fractions = maxima / np.array(shape)
    distances = structure.lattice.get_all_distances(fractions, structure.frac_coords)
    atom = distances.argmin(axis=1)
    distance = distances.min(axis=1)
    is_own = distance < max(_NEARBY, 1.2 * diagonal)
    bare = sorted(set(range(len(structure))) - set(atom[is_own].tolist()))
    heavy = [i for i in bare if structure[i].specie.symbol != "H"]
    if heavy:
        largest = float(np.linalg.norm(steps, axis=1).max())
        names = ", ".join(f"{structure[i].specie}{i + 1}" for i in heavy[:_SPOKEN])
        finer = [int(np.ceil(np.linalg.norm(v) / min(0.05, largest / 2))) for v in steps * shape]
        raise RunError(
            f"no maximum of the reference density near {names}: the grid of {largest:.3f} Angstrom "
            "is too coarse for the core, or the reference has no core (use AECCAR0+AECCAR2). Use "
            f"{min(0.05, largest / 2):.3f} Angstrom or less: NGXF, NGYF, NGZF = {finer}."
        )
    return _Owners(atom=atom, distance=distance, is_own=is_own)


def _one_label_per_atom(owners: _Owners) -> Labels:
    """Return labels from 1 on: that of its first own attractor for all that are an atom's own."""
    labels = np.arange(1, len(owners.atom) + 1, dtype=np.int32)
    own = np.flatnonzero(owners.is_own)
    atoms, first = np.unique(owners.atom[own], return_index=True)
    labels[own] = labels[own[first]][np.searchsorted(atoms, owners.atom[own])]
    return labels


def _attractor_notes(volumes: _Volumes, owners: _Owners, structure: Structure) -> tuple[str, ...]:
    """Report every attractor that is no atom's own, and hydrogen without one."""
    notes = []
    bare = sorted(set(range(len(structure))) - set(owners.atom[owners.is_own].tolist()))
    if bare:
        names = ", ".join(f"{structure[i].specie}{i + 1}" for i in bare)
        notes.append(f"{names} without a maximum of the density: part of the neighbour's volume")
    strays = np.flatnonzero(~owners.is_own & (owners.distance > _STRAY))
    if len(strays):
        order = strays[np.argsort(-np.abs(volumes.sums[strays, 0]))]
        parts = [
            f"{volumes.sums[m, 0]:.4f} e at {owners.distance[m]:.2f} Angstrom from "
            f"{structure[int(owners.atom[m])].specie}{owners.atom[m] + 1}"
            for m in order[:_SPOKEN]
        ]
        more = f" and {len(order) - _SPOKEN} more" if len(order) > _SPOKEN else ""
        notes.append(
            f"{len(order)} attractors without an atom nearby, "
            f"{volumes.sums[strays, 0].sum():.4f} e in all, counted with the nearest atom: "
            f"{'; '.join(parts)}{more}"
        )
    return tuple(notes)
