"""Vibrations by finite differences of forces (IBRION = 5)."""

import numpy as np

from .drivers import Outcome, report
from .freedom import Freedom
from .modes import Places, free_coordinates, solve_modes
from .poscars import Poscar
from .potentials import FloatArray, Potential
from .stopping import Stopper
from .tags import Settings
from .writing import STOPPED, RunFiles

# Weights of the forces at multiples of POTIM in a first derivative, by NFREE:
# Abramowitz and Stegun (1964), eqs. 25.3.21 and 25.3.24.
STENCILS: dict[int, dict[int, float]] = {
    2: {1: 1 / 2, -1: -1 / 2},
    4: {1: 2 / 3, -1: -2 / 3, 2: -1 / 12, -2: 1 / 12},
}


class _StoppedError(Exception):
    """STOPCAR asked for an end."""


def run_vibrations(
    potential: Potential, poscar: Poscar, settings: Settings, files: RunFiles, stopper: Stopper
) -> Outcome:
    """Displace each free coordinate in turn, and write the normal modes.

    The first step is the geometry itself; each displacement is a step of its own, as in VASP.
    CONTCAR and the final structure are the geometry, not the last displacement.

    Parameters
    ----------
    potential, poscar, files
        See `drivers.run_static`.
    settings
        NFREE and POTIM.
    stopper
        Asked after each step.

    Raises
    ------
    Interrupted
        By a signal; the files lack their end marks.
    """
    steps = _Steps(potential, poscar, files, stopper)
    at_rest = poscar.positions
    force, status, remark, modes = 0.0, "vibrations", "", None
    try:
        force = Freedom(poscar).largest_force(steps.forces(at_rest))
        free = free_coordinates(poscar)
        constants = _force_constants(steps, at_rest, free, settings)
        modes = solve_modes(poscar, free, constants)
    except _StoppedError as stop:
        status, remark = "stopped", str(stop)
    files.finish(remark, potential, modes)
    return Outcome(
        status=status, n_steps=files.n_steps, n_evaluations=files.n_steps, largest_force=force
    )


class _Steps:
    """Evaluates geometries one after the other and writes each."""

    def __init__(
        self, potential: Potential, poscar: Poscar, files: RunFiles, stopper: Stopper
    ) -> None:
        self._potential = potential
        self._freedom = Freedom(poscar)
        self._at_rest = poscar.positions
        self._files = files
        self._stopper = stopper

    def forces(self, positions: FloatArray) -> FloatArray:
        """Return the forces (n_atoms, 3) at a geometry; ends the run when asked to."""
        evaluation = self._potential.evaluate(positions)
        line = self._files.step(evaluation, positions, at_rest=self._at_rest)
        report(line, self._freedom.largest_force(evaluation.forces))
        if stop := self._stopper.check():
            raise _StoppedError(STOPPED[stop])
        return evaluation.forces


def _force_constants(
    steps: _Steps, at_rest: FloatArray, free: Places, settings: Settings
) -> FloatArray:
    """Return the second derivatives (n_free, n_free) of the energy, eV/Angstrom^2."""
    constants = np.zeros((len(free), len(free)))
    for row, place in enumerate(free):
        for multiple, weight in STENCILS[settings.nfree].items():
            positions = at_rest.copy().ravel()
            positions[place] += multiple * settings.potim
            forces = steps.forces(positions.reshape(-1, 3))
            constants[row] -= weight * forces.ravel()[free] / settings.potim
    return constants
