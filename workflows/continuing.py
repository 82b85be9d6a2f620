"""Calculations in parts: what an interrupted one left, kept and gone on from.

A run that was stopped for lack of time, or died, goes on in its own folder. What it wrote is
moved into ``part-01``, ``part-02`` ... (of a band also in each image folder); the last positions
become the start, WAVECAR and CHGCAR stay. A kill at any moment loses nothing: the files that were
not moved yet follow at the next start, and positions are found in the parts, too.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

from ..results.parsing import image_folders, is_complete
from ..results.parts import MARK, n_steps, part_folders, read_parts, was_stopped
from ..results.run_files import find_file
from ..structures.errors import RunError
from .stopcars import read_mark

_log = logging.getLogger(__name__)

MAX_PARTS = 20
DISPLACEMENTS = (5, 6)  # IBRION
_RESPONSES = (7, 8)  # IBRION; like displacements they start again from nothing
_DYNAMICS = 0
_GRIDS = ("AECCAR0", "AECCAR1", "AECCAR2", "ELFCAR")
_OUTPUTS = (  # POSCAR last: a part that has one is whole
    *("OSZICAR", "OUTCAR", "vasprun.xml", "CONTCAR", "vasp.out", "stdout", "XDATCAR"),
    *("engine.json", "custodian.json", MARK),
    *_GRIDS,
    *(f"{name}.gz" for name in (*_GRIDS, "CHGCAR")),
)
_SAME = 1e-7  # Angstrom; CONTCAR prints more decimals


@dataclass(frozen=True, kw_only=True)
class Halt:
    """A run that was stopped because its job was about to end."""

    n_parts: int  # of the calculation so far, this one included
    n_steps: int  # ionic steps of this part
    mark: Mapping[str, Any]  # what the clock wrote: length_s, longest_step_s ...


def was_halted(folder: Path) -> bool:
    """Tell whether the clock stopped the run in this folder before it had come to its end.

    Without the clock's mark a STOPCAR was the user's, whose run is over. A run that converged in
    the very step it was asked to stop is over as well.
    """
    if read_mark(folder) is None or not is_complete(folder):
        return False
    place = (image_folders(folder) or [folder, folder])[1]
    path = find_file(place, "OUTCAR")
    return path is not None and was_stopped(path)


def halt_of(folder: Path, incar: Mapping[str, Any], max_parts: int = MAX_PARTS) -> Halt | None:
    """Return how the run in this folder was stopped, if it was and may go on in another part.

    Parameters
    ----------
    folder
        The run folder.
    incar
        As planned.
    max_parts
        How many parts a calculation may have.

    Raises
    ------
    RunError
        It would never come to an end: the part had most of a job and made no step, the
        calculation cannot go on from where it was stopped, or it has had all its parts.
    """
    mark = read_mark(folder)
    if mark is None or not was_halted(folder):
        return None
    images = image_folders(folder)[1:-1]
    halted = [part for part in read_parts(folder, images) if part.ended == "walltime"]
    steps = max(n_steps(place) for place in images or [folder])
    halt = Halt(n_parts=len(halted) + 1, n_steps=steps, mark=mark)
    if int(incar.get("IBRION", -1)) in (*DISPLACEMENTS, *_RESPONSES, _DYNAMICS):
        raise RunError(
            f"{folder}: {_of_walltime(halt)}. With IBRION = {incar['IBRION']} it cannot go on from "
            "there: give its job more walltime or more cores."
        )
    # One that started late in its job, among others, gets the whole of another one first.
    is_late = float(mark.get("had_s", 0)) < 0.5 * float(mark.get("length_s", 0))
    if not is_late and not _has_moved_on(folder, images, incar):
        raise RunError(
            f"{folder}: {_of_walltime(halt)}, and that was not enough for a single step forward. "
            "Give its job more walltime or more cores."
        )
    if halt.n_parts >= max_parts:
        raise RunError(
            f"{folder}: {_of_walltime(halt)}, in part {halt.n_parts} of at most {max_parts}. Look "
            "at its forces in OSZICAR and vasp.out: queue it again (heterofire submit) when they "
            "still fall, else mend the start or the settings."
        )
    return halt


def _of_walltime(halt: Halt) -> str:
    """Return what is known about the time a part had."""
    mark, steps = halt.mark, f"{halt.n_steps} ionic steps"
    longest = mark.get("longest_step_s")
    words = f"the longest took {longest:g} s" if longest else "none had ended when it was stopped"
    return (
        f"stopped for lack of walltime after {steps} ({words}; it had {mark.get('had_s', 0):g} s "
        f"of a job of {mark.get('length_s', 0):g} s)"
    )


def _has_moved_on(folder: Path, images: Sequence[Path], incar: Mapping[str, Any]) -> bool:
    """Tell whether the next part starts further on than this one did."""
    if int(incar.get("NSW", 0)) == 0:  # the wavefunction is all that a static run goes on from
        wavecar = folder / "WAVECAR"
        return wavecar.is_file() and wavecar.stat().st_size > 0
    return any(_has_moved(place) for place in images or [folder])


def _has_moved(folder: Path) -> bool:
    """Tell whether the atoms of CONTCAR are elsewhere than those of POSCAR."""
    if not n_steps(folder):
        return False
    start, end = (read_positions(folder / name) for name in ("POSCAR", "CONTCAR"))
    if start is None or end is None or len(start) != len(end):
        return False
    change = end.frac_coords - start.frac_coords
    cartesian = (change - np.round(change)) @ start.lattice.matrix
    cell = np.abs(end.lattice.matrix - start.lattice.matrix).max()
    return bool(max(np.abs(cartesian).max(), cell) > _SAME)


def last_positions(folder: Path, planned: Structure) -> Structure | None:
    """Return the positions an interrupted run left, or None if it left none that fit.

    Parameters
    ----------
    folder
        A run folder or an image of a band; where its CONTCAR is missing or cut, because the
        program had just started, that of the last part counts.
    planned
        The atoms that are to be there.
    """
    for place in (folder, *reversed(part_folders(folder))):
        last = read_positions(place / "CONTCAR")
        if last is None:
            continue
        if [str(s.specie) for s in last] != [str(s.specie) for s in planned]:
            _log.warning("%s holds other atoms than planned", place / "CONTCAR")
            continue
        return last
    return None


def read_positions(path: Path) -> Structure | None:
    """Return the structure of a POSCAR or CONTCAR; None for one that is missing or cut."""
    if not path.is_file() or path.stat().st_size == 0:
        return None
    try:
        return Poscar.from_file(path, check_for_potcar=False).structure
    except (ValueError, IndexError) as error:
        _log.warning("%s cannot be read (%s)", path, error)
        return None


def set_aside(folder: Path, images: Sequence[Path] = ()) -> None:
    """Keep what an interrupted run wrote in the next part folder; WAVECAR and CHGCAR stay.

    Parameters
    ----------
    folder
        The run folder.
    images
        The folders of the moving images of a band.

    Notes
    -----
    What died before it left positions is not kept: its files are overwritten. A part that lacks
    its POSCAR was being set aside when the program was killed, and gets the rest.
    """
    moving = list(images) or [folder]
    number = max((len(part_folders(place)) for place in moving), default=0)
    is_torn = number > 0 and any(not _is_whole(place, number) for place in moving)
    if not is_torn:
        if not any(read_positions(place / "CONTCAR") for place in moving):
            return
        number += 1
    name = f"part-{number:02d}"
    for place in moving:
        if not (place / name / "POSCAR").exists():
            _move_outputs(place, place / name, (*_OUTPUTS, "POSCAR"))
    if images:
        _move_outputs(folder, folder / name, _OUTPUTS)
    _log.info("%s goes on; its part %d is kept in %s", folder, number, name)


def _is_whole(folder: Path, number: int) -> bool:
    return (folder / f"part-{number:02d}" / "POSCAR").exists()


def _move_outputs(folder: Path, part: Path, names: Sequence[str]) -> None:
    part.mkdir(exist_ok=True)
    if (folder / "INCAR").is_file() and not (part / "INCAR").exists():
        shutil.copyfile(folder / "INCAR", part / "INCAR")
    for name in names:
        if (folder / name).exists():
            (folder / name).replace(part / name)


def steps_left(folder: Path, incar: Mapping[str, Any], images: Sequence[Path] = ()) -> int | None:
    """Return NSW of the next part, so that all parts together make no more than planned.

    Returns
    -------
    int or None
        None where NSW stays what it is. At least 2: with a single step VASP and everything that
        reads it take the run for one that was never to move.
    """
    planned = int(incar.get("NSW", 0))
    # CONTCAR of an engine is its last step, which the next part makes again; VASP's is the next.
    done = sum(
        part.n_ionic_steps - (folder / part.name / "engine.json").is_file()
        for part in read_parts(folder, images)
    )
    return max(2, planned - done) if planned > 2 and done else None
