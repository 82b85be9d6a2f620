"""Run folders computed by the engine, read back as VASP's own."""

import json
import warnings
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule, mx2
from ase.calculators.vasp import VaspDos
from ase.io import read
from ase.units import kB
from pymatgen.electronic_structure.core import OrbitalType
from pymatgen.io.vasp import Oszicar, Outcar, Poscar, Vasprun

from heterofire.launchers.engines.poscars import read_poscar
from heterofire.launchers.engines.run import run_engine
from heterofire.launchers.engines.tags import Settings
from heterofire.launchers.engines.writing import Label, RunFiles

pytestmark = pytest.mark.filterwarnings("ignore")
GAMMA = "Gamma\n0\nGamma\n1 1 1\n0 0 0\n"
COMMON = "SYSTEM = é < & test\nISMEAR = -1\nSIGMA = 0.0862\nEDIFF = 1E-6\nENCUT = 400\n"


def write_folder(path, atoms, incar, **files):
    path.mkdir(parents=True, exist_ok=True)
    atoms.write(path / "POSCAR", format="vasp", direct=True, vasp5=True)
    (path / "INCAR").write_text(COMMON + incar)
    (path / "KPOINTS").write_text(GAMMA)
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return path


def vasprun(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Vasprun(path / "vasprun.xml", parse_dos=True, parse_eigen=True)


def water():
    atoms = molecule("H2O", cell=[9, 9, 9], pbc=True)
    atoms.center()
    atoms.positions[1] += [0.05, -0.08, 0.1]
    return atoms


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """2x2 MoS2, single point with projected DOS."""
    atoms = mx2("MoS2", a=3.16, thickness=3.13, size=(2, 2, 1), vacuum=8.0)
    atoms.pbc = True
    atoms.rattle(0.03, seed=1)
    incar = "NSW = 0\nLORBIT = 11\nNEDOS = 401\nEMIN = -25\nEMAX = 5\nENCTU = 3\nLCHARG = .TRUE.\n"
    path = write_folder(tmp_path_factory.mktemp("static"), atoms[atoms.numbers.argsort()], incar)
    assert run_engine("xtb", path) == 0
    return path


@pytest.fixture(scope="module")
def relaxed(tmp_path_factory):
    """A water molecule with spin, relaxed."""
    incar = "NSW = 60\nIBRION = 2\nEDIFFG = -0.02\nISPIN = 2\nLORBIT = 10\n"
    path = write_folder(tmp_path_factory.mktemp("relaxed"), water(), incar)
    assert run_engine("xtb", path) == 0
    return path


def test_the_folder_holds_the_numbers_of_a_plain_script(static):
    from tblite.ase import TBLite

    atoms = read(static / "POSCAR")
    atoms.calc = TBLite(method="GFN1-xTB", electronic_temperature=0.0862 / kB, verbosity=0)
    step = vasprun(static).ionic_steps[-1]
    assert step["e_fr_energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(step["forces"], atoms.get_forces(), atol=1e-4)


def test_all_files_agree_on_the_energies(static):
    step, outcar = vasprun(static).ionic_steps[-1], Outcar(static / "OUTCAR")
    oszicar = Oszicar(static / "OSZICAR").ionic_steps[-1]
    assert step["e_fr_energy"] == pytest.approx(outcar.final_fr_energy, abs=1e-7)
    assert step["e_wo_entrp"] == pytest.approx(outcar.final_energy_wo_entrp, abs=1e-7)
    assert step["e_0_energy"] == pytest.approx(outcar.final_energy, abs=1e-7)
    assert (oszicar["F"], oszicar["E0"]) == pytest.approx(
        (step["e_fr_energy"], step["e_0_energy"]), abs=1e-6
    )
    mean = (step["e_fr_energy"] + step["e_wo_entrp"]) / 2
    assert step["e_0_energy"] == pytest.approx(mean, abs=1e-7)


def test_pymatgen_finds_a_converged_run_of_an_honest_method(static):
    run = vasprun(static)
    assert run.converged
    assert run.generator["program"].lower() == "heterofire-xtb"  # pymatgen capitalizes it
    assert run.run_type == "GFN1-XTB"
    assert run.final_energy == pytest.approx(run.ionic_steps[-1]["e_0_energy"], abs=1e-7)
    assert "not a vasp output" in (static / "OUTCAR").read_text().splitlines()[0].lower()


def test_the_projected_densities_sum_to_the_total(static):
    dos = vasprun(static).complete_dos
    total = sum(dos.densities.values())
    parts = sum(d for e in dos.get_element_dos().values() for d in e.densities.values())
    np.testing.assert_allclose(parts, total, atol=1e-4)
    d_states = dos.get_element_spd_dos("Mo")[OrbitalType.d].densities
    assert max(map(max, d_states.values())) > 1


def test_levels_and_dos_count_the_same_electrons(static):
    run = vasprun(static)
    levels = next(iter(run.eigenvalues.values()))[0]
    assert 2 * levels[:, 1].sum() == pytest.approx(run.parameters["NELECT"], abs=1e-3)
    below = np.interp(run.efermi, run.idos.energies, next(iter(run.idos.densities.values())))
    assert below == pytest.approx(run.parameters["NELECT"], abs=0.1)


def test_doscar_holds_the_same_densities(static):
    dos, run = VaspDos(str(static / "DOSCAR"), efermi=0.0), vasprun(static)
    np.testing.assert_allclose(dos.energy, run.tdos.energies, atol=1e-4)
    np.testing.assert_allclose(dos.dos, sum(run.tdos.densities.values()), atol=1e-4)
    assert dos.site_dos(0, "dz2").max() > 0


def test_outcar_has_mulliken_populations_that_sum_to_nelect(static):
    outcar = Outcar(static / "OUTCAR")
    assert len(outcar.charge) == 12
    total = sum(atom["tot"] for atom in outcar.charge)
    assert total == pytest.approx(outcar.nelect, abs=0.01)
    assert outcar.charge[-1]["d"] > 3  # Mo


def test_ase_reads_the_outputs_too(static):
    from_xml, from_outcar = read(static / "vasprun.xml"), read(static / "OUTCAR")
    assert from_xml.get_potential_energy() == pytest.approx(
        from_outcar.get_potential_energy(), abs=1e-6
    )
    np.testing.assert_allclose(from_xml.get_forces(), from_outcar.get_forces(), atol=1e-5)
    assert list(from_outcar.symbols) == list(read(static / "POSCAR").symbols)


def test_our_own_strict_parser_takes_the_folder(static):
    from heterofire.results.parsing import is_complete, parse_run

    run = parse_run(static)
    assert is_complete(static)
    assert run.status == "converged"
    assert run.settings.method.startswith("GFN1-xTB")
    assert run.charge == pytest.approx(0.0, abs=1e-4)


def test_engine_json_says_how_each_tag_was_taken(static):
    record = json.loads((static / "engine.json").read_text())
    assert (record["engine"], record["method"]) == ("xtb", "GFN1-xTB")
    assert record["temperature_K"] == pytest.approx(0.0862 / kB, abs=0.01)
    assert record["honoured"]["NEDOS"] == "401"
    assert record["noted"]["ENCUT"] == "no plane waves in this method; sets the grid of densities"
    assert record["noted"]["ENCTU"] == "unknown tag"
    assert record["honoured"]["LCHARG"] == ".TRUE."
    assert record["status"] == "static"


def test_a_relaxation_ends_below_its_threshold_and_says_so(relaxed):
    run = vasprun(relaxed)
    forces = np.array(run.ionic_steps[-1]["forces"])
    assert np.linalg.norm(forces, axis=1).max() < 0.02
    assert run.converged
    assert "reached required accuracy" in (relaxed / "OUTCAR").read_text()
    energies = [step["e_fr_energy"] for step in run.ionic_steps]
    assert energies[-1] < energies[0] - 0.05


def test_contcar_is_the_geometry_of_the_last_energy(relaxed):
    contcar = Poscar.from_file(relaxed / "CONTCAR").structure
    final = vasprun(relaxed).final_structure
    np.testing.assert_allclose(contcar.cart_coords, final.cart_coords, atol=1e-8)
    bonds = [contcar.get_distance(0, i) for i in (1, 2)]
    assert bonds == pytest.approx([0.95, 0.95], abs=0.03)


def test_a_run_with_spin_has_two_channels_and_a_moment_of_zero(relaxed):
    run, outcar = vasprun(relaxed), Outcar(relaxed / "OUTCAR")
    assert len(run.eigenvalues) == 2
    assert outcar.spin
    assert outcar.total_mag == pytest.approx(0.0, abs=1e-6)
    assert len(outcar.magnetization) == 3
    assert Oszicar(relaxed / "OSZICAR").ionic_steps[-1]["mag"] == 0.0
    dos = VaspDos(str(relaxed / "DOSCAR"))
    np.testing.assert_allclose(dos.site_dos(0, "s+"), dos.site_dos(0, "s-"), atol=1e-5)


def test_progress_is_one_line_per_ionic_step(tmp_path, capfd):
    folder = write_folder(tmp_path, water(), "NSW = 4\nIBRION = 2\nEDIFFG = -1E-6\n")
    assert run_engine("xtb", folder) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all("E0=" in line and "fmax=" in line for line in lines)


def test_a_relaxation_out_of_steps_is_complete_but_unconverged(tmp_path):
    folder = write_folder(tmp_path, water(), "NSW = 3\nIBRION = 1\nEDIFFG = -1E-6\n")
    assert run_engine("xtb", folder) == 0
    run = vasprun(folder)
    assert not run.converged_ionic
    assert "reached required accuracy" not in (folder / "OUTCAR").read_text()
    assert json.loads((folder / "engine.json").read_text())["status"] == "unconverged"


def test_a_positive_ediffg_ends_on_the_energy_change(tmp_path):
    folder = write_folder(tmp_path, water(), "NSW = 40\nIBRION = 2\nEDIFFG = 0.05\n")
    assert run_engine("xtb", folder) == 0
    energies = [step["e_fr_energy"] for step in vasprun(folder).ionic_steps]
    assert abs(energies[-1] - energies[-2]) < 0.05
    assert all(abs(a - b) >= 0.05 for a, b in pairwise(energies[:-1]))


def test_frozen_directions_stay_and_the_others_move(tmp_path):
    folder = write_folder(tmp_path, water(), "NSW = 30\nIBRION = 2\nEDIFFG = -0.02\n")
    start = Poscar.from_file(folder / "POSCAR")
    flags = [[False] * 3, [True, False, True], [True] * 3]
    Poscar(start.structure, selective_dynamics=flags).write_file(folder / "POSCAR")
    assert run_engine("xtb", folder) == 0
    final = Poscar.from_file(folder / "CONTCAR")
    moved = np.abs(final.structure.frac_coords - start.structure.frac_coords)
    assert moved[~np.array(flags)].max() < 1e-12
    assert moved[np.array(flags)].max() > 1e-3
    assert np.array(final.selective_dynamics).tolist() == flags
    flagged = vasprun(folder).final_structure.site_properties["selective_dynamics"]
    assert list(flagged[1]) == flags[1]


def test_a_charged_cell_with_images_is_refused(tmp_path, capsys):
    folder = write_folder(tmp_path, water(), "NELECT = 7\n", POTCAR_spec="O\nH\n")
    assert run_engine("xtb", folder) == 1
    assert "NELECT asks for a charge of +1 e in a periodic cell" in capsys.readouterr().err


def test_a_charged_molecule_keeps_its_charge(tmp_path):
    incar = "NELECT = 7\nIDIPOL = 4\nISPIN = 2\n"
    folder = write_folder(tmp_path, water(), incar, POTCAR_spec="O\nH\n")
    assert run_engine("xtb", folder) == 0
    assert vasprun(folder).parameters["NELECT"] == pytest.approx(7.0)
    assert sum(atom["tot"] for atom in Outcar(folder / "OUTCAR").charge) == pytest.approx(
        7, abs=1e-3
    )


@pytest.mark.parametrize(
    ("incar", "code", "word"),
    [
        ("ISIF = 3\n", 1, "ISIF"),
        ("LDAU = T\n", 1, "LDAU"),
        ("NSW = 5\n", 1, "IBRION"),
        ("NSW = a few\n", 2, "NSW"),
        ("NELECT = 9\n", 2, "POTCAR"),
    ],
)
def test_a_refused_folder_ends_with_a_code_and_the_tag_and_no_outputs(
    tmp_path, capfd, incar, code, word
):
    folder = write_folder(tmp_path, water(), incar)
    assert run_engine("xtb", folder) == code
    assert word in capfd.readouterr().err
    assert not (folder / "vasprun.xml").exists()


def test_a_refusal_is_kept_in_engine_json(tmp_path):
    folder = write_folder(tmp_path, water(), "LSORBIT = T\n")
    run_engine("xtb", folder)
    record = json.loads((folder / "engine.json").read_text())
    assert record["status"] == "refused"
    assert "LSORBIT" in record["error"]


@pytest.mark.parametrize("name", ["dftb", "XTB"])
def test_an_unknown_engine_is_wrong_usage(tmp_path, capfd, name):
    assert run_engine(name, tmp_path) == 2
    assert "xtb" in capfd.readouterr().err


def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path, capfd):
    assert run_engine("xtb", tmp_path / "nowhere") == 2
    assert "nowhere" in capfd.readouterr().err


def test_an_unknown_method_is_named(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("HETEROFIRE_XTB_METHOD", "GFN9")
    assert run_engine("xtb", write_folder(tmp_path, water(), "")) == 2
    assert "GFN9" in capfd.readouterr().err


def test_gfn2_is_named_in_every_output(tmp_path, monkeypatch):
    monkeypatch.setenv("HETEROFIRE_XTB_METHOD", "GFN2-xTB")
    folder = write_folder(tmp_path, water(), "")
    assert run_engine("xtb", folder) == 0
    assert json.loads((folder / "engine.json").read_text())["method"] == "GFN2-xTB"
    assert "GFN2-xTB" in (folder / "OUTCAR").read_text()
    assert vasprun(folder).generator["subversion"].upper().startswith("GFN2-XTB")


def test_outputs_of_an_earlier_run_are_gone_before_the_first_step(tmp_path, static):
    """An engine that dies in its first step must not leave another run's numbers as its own."""
    names = ("vasprun.xml", "OUTCAR", "OSZICAR", "DOSCAR")
    for name in names:
        (tmp_path / name).write_bytes((static / name).read_bytes())
    poscar = read_poscar(static / "POSCAR")
    label = Label(program="p", version="1", method="m", started=datetime.now(UTC))
    with RunFiles(tmp_path, poscar, Settings(), {}, label, ("S", "Mo")):
        assert not any(
            (tmp_path / name).exists() and (tmp_path / name).stat().st_size for name in names
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the full disk is Linux's /dev/full")
def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, capfd):
    folder = write_folder(tmp_path, water(), "")
    (folder / "OUTCAR").symlink_to("/dev/full")
    assert run_engine("xtb", folder) == 1
    message = capfd.readouterr().err
    assert "OUTCAR" in message
    assert "disk is full" in message
    assert "</modeling>" not in (folder / "vasprun.xml").read_text()


def test_a_folder_it_cannot_write_is_an_error_that_names_the_file(tmp_path, capfd):
    folder = write_folder(tmp_path / "run", water(), "")
    (folder / "OSZICAR").mkdir()  # cannot be opened for writing, whoever runs the tests
    assert run_engine("xtb", folder) == 1
    assert "OSZICAR" in capfd.readouterr().err
