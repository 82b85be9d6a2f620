"""Quasi-Newton search for a minimum in the free directions."""

from dataclasses import dataclass

import numpy as np

from .potentials import FloatArray

LONGEST = 0.35  # Angstrom, largest component of any step
SHORTEST = 0.02  # Angstrom, the trust radius never falls below
SOFTEST = 0.05  # eV/Angstrom^2, curvatures below are taken as this
UPHILL = 2e-3  # eV; a step that raises the energy by more is taken back


@dataclass(frozen=True, kw_only=True)
class _Point:
    """Where the search was."""

    x: FloatArray
    force: FloatArray
    energy: float


class QuasiNewton:
    """BFGS with a trust radius, started from a model Hessian.

    Parameters
    ----------
    hessian
        (n, n), eV/Angstrom^2.
    radius
        Angstrom, largest component of the first step.
    """

    def __init__(self, hessian: FloatArray, *, radius: float = LONGEST) -> None:
        self._hessian = hessian.copy()
        self._radius = radius
        self._base: _Point | None = None  # the last point that was kept
        self._foreseen = 0.0  # energy change that the model expected of the last step, eV

    @property
    def hessian(self) -> FloatArray:
        """Return what is known of the curvature, (n, n), eV/Angstrom^2."""
        return self._hessian

    @property
    def radius(self) -> float:
        """Return the largest component that the next step may have, Angstrom."""
        return self._radius

    def next_move(self, x: FloatArray, force: FloatArray, energy: float) -> FloatArray:
        """Return the displacement (n,) to the next point.

        Parameters
        ----------
        x
            Where the search is, (n,), Angstrom.
        force
            There, (n,), eV/Angstrom.
        energy
            There, eV.
        """
        here = _Point(x=x.copy(), force=force.copy(), energy=energy)
        base = self._base
        if base is not None:
            self._hessian = bfgs_update(self._hessian, x - base.x, base.force - force)
            self._adapt(base, here)
        if base is None or energy < base.energy + UPHILL:
            self._base = base = here
        step = quasi_newton_step(self._hessian, base.force, self._radius)
        self._foreseen = float(-base.force @ step + step @ self._hessian @ step / 2)
        return base.x + step - x

    def _adapt(self, base: _Point, here: _Point) -> None:
        """Set the trust radius by how well the model foresaw the energy."""
        size = float(np.abs(here.x - base.x).max())
        change = here.energy - base.energy
        if change > UPHILL:
            self._radius = max(SHORTEST, size / 3)
        elif self._foreseen < 0 and change / self._foreseen < 0.25:
            self._radius = max(SHORTEST, size / 2)
        elif size > 0.9 * self._radius:
            self._radius = min(LONGEST, 2 * self._radius)


def quasi_newton_step(hessian: FloatArray, force: FloatArray, longest: float) -> FloatArray:
    """Return the step (n,) downhill whose largest component is at most `longest`.

    Long steps are shortened by stiffening all directions alike, which turns them towards
    the force, instead of scaling them.

    Examples
    --------
    >>> quasi_newton_step(np.diag([2.0, 8.0]), np.array([1.0, 1.0]), 9.0).tolist()
    [0.5, 0.125]
    """
    values, vectors = np.linalg.eigh(hessian)
    values = np.maximum(np.abs(values), SOFTEST)
    along = vectors.T @ force

    def step(stiffening: float) -> FloatArray:
        result: FloatArray = vectors @ (along / (values + stiffening))
        return result

    low, high = 0.0, float(np.abs(along).max(initial=0.0)) * np.sqrt(len(force)) / longest
    if np.abs(step(low)).max(initial=0.0) <= longest:
        return step(low)
    for _ in range(40):
        middle = (low + high) / 2
        if np.abs(step(middle)).max() > longest:
            low = middle
        else:
            high = middle
    return step(high)


def bfgs_update(hessian: FloatArray, s: FloatArray, y: FloatArray) -> FloatArray:
    """Return the Hessian after the gradient changed by y along s.

    Damped so that it stays positive definite: Nocedal and Wright, Numerical Optimization
    (2006), procedure 18.2.
    """
    hs = hessian @ s
    shs = float(s @ hs)
    if shs < 1e-12:
        return hessian
    sy = float(s @ y)
    if sy < 0.2 * shs:
        theta = 0.8 * shs / (shs - sy)
        y = theta * y + (1 - theta) * hs
        sy = float(s @ y)
    result: FloatArray = hessian - np.outer(hs, hs) / shs + np.outer(y, y) / sy
    return result


def limited(move: FloatArray, longest: float) -> FloatArray:
    """Return the step scaled down so that no component exceeds `longest`."""
    size = float(np.abs(move).max(initial=0.0))
    return move if size <= longest else move * (longest / size)
