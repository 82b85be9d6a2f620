"""Vibrations: read from VASP's files, checked against each other, kept in the store."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from heterofire.launchers.engines.run import run_engine
from heterofire.results.convergence import unconverged_reasons
from heterofire.results.outcar_modes import read_modes
from heterofire.results.parsing import parse_run
from heterofire.results.records import Vibrations
from heterofire.structures.errors import RunError

PATH = Path("OUTCAR")
# VASP writes 0 where an atom is held, and f/i= without a space before its number.
MODES = """ Eigenvectors and eigenvalues of the dynamical matrix
 ----------------------------------------------------


   1 f  =   51.000000 THz   320.442451 2PiTHz 1701.176886 cm-1   210.919105 meV
             X         Y         Z           dx          dy          dz
      0.000000 -1.000000 10.000000            0           0    0.600000
    -10.000000-11.000000 12.000000            0           0   -0.800000

   2 f/i=    1.500000 THz     9.424778 2PiTHz   50.034614 cm-1     6.203501 meV
             X         Y         Z           dx          dy          dz
      0.000000 -1.000000 10.000000            0           0    0.800000
    -10.000000-11.000000 12.000000            0           0    0.600000

"""
REPEATED = MODES + " Eigenvectors after division by SQRT(mass)\n\n" + MODES


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of the embedded engine on the vibrations of H2."""
    path = tmp_path_factory.mktemp("H2")
    atoms = molecule("H2", cell=[12, 12, 12], pbc=True)
    atoms.center()
    atoms.write(path / "POSCAR", format="vasp", direct=True)
    incar = "ISMEAR = -1\nSIGMA = 0.0862\nEDIFF = 1E-6\nIDIPOL = 4\n"
    (path / "INCAR").write_text(f"{incar}IBRION = 5\nNSW = 1\nNFREE = 2\n")
    (path / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")
    assert run_engine("xtb", path) == 0
    return path


def changed(folder, tmp_path, name, old, new):
    """Copy a folder and change a file in it."""
    for file in folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    return tmp_path


@pytest.mark.parametrize("text", [MODES, REPEATED], ids=["once", "repeated by NWRITE = 3"])
def test_modes_are_read_as_vasp_writes_them(text):
    found = read_modes(PATH, text.encode(), n_atoms=2)
    assert found.wavenumbers.tolist() == [1701.176886, -50.034614]
    assert found.imaginary == (50.034614,)
    assert found.vectors[..., 2].tolist() == [[0.6, -0.8], [0.8, 0.6]]
    assert not found.vectors[..., :2].any()


def test_an_outcar_without_modes_has_none():
    assert read_modes(PATH, b"General timing", n_atoms=2) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("   2 f/i", "   3 f/i", "gaps"),
        ("1701.176886", "***********", "damaged"),
        ("1701.176886", "        NaN", "NaN"),
        ("-0.800000", "*********", "six numbers"),
        ("    -10.000000-11.000000 12.000000            0           0    0.600000\n\n", "", "six"),
    ],
    ids=["gap", "overflow", "NaN", "overflow in a vector", "cut"],
)
def test_damaged_modes_are_refused(old, new, message):
    with pytest.raises(RunError, match=message):
        read_modes(PATH, MODES.replace(old, new).encode(), n_atoms=2)


def test_two_files_with_other_frequencies_are_refused(folder, tmp_path):
    eigenvalues = (folder / "vasprun.xml").read_text().split('name="eigenvalues">')[1]
    stiffest = eigenvalues.split(maxsplit=1)[0]
    old = f'name="eigenvalues">{eigenvalues.partition(stiffest)[0]}{stiffest}'
    path = changed(folder, tmp_path, "vasprun.xml", old, 'name="eigenvalues"> -1.0')
    with pytest.raises(RunError, match="not of the same run"):
        parse_run(path)


def test_too_few_modes_are_refused(folder, tmp_path):
    last = (folder / "OUTCAR").read_text().index("   6 f")
    path = changed(folder, tmp_path, "OUTCAR", (folder / "OUTCAR").read_text()[last:][:90], "\n")
    with pytest.raises(RunError, match="5 vibrations, but 6 coordinates were free"):
        parse_run(path)


def test_without_outcar_the_vibrations_are_missing_and_it_is_said(folder, tmp_path):
    path = changed(folder, tmp_path, "OUTCAR", "\n", "\n")
    (path / "OUTCAR").unlink()
    run = parse_run(path)
    assert run.vibrations is None
    assert run.reasons == ("vibrations: OUTCAR is not there, or lists no normal modes",)


@pytest.mark.parametrize("ibrion", [5, 6])
def test_one_displacement_without_self_consistency_spoils_them_all(ibrion):
    parameters = {"IBRION": ibrion, "NSW": 1, "NELM": 60}
    reasons = unconverged_reasons(parameters, electronic_steps=[9, 60, 9], has_modes=True)
    assert reasons == ("electronic: a displacement used all of NELM = 60 steps",)
    assert not unconverged_reasons(parameters, electronic_steps=[9, 12, 9], has_modes=True)


def test_vibrations_come_back_from_the_store_as_they_went_in(store, label, folder):
    run = parse_run(folder)
    store.add_run("k1", label, run)
    back = store.get_run("k1").vibrations
    assert np.array_equal(back.wavenumbers, run.vibrations.wavenumbers)
    assert np.array_equal(back.vectors, run.vibrations.vectors)


def test_a_run_without_vibrations_is_stored_as_before(store, label, full_run):
    """Databases of versions without vibrations hold exactly such rows."""
    store.add_run("k1", label, full_run)
    assert store.get_run("k1").vibrations is None
    assert not any("vibrations" in array["name"] for array in stored_arrays(store))


def test_damaged_vibrations_are_noticed(store, label, full_run):
    vibrations = Vibrations(wavenumbers=np.array([np.nan]), vectors=np.zeros((1, 3, 3)))
    with pytest.raises(RunError, match=r"vibrations\.wavenumbers holds NaN"):
        store.add_run("k1", label, replace(full_run, vibrations=vibrations))


def stored_arrays(store):
    import sqlite3

    with sqlite3.connect(store.name) as connection:
        return [{"name": name} for (name,) in connection.execute("select name from arrays")]
