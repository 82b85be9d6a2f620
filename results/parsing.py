"""A run folder in, a Run out; or an error that says which file cannot be trusted and why."""

import re
import warnings
from pathlib import Path

from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Poscar

from ..structures.errors import RunError
from .atom_order import displacements, order_problem
from .outcar import Outcar, parse_outcar
from .parts import part_folders, read_parts, with_parts
from .records import Run
from .run_assembly import assemble_run
from .run_files import find_file, has_end_marker, read_bytes
from .run_reports import has_ended
from .vasprun import Vasprun, parse_vasprun

__all__ = ["is_complete", "parse_outcar", "parse_run", "parse_vasprun", "read_poscar"]

_ENERGY_TOLERANCE = 1e-5  # eV; both files print at least six decimals
_FERMI_TOLERANCE = 0.01  # eV; OUTCAR prints four decimals
_IMAGE = re.compile(r"\d\d")


def parse_run(folder: str | Path, *, expected: Structure | None = None, suffix: str = "") -> Run:
    """Return what a finished run folder says, after every check that makes it trustworthy.

    Parameters
    ----------
    folder
        Holds vasprun.xml and, where kept, OUTCAR, POSCAR, custodian.json, engine.json; the outputs
        plain or gzip.
    expected
        The structure that was to be computed; the POSCAR in the folder when None. Count, species
        and order must agree, positions may have moved since.
    suffix
        What custodian appended to the files of one of several runs, such as ".relax2".

    Returns
    -------
    Run
        With ``status="unconverged"`` and the reasons when the run ended before it converged. Of a
        run in parts (``part-01`` ... beside the outputs) all parts together.

    Raises
    ------
    RunError
        A file is missing, cut, doubled or damaged, holds NaN or ``****``, belongs to other atoms,
        or contradicts another one.

    Examples
    --------
    >>> parse_run("no such folder")
    Traceback (most recent call last):
    heterofire.structures.errors.RunError: no such folder: no vasprun.xml ...
    """
    folder = Path(folder)
    path = find_file(folder, "vasprun.xml", suffix)
    if path is None:
        raise RunError(
            f"{folder}: no vasprun.xml{suffix} (or .gz). The calculation was not started or was "
            "moved: run it, or name the folder that holds it."
        )
    run = parse_files(
        folder,
        vasprun=path,
        outcar=find_file(folder, "OUTCAR", suffix),
        poscar=find_file(folder, "POSCAR", suffix),
        expected=expected,
    )
    return run if suffix else with_parts(run, read_parts(folder), _first_start(folder))


def parse_files(
    folder: Path,
    *,
    vasprun: Path,
    outcar: Path | None,
    poscar: Path | None,
    expected: Structure | None = None,
) -> Run:
    """Return what the files of one run say, whatever they are called; checks as in `parse_run`.

    Parameters
    ----------
    folder
        Where they are, with the engine's report and custodian's log.
    vasprun, outcar, poscar
        Plain or gzip; None where there is none.
    expected
        As in `parse_run`.
    """
    read = parse_vasprun(vasprun)
    beside = None if outcar is None else parse_outcar(outcar)
    if beside is not None:
        _check_pair(read, beside)
    start = None if poscar is None else read_poscar(poscar)
    notes = [] if beside is not None else ["no OUTCAR: vasprun.xml could not be checked against it"]
    for name, structure in (("the expected structure", expected), (str(poscar), start)):
        if structure is not None:
            notes += _check_atoms(read, structure, name)
    return assemble_run(folder, read, beside, notes)


def is_complete(folder: str | Path) -> bool:
    """Return whether every output of a run, a band, or an image of a band was written to its end.

    Parameters
    ----------
    folder
        A run folder. An image (a folder such as ``01`` without INCAR) needs OUTCAR only.

    Returns
    -------
    bool
        True says "parse, do not run again"; it does not say that the numbers are right.

    Examples
    --------
    >>> is_complete("no such folder")
    False
    """
    folder = Path(folder)
    images = image_folders(folder)
    if not _engine_ended(folder):
        return False
    if images:
        return all(is_complete(image) for image in images[1:-1])
    is_image = _IMAGE.fullmatch(folder.name) is not None and not (folder / "INCAR").exists()
    vasprun, outcar = (find_file(folder, name) for name in ("vasprun.xml", "OUTCAR"))
    if (outcar if is_image else vasprun) is None:
        return False
    return all(has_end_marker(path) for path in (vasprun, outcar) if path is not None)


