"""Density and wave functions of GPAW taken along when its atoms move."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def take_along(calculator: Any, atoms: Any) -> None:
    """Move a calculator's atoms so that its field begins close to the new one.

    GPAW moves plane-wave functions with the partial waves of their atoms, which leaves them not
    orthonormal, and makes the density of them as they are (26.7: `DFT.move_atoms`). That density
    does not hold the electrons: where a layer of MoS2 slid by 0.1 Angstrom the field began 40 eV
    away and took 30 cycles, where a new one takes 16. Here they are made orthonormal in between:
    14 cycles, to the same energy. Alone in a box, an ion's density that lacks electrons is refused
    by GPAW's Poisson solver.

    Parameters
    ----------
    calculator
        GPAW, after a field; one without plane-wave functions is left to do it by itself.
    atoms
        The same atoms, in other places.
    """
    dft = calculator.dft
    is_moved = not np.array_equal(calculator.atoms.positions, atoms.positions)
    if not is_moved or dft.params.mode.name != "pw" or not dft.ibzwfs.has_wave_functions():
        return
    with _orthonormal_when_moved(dft.ibzwfs):
        calculator.move_atoms(atoms)


@contextmanager
def _orthonormal_when_moved(functions: Any) -> Iterator[None]:
    """Have wave functions made orthonormal as soon as they are moved, before their density is."""
    move = functions.move

    def move_both(*places: Any) -> None:
        move(*places)
        functions.orthonormalize()

    functions.move = move_both
    try:
        yield
    finally:
        del functions.move  # the class's own is back
