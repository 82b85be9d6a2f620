"""The image folders of a nudged elastic band in, a Band out; or why it cannot be trusted."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar

from ..structures.errors import RunError
from .atom_order import displacements, order_problem
from .convergence import free_force, unconverged_reasons
from .neb_ends import ReadImage, end_image
from .neb_settings import band_settings, check_settings
from .outcar import Outcar, parse_outcar
from .parsing import image_folders, read_poscar
from .parts import read_parts, with_parts
from .records import Band, Image, Run, Settings
from .ridges import ridge_notes
from .run_files import find_file, read_bytes
from .run_reports import engine_notes, read_corrections, read_engine_report, screen_notes
from .run_settings import merge_parameters

_LONGEST_STEP = 6.0  # Angstrom that one atom may move between neighbouring images
_CONTCAR_TOLERANCE = 1e-3  # Angstrom; OUTCAR prints five decimals


def parse_band(folder: str | Path, *, initial: Run | None, final: Run | None) -> Band:
    """Return a finished band with both end points, checked for atom order before anything else.

    Parameters
    ----------
    folder
        Holds INCAR, KPOINTS and the image folders 00, 01 ... as VASP wants them. The outputs of
        the images are OUTCAR (plain or gzip) and CONTCAR.
    initial, final
        The relaxed end points. Where None, the energies come from OUTCAR or OSZICAR in the first
        and last image folder.

    Returns
    -------
    Band
        ``status="unconverged"`` with the reasons when an image ended before it converged.

    Raises
    ------
    RunError
        Images or end points list their atoms in different orders, an end point has no energy or
        other settings than the band, or an OUTCAR cannot be trusted.

    Examples
    --------
    >>> parse_band("no such folder", initial=None, final=None)
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: no such folder: no band: fewer than three image ...
    """
    folder = Path(folder)
    folders, incar = image_folders(folder), _read_incar(folder)
    _check_count(folder, folders, incar)
    starts = [read_poscar(_must_find(image, "POSCAR")) for image in folders]
    _check_order(folders, starts)
    outcars = [parse_outcar(_must_find(image, "OUTCAR")) for image in folders[1:-1]]
    report = read_engine_report(folder, outcars[0].version)
    settings = band_settings(folder, incar, outcars[0], report, starts[0], initial)
    check_settings(folder, settings, {"initial": initial, "final": final})
    parameters = merge_parameters(incar, outcars[0].parameters)
    first = end_image(folders[0], starts[0], initial, parameters)
    last = end_image(folders[-1], starts[-1], final, parameters)
    middle = [_image(*of) for of in zip(folders[1:-1], starts[1:-1], outcars, strict=True)]
    read = [first, *middle, last]
    _check_order(folders, [image.structure for image, _ in read])
    band = _assemble(folder, settings, read, outcars, incar, report)
    return with_parts(band, read_parts(folder, folders[1:-1]))


def _assemble(
    folder: Path,
    settings: Settings,
    read: Sequence[ReadImage],
    outcars: Sequence[Outcar],
    incar: Mapping[str, Any],
    report: Mapping[str, Any] | None,
) -> Band:
    """Return the Band of images that belong together."""
    reasons = [f"image {i:02d}: {reason}" for i, (_, found) in enumerate(read) for reason in found]
    corrections, log_notes = read_corrections(folder)
    images = tuple(image for image, _ in read)
    return Band(
        folder=str(folder),
        settings=settings,
        engine_version=str(report["engine_version"]) if report else outcars[0].version,
        status="unconverged" if reasons else "converged",
        reasons=tuple(reasons),
        images=images,
        path=_path([image.structure for image in images]),
        is_climbing=bool(incar.get("LCLIMB")) if report else outcars[0].is_climbing,
        n_ionic_steps=max(outcar.n_ionic_steps for outcar in outcars),
        incar=incar,
        elapsed_s=float((report or {}).get("wall_s") or max(o.elapsed_s for o in outcars)),
        corrections=corrections,
        notes=(
            *_climbing_note(incar, outcars[0], report),
            *ridge_notes([outcar.free_energy_of_steps for outcar in outcars]),
            *engine_notes(report),
            *log_notes,
            *screen_notes(folder),
        ),
        n_cores=outcars[0].n_cores,
    )


def _must_find(folder: Path, name: str) -> Path:
    """Return a file that every image must have."""
    path = find_file(folder, name)
    if path is None:
        raise RunError(f"{folder}: no {name} (or .gz). Run the band again.")
    return path


def _read_incar(folder: Path) -> dict[str, Any]:
    """Return the tags of INCAR."""
    path = find_file(folder, "INCAR")
    if path is None:
        return {}
    try:
        return dict(Incar.from_str(read_bytes(path).decode("latin-1")))
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f"{path}: not an INCAR: {error}. Write it again.") from error


def _check_count(folder: Path, folders: Sequence[Path], incar: Mapping[str, Any]) -> None:
    """Refuse a folder that is no band, or that lacks images."""
    if not folders:
        raise RunError(
            f"{folder}: no band: fewer than three image folders 00, 01, 02 ... were found. Name "
            "the folder that holds them."
        )
    wanted = incar.get("IMAGES")
    if wanted is not None and int(wanted) != len(folders) - 2:
        raise RunError(
            f"{folder}: {len(folders) - 2} image folders between the end points, INCAR asks for "
            f"IMAGES = {wanted}. Bring the missing ones, or run the band again."
        )


def _check_order(folders: Sequence[Path], structures: Sequence[Structure]) -> None:
    """Refuse neighbouring images whose atoms differ in order or lie far apart."""
    names = [folder.name for folder in folders]
    for (name, one), (other_name, other) in pairwise(zip(names, structures, strict=True)):
        where = f"{folders[0].parent}: images {name} and {other_name}"
        problem = order_problem(one, other)
        if problem:
            raise RunError(
                f"{where}: the atoms differ: {problem}. A barrier between them means nothing: "
                "write both end points in one order and run the band again."
            )
        moved = displacements(one, other)
        if moved.max() > _LONGEST_STEP:
            raise RunError(
                f"{where}: atom {int(moved.argmax()) + 1} moves {moved.max():.2f} Angstrom, more "
                f"than {_LONGEST_STEP:g}. Check the order of the atoms, or take more images."
            )


def _image(folder: Path, start: Structure, outcar: Outcar) -> ReadImage:
    """Return one image between the end points, and why it is unconverged."""
    structure = _last_structure(folder, start, outcar)
    flags = start.site_properties.get("selective_dynamics")
    force = outcar.chain_force
    if force is None:
        force = free_force(outcar.forces, flags, start.lattice.matrix)
    reasons = unconverged_reasons(
        outcar.parameters,
        electronic_steps=outcar.electronic_steps,
        is_relaxed=outcar.is_relaxed,
        is_stopped=outcar.is_stopped,
    )
    return Image(
        structure=structure,
        e0=outcar.e0,
        free_energy=outcar.free_energy,
        e_wo_entropy=outcar.e_wo_entropy,
        max_force=force,
        status="unconverged" if reasons else "converged",
    ), reasons


def _last_structure(folder: Path, start: Structure, outcar: Outcar) -> Structure:
    """Return the positions the energy belongs to; CONTCAR may be one step ahead of them."""
    if outcar.symbols and list(outcar.symbols) != [site.specie.symbol for site in start]:
        raise RunError(
            f"{outcar.path}: the species differ from those of POSCAR beside it: the file belongs "
            "to another calculation. Run the band again."
        )
    if outcar.n_atoms != len(start):
        raise RunError(
            f"{outcar.path}: {outcar.n_atoms} atoms, POSCAR beside it has {len(start)}: the file "
            "belongs to another calculation. Run the band again."
        )
    last = Structure(start.lattice, start.species, outcar.positions, coords_are_cartesian=True)
    path = find_file(folder, "CONTCAR")
    if path is not None:
        contcar = read_poscar(path).copy(site_properties={})
        is_same = not order_problem(last, contcar)
        if is_same and displacements(last, contcar).max() < _CONTCAR_TOLERANCE:
            return contcar
    return last


def _path(structures: Sequence[Structure]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the cumulated displacement of all atoms along the band, in Angstrom."""
    steps = [float(np.linalg.norm(displacements(a, b))) for a, b in pairwise(structures)]
    return np.concatenate([[0.0], np.cumsum(steps)])


def _climbing_note(
    incar: Mapping[str, Any], outcar: Outcar, report: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """Return a note when VASP ignored LCLIMB."""
    if report is None and incar.get("LCLIMB") and not outcar.is_climbing:
        return ("LCLIMB was asked for, but this VASP has no VTST and ignored it",)
    return ()
