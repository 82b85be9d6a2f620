"""Run folders: prepared once, continued after an interruption, never computed twice."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..results.parsing import is_complete
from ..results.store import ResultStore
from ..structures.errors import RunError
from ..structures.paths import interpolate
from ..structures.waypoints import path_through
from .calculations import Calculation
from .continuing import DISPLACEMENTS, last_positions, set_aside, steps_left, was_halted
from .corrections import correct_again
from .inputs import Inputs, write_inputs, write_neb_inputs
from .starts import images_before, start_structure, starting_role, waypoints, with_dynamics_of
from .stopcars import remove_stopcars

State = Literal["stored", "complete", "resumed", "written"]


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
        finished outputs, parse them. ``resumed``: a run that was interrupted, or stopped for
        lack of time, goes on from its last positions. ``written``: fresh inputs.

    Raises
    ------
    RunError
        A parent is not in the store.
    """
    if store.has(calculation.key):
        return "stored"
    return prepare_anew(calculation, store, folder, potcar_dir=potcar_dir)


def prepare_anew(
    calculation: Calculation, store: ResultStore, folder: Path, *, potcar_dir: Path | None = None
) -> State:
    """Bring a run folder to the point where the engine can start, whatever is stored of it.

    As `prepare_folder`; never "stored".
    """
    if is_finished(calculation, folder):
        return "complete"
    remove_stopcars(folder)
    if calculation.n_images:
        state = _prepare_band(calculation, store, folder, potcar_dir)
    else:
        state = _prepare_run(calculation, store, folder, potcar_dir)
    correct_again(folder)
    return state


def _prepare_run(
    calculation: Calculation, store: ResultStore, folder: Path, potcar_dir: Path | None
) -> State:
    """Write the inputs of a run, or go on from where an interrupted one was."""
    inputs = inputs_of(calculation)
    # Between displacements VASP's CONTCAR is no geometry to go on from: they start again.
    displaces = calculation.incar.get("IBRION") in DISPLACEMENTS
    last = None if displaces else last_positions(folder, calculation.structure)
    if last is not None:
        last = with_dynamics_of(last, calculation.structure)
        set_aside(folder)
        inputs = _with_steps(inputs, steps_left(folder, inputs.incar))
        write_inputs(inputs, last, folder, potcar_dir=potcar_dir)
        return "resumed"
    start = start_structure(calculation, store, starting_role(calculation))
    write_inputs(inputs, start, folder, potcar_dir=potcar_dir)
    return "written"


def is_finished(calculation: Calculation, folder: Path) -> bool:
    """Tell whether the folder holds the outputs of a run that came to its end.

    One that was stopped for lack of time did not.
    """
    if not calculation.n_images:
        is_whole = (folder / "INCAR").exists() and is_complete(folder)
    else:
        images = (folder / f"{i:02d}" for i in range(1, calculation.n_images + 1))
        is_whole = all(is_complete(image) for image in images)
    return is_whole and not was_halted(folder)


def inputs_of(calculation: Calculation) -> Inputs:
    """Return the planned inputs of a calculation in the form that writes files."""
    return Inputs(
        incar=dict(calculation.incar),
        kpoints=dict(calculation.kpoints),
        potcar_symbols=calculation.potcar_symbols,
        changes=calculation.changes,
        warnings=calculation.warnings,
    )


def _with_steps(inputs: Inputs, n_steps: int | None) -> Inputs:
    """Return the inputs with another NSW."""
    if n_steps is None:
        return inputs
    return replace(inputs, incar={**inputs.incar, "NSW": n_steps})


def _prepare_band(
    calculation: Calculation, store: ResultStore, folder: Path, potcar_dir: Path | None
) -> State:
    """Write the image folders of a band, or go on from the images of an interrupted one."""
    inputs = inputs_of(calculation)
    images = [folder / f"{i:02d}" for i in range(calculation.n_images + 2)]
    moving = images[1:-1]
    last = [last_positions(image, calculation.structure) for image in moving]
    ends = [start_structure(calculation, store, role) for role in ("initial", "final")]
    if all(positions is not None for positions in last):
        set_aside(folder, moving)
        inputs = _with_steps(inputs, steps_left(folder, inputs.incar, moving))
        middle = [with_dynamics_of(s, calculation.structure) for s in last if s is not None]
        write_neb_inputs(inputs, [ends[0], *middle, ends[1]], folder, potcar_dir=potcar_dir)
        return "resumed"
    between, highest = waypoints(calculation, store)
    if before := images_before(calculation, store, ends):
        path = [ends[0], *before, ends[1]]
    elif between:
        path = path_through([ends[0], *between, ends[1]], calculation.n_images, highest)
    else:
        path = interpolate(ends[0], ends[1], calculation.n_images)
    write_neb_inputs(inputs, path, folder, potcar_dir=potcar_dir)
    return "written"


def check_engine(calculation: Calculation, environment: Mapping[str, object]) -> None:
    """Refuse to compute with another engine than the one the calculation was planned for."""
    found = environment.get("engine", calculation.engine)
    if found != calculation.engine:
        raise RunError(
            f"{calculation.label.name} was planned for engine {calculation.engine!r}, but this "
            f"worker has {found!r}. Start a worker with that engine, or submit the study again "
            f"with --engine {found}."
        )