def _engine_ended(folder: Path) -> bool:
    """Return whether no engine left the folder unfinished; an unreadable report is no end."""
    try:
        return has_ended(folder)
    except RunError:
        return False


def image_folders(folder: Path) -> list[Path]:
    """Return the image folders 00, 01 ... of a band in order; empty for any other folder."""
    folders: list[Path] = []
    while (image := folder / f"{len(folders):02d}").is_dir():
        folders.append(image)
    return folders if len(folders) > 2 else []


def read_poscar(path: Path) -> Structure:
    """Return the structure of a POSCAR or CONTCAR, plain or gzip.

    Parameters
    ----------
    path
        The file; without element symbols (VASP 4) it is refused.

    Returns
    -------
    pymatgen.core.Structure
        With the site property "selective_dynamics" when the file has it.

    Raises
    ------
    RunError
        The file is no POSCAR, or names no elements.
    """
    text = read_bytes(path).decode("latin-1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of guessed elements, which are refused below
            poscar = Poscar.from_str(text, read_velocities=False)
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f"{path}: not a POSCAR: {error}. Write it again.") from error
    if not poscar.true_names:
        raise RunError(f"{path}: names no elements. Add their symbols above the counts.")
    return poscar.structure


def _first_start(folder: Path) -> Structure | None:
    """Return where the first part of a run in parts started."""
    for part in part_folders(folder):
        path = find_file(part, "POSCAR")
        if path is not None:
            return read_poscar(path)
    return None


def _check_pair(vasprun: Vasprun, outcar: Outcar) -> None:
    """Refuse a vasprun.xml and an OUTCAR that are not of the same run."""
    pairs = {
        "number of atoms": (len(vasprun.structure), outcar.n_atoms, 0.0),
        "number of ionic steps": (len(vasprun.electronic_steps), outcar.n_ionic_steps, 0.0),
        "NELECT": (vasprun.n_electrons, outcar.n_electrons, 1e-3),
        "free energy TOTEN": (vasprun.free_energy, outcar.free_energy, _ENERGY_TOLERANCE),
        "energy without entropy": (vasprun.e_wo_entropy, outcar.e_wo_entropy, _ENERGY_TOLERANCE),
        "energy(sigma->0)": (vasprun.e0, outcar.e0, _ENERGY_TOLERANCE),
    }
    if vasprun.efermi is not None and outcar.efermi is not None:
        pairs["Fermi level"] = (vasprun.efermi, outcar.efermi, _FERMI_TOLERANCE)
    for what, (one, other, tolerance) in pairs.items():
        if abs(one - other) > tolerance:
            raise RunError(
                f"{vasprun.path}: {what} is {one:.10g}, but {other:.10g} in {outcar.path.name}: "
                "the two files are not of the same run. Remove the older one and run again."
            )
    if outcar.symbols and list(outcar.symbols) != [s.specie.symbol for s in vasprun.structure]:
        raise RunError(
            f"{vasprun.path}: the species differ from those in {outcar.path.name}: the two files "
            "are not of the same run. Remove the older one and run again."
        )


def _check_atoms(vasprun: Vasprun, reference: Structure, name: str) -> list[str]:
    """Refuse other atoms or another order; return a note when the run started elsewhere."""
    problem = order_problem(reference, vasprun.initial_structure)
    if problem:
        raise RunError(
            f"{vasprun.path}: the atoms differ from {name}: {problem}. This is another "
            "calculation: parse it from its own folder, or run this one again."
        )
    moved = displacements(reference, vasprun.initial_structure).max()
    return [f"started up to {moved:.2f} Angstrom away from {name}"] if moved > 0.01 else []
