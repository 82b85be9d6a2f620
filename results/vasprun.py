"""vasprun.xml, read by pymatgen and then mistrusted."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp.outputs import Vasprun as PymatgenVasprun

from ..structures.errors import RunError
from .convergence import FINITE_DIFFERENCES
from .records import Bands, Dos, Floats
from .run_files import scan_vasprun
from .run_settings import list_spacing, mesh_spacing

_AGAIN = "Run the calculation again."
_TYPE_ROW = re.compile(rb"<rc><c>\s*(\d+)\s*</c><c>[^<]*</c><c>[^<]*</c><c>\s*(\S+)\s*</c>")


@dataclass(frozen=True, kw_only=True)
class Vasprun:
    """The numbers of one finished vasprun.xml; the last ionic step where there are several.

    Where atoms were displaced to find their vibrations: the first one, the geometry itself.
    """

    path: Path
    program: str  # "vasp", or the name of one of heterofire's engines
    version: str
    titels: tuple[str, ...]  # of each species, in the order of POSCAR
    valences: Floats  # (n_atoms,) ZVAL
    initial_structure: Structure
    structure: Structure  # the one that the energies and forces belong to
    e0: float  # eV
    free_energy: float  # eV
    e_wo_entropy: float  # eV
    efermi: float | None  # eV; None when the run wrote no DOS
    forces: Floats  # (n_atoms, 3) in eV/Angstrom
    electronic_steps: tuple[int, ...]  # in each ionic step
    n_electrons: float  # NELECT
    parameters: Mapping[str, Any]  # as VASP used them, defaults included
    incar: Mapping[str, Any]
    kpoints: Mapping[str, Any]  # plain JSON: style, divisions, shift, n_kpoints
    kpoint_spacing: float  # 1/Angstrom
    dos: Dos | None
    bands: Bands | None
    mode_eigenvalues: Floats | None  # (n_modes,) of the dynamical matrix, in VASP's unit and sign
    n_bytes: int  # uncompressed


def parse_vasprun(path: str | Path) -> Vasprun:
    """Return what a finished vasprun.xml says, or say why it cannot be trusted.

    Parameters
    ----------
    path
        The file, plain or gzip, under any name.

    Returns
    -------
    Vasprun
        Every number finite, occupations that sum to NELECT.

    Raises
    ------
    RunError
        The file is cut, doubled, malformed, damaged, or holds NaN or ``****``.

    Examples
    --------
    >>> parse_vasprun("vasprun.missing.xml")
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: vasprun.missing.xml: cannot be read: No such file ...
    """
    path = Path(path)
    scan = scan_vasprun(path)
    if scan.n_documents > 1:
        raise RunError(
            f"{path}: doubled: holds {scan.n_documents} runs one after the other. Keep the file "
            "of one run only, then parse again."
        )
    if not scan.is_complete:
        raise RunError(
            f"{path}: cut: does not end with </modeling>, so the run died, was killed, or is "
            f"still going. {_AGAIN}"
        )
    if scan.n_steps == 0:
        raise RunError(f"{path}: no ionic step was finished. {_AGAIN}")
    try:
        raw = _read(path)
        return _convert(path, raw, scan.header, scan.n_bytes)
    except (SyntaxError, ValueError, LookupError, AttributeError, TypeError) as error:
        # SyntaxError is what lxml raises on malformed XML; the others come from missing parts.
        raise RunError(
            f"{path}: malformed: {type(error).__name__}: {error}. Two programs may have written "
            f"to it at once. {_AGAIN}"
        ) from error


class _AnyModes(PymatgenVasprun):
    """pymatgen's reader, which fails where an atom was free along one or two axes only."""

    @staticmethod
    def _parse_dynmat(elem: Any) -> tuple[list[Any], list[float], list[Any]]:
        """Return the eigenvalues; the matrix is not needed here, nor are the vectors."""
        values = elem.findtext("v[@name='eigenvalues']") or ""
        return [], [float(word) for word in values.split()], []


def _read(path: Path) -> PymatgenVasprun:
    """Return pymatgen's view; malformed XML raises, never partial data."""
    with warnings.catch_warnings():
        # Overflow and lack of convergence come back as errors and reasons of our own.
        warnings.simplefilter("ignore")
        return _AnyModes(str(path), parse_potcar_file=False, exception_on_bad_xml=True)


