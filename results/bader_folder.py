"""Bader charges of a run folder: which files, and whether they belong together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from ..structures.errors import InputError, RunError
from .bader import bader_charges
from .densities import Density, load_density
from .outcar import parse_outcar
from .records import BaderCharges, Floats
from .run_files import find_file, read_bytes
from .vasprun import parse_vasprun

_SAME_PLACE = 1e-3  # Angstrom; the files print coordinates with six decimals or more
_SAME_CELL = 1e-4  # Angstrom
_LIKE_VALENCE = 0.1  # AECCAR2 sums to NELECT within this fraction


@dataclass(frozen=True, kw_only=True)
class BaderInput:
    """The densities of one run, checked against each other."""

    structure: Structure
    integrand: Floats  # (n1, n2, n3), electrons
    reference: Floats
    reference_name: str
    spin: Floats | None
    valences: Floats | None  # (n_atoms,) ZVAL
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Header:
    """A density file without its values."""

    path: Path
    structure: Structure
    grid: tuple[int, int, int]
    n_electrons: float


def bader_folder(
    folder: str | Path,
    *,
    algorithms: Sequence[str] = ("near-grid",),
    reference: str | Path | None = None,
    vacuum_density: float | None = None,
) -> tuple[BaderCharges, ...]:
    """Return the Bader charges of a run folder by each algorithm.

    Parameters
    ----------
    folder
        Holds CHGCAR, AECCAR0 and AECCAR2, plain or gzip; OUTCAR, vasprun.xml or POTCAR say how
        many electrons there are and what is an atom's neutral number.
    algorithms
        Of "near-grid", "on-grid" and "weight".
    reference
        Density that makes the volumes; AECCAR0 + AECCAR2 by default.
    vacuum_density
        e/Angstrom^3, see `bader_charges`.

    Raises
    ------
    InputError
        There is no such algorithm or folder.
    RunError
        A file is missing, cut, damaged, of another run, or not what its name says.

    Examples
    --------
    >>> bader_folder("no such folder")
    Traceback (most recent call last):
    heterofire.structures.errors.InputError: no such folder is not a folder
    """
    found = load_bader_input(folder, reference=reference)
    return charges_of(found, algorithms, vacuum_density=vacuum_density)


def charges_of(
    found: BaderInput, algorithms: Sequence[str], *, vacuum_density: float | None = None
) -> tuple[BaderCharges, ...]:
    """Return the Bader charges of loaded densities by each algorithm; see `bader_folder`."""
    results = []
    for name in algorithms:
        charges = bader_charges(
            found.reference,
            found.integrand,
            found.structure,
            algorithm=name,
            reference_name=found.reference_name,
            valences=None if found.valences is None else found.valences.tolist(),
            spin=found.spin,
            vacuum_density=vacuum_density,
        )
        results.append(replace(charges, notes=(*found.notes, *charges.notes)))
    return tuple(results)


def load_bader_input(folder: str | Path, *, reference: str | Path | None = None) -> BaderInput:
    """Return the densities of a run folder after every check; parameters as in `bader_folder`."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    electrons, valences, notes = _electrons(folder)
    # The reference first: its two parts are never held beside CHGCAR.
    parts = _reference(folder, reference)
    chgcar = load_density(_needed(folder, "CHGCAR", "LCHARG"), n_electrons=electrons)
    for part in parts.densities:
        _check_same_run(chgcar, part)
    if reference is None:
        _check_is_valence(parts.densities[-1], chgcar)
    if valences is not None and len(valences) != len(chgcar.structure):
        raise RunError(
            f"{chgcar.path}: has {len(chgcar.structure)} atoms, the run has {len(valences)}. It is "
            "of another run: bring its own CHGCAR."
        )
    return BaderInput(
        structure=chgcar.structure,
        integrand=chgcar.values,
        reference=parts.values,
        reference_name=parts.name,
        spin=chgcar.spin,
        valences=valences,
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """The density that makes the volumes, and the files it is from, without their values."""

    values: Floats
    name: str
    densities: tuple[_Header, ...]


def _reference(folder: Path, reference: str | Path | None) -> _Reference:
    """Return AECCAR0 + AECCAR2, or the density that was named."""
    if reference is not None:
        given = load_density(_given(folder, Path(reference)))
        return _Reference(values=given.values, name=given.path.name, densities=(_header(given),))
    core = load_density(_needed(folder, "AECCAR0", "LAECHG"))
    valence = load_density(_needed(folder, "AECCAR2", "LAECHG"))
    headers = (_header(core), _header(valence))
    if core.grid == valence.grid:  # else refused beside CHGCAR, with the grid that is wrong
        core.values[...] += valence.values
    return _Reference(values=core.values, name="AECCAR0+AECCAR2", densities=headers)


def _header(density: Density) -> _Header:
    return _Header(
        path=density.path,
        structure=density.structure,
        grid=density.grid,
        n_electrons=density.n_electrons,
    )


def _needed(folder: Path, name: str, tag: str) -> Path:
    path = find_file(folder, name)
    if path is None:
        raise RunError(
            f"{folder}: no {name} (or {name}.gz). Run the calculation with {tag} = .TRUE."
            + (", or name another reference density." if tag == "LAECHG" else "")
        )
    return path


def _given(folder: Path, reference: Path) -> Path:
    """Return a reference that is named by its path, or by its name in the folder."""
    for path in (reference, folder / reference):
        if path.is_file():
            return path
    inside = find_file(folder, str(reference))
    if inside is None:
        raise InputError(f"the reference density {reference} is neither here nor in {folder}")
    return inside


def _electrons(folder: Path) -> tuple[float | None, Floats | None, tuple[str, ...]]:
    """Return NELECT, ZVAL of each atom, and a note where nothing in the folder tells."""
    if path := find_file(folder, "vasprun.xml"):
        vasprun = parse_vasprun(path)
        return vasprun.n_electrons, vasprun.valences, ()
    if path := find_file(folder, "OUTCAR"):
        outcar = parse_outcar(path)
        return outcar.n_electrons, outcar.valences if len(outcar.valences) else None, ()
    valences = _potcar_valences(folder)
    if valences is not None:
        return float(valences.sum()), valences, ("NELECT is that of neutral atoms by POTCAR",)
    note = "no vasprun.xml, OUTCAR or POTCAR: the sum was not checked against NELECT, no ZVAL"
    return None, None, (note,)


def _potcar_valences(folder: Path) -> Floats | None:
    """Return ZVAL of each atom from POTCAR and POSCAR, or None where one of them is missing."""
    potcar, poscar = find_file(folder, "POTCAR"), find_file(folder, "POSCAR")
    if potcar is None or poscar is None:
        return None
    text = read_bytes(potcar).decode("latin-1")
    valences = [float(z) for z in re.findall(r"POMASS\s*=.*;\s*ZVAL\s*=\s*([\d.]+)", text)]
    counts = read_bytes(poscar).decode("latin-1").splitlines()[6].split()
    if len(valences) != len(counts) or not all(word.isdigit() for word in counts):
        raise RunError(
            f"{potcar}: has {len(valences)} potentials, {poscar} has {len(counts)} blocks of atoms"
        )
    return np.repeat(np.array(valences), [int(word) for word in counts])


def _check_same_run(chgcar: Density, other: _Header) -> None:
    """Refuse a density on another grid, in another cell, or of other atoms."""
    what = None
    one, two = chgcar.structure, other.structure
    if chgcar.grid != other.grid:
        grids = ("x".join(map(str, density.grid)) for density in (other, chgcar))
        what = "its grid is {} instead of {}".format(*grids)
    elif not np.allclose(one.lattice.matrix, two.lattice.matrix, atol=_SAME_CELL, rtol=0):
        what = "its cell is another one"
    elif one.species != two.species:
        what = f"its atoms are {two.formula} instead of {one.formula}"
    else:
        shift = one.frac_coords - two.frac_coords
        moved = np.linalg.norm((shift - np.round(shift)) @ one.lattice.matrix, axis=1)
        if moved.max() > _SAME_PLACE:
            i = int(moved.argmax())
            what = f"{one[i].specie}{i + 1} is {moved[i]:.3f} Angstrom away from where it was"
    if what is not None:
        raise RunError(
            f"{other.path}: not of the same run as {chgcar.path.name}: {what}. Run a static "
            "calculation that writes all of them."
        )


def _check_is_valence(valence: _Header, chgcar: Density) -> None:
    """Refuse an AECCAR2 whose electrons are not about those of CHGCAR."""
    if abs(valence.n_electrons - chgcar.n_electrons) > _LIKE_VALENCE * chgcar.n_electrons:
        raise RunError(
            f"{valence.path}: sums to {valence.n_electrons:.2f} electrons, CHGCAR to "
            f"{chgcar.n_electrons:.2f}: it is not the valence density of the same run."
        )
