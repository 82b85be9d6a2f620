"""Molecules without periodic images in plane waves, neutral and charged.

GPAW (26.7) repeats a neutral molecule however its cell is declared, and of an ion takes only the
charge off. Here charge and dipole are carried by a Gaussian in the middle of the box, whose
potential is known; what is left has neither, and its images act by their quadrupoles only.
Potentials count from the vacuum: the mean that is lost with G = 0 is that of the second moment
(Makov and Payne, Phys. Rev. B 51, 4014 (1995), section II).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.special import erf

from .potentials import FloatArray

_AT_WALL = 1e-5  # of the Gaussian's height in the middle, at the nearest wall


class IsolatedPoissonSolver:
    """What GPAW calls a Poisson solver, of densities that are alone in their box.

    Parameters
    ----------
    waves
        GPAW's ``PWDesc`` of potentials.
    grid
        GPAW's ``UGDesc`` on which they are smooth. Atoms lie around the middle of the cell.
    """

    def __init__(self, waves: Any, grid: Any) -> None:
        self.pw = waves
        self._grid = grid
        wall = 0.5 / np.sqrt((waves.icell**2).sum(axis=1).max())  # Bohr from the middle
        self._alpha = -np.log(_AT_WALL) / wall**2
        self._half_squares = np.where(waves.ekin_G > 0, waves.ekin_G, 1.0)
        middle = grid.cell_cv.sum(axis=0) / 2
        phase = waves.G_plus_k_Gv @ middle
        self._gaussian = np.exp(-waves.ekin_G / (2 * self._alpha) - 1j * phase) / waves.dv
        self._potentials = self._outer(grid.xyz() - middle)

    def __str__(self) -> str:
        return (
            "poisson solver:\n  no periodic images: charge and dipole in a Gaussian\n"
            f"  alpha: {self._alpha}  # bohr^-2\n"
        )

    def dipole_layer_correction(self) -> float:
        """Raise, as GPAW's solvers do that have none."""
        raise NotImplementedError

    def solve(self, potential: Any, density: Any) -> float:
        """Fill in the potential of a density and return its energy, atomic units.

        Parameters
        ----------
        potential, density
            GPAW's ``PWArray``; electrons count as positive.
        """
        charge, dipole, square = self._moments(density)
        rest = density.copy()
        rest.data -= (charge - 1j * (self.pw.G_plus_k_Gv @ dipole)) * self._gaussian
        rest.data[0] = 0.0
        potential.data[:] = 2 * np.pi * rest.data / self._half_squares
        square -= 1.5 * charge / self._alpha
        potential.data[0] = -2 * np.pi / 3 * square / self.pw.dv
        energy = 0.5 * potential.integrate(rest)
        outer = potential.new()
        outer.data[:] = np.array([charge, *dipole]) @ self._potentials
        potential.data += outer.data
        return float(energy + outer.integrate(density) - self._own_energy(charge, dipole))

    def _own_energy(self, charge: float, dipole: FloatArray) -> float:
        """Return the energy of the Gaussian charge and dipole by themselves."""
        width = np.sqrt(self._alpha / 2)
        of_dipole = 2 / 3 * width**3 * (dipole @ dipole)
        return float((width * charge**2 + of_dipole) / np.sqrt(np.pi))

    def _moments(self, density: Any) -> tuple[float, FloatArray, float]:
        """Return charge, dipole (3,) and trace of the second moment about the middle."""
        values = density.ifft(grid=self._grid).data
        cell = self._grid.cell_cv
        away = [np.arange(n) / n - 0.5 for n in values.shape]
        step = self._grid.dv
        ones = [np.ones(n) for n in values.shape]
        first, second = np.zeros(3), np.zeros((3, 3))
        for i in range(3):
            weights = [away[k] if k == i else ones[k] for k in range(3)]
            first[i] = _summed(values, weights)
            for j in range(i, 3):
                both = [weights[k] * (away[k] if k == j else 1.0) for k in range(3)]
                second[i, j] = second[j, i] = _summed(values, both)
        charge = float(values.sum() * step)
        return charge, step * first @ cell, float(step * (second * (cell @ cell.T)).sum())

    def _outer(self, places: FloatArray) -> Any:
        """Return the potential of a unit charge and of three unit dipoles, (4, n_waves)."""
        of_charge, of_dipole = _radial(np.sqrt((places**2).sum(axis=3)), self._alpha)
        shapes = (of_charge, *(of_dipole * places[..., axis] for axis in range(3)))
        values, found = self._grid.empty(), []
        for shape in shapes:
            values.data[:] = shape
            found.append(values.fft(pw=self.pw).data)
        return np.stack(found)


def _summed(values: FloatArray, weights: list[FloatArray]) -> float:
    """Return the sum of values (n1, n2, n3) times a weight along each axis."""
    return float(((values @ weights[2]) @ weights[1]) @ weights[0])


def _radial(r: FloatArray, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Return the potential of a Gaussian charge, and of a Gaussian dipole per distance along it.

    Examples
    --------
    >>> far = _radial(np.array([20.0]), 1.0)
    >>> [value.round(8).tolist() for value in far]  # 1 / r and 1 / r^3
    [[0.05], [0.000125]]
    """
    safe = np.where(r > 1e-6, r, 1.0)
    root = np.sqrt(alpha)
    charge = erf(root * safe) / safe
    dipole = charge / safe**2 - 2 * root / np.sqrt(np.pi) * np.exp(-alpha * safe**2) / safe**2
    at_once = r <= 1e-6
    charge[at_once] = 2 * root / np.sqrt(np.pi)
    dipole[at_once] = 4 * root**3 / (3 * np.sqrt(np.pi))
    return charge, dipole


@contextmanager
def without_images() -> Iterator[None]:
    """Have GPAW take `IsolatedPoissonSolver` for plane waves in cells that are open all around."""
    from gpaw.new.pw import builder

    own = builder.make_poisson_solver

    def make(waves: Any, grid: Any, charge: float, **others: Any) -> Any:
        if grid.pbc_c.any():
            return own(waves, grid, charge, **others)
        return IsolatedPoissonSolver(waves, grid)

    builder.make_poisson_solver = make
    try:
        yield
    finally:
        builder.make_poisson_solver = own
