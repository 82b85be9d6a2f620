"""`heterofire engine gpaw` in plane waves: where densities lie, and molecules without images."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from pymatgen.io.vasp.outputs import Chgcar, Elfcar

from heterofire.launchers.engines.gpaw_cells import placement
from heterofire.launchers.engines.gpaw_input import with_grid
from heterofire.launchers.engines.run import run_engine
from heterofire.results.parsing import parse_run
from heterofire.workflows.gpaw_grids import grid_spacing

pytestmark = pytest.mark.usefixtures("gpaw")
COARSE = {"ENCUT": 250, "ISMEAR": -1, "SIGMA": 0.1, "EDIFF": "1E-5", "PREC": "Normal"}
LAYER = COARSE | {"IDIPOL": 3, "LDIPOL": "T", "LCHARG": "T", "LAECHG": "T", "LELF": "T"}
BOND = 0.93
HEIGHT = 8.3  # of the cell; the grid of 250 eV has no step in common with one of 0.2 Angstrom


def layer(height: float) -> Atoms:
    """Return hydrogen fluoride along z, H at a height, in a cell that may have its wall in it."""
    places = [[2, 2, height % HEIGHT], [2, 2, (height + BOND) % HEIGHT]]
    return Atoms("HF", places, cell=[4, 4, HEIGHT], pbc=True)


def computed(path: Path, atoms: Atoms, incar: dict) -> dict:
    """Run a folder; H is the first atom, F the second."""
    path.mkdir(parents=True, exist_ok=True)
    atoms.write(path / "POSCAR", format="vasp", direct=True)
    (path / "INCAR").write_text("".join(f"{tag} = {value}\n" for tag, value in incar.items()))
    (path / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")
    assert run_engine("gpaw", path) == 0
    return json.loads((path / "engine.json").read_text())


@pytest.fixture(scope="module")
def layers(tmp_path_factory) -> dict[float, Path]:
    """The same layer at three heights, once across the wall."""
    folder = tmp_path_factory.mktemp("layers")
    for height in (2.0, 3.137, 7.9):
        computed(folder / str(height), layer(height), LAYER)
    return {height: folder / str(height) for height in (2.0, 3.137, 7.9)}


def above_h(values: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Return heights above H, within half a cell, and the planar mean there."""
    mean = values.mean(axis=(0, 1))
    z = np.arange(len(mean)) * HEIGHT / len(mean) - height
    return (z + HEIGHT / 2) % HEIGHT - HEIGHT / 2, mean


@pytest.mark.parametrize("name", ["CHGCAR", "AECCAR2", "ELFCAR"])
def test_what_lies_on_grids_lies_where_the_atoms_are(layers, name):
    """Half a step of the grid off would be 0.13 Angstrom, the step of ELFCAR is 0.26."""
    tolerance = {"CHGCAR": 0.002, "AECCAR2": 0.01, "ELFCAR": 0.06}[name]
    reader = Elfcar if name == "ELFCAR" else Chgcar
    found = []
    for height, folder in layers.items():
        z, mean = above_h(reader.from_file(str(folder / name)).data["total"], height)
        found.append((z @ mean) / mean.sum())
    np.testing.assert_allclose(found, found[0], atol=tolerance)


def test_the_dipole_of_the_files_is_that_of_the_molecule(layers):
    """Free HF: 1.8 D, 0.37 e A; neighbours at 4 Angstrom take a tenth, 250 eV some more."""
    for height, folder in layers.items():
        z, mean = above_h(Chgcar.from_file(str(folder / "CHGCAR")).data["total"], height)
        electrons = mean * len(mean) / mean.sum() * 8 / len(mean)
        dipole = 7 * BOND - electrons @ z  # e Angstrom; H is at 0
        assert -dipole == pytest.approx(0.31, abs=0.04)


def test_energy_and_forces_of_a_layer_are_those_of_gpaw_used_directly(layers):
    """A dipole layer, no images along c; the atoms in the middle as the engine moves them."""
    from gpaw import GPAW

    atoms = layer(2.0)
    atoms.pbc = (True, True, False)
    lattice, mode = np.array(atoms.cell), {"name": "pw", "ecut": 250}
    parameters, grid = with_grid({"mode": mode, "h": grid_spacing(COARSE)}, lattice, (2,))
    fractional = atoms.get_scaled_positions()
    atoms.set_scaled_positions(placement(fractional, lattice, (2,), grid).positions(fractional))
    atoms.calc = GPAW(
        **parameters,
        xc="PBE",
        occupations={"name": "fermi-dirac", "width": 0.1},
        poissonsolver={"dipolelayer": "xy"},
        convergence={"energy": {"name": "energy", "tol": 1e-6, "relative": False}},
        txt=None,
    )
    run = parse_run(layers[2.0])
    assert run.e0 == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    theirs = atoms.get_forces()
    np.testing.assert_allclose(run.forces, theirs - theirs.mean(axis=0), atol=1e-3)


def test_dispersion_is_of_a_layer_as_a_whole_also_across_the_wall(tmp_path):
    """Two layers of argon, whose attraction (D3) would be lost where the wall cuts between them."""
    found = []
    for height in (3.0, 9.0):
        places = [[2, 2, height], [2, 2, (height + 3.7) % 11.1]]
        atoms = Atoms("Ar2", places, cell=[4, 4, 11.1], pbc=True)
        incar = COARSE | {"IDIPOL": 3, "LDIPOL": "T", "IVDW": 11}
        computed(tmp_path / str(height), atoms, incar)
        found.append(parse_run(tmp_path / str(height)))
    assert found[0].e0 == pytest.approx(found[1].e0, abs=5e-3)  # the grid: 1 meV; cut: 20 meV
    np.testing.assert_allclose(found[0].forces, found[1].forces, atol=5e-3)


def test_a_molecule_does_not_depend_on_its_box(tmp_path):
    """LiH, 5.9 D, whose images would make a difference of 0.020 eV."""
    found = []
    for extra in (0.0, 3.0):
        box = np.array([9.0, 9.3, 10.5]) + extra
        places = [[0, 0, z] + box / 2 for z in (0.8, -0.8)]
        path = tmp_path / str(extra)
        record = computed(path, Atoms("HLi", places, cell=box, pbc=True), COARSE | {"IDIPOL": 4})
        assert record["vacuum_level_ev"] == 0.0
        assert "no periodic images" in (path / "gpaw.log").read_text()
        found.append(parse_run(path).e0)
    assert found[0] == pytest.approx(found[1], abs=0.01)


def test_a_layer_that_crosses_the_wall_goes_on_from_its_checkpoint(tmp_path, capsys):
    moving = COARSE | {"IDIPOL": 3, "NSW": 1, "IBRION": 2}
    computed(tmp_path, layer(0.0005), moving)
    assert computed(tmp_path, layer(HEIGHT - 0.0005), moving)["n_steps"] == 1
    assert "going on from WAVECAR.gpw" in capsys.readouterr().err
