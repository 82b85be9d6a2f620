"""Run folders: prepared once, continued after an interruption, never computed twice."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

from ..results.parsing import is_complete
from ..results.store import ResultStore
from ..structures.errors import RunError
from ..structures.paths import interpolate
from .calculations import Calculation
from .inputs import Inputs, write_inputs, write_neb_inputs
from .starts import start_structure, with_dynamics_of

_log = logging.getLogger(__name__)

State = Literal["stored", "complete", "resumed", "written"]
_DISPLACEMENTS = (5, 6)  # IBRION
_DENSITIES = ("CHGCAR", "AECCAR0", "AECCAR1", "AECCAR2", "ELFCAR")
_OUTPUTS = (
    *("OSZICAR", "OUTCAR", "vasprun.xml", "CONTCAR", "vasp.out", "engine.json"),
    *_DENSITIES,
    *(f"{name}.gz" for name in _DENSITIES),
)


def prepare_folder(
    calculation: Calculation, store: ResultStore, folder: Path, *, potcar_dir: Path | None = None
) -> State:
    """Bring a run folder to the point where the engine can start, and say what is left to do.

    Parameters
    ----------
    calculation
        What is to be computed; its parents must be in the store.
    store
        Where finished runs are.
    folder
        The run folder; made when it is not there.
    potcar_dir
        This worker's POTCAR library; without one the folder holds POTCAR.spec only.

    Returns
    -------
    str
        ``stored``: the store has it, nothing is left to do. ``complete``: the folder holds
        finished outputs, parse them. ``resumed``: an interrupted run goes on from its last
        positions. ``written``: fresh inputs.

    Raises
    ------
    RunError
        A parent is not in the store.
    """
    if store.has(calculation.key):
        return "stored"
    if is_finished(calculation, folder):
        return "complete"
    if calculation.n_images:
        return _prepare_band(calculation, store, folder, potcar_dir)
    inputs = inputs_of(calculation)
    # Between displacements VASP's CONTCAR is no geometry to go on from: they start again.
    displaces = calculation.incar.get("IBRION") in _DISPLACEMENTS
    last = None if displaces else _last_positions(folder, calculation.structure)
    if last is not None:
        _set_aside(folder)
        write_inputs(inputs, last, folder, potcar_dir=potcar_dir)
        return "resumed"
    role = next((r for r in ("host", "band") if r in calculation.parents), "structure")
    start = start_structure(calculation, store, role)
    write_inputs(inputs, start, folder, potcar_dir=potcar_dir)
    return "written"


def is_finished(calculation: Calculation, folder: Path) -> bool:
    """Tell whether the folder holds the outputs of a run that came to its end."""
    if not calculation.n_images:
        return (folder / "INCAR").exists() and is_complete(folder)
    return all(is_complete(folder / f"{i:02d}") for i in range(1, calculation.n_images + 1))


def inputs_of(calculation: Calculation) -> Inputs:
    """Return the planned inputs of a calculation in the form that writes files."""
    return Inputs(
        incar=dict(calculation.incar),
        kpoints=dict(calculation.kpoints),
        potcar_symbols=calculation.potcar_symbols,
        changes=calculation.changes,
        warnings=calculation.warnings,
    )


def _prepare_band(
    calculation: Calculation, store: ResultStore, folder: Path, potcar_dir: Path | None
) -> State:
    """Write the image folders of a band, or go on from the images of an interrupted one."""
    inputs = inputs_of(calculation)
    images = [folder / f"{i:02d}" for i in range(calculation.n_images + 2)]
    moving = images[1:-1]
    last = [_last_positions(image, calculation.structure) for image in moving]
    ends = [start_structure(calculation, store, role) for role in ("initial", "final")]
    if all(positions is not None for positions in last):
        for image in moving:
            _set_aside(image)
        middle = [with_dynamics_of(s, calculation.structure) for s in last if s is not None]
        write_neb_inputs(inputs, [ends[0], *middle, ends[1]], folder, potcar_dir=potcar_dir)
        return "resumed"
    path = interpolate(ends[0], ends[1], calculation.n_images)
    write_neb_inputs(inputs, path, folder, potcar_dir=potcar_dir)
    return "written"


def _last_positions(folder: Path, planned: Structure) -> Structure | None:
    """Return the positions an interrupted run left, or None if it left none that fit."""
    contcar = folder / "CONTCAR"
    if not contcar.is_file() or contcar.stat().st_size == 0:
        return None
    try:
        last = Poscar.from_file(contcar, check_for_potcar=False).structure
    except (ValueError, IndexError) as error:
        _log.warning("%s cannot be read (%s): starting afresh", contcar, error)
        return None
    if [str(s.specie) for s in last] != [str(s.specie) for s in planned]:
        _log.warning("%s holds other atoms than planned: starting afresh", contcar)
        return None
    return with_dynamics_of(last, planned)


def _set_aside(folder: Path) -> None:
    """Keep what an interrupted run wrote, in ``part-01``, ``part-02`` ... of its folder."""
    number = 1 + sum(1 for _ in folder.glob("part-*"))
    part = folder / f"part-{number:02d}"
    part.mkdir()
    for name in (*_OUTPUTS, "POSCAR"):
        if (folder / name).exists():
            shutil.move(folder / name, part / name)
    _log.info("%s goes on; its first part is kept in %s", folder, part)


def check_engine(calculation: Calculation, environment: Mapping[str, object]) -> None:
    """Refuse to compute with another engine than the one the calculation was planned for."""
    found = environment.get("engine", calculation.engine)
    if found != calculation.engine:
        raise RunError(
            f"{calculation.label.name} was planned for engine {calculation.engine!r}, but this "
            f"worker has {found!r}. Start a worker with that engine, or submit the study again "
            f"with --engine {found}."
        )
