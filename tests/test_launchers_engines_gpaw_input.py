"""What a KPOINTS file means is what GPAW computes."""

import numpy as np
import pytest

from heterofire.launchers.engines.gpaw_input import _kpts, basis_parameters, with_grid
from heterofire.launchers.engines.kpoints import regular_mesh
from heterofire.launchers.engines.tags import read_settings


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


def energy_between_points(tags: dict[str, str], shift: float) -> tuple[float, tuple[int, ...]]:
    """Return E0 of a layer of nitrogen moved by parts of a step along its normal, and the grid."""
    from ase import Atoms
    from gpaw import GPAW

    lattice = np.diag([3.0, 3.0, 10.0])
    parameters, grid = with_grid(basis_parameters(tags, read_settings(tags)), lattice, (2,))
    layer = Atoms("N", cell=lattice, pbc=(1, 1, 0), positions=[(0, 0, 5 + shift * 10 / grid[2])])
    layer.calc = GPAW(
        **parameters, xc="PBE", kpts=(2, 2, 1), txt=None,
        occupations={"name": "fermi-dirac", "width": 0.3}, convergence={"density": 1e-6},
    )  # fmt: skip
    energy = layer.get_potential_energy()
    return energy, tuple(int(n) for n in layer.calc.dft.density.nt_sR.desc.size_c)


@pytest.mark.usefixtures("gpaw")
def test_a_layer_may_lie_anywhere_between_the_points_of_an_accurate_grid():
    accurate = {"ENCUT": "400", "PREC": "Accurate"}
    coarse = {"ENCUT": "400", "NGX": "16", "NGY": "16", "NGZ": "48"}  # GPAW's own choice
    changes, grids = {}, {}
    for name, tags in (("accurate", accurate), ("coarse", coarse)):
        (on, grid), (between, _) = (energy_between_points(tags, shift) for shift in (0.0, 0.5))
        changes[name], grids[name] = abs(between - on), grid
    assert grids == {"accurate": (18, 18, 56), "coarse": (16, 16, 48)}
    assert changes["accurate"] < 1e-4
    assert changes["coarse"] > 1e-3  # eV for a single atom
