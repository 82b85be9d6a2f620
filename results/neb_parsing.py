"""The image folders of a nudged elastic band in, a Band out; or why it cannot be trusted."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar, Kpoints

from ..structures.errors import RunError
from .atom_order import displacements, order_problem
from .convergence import free_force, unconverged_reasons
from .neb_ends import end_image
from .outcar import Outcar, parse_outcar
from .parsing import image_folders, read_poscar
from .records import Band, Image, Run, Settings
from .run_files import find_file, read_bytes
from .run_reports import engine_notes, read_corrections, read_engine_report, screen_notes
from .run_settings import (
    engine_settings,
    list_spacing,
    merge_parameters,
    mesh_spacing,
    vasp_settings,
)

_LONGEST_STEP = 4.0  # Angstrom that one atom may move between neighbouring images
_CONTCAR_TOLERANCE = 1e-3  # Angstrom; OUTCAR prints five decimals
_SAME = ("engine", "functional", "cutoff", "potcars", "dispersion", "hubbard_u", "smearing")


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
    settings = _settings(folder, incar, outcars[0], report, starts[0], initial)
    _check_settings(folder, settings, {"initial": initial, "final": final})
    parameters = {**incar, **outcars[0].parameters}
    middle = [
        _image(image, start, outcar, parameters)
        for image, start, outcar in zip(folders[1:-1], starts[1:-1], outcars, strict=True)
    ]
    ends = [
        end_image(image, start, run, parameters)
        for image, start, run in (
            (folders[0], starts[0], initial),
            (folders[-1], starts[-1], final),
        )
    ]
    read = [ends[0], *middle, ends[1]]
    images = tuple(image for image, _ in read)
    _check_order(folders, [image.structure for image in images])
    reasons = tuple(
        f"image {path.name}: {reason}"
        for path, (_, found) in zip(folders, read, strict=True)
        for reason in found
    )
    corrections, notes = read_corrections(folder)
    return Band(
        folder=str(folder),
        settings=settings,
        engine_version=str(report["engine_version"]) if report else outcars[0].version,
        status="unconverged" if reasons else "converged",
        reasons=reasons,
        images=images,
        path=_path([image.structure for image in images]),
        is_climbing=bool(incar.get("LCLIMB")) if report else outcars[0].is_climbing,
        n_ionic_steps=max(outcar.n_ionic_steps for outcar in outcars),
        incar=incar,
        elapsed_s=float((report or {}).get("wall_s") or max(o.elapsed_s for o in outcars)),
        corrections=corrections,
        notes=(
            *_climbing_note(incar, outcars[0], report),
            *engine_notes(report),
            *notes,
            *screen_notes(folder),
        ),
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


def _settings(
    folder: Path,
    incar: Mapping[str, Any],
    outcar: Outcar,
    report: Mapping[str, Any] | None,
    structure: Structure,
    initial: Run | None,
) -> Settings:
    """Return the settings of the band; OUTCAR knows the defaults, INCAR the rest."""
    spacing = _kpoint_spacing(folder, incar, structure)
    if report is not None:
        titels = outcar.titels or (initial.settings.potcars if initial else ())
        return engine_settings(report, titels=titels, kpoint_spacing=spacing)
    parameters = merge_parameters(incar, outcar.parameters)
    return vasp_settings(parameters, titels=outcar.titels, kpoint_spacing=spacing)


def _kpoint_spacing(folder: Path, incar: Mapping[str, Any], structure: Structure) -> float:
    """Return the spacing that KPOINTS, or else KSPACING with VASP's default, gives."""
    path = find_file(folder, "KPOINTS")
    if path is None:
        wanted = float(incar.get("KSPACING", 0.5))
        lengths = np.array(structure.lattice.reciprocal_lattice.abc)
        divisions = np.maximum(1, np.ceil(lengths / wanted)).astype(int)
        return mesh_spacing(structure.lattice, divisions.tolist())
    try:
        kpoints = Kpoints.from_str(read_bytes(path).decode("latin-1"))
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f"{path}: not a KPOINTS file: {error}. Write it again.") from error
    first = kpoints.kpts[0]
    if kpoints.style.name in {"Gamma", "Monkhorst"}:
        return mesh_spacing(structure.lattice, [int(n) for n in first])
    if kpoints.style.name == "Automatic":
        return float(2 * np.pi / first[0])
    return list_spacing(structure.lattice, kpoints.kpts_weights or [1.0])


def _check_settings(folder: Path, settings: Settings, runs: Mapping[str, Run | None]) -> None:
    """Refuse end points computed in another way than the band."""
    for name, run in runs.items():
        if run is None:
            continue
        for field in _SAME:
            one, other = getattr(run.settings, field), getattr(settings, field)
            if one != other:
                raise RunError(
                    f"{folder}: {field} is {other!r} in the band, but {one!r} in its {name} end "
                    f"point {run.folder}. Compute the end point again with the band's settings."
                )
        for field in ("sigma", "kpoint_spacing"):
            one, other = getattr(run.settings, field), getattr(settings, field)
            if abs(one - other) > 0.01 * max(one, other):
                raise RunError(
                    f"{folder}: {field} is {other:.4g} in the band, but {one:.4g} in its {name} "
                    f"end point {run.folder}. Compute the end point again with the band's settings."
                )


def _image(
    folder: Path, start: Structure, outcar: Outcar, parameters: Mapping[str, Any]
) -> tuple[Image, tuple[str, ...]]:
    """Return one image between the end points, and why it is unconverged."""
    structure = _last_structure(folder, start, outcar)
    flags = start.site_properties.get("selective_dynamics")
    force = outcar.chain_force
    if force is None:
        force = free_force(outcar.forces, flags, start.lattice.matrix)
    reasons = unconverged_reasons(
        {**parameters, **outcar.parameters},
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
