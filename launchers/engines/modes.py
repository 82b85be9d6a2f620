"""Normal modes: from force constants to frequencies, and as VASP writes them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase import units
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from .poscars import Poscar
from .potentials import FloatArray

Places = NDArray[np.intp]

# One eV/Angstrom^2/amu is this many (radian per ps)^2, or (2 pi THz)^2.
_SQUARED_RATE = units._e / units._amu * 1e-4
_CM_PER_THZ = 1e10 / units._c  # 1/cm
_MEV_PER_THZ = units._hplanck / units._e * 1e15


@dataclass(frozen=True, kw_only=True)
class Modes:
    """Normal modes of the coordinates that are free, stiffest first.

    Signs are VASP's: the matrix is that of the second derivatives times -1, so that a mode
    with a restoring force has a negative eigenvalue.
    """

    derivatives: FloatArray  # (n_free, n_free) of the forces, as found: row i by coordinate i
    matrix: FloatArray  # (n_free, n_free), symmetric, eV/Angstrom^2/amu
    eigenvalues: FloatArray  # (n_free,), ascending
    vectors: FloatArray  # (n_free, n_free), one mode a row, mass-weighted, of length 1
    free: Places  # (n_free,), place of each coordinate among all 3 n_atoms

    @property
    def frequencies_thz(self) -> FloatArray:
        """Return the frequencies in THz, imaginary ones negative."""
        squared = -self.eigenvalues * _SQUARED_RATE
        return np.asarray(np.sign(squared) * np.sqrt(np.abs(squared)) / (2 * np.pi))


def free_coordinates(poscar: Poscar) -> Places:
    """Return the places of the coordinates that are free among all 3 n_atoms.

    In vibrations the flags of selective dynamics are along x, y and z, not along the lattice
    vectors as in a relaxation: https://vasp.at/wiki/IBRION, "IBRION=5 and 6".
    """
    if poscar.movable is None:
        return np.arange(3 * len(poscar.symbols))
    return np.flatnonzero(poscar.movable)


def solve_modes(poscar: Poscar, free: Places, force_constants: FloatArray) -> Modes:
    """Return the normal modes of a matrix of force constants.

    Parameters
    ----------
    poscar
        Its elements have the masses.
    free
        Places of the coordinates, see `free_coordinates`.
    force_constants
        (n_free, n_free), second derivatives of the energy in eV/Angstrom^2; made symmetric here.
    """
    masses = np.array([atomic_masses[atomic_numbers[symbol]] for symbol in poscar.symbols])
    root = np.sqrt(np.repeat(masses, 3)[free])
    symmetric = (force_constants + force_constants.T) / 2
    matrix = -symmetric / np.outer(root, root)
    eigenvalues, columns = np.linalg.eigh(matrix)
    return Modes(
        derivatives=-force_constants,
        matrix=matrix,
        eigenvalues=eigenvalues,
        vectors=columns.T,
        free=free,
    )


def format_outcar(modes: Modes, poscar: Poscar) -> str:
    """Return the blocks of OUTCAR: derivatives of the forces, then every mode with its vector."""
    positions = poscar.positions
    lines = [
        *_derivatives(modes),
        " ",
        " ",
        " Eigenvectors and eigenvalues of the dynamical matrix",
        " ----------------------------------------------------",
        " ",
        " ",
    ]
    for number, (thz, vector) in enumerate(
        zip(modes.frequencies_thz, modes.vectors, strict=True), start=1
    ):
        whole = np.zeros(positions.size)
        whole[modes.free] = vector
        lines.append(_frequency(number, float(thz)))
        lines.append("             X         Y         Z           dx          dy          dz")
        lines += [
            "    " + _joined(position, 10) + " " + _joined(part, 12) + "  "
            for position, part in zip(positions, whole.reshape(-1, 3), strict=True)
        ]
        lines.append(" ")
    return "\n".join(lines) + "\n"


def _derivatives(modes: Modes) -> list[str]:
    """Return the table of dF/dx in eV/Angstrom^2; how far it is from symmetric shows the noise."""
    labels = [f"{place // 3 + 1}{'XYZ'[place % 3]}" for place in modes.free]
    rows = zip(labels, modes.derivatives, strict=True)
    return [
        " SECOND DERIVATIVES (NOT SYMMETRIZED)",
        " ------------------------------------",
        "    " + "".join(f"{label:>12}" for label in labels),
        *(f"{label:>3} {_joined(row, 12)}" for label, row in rows),
    ]


def _frequency(number: int, thz: float) -> str:
    """Return the line of one mode; VASP marks an imaginary one with ``f/i``."""
    size = abs(thz)
    return (
        f"{number:4d} {'f/i=' if thz < 0 else 'f  ='}{size:12.6f} THz"
        f"{2 * np.pi * size:13.6f} 2PiTHz{_CM_PER_THZ * size:12.6f} cm-1"
        f"{_MEV_PER_THZ * size:13.6f} meV"
    )


def _joined(values: Iterable[float], width: int) -> str:
    return "".join(f"{value:{width}.6f}" for value in values)


def format_vasprun(modes: Modes) -> str:
    """Return ``<dynmat>`` as VASP 5 writes it: eV/Angstrom^2/amu, without a unit."""
    return (
        "  <dynmat>\n"
        + _rows("hessian", modes.matrix)
        + f'   <v name="eigenvalues">{_wide(modes.eigenvalues)} </v>\n'
        + _rows("eigenvectors", modes.vectors)
        + "  </dynmat>\n"
    )


def _rows(name: str, rows: FloatArray) -> str:
    body = "".join(f"    <v>{_wide(row)} </v>\n" for row in rows)
    return f'   <varray name="{name}" >\n{body}   </varray>\n'


def _wide(values: Iterable[float]) -> str:
    return "".join(f"{value:17.8f}" for value in values)
