"""Where atoms move, GPAW's field goes on from close by."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import mx2

from heterofire.launchers.engines.gpaw_input import mixing_ladder
from heterofire.launchers.engines.gpaw_moves import take_along

pytestmark = pytest.mark.usefixtures("gpaw")


@pytest.fixture
def bilayer() -> Atoms:
    layer = mx2("MoS2", a=3.18, thickness=3.13, vacuum=0)
    upper = layer.copy()
    upper.translate((0, 0, 6.2))
    both = layer + upper
    both.cell[2], both.pbc = (0, 0, 18.0), True
    return both


def calculator(mode: object = None):
    from gpaw import GPAW

    return GPAW(
        mode=mode or {"name": "pw", "ecut": 200}, basis="szp(dzp)", h=0.25, xc="PBE",
        occupations={"name": "fermi-dirac", "width": 0.1}, symmetry={"point_group": False},
        convergence={"energy": {"name": "energy", "tol": 1e-4, "relative": False}},
        mixer=mixing_ladder(None)[0].parameters, txt=None,
    )  # fmt: skip


def cycles(gpaw, atoms: Atoms) -> int:
    return sum(1 for _ in gpaw.iconverge(atoms, need_wfs=True))


def slid(atoms: Atoms, by: float) -> Atoms:
    """Return the bilayer with its upper layer moved along the plane, in Angstrom."""
    moved = atoms.copy()
    moved.positions[3:, :2] += by
    return moved


def test_a_layer_that_slides_takes_its_electrons_along(bilayer):
    needed = {}
    for way in ("GPAW's", "ours"):
        gpaw = calculator()
        cycles(gpaw, bilayer)
        there = slid(bilayer, 0.3)
        if way == "ours":
            take_along(gpaw, there)
        needed[way] = cycles(gpaw, there), gpaw.get_potential_energy()
    afresh = calculator()
    first = cycles(afresh, slid(bilayer, 0.3))
    assert needed["ours"][0] <= first < needed["GPAW's"][0]
    assert needed["ours"][1] == pytest.approx(needed["GPAW's"][1], abs=1e-4)
    assert needed["ours"][1] == pytest.approx(afresh.get_potential_energy(), abs=1e-4)


def test_functions_are_orthonormal_where_the_atoms_are(bilayer):
    gpaw = calculator()
    cycles(gpaw, bilayer)
    there = slid(bilayer, 0.1)
    take_along(gpaw, there)
    assert all(wfs.orthonormalized for wfs in gpaw.dft.ibzwfs)
    assert np.array_equal(gpaw.atoms.positions, there.positions)


def test_atoms_that_stay_and_atomic_orbitals_are_left_alone(bilayer):
    gpaw = calculator("lcao")
    cycles(gpaw, bilayer)
    take_along(gpaw, slid(bilayer, 0.1))
    assert np.array_equal(gpaw.atoms.positions, bilayer.positions)
    waves = calculator()
    cycles(waves, bilayer)
    before = waves.dft.density
    take_along(waves, bilayer.copy())
    assert waves.dft.density is before
    assert cycles(waves, bilayer.copy()) == 0
