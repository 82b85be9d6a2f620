"""The end points of a band: energies from a Run, from OUTCAR, or from OSZICAR."""

import re
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from ..structures.errors import RunError
from .atom_order import displacements, order_problem
from .convergence import free_force, unconverged_reasons
from .outcar import parse_outcar
from .records import Image, Run
from .run_files import find_file, read_bytes

_SAME_PLACE = 0.1  # Angstrom between a relaxed end point and the POSCAR of its image
# eV between two computations of one end point: forces of 0.05 eV/Angstrom and a cell of 46 atoms
# leave some meV when it was relaxed a little further, or on a coarser grid.
_SAME_ENERGY = 0.05
_IONIC_LINE = re.compile(r"\s*\d+\s+F=\s*(\S+)\s+E0=\s*(\S+)")

ReadImage = tuple[Image, tuple[str, ...]]


def end_image(
    folder: Path, start: Structure, run: Run | None, parameters: Mapping[str, Any]
) -> ReadImage:
    """Return an end point of a band, and why it is unconverged.

    Parameters
    ----------
    folder
        The first or last image folder.
    start
        The structure of its POSCAR, in the atom order of the band.
    run
        The relaxed end point; OUTCAR or else OSZICAR in the folder when None.
    parameters
        The band's settings: ISMEAR links the three energies that OSZICAR holds two of.

    Returns
    -------
    tuple
        The image, and the reasons why it is unconverged.

    Raises
    ------
    RunError
        There is no energy, or it belongs to other atoms, another order, or other positions.
    """
    outcar = find_file(folder, "OUTCAR")
    if run is not None:
        image, reasons = _from_run(folder, start, run)
        if outcar is None:
            return image, reasons
        # The band's own energy: what places of atoms on a grid do to it, the images have as well.
        own = _from_outcar(outcar, start)[0]
        _check_energy(outcar, run, own.e0)
        energies = ("e0", "free_energy", "e_wo_entropy")
        return replace(image, **{name: getattr(own, name) for name in energies}), reasons
    if outcar is not None:
        return _from_outcar(outcar, start)
    oszicar = find_file(folder, "OSZICAR")
    if oszicar is not None:
        return _from_oszicar(oszicar, start, int(parameters.get("ISMEAR", 1))), ()
    raise RunError(
        f"{folder}: no energy of this end point: neither OUTCAR nor OSZICAR is there and no run "
        "was given, so the band has no barrier. Relax the end point, or copy its OUTCAR here."
    )


def sigma_zero_partner(e0: float, free_energy: float, ismear: int) -> float:
    """Return the energy without entropy that belongs to E0 and F.

    Parameters
    ----------
    e0, free_energy
        In eV.
    ismear
        VASP's ISMEAR. Methfessel-Paxton of order N extrapolates with
        E0 = ((N + 1) F + E) / (N + 2) (Kresse and Furthmueller, Comput. Mater. Sci. 6 (1996) 15);
        Gaussian and Fermi smearing are N = 0.

    Returns
    -------
    float
        In eV.

    Examples
    --------
    >>> round(sigma_zero_partner(-114.586151, -114.602914, ismear=1), 6)
    -114.552625
    """
    order = max(ismear, 0)
    return (order + 2) * e0 - (order + 1) * free_energy


def _from_run(folder: Path, start: Structure, run: Run) -> ReadImage:
    """Return the image of a relaxed end point, which must be the POSCAR of its folder."""
    _check_place(folder / "POSCAR", start, run.structure, run.folder)
    return Image(
        structure=start.copy(site_properties={}),
        e0=run.e0,
        free_energy=run.free_energy,
        e_wo_entropy=run.e_wo_entropy,
        max_force=run.max_force,
        status=run.status,
    ), run.reasons


def _from_outcar(path: Path, start: Structure) -> ReadImage:
    """Return the image of an OUTCAR in the folder of an end point."""
    outcar = parse_outcar(path)
    species = outcar.symbols if len(outcar.symbols) == len(outcar.positions) else start.species
    if len(species) != outcar.n_atoms:
        raise RunError(
            f"{path}: {outcar.n_atoms} atoms, POSCAR beside it has {len(start)}: the file belongs "
            "to another calculation. Copy the OUTCAR of this end point here."
        )
    found = Structure(start.lattice, species, outcar.positions, coords_are_cartesian=True)
    _check_place(path.with_name("POSCAR"), start, found, str(path))
    reasons = unconverged_reasons(
        outcar.parameters,
        electronic_steps=outcar.electronic_steps,
        is_relaxed=outcar.is_relaxed,
        is_stopped=outcar.is_stopped,
    )
    flags = start.site_properties.get("selective_dynamics")
    return Image(
        structure=start.copy(site_properties={}),
        e0=outcar.e0,
        free_energy=outcar.free_energy,
        e_wo_entropy=outcar.e_wo_entropy,
        max_force=free_force(outcar.forces, flags, start.lattice.matrix),
        status="unconverged" if reasons else "converged",
    ), reasons


def _from_oszicar(path: Path, start: Structure, ismear: int) -> Image:
    """Return the image of an OSZICAR, which holds F and E0 to eight digits and no forces."""
    lines = read_bytes(path).decode("latin-1").split("\n")
    last = next(line for line in reversed(lines) if line.strip())
    match = _IONIC_LINE.match(last)
    try:
        free_energy, e0 = (float(token) for token in match.groups()) if match else (0.0, 0.0)
    except ValueError:
        match = None
    if match is None or not (isfinite(free_energy) and isfinite(e0)):
        raise RunError(
            f"{path}: does not end with the energies of an ionic step ('{last.strip()[:60]}'): the "
            "end point was not finished. Run it again."
        )
    return Image(
        structure=start.copy(site_properties={}),
        e0=e0,
        free_energy=free_energy,
        e_wo_entropy=sigma_zero_partner(e0, free_energy, ismear),
        max_force=None,
        status="converged",
    )


def _check_place(poscar: Path, start: Structure, found: Structure, source: str) -> None:
    """Refuse an end point that is not the structure the band starts or ends at."""
    problem = order_problem(start, found)
    if problem:
        raise RunError(
            f"{poscar}: the atoms of the end point {source} differ: {problem}. A barrier between "
            "them means nothing: write both end points in one order and run the band again."
        )
    moved = displacements(start, found)
    if moved.max() > _SAME_PLACE:
        raise RunError(
            f"{poscar}: atom {int(moved.argmax()) + 1} lies {moved.max():.2f} Angstrom from where "
            f"the end point {source} has it. Give the end point that this band was built from."
        )


def _check_energy(path: Path, run: Run, e0: float) -> None:
    """Refuse two energies of one end point that contradict each other."""
    if abs(run.e0 - e0) > _SAME_ENERGY:
        raise RunError(
            f"{path}: E0 is {e0:.6f} eV, but {run.e0:.6f} eV in the end point {run.folder}. One of "
            "them belongs to another calculation: remove it and run the band again."
        )
