"""Spin in the xTB engine: parity of isolated molecules, moments of both signs, moments of atoms."""

import json
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from heterofire.launchers.engines.poscars import Poscar
from heterofire.launchers.engines.run import run_engine
from heterofire.launchers.engines.spins import moment_report, unpaired_electrons
from heterofire.launchers.engines.tags import Settings
from heterofire.launchers.engines.xtb import XtbPotential

INCAR = "ISMEAR = -1\nSIGMA = 0.0862\nEDIFF = 1E-6\n"


def boxed(name, box=12.0):
    atoms = molecule(name) if isinstance(name, str) else name
    atoms.set_cell([box] * 3)
    atoms.pbc = True
    atoms.center()
    return atoms


def write_folder(path, atoms, incar, spec=""):
    atoms.write(path / "POSCAR", format="vasp", vasp5=True)
    (path / "INCAR").write_text(INCAR + incar)
    (path / "KPOINTS").write_text("gamma\n0\nGamma\n1 1 1\n")
    if spec:
        (path / "POTCAR.spec").write_text(spec)
    return path


@pytest.mark.parametrize(
    ("name", "incar", "spec", "message"),
    [
        ("CH3", "IDIPOL = 4\n", "", "7 valence electrons, an odd number.*Set ISPIN = 2"),
        ("CH3", "LMONO = T\nISPIN = 1\n", "", "7 valence electrons, an odd number"),
        ("H2O", "NELECT = 9\nLMONO = T\n", "O\nH\n", "9 valence electrons, an odd number"),
        (Atoms("Li"), "IDIPOL = 4\n", "", "1 valence electrons, an odd number"),
        ("CH3", "IDIPOL = 4\nISPIN = 2\nMAGMOM = 2 3*0\n", "", "sums to 2 .* allow 1, 3, 5"),
        ("H2O", "IDIPOL = 4\nISPIN = 2\nMAGMOM = 1 2*0\n", "", "sums to 1 .* allow 0, 2, 4"),
        (Atoms("Li"), "IDIPOL = 4\nISPIN = 2\nMAGMOM = 3\n", "", "sums to 3"),
        ("CH3", "IDIPOL = 4\nISPIN = 2\nNUPDOWN = 2\n", "", "NUPDOWN = 2 .* odd"),
    ],
)
def test_electrons_and_spin_that_do_not_go_together_are_refused(
    tmp_path, capsys, name, incar, spec, message
):
    folder = write_folder(tmp_path, boxed(name), incar, spec)
    assert run_engine("xtb", folder) == 1
    assert re.search(message, capsys.readouterr().err)
    assert json.loads((folder / "engine.json").read_text())["status"] == "refused"


def test_a_cell_with_an_odd_number_of_electrons_is_no_molecule(tmp_path):
    folder = write_folder(tmp_path, boxed("CH3", 8.0), "ISPIN = 1\n")
    assert run_engine("xtb", folder) == 0
    assert "odd number" in json.loads((folder / "engine.json").read_text())["noted"]["ISPIN"]


def test_moments_for_another_number_of_atoms_are_refused(tmp_path, capsys):
    folder = write_folder(tmp_path, boxed("CH3"), "IDIPOL = 4\nISPIN = 2\nMAGMOM = 1 0\n")
    assert run_engine("xtb", folder) == 2
    assert "2 numbers for 4 atoms" in capsys.readouterr().err


def test_vasps_default_of_one_on_every_atom_means_the_lowest_moment():
    start = Settings(idipol=4, ispin=2, magmom=(1.0,) * 7)
    assert unpaired_electrons(start, 33) == 1
    assert unpaired_electrons(Settings(idipol=4, ispin=2, magmom=(0.6, 0.0)), 20) == 0


def energies_of_two_hydrogens(moments):
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 5.0]])
    atoms.set_cell([14.0] * 3)
    atoms.center()
    poscar = Poscar(
        comment="H H",
        lattice=np.array(atoms.cell),
        symbols=("H",) * len(moments),
        fractional=atoms.get_scaled_positions()[: len(moments)],
        movable=None,
    )
    settings = Settings(sigma=0.0862, ediff=1e-7, nelm=250, idipol=4, ispin=2, magmom=moments)
    return XtbPotential(poscar, settings, 0, "GFN1-xTB").evaluate(poscar.positions)


def test_a_pulled_bond_with_moments_of_both_signs_is_two_atoms():
    apart, atom = energies_of_two_hydrogens((1.0, -1.0)), energies_of_two_hydrogens((1.0,))
    closed = energies_of_two_hydrogens((0.0, 0.0))
    assert apart.free_energy == pytest.approx(2 * atom.free_energy, abs=2e-3)
    assert closed.free_energy > apart.free_energy + 0.5  # up and down in the same orbital
    moments = apart.spin_populations.sum(axis=2)
    np.testing.assert_allclose(moments[0] - moments[1], [1.0, -1.0], atol=0.01)


def test_turning_all_moments_over_changes_nothing():
    one, other = (energies_of_two_hydrogens(m) for m in ((1.0, -1.0), (-1.0, 1.0)))
    assert one.free_energy == pytest.approx(other.free_energy, abs=1e-6)


def test_engine_json_and_outcar_hold_the_moments_of_the_atoms(tmp_path):
    from pymatgen.io.vasp.outputs import Outcar

    pair = Atoms("OO", positions=[[0, 0, 0], [0, 0, 4.0]])
    incar = "IDIPOL = 4\nISPIN = 2\nLORBIT = 11\nMAGMOM = 2 -2\n"
    folder = write_folder(tmp_path, boxed(pair, 14.0), incar)
    assert run_engine("xtb", folder) == 0
    record = json.loads((folder / "engine.json").read_text())
    assert record["spin"]["lost"] == []
    assert record["spin"]["moments"] == pytest.approx({"O1": 2.0, "O2": -2.0}, abs=0.02)
    assert "first self-consistent field starts" in record["noted"]["MAGMOM"]
    moments = [atom["tot"] for atom in Outcar(folder / "OUTCAR").magnetization]
    assert moments == pytest.approx([2.0, -2.0], abs=0.02)


def test_a_sign_that_was_not_kept_is_reported():
    report = moment_report(["Fe", "Fe", "Fe"], [5, 5, -5], np.array([-3.0, -2.0, -1.0]))
    assert report["lost"] == ["Fe3 was to be -5, is 1"]
