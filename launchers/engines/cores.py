"""A model of the core electrons that a valence-only method lacks.

Bader volumes need density maxima at the nuclei. SIESTA and CP2K users add a narrow core to the
density that makes the volumes, never to the one that is summed. Here the core is that of the
neutral atom: Slater functions by Slater's rules (J. C. Slater, Phys. Rev. 36, 57 (1930)) for all
electrons that the method does not treat. Its outermost shell matters where the method has few
valence electrons: K+ in GFN1-xTB keeps no density but this one.
"""

from dataclasses import dataclass
from math import gamma, pi

import numpy as np
from numba import njit

from .potentials import FloatArray

# Shells in the order in which cores fill: principal quantum number, is it s and p, electrons.
_FILLING = (
    *((1, True, 2), (2, True, 8), (3, True, 8), (3, False, 10), (4, True, 8), (4, False, 10)),
    *((5, True, 8), (4, None, 14), (5, False, 10), (6, True, 8)),  # None: 4f
)
_EFFECTIVE_N = {1: 1.0, 2: 2.0, 3: 3.0, 4: 3.7, 5: 4.0, 6: 4.2}
_SLATER_ORDER = {True: 0, False: 1, None: 2}  # within one n: sp before d before f
_TAIL = 1e-9  # e/Bohr^3
_PROTON = 0.1  # electrons of the Gaussian that marks a proton
_PROTON_WIDTH = 0.16  # Bohr


@dataclass(frozen=True)
class CoreShell:
    """Electrons in a density proportional to r^(2 n - 2) exp(-2 zeta r), or in a Gaussian."""

    electrons: float
    n: float  # effective principal quantum number
    zeta: float  # 1/Bohr
    width: float = 0.0  # Bohr; positive: a Gaussian of this width instead

    @property
    def terms(self) -> tuple[float, float, float, float]:
        """Return a, p, s and g of the density a r^p exp(-s r - g r^2) in e/Bohr^3."""
        if self.width:
            factor = self.electrons / (2 * pi * self.width**2) ** 1.5
            return factor, 0.0, 0.0, 0.5 / self.width**2
        power = 2 * self.n + 1
        factor = self.electrons * (2 * self.zeta) ** power / (4 * pi * gamma(power))
        return float(factor), 2 * self.n - 2, 2 * self.zeta, 0.0


def core_shells(number: int, n_core: int) -> tuple[CoreShell, ...]:
    """Return the core shells of an atom by Slater's rules.

    Parameters
    ----------
    number
        Atomic number.
    n_core
        Electrons in the core; they fill 1s, 2sp, 3sp, 3d, 4sp, 4d, 5sp, 4f, 5d, 6sp.

    Examples
    --------
    >>> [(s.electrons, s.n, round(s.zeta, 3)) for s in core_shells(19, 18)]  # K: 3sp has 2.583
    [(2, 1.0, 18.7), (8, 2.0, 7.425), (8, 3.0, 2.583)]
    """
    shells, left = [], n_core
    for n, kind, room in _FILLING:
        if left <= 0:
            break
        shells.append((n, kind, min(room, left)))
        left -= room
    shells.sort(key=lambda shell: (shell[0], _SLATER_ORDER[shell[1]]))
    found = []
    for i, (n, kind, electrons) in enumerate(shells):
        own = 0.30 if n == 1 else 0.35
        screening = own * (electrons - 1)
        for m, _, inner in shells[:i]:
            screening += inner * (0.85 if kind and m == n - 1 else 1.0)
        found.append(CoreShell(electrons, _EFFECTIVE_N[n], (number - screening) / _EFFECTIVE_N[n]))
    return tuple(found)


def resolved(shells: tuple[CoreShell, ...], spacing: float) -> tuple[CoreShell, ...]:
    """Return shells no narrower than a grid shows, for a spacing in Bohr.

    A narrower shell becomes a Gaussian of 0.7 spacings: a maximum at the nucleus wherever that
    stands between the points, electrons that the grid counts right, and no tail.
    """
    return tuple(
        shell
        if shell.zeta <= 1 / spacing
        else CoreShell(shell.electrons, shell.n, shell.zeta, width=0.7 * spacing)
        for shell in shells
    )


def proton(spacing: float) -> tuple[CoreShell, ...]:
    """Return what marks a proton, which has no core: a Gaussian of 0.1 e and 0.16 Bohr.

    The 2s of H in GFN1-xTB, orthogonal to the 1s, leaves a hole at the proton: without a mark H in
    water has no maximum at all. With it the surface between O and H is 0.4 Bohr from H, about
    where all-electron densities have it.
    """
    return (CoreShell(_PROTON, 1.0, 1.0, width=max(_PROTON_WIDTH, 0.7 * spacing)),)


def core_density(
    atoms: list[tuple[CoreShell, ...]],
    centres: FloatArray,
    lattice: FloatArray,
    shape: tuple[int, int, int],
) -> FloatArray:
    """Return the sum of the atoms' core densities on a periodic grid, e/Bohr^3.

    Parameters
    ----------
    atoms
        Core shells of each atom, see `resolved`.
    centres, lattice
        (n_atoms, 3) and (3, 3), rows, Bohr.
    shape
        Points along each lattice vector.
    """
    density = np.zeros(shape)
    inverse = np.linalg.inv(lattice)
    heights = 1 / np.linalg.norm(inverse, axis=0)
    for shells, centre in zip(atoms, centres, strict=True):
        if not shells:
            continue
        table = np.array([shell.terms for shell in shells])
        reach = _reach(table)
        half = np.ceil(reach / heights * shape).astype(np.int64) + 1
        middle = np.round(centre @ inverse * shape).astype(np.int64)
        _add(density, lattice / np.array(shape)[:, None], centre, middle, half, table, reach)
    return density


def _reach(table: FloatArray) -> float:
    """Return where a core density has fallen below the tail, in Bohr."""
    r = np.linspace(1e-3, 30.0, 6000)
    values = sum(a * r**p * np.exp(-s * r - g * r * r) for a, p, s, g in table)
    return float(r[np.flatnonzero(values > _TAIL)[-1]])


@njit(cache=True)
def _add(density, steps, centre, middle, half, table, reach):  # type: ignore[no-untyped-def]
    """Add one atom's core to the points around it, through the faces of the cell."""
    n1, n2, n3 = density.shape
    for i in range(middle[0] - half[0], middle[0] + half[0] + 1):
        for j in range(middle[1] - half[1], middle[1] + half[1] + 1):
            for k in range(middle[2] - half[2], middle[2] + half[2] + 1):
                x = i * steps[0, 0] + j * steps[1, 0] + k * steps[2, 0] - centre[0]
                y = i * steps[0, 1] + j * steps[1, 1] + k * steps[2, 1] - centre[1]
                z = i * steps[0, 2] + j * steps[1, 2] + k * steps[2, 2] - centre[2]
                r = np.sqrt(x * x + y * y + z * z)
                if r > reach:
                    continue
                total = 0.0
                for t in range(len(table)):
                    power = r ** table[t, 1] if table[t, 1] > 0.0 else 1.0
                    total += table[t, 0] * power * np.exp(-(table[t, 2] + table[t, 3] * r) * r)
                density[i % n1, j % n2, k % n3] += total
