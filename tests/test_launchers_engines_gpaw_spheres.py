import numpy as np
import pytest
from ase import Atoms

from heterofire.launchers.engines.gpaw_spheres import corrections_near_atoms

# Spheres that reach over the cell, and spheres that reach into the vacuum of an open axis.
SYSTEMS = {
    "a small periodic cell": Atoms(
        "LiH", [[0, 0, 0], [0.3, 0.2, 1.7]], cell=[3.0, 3.2, 3.4], pbc=True
    ),
    "an open axis": Atoms("HF", [[1, 1, 2.0], [1, 1.2, 2.9]], cell=[4, 4.5, 5], pbc=[1, 1, 0]),
}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("skip_core", [False, True])
def test_the_density_is_gpaws_own(gpaw, name, skip_core):
    from gpaw import densities
    from gpaw.new.ase_interface import GPAW

    atoms = SYSTEMS[name].copy()
    atoms.calc = GPAW(
        mode={"name": "pw", "ecut": 200}, kpts=(1, 1, 1), txt=None, convergence={"density": 1e-2},
        occupations={"name": "fermi-dirac", "width": 0.2},
    )  # fmt: skip
    atoms.get_potential_energy()
    of = atoms.calc.dft.densities()
    own = of.all_electron_densities(grid_refinement=2, skip_core=skip_core).data
    before = densities.add
    with corrections_near_atoms():
        found = of.all_electron_densities(grid_refinement=2, skip_core=skip_core).data
    assert densities.add is before
    assert own.max() > 0.1
    np.testing.assert_allclose(found, own, rtol=1e-9, atol=1e-9)