def _convert(path: Path, raw: PymatgenVasprun, header: bytes, n_bytes: int) -> Vasprun:
    """Return our record of pymatgen's, each part checked."""
    for number, step in enumerate(raw.ionic_steps, start=1):
        _check_step(path, number, step)
    parameters = dict(raw.parameters)
    step = raw.ionic_steps[0 if parameters.get("IBRION") in FINITE_DIFFERENCES else -1]
    structure = step["structure"]
    free_energy, e_wo_entropy, e0 = _energies(step)
    titels, valences = tuple(raw.potcar_symbols), _valences(path, header, len(structure))
    dos, bands = _dos(path, raw), _bands(path, raw)
    n_electrons = float(parameters["NELECT"])
    if bands is not None:
        _check_electrons(path, bands, n_electrons, is_spinor=bool(parameters.get("LNONCOLLINEAR")))
    kpoints, spacing = _kpoints(raw, structure)
    return Vasprun(
        path=path,
        program=str(raw.generator.get("program", "")).strip().lower(),
        version=str(raw.vasp_version).strip(),
        titels=titels,
        valences=valences,
        initial_structure=raw.initial_structure,
        structure=structure,
        e0=e0,
        free_energy=free_energy,
        e_wo_entropy=e_wo_entropy,
        efermi=None if dos is None else dos.efermi,
        forces=np.asarray(step["forces"], dtype=np.float64),
        electronic_steps=tuple(len(step["electronic_steps"]) for step in raw.ionic_steps),
        n_electrons=n_electrons,
        parameters=parameters,
        incar=dict(raw.incar),
        kpoints=kpoints,
        kpoint_spacing=spacing,
        dos=dos,
        bands=bands,
        mode_eigenvalues=_mode_eigenvalues(path, raw),
        n_bytes=n_bytes,
    )


def _check_step(path: Path, number: int, step: Mapping[str, Any]) -> None:
    """Refuse an ionic step with a missing or non-finite energy, force or position."""
    parts = {
        "energies": _every_energy(step),
        "forces": step.get("forces", []),
        "positions": [] if step["structure"] is None else step["structure"].frac_coords,
    }
    for name, values in parts.items():
        array = np.asarray(values, dtype=np.float64)
        if not array.size:
            raise RunError(f"{path}: ionic step {number} has no {name}. {_AGAIN}")
        if not np.isfinite(array).all():
            raise RunError(
                f"{path}: NaN or **** in the {name} of ionic step {number}: the run diverged or "
                "the file is damaged. Check the structure and the settings, then run again."
            )


def _every_energy(step: Mapping[str, Any]) -> list[float]:
    """Return the energies of a step and of its last electronic step; none if it has none."""
    if not step["electronic_steps"]:
        return []
    return [
        float(part[name])
        for part in (step, step["electronic_steps"][-1])
        for name in ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    ]


