"""Why a finished run did not reach what it was asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .records import Floats

_RELAXATIONS = frozenset(
    {1, 2, 3, 7, 44}
)  # IBRION values that move atoms towards a stationary point
FINITE_DIFFERENCES = frozenset({5, 6})  # the first ionic step is the geometry itself
_VIBRATIONS = FINITE_DIFFERENCES | {7, 8}
_DYNAMICS = 0


def unconverged_reasons(
    parameters: Mapping[str, Any],
    *,
    electronic_steps: Sequence[int],
    is_relaxed: bool | None = None,
    is_stopped: bool = False,
    max_force: float | None = None,
    has_modes: bool = False,
) -> tuple[str, ...]:
    """Return every reason to call a run unconverged; none when it is converged.

    Parameters
    ----------
    parameters
        VASP's NELM, NSW, IBRION, EDIFFG.
    electronic_steps
        Number of electronic steps in each ionic step. VASP 5 writes "EDIFF is reached" even
        when NELM ended the loop, so that only their number tells.
    is_relaxed
        Whether OUTCAR says "reached required accuracy"; None without OUTCAR.
    is_stopped
        Whether OUTCAR says that STOPCAR ended the run.
    max_force
        Largest free force in eV/Angstrom; counts only without OUTCAR.
    has_modes
        Whether OUTCAR lists normal modes.

    Returns
    -------
    tuple of str
        One sentence each.

    Examples
    --------
    >>> unconverged_reasons({"NELM": 60, "NSW": 0}, electronic_steps=[60])
    ('electronic: the last ionic step used all of NELM = 60 steps',)
    """
    reasons = []
    nelm, n_wanted = (int(parameters.get(tag, value)) for tag, value in (("NELM", 60), ("NSW", 0)))
    ibrion = int(parameters.get("IBRION", -1))
    if n_wanted > 0 and ibrion in FINITE_DIFFERENCES and max(electronic_steps, default=0) >= nelm:
        reasons.append(f"electronic: a displacement used all of NELM = {nelm} steps")
    elif electronic_steps and electronic_steps[-1] >= nelm:
        reasons.append(f"electronic: the last ionic step used all of NELM = {nelm} steps")
    if is_stopped:
        reasons.append("stopped: STOPCAR ended the run")
    ionic = _ionic_reason(parameters, len(electronic_steps), is_relaxed, max_force)
    if ionic:
        reasons.append(ionic)
    if n_wanted > 0 and ibrion in _VIBRATIONS and not has_modes:
        reasons.append("vibrations: OUTCAR is not there, or lists no normal modes")
    return tuple(reasons)


def early_breach_note(parameters: Mapping[str, Any], electronic_steps: Sequence[int]) -> str:
    """Return a note on ionic steps before the last that ran out of NELM, or an empty string."""
    nelm = int(parameters.get("NELM", 60))
    count = sum(steps >= nelm for steps in electronic_steps[:-1])
    return f"{count} ionic steps before the last used all of NELM = {nelm} steps" if count else ""


def free_force(forces: Floats, flags: Any, lattice: Floats) -> float:
    """Return the largest force along the coordinates that were free to move.

    Parameters
    ----------
    forces
        (n_atoms, 3) in eV/Angstrom, Cartesian.
    flags
        (n_atoms, 3) of bool, True = free, along the lattice vectors as in POSCAR; None if all are.
    lattice
        (3, 3) rows, in Angstrom.

    Returns
    -------
    float
        eV/Angstrom; 0 when nothing is free.

    Examples
    --------
    >>> forces = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 9.0]])
    >>> round(free_force(forces, [[True] * 3, [False] * 3], np.eye(3)), 6)
    5.0
    """
    moving = np.asarray(forces, dtype=float)
    if flags is not None:
        free = np.asarray(flags, dtype=bool)
        moving = np.where(free, moving @ np.linalg.inv(lattice), 0.0) @ lattice
    return float(np.linalg.norm(moving, axis=1).max(initial=0.0))


def _ionic_reason(
    parameters: Mapping[str, Any],
    n_steps: int,
    is_relaxed: bool | None,
    max_force: float | None,
) -> str:
    """Return why the ions are not where they were asked to be, or an empty string."""
    nsw, ibrion = int(parameters.get("NSW", 0)), int(parameters.get("IBRION", -1))
    ediffg = float(parameters.get("EDIFFG", 0.0))
    reason = ""
    if nsw <= 1:
        pass
    elif ibrion == _DYNAMICS:
        if n_steps < nsw:
            reason = f"ionic: {n_steps} of NSW = {nsw} dynamics steps"
    elif ibrion in _RELAXATIONS and not is_relaxed:
        if n_steps >= nsw:
            # EDIFFG = 0 asks for exactly NSW steps.
            reason = "" if ediffg == 0 else f"ionic: all of NSW = {nsw} steps used"
        elif is_relaxed is False:
            reason = f"ionic: ended after {n_steps} of NSW = {nsw} steps, not yet relaxed"
        elif ediffg < 0 and max_force is not None and max_force > 1.01 * abs(ediffg):
            reason = f"ionic: largest free force {max_force:.3f} above EDIFFG = {ediffg:g} eV/A"
    return reason
