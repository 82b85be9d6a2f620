"""Static runs and relaxations: what is computed next and when it is enough."""

import sys
from dataclasses import dataclass

from .freedom import Freedom
from .hessians import model_hessian
from .poscars import Poscar
from .potentials import Potential
from .search_memory import forget, recall, remember
from .searching import LONGEST, QuasiNewton
from .stopping import Stopper
from .tags import Settings
from .writing import CONVERGED, STOPPED, RunFiles


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    status: str  # static | converged | unconverged | vibrations | stopped
    n_steps: int
    n_evaluations: int
    largest_force: float  # eV/Angstrom, along free directions


def run_static(potential: Potential, poscar: Poscar, files: RunFiles) -> Outcome:
    """Evaluate one geometry and write it.

    Parameters
    ----------
    potential
        The engine's calculator for these atoms.
    poscar
        The geometry.
    files
        Where the output goes.
    """
    positions = poscar.positions
    evaluation = potential.evaluate(positions)
    force = Freedom(poscar).largest_force(evaluation.forces)
    report(files.step(evaluation, positions), force)
    files.finish(potential=potential)
    return Outcome(status="static", n_steps=1, n_evaluations=1, largest_force=force)


def run_relaxation(
    potential: Potential, poscar: Poscar, settings: Settings, files: RunFiles, stopper: Stopper
) -> Outcome:
    """Relax the free coordinates at a fixed cell and write each step.

    Parameters
    ----------
    potential, poscar, files
        See `run_static`.
    settings
        NSW and EDIFFG.
    stopper
        Asked after each step.

    Raises
    ------
    Interrupted
        By a signal; the files lack their end marks and CONTCAR holds the last step.
    """
    freedom = Freedom(poscar)
    positions = poscar.positions
    model = freedom.reduce_matrix(model_hessian(poscar, positions))
    hessian, radius = recall(files.folder, model, LONGEST)
    search = QuasiNewton(hessian, radius=radius)
    previous: float | None = None
    status, remark, force = "unconverged", "", 0.0
    for step in range(1, settings.nsw + 1):
        evaluation = potential.evaluate(positions)
        force = freedom.largest_force(evaluation.forces)
        report(files.step(evaluation, positions), force)
        if is_converged(settings.ediffg, force, evaluation.free_energy, previous):
            status, remark = "converged", CONVERGED
            forget(files.folder)
            break
        if stop := stopper.check():
            status, remark = "stopped", STOPPED[stop]
            break
        previous = evaluation.free_energy
        if step < settings.nsw:
            reduced = freedom.reduce(evaluation.forces)
            move = search.next_move(freedom.reduce(positions), reduced, evaluation.free_energy)
            remember(files.folder, search.hessian, search.radius)
            positions = positions + freedom.expand(move)
    files.finish(remark, potential)
    return Outcome(
        status=status, n_steps=files.n_steps, n_evaluations=files.n_steps, largest_force=force
    )


def is_converged(ediffg: float, force: float, energy: float, previous: float | None) -> bool:
    """Return whether EDIFFG is met: forces when negative, energy change when positive.

    Examples
    --------
    >>> is_converged(-0.05, 0.04, -1.0, None), is_converged(1e-3, 9.0, -1.0, -1.0005)
    (True, True)
    """
    if ediffg < 0:
        return force < -ediffg
    return previous is not None and abs(energy - previous) < ediffg


def report(line: str, force: float) -> None:
    """Print a step as VASP does on its standard output, with the largest force added."""
    sys.stdout.write(f"{line.rstrip()}  fmax= {force:.4f}\n")
    sys.stdout.flush()
