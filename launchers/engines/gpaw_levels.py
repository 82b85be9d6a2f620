"""Levels of a GPAW calculation and what atoms and orbitals have of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...structures.errors import EngineError
from .potentials import N_ORBITALS, FloatArray

_FIRST_OF_L = (0, 1, 4)  # columns of s, p and d; GPAW orders m as VASP's files do


def weights(dft: Any) -> FloatArray:
    """Return what each orbital of each atom has of each level, (n_spins, n_k, n_atoms, 9, n_bands).

    LCAO: Mulliken's, which sum to 1 in each band. Plane waves: the squares of the projections onto
    the bound partial waves of the data sets, which leave out what lies between the atoms.

    Parameters
    ----------
    dft
        GPAW's calculation after convergence.
    """
    ibzwfs = dft.ibzwfs
    n_spins, n_kpoints = ibzwfs.nspins, len(ibzwfs.ibz)
    found = np.zeros((n_spins, n_kpoints, len(dft.setups) * N_ORBITALS, ibzwfs.nbands))
    for wfs in ibzwfs:
        of_level = _mulliken(wfs, dft.setups) if hasattr(wfs, "C_nM") else _projected(wfs)
        found[wfs.spin, wfs.k] = of_level
    return found.reshape(n_spins, n_kpoints, len(dft.setups), N_ORBITALS, -1)


def _mulliken(wfs: Any, setups: Any) -> FloatArray:
    """Return C * (S C) summed per orbital of each atom, (n_atoms * 9, n_bands)."""
    c, s = wfs.C_nM.data, wfs.S_MM.data
    # The phase convention of GPAW: C* S C^T is the unit matrix.
    shares = (c.conj() * (c @ s.T)).real.T
    columns = basis_columns(setups)
    found = np.zeros((len(setups) * N_ORBITALS, shares.shape[1]))
    np.add.at(found, columns, shares)
    return found


def basis_columns(setups: Any) -> NDArray[np.int_]:
    """Return atom * 9 + orbital for each basis function, (n_basis,)."""
    columns: list[int] = []
    for atom, setup in enumerate(setups):
        for function in setup.basis_functions_J:
            columns += _columns(atom, int(function.l), setup.symbol)
    return np.array(columns)


def _projected(wfs: Any) -> FloatArray:
    """Return |<p|psi>|^2 of the bound partial waves, (n_atoms * 9, n_bands)."""
    n_bands = wfs.nbands
    found = np.zeros((len(wfs.setups) * N_ORBITALS, n_bands))
    for atom, p_ni in wfs.P_ani.items():
        setup, i = wfs.setups[atom], 0
        for n, l in zip(setup.n_j, setup.l_j, strict=True):  # noqa: E741
            size = 2 * int(l) + 1
            if n > 0:
                columns = _columns(atom, int(l), setup.symbol)
                np.add.at(found, columns, np.abs(p_ni[:, i : i + size].T) ** 2)
            i += size
    return found


def _columns(atom: int, angular_momentum: int, symbol: str) -> range:
    if angular_momentum >= len(_FIRST_OF_L):
        raise EngineError(
            f"{symbol} has f orbitals in GPAW's data set; the projections of this engine end at d"
        )
    first = atom * N_ORBITALS + _FIRST_OF_L[angular_momentum]
    return range(first, first + 2 * angular_momentum + 1)
