"""Vibrations by the embedded engine: right numbers, VASP's files, ways to end early."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.vasp import Vasp
from ase.io import read
from ase.units import kB
from ase.vibrations import Vibrations
from pymatgen.io.vasp import Oszicar, Vasprun

from heterofire.launchers.engines.folder import read_folder
from heterofire.launchers.engines.run import run_engine
from heterofire.results.parsing import parse_run
from heterofire.structures.errors import EngineError

pytestmark = pytest.mark.filterwarnings("ignore")
GAMMA = "Gamma\n0\nGamma\n1 1 1\n0 0 0\n"
SIGMA = 0.0862
COMMON = f"ISMEAR = -1\nSIGMA = {SIGMA}\nEDIFF = 1E-7\nIDIPOL = 4\n"
VIBRATIONS = "IBRION = 5\nNSW = 1\nNFREE = 2\nPOTIM = 0.015\n"
METHODS = ("GFN1-xTB", "GFN2-xTB")


def write_folder(path, atoms, incar, common=COMMON):
    path.mkdir(parents=True, exist_ok=True)
    atoms.write(path / "POSCAR", format="vasp", direct=True)
    (path / "INCAR").write_text(common + incar)
    (path / "KPOINTS").write_text(GAMMA)
    return path


def boxed(name):
    atoms = molecule(name, cell=[13, 13, 13], pbc=True)
    atoms.center()
    return atoms[atoms.numbers.argsort()]


def wavenumbers(path):
    """Return what OUTCAR lists, read with nothing of ours; imaginary ones negative."""
    lines = [line for line in (path / "OUTCAR").read_text().splitlines() if " THz " in line]
    return np.array([(-1 if "f/i=" in line else 1) * float(line.split()[-4]) for line in lines])


@pytest.fixture(scope="module", params=METHODS)
def method(request):
    return request.param


@pytest.fixture(scope="module")
def relaxed(method, tmp_path_factory):
    """H2 and H2O, relaxed to 1e-3 eV/Angstrom."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HETEROFIRE_XTB_METHOD", method)
        for name in ("H2", "H2O"):
            incar = "IBRION = 2\nNSW = 60\nEDIFFG = -0.001\n"
            path = write_folder(tmp_path_factory.mktemp("relaxed"), boxed(name), incar)
            assert run_engine("xtb", path) == 0
            found[name] = read(path / "CONTCAR")
    return found


@pytest.fixture(scope="module")
def vibrate(method, tmp_path_factory):
    """Run the engine on the vibrations of some atoms and return the folder."""

    def run(atoms, incar=VIBRATIONS, common=COMMON):
        path = write_folder(tmp_path_factory.mktemp("vibrations"), atoms, incar, common)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HETEROFIRE_XTB_METHOD", method)
            assert run_engine("xtb", path) == 0
        return path

    return run


@pytest.fixture(scope="module")
def water(relaxed, vibrate):
    return vibrate(relaxed["H2O"])


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """H2O whose oxygen is held, by GFN1-xTB."""
    atoms = boxed("H2O")
    path = write_folder(tmp_path_factory.mktemp("held"), atoms, VIBRATIONS)
    lines = (path / "POSCAR").read_text().splitlines()
    start = lines.index("Direct")
    rows = [f"{line}  {'F F F' if i == 2 else 'T T T'}" for i, line in enumerate(lines[-3:])]
    lines[start:] = ["Selective dynamics", "Direct", *rows]
    (path / "POSCAR").write_text("\n".join(lines) + "\n")
    assert run_engine("xtb", path) == 0
    return path


def test_hydrogen_has_one_stretch(relaxed, vibrate):
    found = wavenumbers(vibrate(relaxed["H2"]))
    # 4401 1/cm without anharmonicity (Huber and Herzberg, 1979); GFN1 gives 5014, GFN2 3758
    assert 3600 < found[0] < 5200
    assert np.abs(found[1:]).max() < 100


def test_water_has_two_stretches_and_a_bend(water):
    found = wavenumbers(water)
    assert len(found) == 9
    assert (np.diff(found) < 0).all()
    assert ((found[:2] > 3400) & (found[:2] < 3900)).all()
    assert 1300 < found[2] < 1800
    assert np.abs(found[3:]).max() < 100


