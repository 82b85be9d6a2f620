"""Occupations of levels: Fermi level, entropy, broadened densities of states."""

import math
from dataclasses import dataclass

import numpy as np

from .potentials import Evaluation, FloatArray

KB_EV = 8.617333262e-5  # eV/K, CODATA 2018


def fermi_occupation(x: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(x)) without overflow.

    Examples
    --------
    >>> fermi_occupation(np.array([-1e4, 0.0, 1e4])).tolist()
    [1.0, 0.5, 0.0]
    """
    result: FloatArray = 0.5 * (1.0 - np.tanh(np.asarray(x) / 2))
    return result


def find_fermi_level(
    levels: FloatArray, n_filled: float, kt: float, weights: FloatArray | None = None
) -> float:
    """Return the level at which the Fermi function fills `n_filled` of the levels.

    Parameters
    ----------
    levels
        Any shape, eV; each holds one electron.
    n_filled
        Electrons, between 0 and the number of levels.
    kt
        eV, positive.
    weights
        What each level counts, broadcast against `levels`: those of the k-points. None counts
        every level as 1.

    Examples
    --------
    >>> round(find_fermi_level(np.array([1.0, 3.0]), 1.0, 0.1), 9)
    2.0
    >>> bands = np.array([[0.0, 4.0], [1.0, 3.0]])  # two k-points, two bands
    >>> half = np.array([[0.5], [0.5]])
    >>> round(find_fermi_level(bands, 1.0, 0.1, half), 9)
    2.0
    """
    counted = np.ones(1) if weights is None else weights
    low, high = float(levels.min()) - 50 * kt - 1, float(levels.max()) + 50 * kt + 1
    for _ in range(200):
        middle = (low + high) / 2
        if (counted * fermi_occupation((levels - middle) / kt)).sum() < n_filled:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def electronic_entropy(occupations: FloatArray) -> float:
    """Return S/k of one spin channel: -sum f ln f + (1 - f) ln(1 - f), dimensionless.

    Examples
    --------
    >>> round(electronic_entropy(np.array([1.0, 0.5, 0.0])), 6)  # ln 2
    0.693147
    """
    f = np.clip(occupations, 1e-300, 1.0)
    hole = np.clip(1.0 - occupations, 1e-300, 1.0)
    return float(-(f * np.log(f) + hole * np.log(hole)).sum())


ABOVE_FERMI = 20.0  # eV, what a density of states shows of the empty levels by default


@dataclass(frozen=True, kw_only=True)
class Dos:
    """Densities of states as VASP tabulates them."""

    energies: FloatArray  # (n_points,), eV
    total: FloatArray  # (n_spins, n_points), states/eV; without spin both spins together
    integrated: FloatArray  # (n_spins, n_points), states
    projected: FloatArray | None  # (n_spins, n_atoms, n_columns, n_points), states/eV
    fermi_level: float
    broadening: str  # fermi | gaussian
    width: float  # eV

    @property
    def emin(self) -> float:
        """Return the lower end in eV."""
        return float(self.energies[0])

    @property
    def emax(self) -> float:
        """Return the upper end in eV."""
        return float(self.energies[-1])


def density_of_states(
    evaluation: Evaluation,
    *,
    n_points: int,
    emin: float | None,
    emax: float | None,
    width: float,
    broadening: str,
    lorbit: int,
) -> Dos:
    """Return the density of states, total and (LORBIT >= 10) projected.

    Each point holds the states of the interval below it divided by its length, as in VASP:
    the integral is right on any grid. Projections are the weights of the levels: Mulliken's sum
    to the total. Every level counts with the weight of its k-point.

    Parameters
    ----------
    evaluation
        Levels, weights and k-points.
    n_points, emin, emax
        The grid, eV; None takes all levels up to ABOVE_FERMI above the Fermi level.
    width
        Broadening (kT of the Fermi function or sigma of the Gaussian), eV.
    broadening
        ``fermi`` or ``gaussian``.
    lorbit
        10 gives s, p, d columns, 11 and above the nine orbitals of `ORBITALS`.
    """
    levels = evaluation.eigenvalues
    low = float(levels.min()) - max(1.0, 10 * width) if emin is None else emin
    # GFN has empty levels at 1,000 eV and more: a grid up to them would have no points left here.
    top = min(float(levels.max()), evaluation.fermi_level + ABOVE_FERMI)
    high = top + max(1.0, 10 * width) if emax is None else emax
    energies = np.linspace(low, high, n_points)
    step = energies[1] - energies[0]
    edges = np.concatenate([[low - step], energies])
    total, integrated = np.zeros((2, len(levels), n_points))
    projected = None
    # One k-point at a time: levels by grid points of all of them would not fit into memory.
    for k, weight in enumerate(evaluation.kpoints.weights):
        filled = _filled_below(levels[:, k], edges, width, broadening)
        in_bin = np.diff(filled, axis=1) / step  # (n_spins, n_points, n_bands)
        total += weight * in_bin.sum(axis=2)
        integrated += weight * filled[:, 1:].sum(axis=2)
        parts = _project(evaluation.weights[:, k], in_bin, lorbit)
        if parts is not None:
            projected = weight * parts + (0.0 if projected is None else projected)
    return Dos(
        energies=energies,
        total=total,
        integrated=integrated,
        projected=projected,
        fermi_level=evaluation.fermi_level,
        broadening=broadening,
        width=width,
    )


def _filled_below(
    levels: FloatArray, edges: FloatArray, width: float, broadening: str
) -> FloatArray:
    """Return the states of each level (n_spins, n_bands) below each edge, levels last."""
    per_level = 3 - len(levels)
    return per_level * _states_below(
        (edges[None, :, None] - levels[:, None, :]) / width, broadening
    )


def _states_below(x: FloatArray, broadening: str) -> FloatArray:
    """Return the fraction of a broadened level below x widths above its centre."""
    if broadening == "fermi":
        return fermi_occupation(-x)
    erf = np.vectorize(math.erf, otypes=[float])
    result = np.where(x > 0, 1.0, 0.0)
    near = np.abs(x) < 9  # erf is 1 to machine precision beyond
    result[near] = 0.5 * (1 + erf(x[near]))
    return result


def columns_of(weights: FloatArray, lorbit: int) -> FloatArray:
    """Return weights (..., n_atoms, 9, n_bands) summed to s, p and d where LORBIT = 10."""
    if lorbit != 10:
        return weights
    first, last = weights[..., :1, :], weights[..., 4:, :].sum(-2, keepdims=True)
    return np.concatenate([first, weights[..., 1:4, :].sum(-2, keepdims=True), last], axis=-2)


def _project(weights: FloatArray, in_bin: FloatArray, lorbit: int) -> FloatArray | None:
    """Return projected densities (n_spins, n_atoms, n_columns, n_points) or None."""
    if lorbit < 10:
        return None
    columns = columns_of(weights, lorbit)
    projected: FloatArray = np.einsum("saob,spb->saop", columns, in_bin, optimize=True)
    return projected
