"""Makes a rough band smooth: each image relaxed with the hopping atom held.

Atoms that an ion runs into start with forces of tens of eV/Angstrom, where a band's springs and
tangents mean nothing and its steps go astray. A relaxation has an energy to go by.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .freedom import Freedom
from .hessians import model_hessian
from .poscars import Poscar
from .potentials import Potential
from .searching import QuasiNewton
from .stopping import Stopper

ROUGH = 3.0  # eV/Angstrom: images with larger forces are made smooth first
SMOOTH = 0.3  # eV/Angstrom on the atoms that are not held
MOST_STEPS = 40


def hopping_atom(images: Sequence[Poscar]) -> int:
    """Return the atom that moves most from end to end; the images must be unwrapped."""
    moves = images[-1].positions - images[0].positions
    return int(np.linalg.norm(moves, axis=1).argmax())


def smoothed(potential: Potential, image: Poscar, held: int, stopper: Stopper, name: str) -> Poscar:
    """Return an image whose atoms, but for the held one, are near their minimum.

    An image whose forces are not rough is returned as it is.

    Parameters
    ----------
    potential
        The calculator of this image; it keeps the last wavefunction.
    image
        Where it starts.
    held
        The atom that stays.
    stopper
        Lets signals act between two steps.
    name
        Of the image, for the lines that are printed.
    """
    flags = np.ones((len(image.symbols), 3), dtype=bool)
    movable = flags if image.movable is None else image.movable.copy()
    movable[held] = False
    freedom = Freedom(replace(image, movable=movable))
    x = image.positions
    search = QuasiNewton(freedom.reduce_matrix(model_hessian(image, x)))
    for step in range(1, MOST_STEPS + 1):
        evaluation = potential.evaluate(x)
        force = freedom.largest_force(evaluation.forces)
        if step == 1 and force < ROUGH:
            return image
        sys.stdout.write(
            f"{step:4d} image {name} made smooth, F= {evaluation.free_energy:.4f} "
            f"fmax= {force:.4f}\n"
        )
        sys.stdout.flush()
        stopper.act_on_signals()
        if force < SMOOTH:
            break
        forces, here = freedom.reduce(evaluation.forces), freedom.reduce(x)
        x = x + freedom.expand(search.next_move(here, forces, evaluation.free_energy))
    return replace(image, fractional=np.asarray(np.linalg.solve(image.lattice.T, x.T).T))