def test_a_free_molecule_has_three_translations_at_zero(water):
    assert np.sort(np.abs(wavenumbers(water)))[:3].max() < 2


def test_a_finer_stencil_brings_the_rotations_to_zero_as_well(relaxed, vibrate):
    found = wavenumbers(vibrate(relaxed["H2O"], VIBRATIONS.replace("NFREE = 2", "NFREE = 4")))
    assert np.abs(found[3:]).max() < 15


@pytest.mark.parametrize("name", ["H2", "H2O"])
def test_frequencies_are_those_of_ase_on_the_same_calculator(
    name, method, relaxed, vibrate, tmp_path
):
    from tblite.ase import TBLite

    atoms = relaxed[name].copy()
    atoms.pbc = False
    atoms.cell = None
    atoms.calc = TBLite(
        method=method, electronic_temperature=SIGMA / kB, accuracy=1e-3, verbosity=0
    )
    theirs = Vibrations(atoms, name=str(tmp_path / "vib"), delta=0.015, nfree=2)
    theirs.run()
    complex_ones = theirs.get_frequencies()
    expected = np.sort(np.where(complex_ones.imag > 0, -complex_ones.imag, complex_ones.real))
    np.testing.assert_allclose(np.sort(wavenumbers(vibrate(relaxed[name]))), expected, atol=2)


def test_an_atom_that_is_held_does_not_vibrate(held):
    run = parse_run(held)
    assert run.vibrations.vectors.shape == (6, 3, 3)
    assert not run.vibrations.vectors[:, 2].any()
    np.testing.assert_allclose((run.vibrations.vectors**2).sum(axis=(1, 2)), 1, atol=1e-5)
    assert run.n_ionic_steps == 1 + 2 * 6


def test_flags_are_along_the_axes_as_in_vasp(held, tmp_path):
    for name in ("INCAR", "KPOINTS", "POSCAR"):
        (tmp_path / name).write_text((held / name).read_text().replace("T T T", "F T F"))
    assert run_engine("xtb", tmp_path) == 0
    found = parse_run(tmp_path).vibrations
    assert found.vectors.shape == (2, 3, 3)
    assert not found.vectors[..., [0, 2]].any()


def test_pymatgen_reads_modes_with_vasps_sign_and_unit(water):
    run = Vasprun(water / "vasprun.xml")
    thz = np.sqrt(-run.normalmode_eigenvals[:3]) * 15.633302
    np.testing.assert_allclose(thz * 33.35641, wavenumbers(water)[:3], rtol=1e-5)
    assert run.force_constants.shape == (3, 3, 3, 3)
    assert run.normalmode_eigenvecs.shape == (9, 3, 3)
    np.testing.assert_allclose(
        run.normalmode_eigenvecs, parse_run(water).vibrations.vectors, atol=1e-6
    )
    np.testing.assert_allclose(
        run.final_structure.frac_coords, run.initial_structure.frac_coords, atol=1e-9
    )


def test_ase_reads_frequencies_and_hessian(water):
    theirs = Vasp(directory=str(water))
    real, imaginary = theirs.read_vib_freq()
    found = wavenumbers(water)
    np.testing.assert_allclose(real, found[found >= 0] / 8.065544, rtol=1e-5, atol=1e-5)
    assert len(imaginary) == (found < 0).sum()
    theirs.atoms = read(water / "POSCAR")
    theirs.sort = list(range(3))
    energies = theirs.get_vibrations().get_energies()
    np.testing.assert_allclose(energies.real.max() * 8065.544, found[0], atol=0.1)


def test_outcar_holds_the_derivatives_of_the_forces_before_the_modes(water):
    table = (water / "OUTCAR").read_text().split("SECOND DERIVATIVES (NOT SYMMETRIZED)")[1]
    lines = table.split("Eigenvectors")[0].splitlines()[2:12]
    assert lines[0].split()[:4] == ["1X", "1Y", "1Z", "2X"]
    found = np.array([[float(word) for word in line.split()[1:]] for line in lines[1:]])
    np.testing.assert_allclose(found, found.T, atol=0.05)
    assert (np.diag(found) < 1e-6).all()
    # Whatever is displaced, the forces on all atoms sum to zero.
    np.testing.assert_allclose(found[:, 0::3].sum(axis=1), 0, atol=1e-4)


