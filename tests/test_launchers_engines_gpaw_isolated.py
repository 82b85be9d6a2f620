"""Electrostatics of a molecule alone in its box, against what is known exactly."""

from math import erf, pi, sqrt

import numpy as np
import pytest

from heterofire.launchers.engines.gpaw_isolated import IsolatedPoissonSolver

pytestmark = pytest.mark.usefixtures("gpaw")
CELL = np.diag([22.0, 24.0, 26.0])  # Bohr
SHARP = 1.2  # exponent of every charge, 1/Bohr^2


@pytest.fixture(scope="module")
def solver(gpaw):
    from gpaw.core import PWDesc, UGDesc

    grid = UGDesc(cell=CELL, size=[60, 64, 70], pbc=[False] * 3, zerobc=[False] * 3)
    return IsolatedPoissonSolver(PWDesc(ecut=30.0, cell=CELL), grid)


def solved(solver, charges):
    """Return the energy of Gaussian charges (charge, place from the middle), and the potential."""
    density = solver.pw.zeros()
    waves = solver.pw.G_plus_k_Gv
    for charge, place in charges:
        phase = waves @ (CELL.sum(axis=0) / 2 + place)
        shape = np.exp(-solver.pw.ekin_G / (2 * SHARP) - 1j * phase)
        density.data += charge * shape / solver.pw.dv
    potential = solver.pw.zeros()
    energy = solver.solve(potential, density)
    return energy, potential.ifft(grid=solver._grid).data


def exact(charges):
    """Return the energy of Gaussian charges in empty space, Hartree."""
    total = sum(charge**2 for charge, _ in charges) * sqrt(SHARP / (2 * pi))
    for i, (one, here) in enumerate(charges):
        for other, there in charges[:i]:
            distance = float(np.linalg.norm(np.subtract(here, there)))
            total += one * other * erf(sqrt(SHARP / 2) * distance) / distance
    return total


DIPOLE = [(1.0, (0.4, 0.3, 1.5)), (-1.0, (0.0, 0.2, -1.0))]
ION = [(2.0, (0.5, -0.4, 1.0)), (-1.0, (0.0, 0.6, -1.4))]


@pytest.mark.parametrize("charges", [DIPOLE, ION, [(1.0, (0.0, 0.0, 0.0))]])
def test_the_energy_is_that_of_empty_space(solver, charges):
    """Images of quadrupoles remain: 1E-4 Hartree at most; those of the dipole would be 1E-3."""
    assert solved(solver, charges)[0] == pytest.approx(exact(charges), abs=2e-4)


@pytest.mark.parametrize("charges", [DIPOLE, ION])
def test_the_potential_counts_from_the_vacuum(solver, charges):
    values = solved(solver, charges)[1]
    n = np.array(values.shape)
    for index in (n // 2, n // 2 + [0, 0, 12], n // 2 - [8, 9, 12]):
        place = (index / n - 0.5) @ CELL
        there = 0.0
        for charge, home in charges:
            distance = float(np.linalg.norm(place - np.array(home)))
            there += charge * erf(sqrt(SHARP) * distance) / distance
        assert values[tuple(index)] == pytest.approx(there, abs=2e-3)