def _energies(step: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return F, E without entropy and E0.

    VASP 5 writes a wrong E0 and E without entropy behind the last electronic step; F is right,
    and so are the differences inside that electronic step.
    """
    electronic, free_energy = step["electronic_steps"][-1], float(step["e_fr_energy"])
    shift = free_energy - electronic["e_fr_energy"]
    return (
        free_energy,
        float(electronic["e_wo_entrp"] + shift),
        float(electronic["e_0_energy"] + shift),
    )


def _valences(path: Path, header: bytes, n_atoms: int) -> Floats:
    """Return ZVAL of each atom from the table of atom types, which pymatgen leaves out."""
    rows = _TYPE_ROW.findall(header.rpartition(b'name="atomtypes"')[2])
    valences = np.repeat([float(z) for _, z in rows], [int(n) for n, _ in rows])
    if len(valences) != n_atoms:
        raise RunError(
            f"{path}: the table of atom types counts {len(valences)} atoms, the structure has "
            f"{n_atoms}. {_AGAIN}"
        )
    return valences


def _finite(path: Path, what: str, values: Floats) -> Floats:
    """Return the array when every number in it is finite."""
    if not np.isfinite(values).all():
        raise RunError(f"{path}: NaN or **** in the {what}. {_AGAIN}")
    return values


def _dos(path: Path, raw: PymatgenVasprun) -> Dos | None:
    """Return the density of states, if one was written."""
    has_errors = getattr(raw, "dos_has_errors", None)
    if has_errors is None:
        return None
    if has_errors:
        raise RunError(f"{path}: the density of states is damaged. {_AGAIN}")
    spins = sorted(raw.tdos.densities, key=lambda spin: -spin.value)
    projected, orbitals = _projected(raw.pdos, spins)
    efermi = float(raw.tdos.efermi)
    _finite(path, "Fermi level", np.array([efermi]))
    return Dos(
        energies=_finite(path, "energies of the DOS", np.asarray(raw.tdos.energies, dtype=float)),
        total=_finite(path, "DOS", np.array([raw.tdos.densities[spin] for spin in spins])),
        projected=None if projected is None else _finite(path, "projected DOS", projected),
        orbitals=orbitals,
        efermi=efermi,
        projection="PAW spheres",
    )


def _projected(
    pdos: Sequence[Mapping[Any, Mapping[Any, Floats]]], spins: Sequence[Any]
) -> tuple[Floats | None, tuple[str, ...]]:
    """Return (n_atoms, n_orbitals, n_spins, n) and the names of the orbitals."""
    if not pdos:
        return None, ()
    orbitals = sorted(pdos[0], key=lambda orbital: orbital.value)
    table = [[[atom[orbital][spin] for spin in spins] for orbital in orbitals] for atom in pdos]
    return np.array(table, dtype=np.float64), tuple(orbital.name for orbital in orbitals)


def _bands(path: Path, raw: PymatgenVasprun) -> Bands | None:
    """Return eigenvalues and occupations, if they were written."""
    if not raw.eigenvalues:
        return None
    spins = sorted(raw.eigenvalues, key=lambda spin: -spin.value)
    table = _finite(path, "eigenvalues", np.array([raw.eigenvalues[spin] for spin in spins]))
    weights = np.array(raw.actual_kpoints_weights, dtype=np.float64)
    return Bands(
        eigenvalues=table[..., 0], occupations=table[..., 1], weights=weights / weights.sum()
    )


def _mode_eigenvalues(path: Path, raw: PymatgenVasprun) -> Floats | None:
    """Return the eigenvalues of the dynamical matrix, if one was written."""
    values = np.asarray(getattr(raw, "normalmode_eigenvals", ()), dtype=np.float64)
    return _finite(path, "eigenvalues of the dynamical matrix", values) if values.size else None


def _check_electrons(path: Path, bands: Bands, n_electrons: float, *, is_spinor: bool) -> None:
    """Refuse eigenvalues whose occupations do not sum to NELECT."""
    per_level = 2 if len(bands.occupations) == 1 and not is_spinor else 1
    found = per_level * float(np.einsum("skb,k->", bands.occupations, bands.weights))
    # Occupations carry four decimals and weights eight; the corpus stays within 4e-4 electrons.
    if abs(found - n_electrons) > 0.01 + 1e-3 * n_electrons:
        raise RunError(
            f"{path}: the occupations sum to {found:.4f} electrons, NELECT is {n_electrons:g}. "
            f"The eigenvalues are damaged. {_AGAIN}"
        )


def _kpoints(raw: PymatgenVasprun, structure: Structure) -> tuple[dict[str, Any], float]:
    """Return the k-points as plain values, and their spacing."""
    style, weights = raw.kpoints.style.name, raw.actual_kpoints_weights
    found: dict[str, Any] = {"style": style, "n_kpoints": len(raw.actual_kpoints)}
    divisions = [int(n) for n in raw.kpoints.kpts[0]] if raw.kpoints.kpts else []
    is_mesh = style in {"Gamma", "Monkhorst", "Automatic"} and len(divisions) == 3
    if is_mesh and min(divisions) > 0:
        found["divisions"] = divisions
        found["shift"] = [float(s) for s in raw.kpoints.kpts_shift or (0, 0, 0)]
        return found, mesh_spacing(structure.lattice, divisions)
    return found, list_spacing(structure.lattice, weights)