def test_each_displacement_is_a_step_and_contcar_is_the_geometry_itself(water):
    assert len(Oszicar(water / "OSZICAR").ionic_steps) == 1 + 2 * 9
    start, end = read(water / "POSCAR"), read(water / "CONTCAR")
    np.testing.assert_allclose(end.positions, start.positions, atol=1e-12)


def test_the_record_holds_the_geometry_itself_not_the_last_displacement(water, relaxed):
    run = parse_run(water)
    assert (run.status, run.reasons) == ("converged", ())
    np.testing.assert_allclose(run.structure.cart_coords, relaxed["H2O"].positions, atol=1e-8)
    assert run.max_force < 0.005
    assert run.e0 == pytest.approx(min(s["E0"] for s in Oszicar(water / "OSZICAR").ionic_steps))


def test_engine_json_says_that_the_displacement_was_obeyed(water):
    report = json.loads((water / "engine.json").read_text())
    assert report["status"] == "vibrations"
    assert report["honoured"]["POTIM"] == "0.015"
    assert "NFREE" not in report["noted"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("IBRION = 5", "IBRION = 6", "neither molecular dynamics .* for vibrations use 5"),
        ("IBRION = 5", "IBRION = 7", "linear response"),
        ("IBRION = 5", "IBRION = 8", "linear response"),
        ("NFREE = 2", "NFREE = 1", "Set NFREE = 2"),
        ("NFREE = 2\n", "", "NFREE = 0 .* Set NFREE = 2"),
        ("NSW = 1", "NSW = 0", "Set NSW = 1"),
        ("POTIM = 0.015", "POTIM = 0.5", "displacement in Angstrom .* Set POTIM = 0.015"),
        ("POTIM = 0.015", "POTIM = 0", "above 0"),
        ("NFREE = 2", "NFREE = 2\nIMAGES = 3", "IMAGES"),
    ],
    ids=["6", "7", "8", "one-sided", "no NFREE", "no step", "long", "zero", "band"],
)
def test_what_gives_no_vibrations_is_refused_with_the_remedy(tmp_path, old, new, message):
    path = write_folder(tmp_path, boxed("H2"), VIBRATIONS.replace(old, new))
    with pytest.raises(EngineError, match=message):
        read_folder(path, "xtb")


def test_vibrations_of_nothing_are_refused(held, tmp_path):
    for name in ("INCAR", "KPOINTS", "POSCAR"):
        (tmp_path / name).write_text((held / name).read_text().replace("T T T", "F F F"))
    with pytest.raises(EngineError, match="hold every atom"):
        read_folder(tmp_path, "xtb")


def test_the_displacement_is_vasps_default_where_incar_has_none(tmp_path):
    incar = VIBRATIONS.replace("POTIM = 0.015\n", "")
    assert read_folder(write_folder(tmp_path, boxed("H2"), incar), "xtb").settings.potim == 0.015


def test_stopcar_ends_between_displacements_and_leaves_no_frequencies(tmp_path):
    path = write_folder(tmp_path, boxed("H2O"), VIBRATIONS)
    (path / "STOPCAR").write_text("LSTOP = .TRUE.\n")
    assert run_engine("xtb", path) == 0
    assert json.loads((path / "engine.json").read_text())["status"] == "stopped"
    run = parse_run(path)
    assert run.vibrations is None
    assert run.status == "unconverged"
    assert [reason.split(":")[0] for reason in run.reasons] == ["stopped", "vibrations"]


def test_sigterm_leaves_no_end_marks_and_the_geometry_in_contcar(tmp_path):
    atoms = molecule("C6H6", cell=[16, 16, 13], pbc=True)
    atoms.center()
    path = write_folder(tmp_path, atoms[atoms.numbers.argsort()], VIBRATIONS)
    code = (
        "import sys, pathlib; from heterofire.launchers.engines.run import run_engine;"
        "sys.exit(run_engine('xtb', pathlib.Path('.')))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    oszicar = path / "OSZICAR"
    while not (oszicar.exists() and oszicar.read_text().count("E0=") >= 3):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 143
    assert "</modeling>" not in (path / "vasprun.xml").read_text()
    assert json.loads((path / "engine.json").read_text())["status"] == "ended by SIGTERM"
    np.testing.assert_allclose(
        read(path / "CONTCAR").positions, read(path / "POSCAR").positions, atol=1e-12
    )
