"""Quasi-Newton search for a minimum in the free directions."""

import numpy as np

from .potentials import FloatArray

MAX_MOVE = 0.35  # Angstrom, largest free component of a step
SOFTEST = 0.3  # eV/Angstrom^2, curvatures below are taken as this


class QuasiNewton:
    """BFGS with a trust radius, started from a model Hessian.

    Parameters
    ----------
    hessian
        (n, n), eV/Angstrom^2.
    max_move
        Largest component of a step, Angstrom.
    """

    def __init__(self, hessian: FloatArray, max_move: float = MAX_MOVE) -> None:
        self.hessian = hessian.copy()
        self.max_move = max_move
        self._last: tuple[FloatArray, FloatArray] | None = None

    def learn(self, x: FloatArray, force: FloatArray) -> None:
        """Update the Hessian with the force (n,) at x (n,)."""
        if self._last is not None:
            s, y = x - self._last[0], self._last[1] - force
            self.hessian = bfgs_update(self.hessian, s, y)
        self._last = (x.copy(), force.copy())

    def next_move(self, x: FloatArray, force: FloatArray, energy: float) -> FloatArray:
        """Return the next displacement (n,) after seeing force and energy at x."""
        self.learn(x, force)
        return self.step(force)

    def step(self, force: FloatArray) -> FloatArray:
        """Return the displacement (n,) for a force (n,)."""
        values, vectors = np.linalg.eigh(self.hessian)
        values = np.maximum(np.abs(values), SOFTEST)
        move: FloatArray = vectors @ ((vectors.T @ force) / values)
        return limited(move, self.max_move)


def bfgs_update(hessian: FloatArray, s: FloatArray, y: FloatArray) -> FloatArray:
    """Return the Hessian after the gradient changed by y along s (Powell-damped BFGS)."""
    hs = hessian @ s
    shs = float(s @ hs)
    if shs < 1e-12:
        return hessian
    sy = float(s @ y)
    if sy < 0.2 * shs:  # keeps it positive definite: Nocedal & Wright, procedure 18.2
        theta = 0.8 * shs / (shs - sy)
        y = theta * y + (1 - theta) * hs
        sy = float(s @ y)
    result: FloatArray = hessian - np.outer(hs, hs) / shs + np.outer(y, y) / sy
    return result


def limited(move: FloatArray, longest: float) -> FloatArray:
    """Return the step shortened so that no atom's component exceeds `longest`."""
    size = float(np.abs(move).max(initial=0.0))
    return move if size <= longest else move * (longest / size)
