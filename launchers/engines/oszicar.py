"""OSZICAR: one line per self-consistent cycle and one per ionic step."""

from .potentials import Evaluation

_HEADER = "       N       E                     dE             rms\n"


def format_cycles(evaluation: Evaluation) -> str:
    """Return the lines of the self-consistent cycles: energy, change (eV), density error (e)."""
    rows = [
        f"SCF: {n:3d}    {cycle.energy: .12E}   {cycle.change: .5E}   {cycle.density_error: .3E}\n"
        for n, cycle in enumerate(evaluation.cycles, start=1)
    ]
    return _HEADER + "".join(rows)


def format_step(step: int, evaluation: Evaluation, previous: float | None) -> str:
    """Return VASP's line for an ionic step, with more digits.

    Parameters
    ----------
    step
        Counted from 1.
    evaluation
        Energies in eV.
    previous
        F of the step before, None at the first.
    """
    change = evaluation.free_energy - (previous or 0.0)
    line = (
        f"{step:4d} F= {evaluation.free_energy:.10E} E0= {evaluation.energy_zero:.10E}"
        f"  d E ={change:.6E}"
    )
    if len(evaluation.occupations) == 2:
        line += f"  mag= {evaluation.magnetization:11.4f}"
    return line + "\n"
