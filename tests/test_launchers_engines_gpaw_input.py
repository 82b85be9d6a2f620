"""What a KPOINTS file means is what GPAW computes."""

import numpy as np
import pytest

from heterofire.launchers.engines.gpaw_input import _kpts
from heterofire.launchers.engines.kpoints import regular_mesh


@pytest.mark.usefixtures("gpaw")
@pytest.mark.parametrize("style", ["Gamma", "Monkhorst-Pack"])
@pytest.mark.parametrize("mesh", [(1, 1, 1), (2, 2, 1), (3, 3, 3), (4, 3, 2)])
def test_meshes_of_periodic_cells_are_those_of_vasp(mesh, style):
    from gpaw.dft import MonkhorstPack

    ours = regular_mesh(mesh, style=style).points
    theirs = MonkhorstPack(**_kpts(regular_mesh(mesh, style=style)))
    from ase import Atoms

    built = theirs.build(Atoms("H", cell=[3, 4, 5], pbc=True)).kpt_Kc
    assert {tuple(k) for k in np.round(built % 1 % 1, 9)} == {
        tuple(k) for k in np.round(ours % 1 % 1, 9)
    }
