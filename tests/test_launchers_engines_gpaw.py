"""`heterofire engine gpaw`: the same numbers as GPAW used directly, behind VASP's files."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import mx2
from ase.io import read
from pymatgen.io.vasp.outputs import Chgcar, Elfcar, Locpot, Vasprun

from heterofire.launchers.engines.gpaw_cells import open_axes, placement
from heterofire.launchers.engines.gpaw_input import mixing_ladder, occupations, starting_moments
from heterofire.launchers.engines.potentials import GAMMA
from heterofire.launchers.engines.run import run_engine
from heterofire.launchers.engines.tags import Settings
from heterofire.results.parsing import parse_run
from heterofire.structures.errors import EngineError

pytestmark = pytest.mark.usefixtures("gpaw")
GAMMA_ONLY = "Gamma\n0\nGamma\n1 1 1\n0 0 0\n"
COARSE = {"ISMEAR": -1, "SIGMA": 0.1, "EDIFF": "1E-5", "PREC": "Low"}
ISOLATED = COARSE | {"IDIPOL": 4}


def folder_of(path: Path, atoms: Atoms, incar: dict, kpoints: str = GAMMA_ONLY) -> Path:
    """Write a run folder; atoms are sorted by element as VASP has them."""
    path.mkdir(parents=True, exist_ok=True)
    atoms = atoms[np.argsort(atoms.numbers, kind="stable")]
    atoms.pbc = True
    atoms.write(path / "POSCAR", format="vasp", direct=True)
    (path / "INCAR").write_text("".join(f"{tag} = {value}\n" for tag, value in incar.items()))
    (path / "KPOINTS").write_text(kpoints)
    return path


def computed(path: Path) -> dict:
    assert run_engine("gpaw", path) == 0
    return json.loads((path / "engine.json").read_text())


def energies(path: Path) -> tuple[float, float]:
    """Return F and E0 of the last step in OSZICAR, eV."""
    line = (path / "OSZICAR").read_text().splitlines()[-1].split()
    return float(line[2]), float(line[4])


@pytest.fixture(scope="module")
def hf() -> Atoms:
    """Hydrogen fluoride along z, bond 0.93 Angstrom, in a box."""
    return Atoms("HF", [[3, 3, 3.2], [3, 3, 4.13]], cell=[6, 6, 8])


@pytest.fixture(scope="module")
def sheet() -> Atoms:
    return mx2("MoS2", a=3.18, thickness=3.13, vacuum=4.0)


@pytest.fixture(scope="module")
def densities(tmp_path_factory, hf) -> Path:
    """A layer of HF, with every file on a grid."""
    files = {"LCHARG": "T", "LAECHG": "T", "LELF": "T", "LVHAR": "T", "LORBIT": 11}
    incar = COARSE | {"IDIPOL": 3, "LDIPOL": "T"} | files
    path = folder_of(tmp_path_factory.mktemp("hf"), hf, incar)
    computed(path)
    return path


def direct(atoms: Atoms, **parameters) -> Atoms:
    from gpaw import GPAW

    common = {"xc": "PBE", "mode": "lcao", "basis": "dzp", "h": 0.25, "txt": None}
    settings = {
        "occupations": {"name": "fermi-dirac", "width": 0.1},
        "mixer": mixing_ladder(None)[0].parameters,
        "convergence": {
            "energy": {"name": "energy", "tol": 1e-5, "relative": False},
            "density": 1e-4 * 0.1**0.5,
            "eigenstates": 4e-9,
        },
    }
    atoms.calc = GPAW(**(common | settings | parameters))
    return atoms


def test_energy_and_forces_are_those_of_gpaw_used_directly(tmp_path, sheet):
    mesh = "k\n0\nGamma\n3 3 1\n0 0 0\n"
    path = folder_of(tmp_path / "run", sheet, COARSE, mesh)
    computed(path)
    atoms = sheet[np.argsort(sheet.numbers, kind="stable")]
    atoms.pbc = True
    alone = direct(atoms, kpts={"size": (3, 3, 1), "gamma": True})
    assert energies(path) == pytest.approx(
        (alone.get_potential_energy(force_consistent=True), alone.get_potential_energy()), abs=1e-6
    )
    run = parse_run(path)
    theirs = alone.get_forces()
    np.testing.assert_allclose(run.forces, theirs - theirs.mean(axis=0), atol=1e-5)
    assert run.settings.method == "PBE, LCAO dzp, h 0.25 A, 1160 K"


def test_atoms_that_are_symmetric_by_halves_are_computed_at_all_kpoints(tmp_path):
    """As a relaxation leaves them: of the twelve operations eight are within GPAW's tolerance."""
    third, cell = 1 / 3, [3.2, 3.2, 8.0, 90, 90, 120]
    energy = []
    for name, noise in (("exact", 0.0), ("relaxed", 6.8e-8)):
        places = [
            [third - noise / 3, 2 * third - noise, 0.4],
            [2 * third + noise / 3, third + noise, 0.6],
        ]
        layer = Atoms("Be2", scaled_positions=places, cell=cell)
        path = folder_of(tmp_path / name, layer, COARSE, "k\n0\nGamma\n3 3 1\n0 0 0\n")
        remarks = computed(path).get("remarks", [])
        assert ("symmetric up to GPAW's tolerance only" in str(remarks)) == bool(noise)
        energy.append(energies(path)[0])
    assert energy[0] == pytest.approx(
        energy[1], abs=0.005
    )  # the grid of LCAO is none of the layer's


def test_forces_are_the_slope_of_the_energy_along_the_bond_and_none_across(tmp_path, hf):
    incar = ISOLATED | {"EDIFF": "1E-7", "PREC": "Accurate", "IVDW": 11}
    step, energy = 0.01, []
    for sign in (-1, 0, 1):
        moved = hf.copy()
        moved.positions[0, 2] += sign * step  # H
        path = folder_of(tmp_path / str(sign), moved, incar)
        computed(path)
        energy.append(energies(path)[0])
    force = parse_run(tmp_path / "0").forces
    slope = -(energy[2] - energy[0]) / (2 * step)
    assert force[0, 2] == pytest.approx(slope, abs=0.03)
    np.testing.assert_allclose(force[:, :2], 0, atol=0.01)  # along the bond only
    np.testing.assert_allclose(force.sum(axis=0), 0, atol=1e-6)  # no drift


def test_dispersion_of_a_far_pair_is_minus_c6_over_r6(tmp_path):
    """Two argon atoms in a box: D3 alone changes, and falls off with the sixth power."""
    found = []
    for distance in (6.0, 8.0):
        # Nearer by way of the cell than across its wall, where a molecule would be put together.
        pair = Atoms("Ar2", [[3, 3, 3], [3, 3, 3 + distance]], cell=[6, 6, 17.5])
        both = []
        for ivdw in (0, 11):
            path = folder_of(tmp_path / f"{distance}-{ivdw}", pair, ISOLATED | {"IVDW": ivdw})
            computed(path)
            both.append(energies(path)[0])
        found.append(both[1] - both[0])
    assert found[0] < found[1] < 0
    assert found[0] / found[1] == pytest.approx((8 / 6) ** 6, rel=0.25)


def test_files_on_grids_hold_all_electrons_where_the_atoms_are(densities):
    charge = Chgcar.from_file(str(densities / "CHGCAR"))
    assert charge.data["total"].mean() == pytest.approx(8.0, abs=1e-6)  # 1 + 7
    core = Chgcar.from_file(str(densities / "AECCAR0")).data["total"]
    valence = Chgcar.from_file(str(densities / "AECCAR2")).data["total"]
    assert (core + valence).mean() == pytest.approx(10.0, abs=1e-3)
    peak = np.array(np.unravel_index((core + valence).argmax(), core.shape)) / core.shape
    np.testing.assert_allclose(peak * [6, 6, 8], [3, 3, 4.13], atol=0.15)  # F
    elf = Elfcar.from_file(str(densities / "ELFCAR")).data["total"]
    assert elf.min() >= 0
    assert 0.8 < elf.max() <= 1.0


def test_the_potential_steps_by_the_dipole_in_the_vacuum(densities, hf):
    """Both sides of a layer differ by 4 pi p / area, the electron's energy is higher at F."""
    locpot = Locpot.from_file(str(densities / "LOCPOT"))
    levels = locpot.data["total"].mean(axis=(0, 1))
    below, above = levels[2], levels[-3]
    charge = Chgcar.from_file(str(densities / "CHGCAR")).data["total"]
    heights = np.arange(charge.shape[2]) * 8 / charge.shape[2]
    electrons = charge.mean(axis=(0, 1)) / charge.shape[2]
    dipole = 1 * 3.2 + 7 * 4.13 - electrons @ heights  # e Angstrom
    assert dipole < 0
    assert above - below == pytest.approx(-dipole / 36 * 180.951, rel=0.02)


def test_other_readers_find_levels_that_add_up(densities):
    vasprun = Vasprun(str(densities / "vasprun.xml"), parse_potcar_file=False)
    dos = vasprun.complete_dos
    below = dos.energies <= vasprun.efermi
    step = dos.energies[1] - dos.energies[0]
    assert sum(dos.densities.values())[below].sum() * step == pytest.approx(8.0, abs=0.1)
    ours = parse_run(densities)
    assert ours.n_electrons == pytest.approx(8.0)
    assert ours.dos.projection == "Mulliken"
    shares = ours.dos.projected.sum(axis=(0, 1, 2))
    np.testing.assert_allclose(shares, ours.dos.total.sum(axis=0), atol=2e-3)


def test_charges_of_mulliken_sum_to_zero_and_f_is_negative(densities):
    text = (densities / "OUTCAR").read_text()
    lines = text.split("Mulliken charges (e)")[1].splitlines()[1:3]
    of_h, of_f = (float(line.split()[-1]) for line in lines)
    assert of_h + of_f == pytest.approx(0.0, abs=1e-3)
    assert of_f < -0.1


def test_an_atom_is_lowest_with_its_own_moment(tmp_path):
    """Lithium: one unpaired electron, by MAGMOM, by NUPDOWN; none costs energy."""
    atom = Atoms("Li", [[4, 4, 4]], cell=[8, 8, 8])
    spin = {"ISPIN": 2}
    free = folder_of(tmp_path / "free", atom, ISOLATED | spin | {"MAGMOM": 1})
    held = folder_of(tmp_path / "held", atom, ISOLATED | spin | {"NUPDOWN": 1})
    record = computed(free)
    computed(held)
    assert record["spin"]["moments"] == {"Li1": pytest.approx(1.0, abs=0.01)}
    assert energies(free)[1] == pytest.approx(energies(held)[1], abs=2e-3)
    assert parse_run(free).magnetization == pytest.approx(1.0, abs=1e-3)


def test_an_odd_molecule_without_spin_is_refused(tmp_path, capsys):
    path = folder_of(tmp_path, Atoms("Li", [[4, 4, 4]], cell=[8, 8, 8]), ISOLATED)
    assert run_engine("gpaw", path) == 1
    assert "1 valence electrons, an odd number" in capsys.readouterr().err


def test_a_charged_molecule_does_not_depend_on_its_box(tmp_path):
    """F- in two boxes: without images the energy differs by the basis of the grid only."""
    found = []
    for size in (7.0, 9.0):
        atom = Atoms("F", [[size / 2] * 3], cell=[size] * 3)
        path = folder_of(tmp_path / str(size), atom, ISOLATED | {"NELECT": 8})
        (path / "POTCAR.spec").write_text("F\n")
        record = computed(path)
        assert "total charge -1 e" in record["noted"]["electrons"]
        found.append(energies(path)[1])
    assert found[0] == pytest.approx(found[1], abs=0.03)


def test_a_charged_molecule_relaxes_in_plane_waves(tmp_path):
    stretched = Atoms("HO", [[3, 3, 3.2], [3, 3, 4.4]], cell=[6, 6, 8])
    incar = ISOLATED | {"ENCUT": 300, "NELECT": 8, "NSW": 12, "IBRION": 2, "EDIFFG": -0.05}
    path = folder_of(tmp_path, stretched, incar)
    (path / "POTCAR.spec").write_text("H\nO\n")
    assert computed(path)["status"] == "converged"
    relaxed = read(path / "CONTCAR", format="vasp")
    assert relaxed.get_distance(0, 1) == pytest.approx(0.988, abs=0.03)  # of 400 eV; measured 0.964


def test_a_charged_cell_is_refused(tmp_path, hf, capsys):
    path = folder_of(tmp_path, hf, COARSE | {"NELECT": 9})
    (path / "POTCAR.spec").write_text("H\nF\n")
    assert run_engine("gpaw", path) == 1
    assert "depends on the size of the box" in capsys.readouterr().err


def test_a_relaxation_goes_on_from_its_last_density(tmp_path, hf, capsys):
    incar = ISOLATED | {"NSW": 2, "IBRION": 2, "EDIFFG": -0.001}
    path = folder_of(tmp_path, hf, incar)
    first = computed(path)
    assert first["status"] == "unconverged"
    before = len((path / "OSZICAR").read_text().splitlines())
    reached = energies(path)[0]
    (path / "CONTCAR").replace(path / "POSCAR")
    assert computed(path)["n_steps"] == 2
    assert "going on from WAVECAR.gpw" in capsys.readouterr().err
    steps = (path / "OSZICAR").read_text()
    assert float(steps.split("F=")[1].split()[0]) == pytest.approx(reached, abs=1e-4)
    assert len(steps.splitlines()) < before  # the first geometry was converged already


def test_a_damaged_checkpoint_is_not_used(tmp_path, hf, capsys):
    path = folder_of(tmp_path, hf, ISOLATED | {"NSW": 1, "IBRION": 2})
    computed(path)
    before = energies(path)
    checkpoint = path / "WAVECAR.gpw"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    computed(path)
    assert "damaged; starting afresh" in capsys.readouterr().err
    assert energies(path) == pytest.approx(before, abs=1e-4)


def test_a_field_that_does_not_converge_is_tried_more_patiently_then_fails(
    tmp_path, hf, capsys, monkeypatch
):
    monkeypatch.setattr("heterofire.launchers.engines.gpaw_engine.MIN_CYCLES", 3)
    path = folder_of(tmp_path, hf, ISOLATED | {"NELM": 3})
    assert run_engine("gpaw", path) == 1
    said = capsys.readouterr().err
    for mixing in mixing_ladder(None):
        assert f"no convergence in 3 cycles ({mixing})" in said
    assert "gpaw.log" in said
    record = json.loads((path / "engine.json").read_text())
    assert record["status"] == "failed"
    assert "</modeling>" not in (path / "vasprun.xml").read_text()


@pytest.mark.parametrize(
    ("tag", "value", "why"),
    [
        ("LHFCALC", "T", "hybrid functionals"),
        ("LSORBIT", "T", "spin-orbit"),
        ("METAGGA", "SCAN", "meta-GGA"),
        ("LDAU", "T", "Hubbard"),
        ("IVDW", 20, "dispersion is D3"),
        ("GGA", "PS", "GPAW is given PBE"),
        ("ISIF", 3, "cells stay fixed"),
        ("ISMEAR", -5, "tetrahedra"),
        ("ICHARG", 11, "densities are self-consistent"),
        ("LIBXC1", "GGA_X_PBE_SOL", "functional is that of GGA"),
        ("AGGAC", "0.0", "cannot be scaled"),
    ],
)
def test_what_gpaw_cannot_honour_is_refused_by_name(tmp_path, hf, capsys, tag, value, why):
    path = folder_of(tmp_path, hf, COARSE | {tag: value})
    assert run_engine("gpaw", path) == 1
    said = capsys.readouterr().err
    assert f"{tag} = {value}" in said
    assert why in said


def test_a_field_that_breaks_off_is_tried_more_patiently(tmp_path, hf, capsys, monkeypatch):
    from gpaw.new.energies import DFTEnergies

    whole, n_checks = DFTEnergies.sanity_check, 0

    def broken_once(energies) -> None:
        nonlocal n_checks
        n_checks += 1
        if n_checks == 3:  # of the third cycle
            energies.set(coulomb=float("nan"))
        whole(energies)

    monkeypatch.setattr(DFTEnergies, "sanity_check", broken_once)
    path = folder_of(tmp_path, hf, ISOLATED)
    record = computed(path)
    assert "no convergence in 3 cycles (msr1" in record["remarks"][0]
    assert "NaN" in record["remarks"][0]


def test_what_gpaw_itself_raises_is_an_error_with_a_next_step(tmp_path, hf, capsys, monkeypatch):
    def refuses(*_: object, **__: object) -> None:
        raise ValueError("no such grid")

    monkeypatch.setattr("gpaw.GPAW", refuses)
    path = folder_of(tmp_path, hf, ISOLATED)
    assert run_engine("gpaw", path) == 1
    assert "ValueError: no such grid. Check the geometry" in capsys.readouterr().err
    assert json.loads((path / "engine.json").read_text())["status"] == "failed"


def test_energies_of_methfessel_and_paxton_are_those_of_vasp(tmp_path, sheet):
    """E0 = ((N + 1) F + E) / (N + 2); GPAW gives F and E0."""
    path = folder_of(tmp_path, sheet, COARSE | {"ISMEAR": 2, "SIGMA": 1.0})
    computed(path)
    run = parse_run(path)
    assert abs(run.e_wo_entropy - run.free_energy) > 0.01
    expected = (3 * run.free_energy + run.e_wo_entropy) / 4
    assert run.e0 == pytest.approx(expected, abs=1e-6)


def test_several_processes_are_refused(tmp_path, hf, capsys, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert run_engine("gpaw", folder_of(tmp_path, hf, ISOLATED)) == 1
    assert "this engine is one process" in capsys.readouterr().err


def test_plane_waves_come_with_encut(tmp_path, hf):
    path = folder_of(tmp_path, hf, COARSE | {"ENCUT": 250, "LORBIT": 11})
    record = computed(path)
    assert record["method"] == "PBE, PW 250 eV"
    assert record["projection"] == "PAW spheres"
    run = parse_run(path)
    assert run.settings.cutoff == 250


def test_levels_are_filled_as_ismear_says():
    assert occupations(Settings(ismear=0, sigma=0.05), GAMMA)["name"] == "methfessel-paxton"
    with pytest.raises(EngineError, match="tetrahedra"):
        occupations(Settings(ismear=-5), GAMMA)


def test_moments_start_where_incar_says():
    assert starting_moments(Settings(ispin=2), 3).tolist() == [1, 1, 1]
    held = starting_moments(Settings(ispin=2, magmom=(1, -1), nupdown=2), 2)
    assert held.sum() == pytest.approx(2)


def test_a_slab_across_the_wall_is_put_together_in_the_middle():
    fractional = np.array([[0.1, 0.2, 0.95], [0.3, 0.4, 0.05], [0.6, 0.1, 0.99]])
    move = placement(fractional, np.diag([5.0, 5.0, 20.0]), (2,), (20, 20, 80))
    placed = move.positions(fractional)[:, 2]
    assert np.ptp(placed) == pytest.approx(0.1)
    assert placed.mean() == pytest.approx(0.5, abs=0.03)
    grid = np.zeros((20, 20, 80))
    grid[2, 4, round(placed[0] * 80) % 80] = 1.0
    assert np.unravel_index(move.rolled_back(grid).argmax(), grid.shape) == (2, 4, 76)


def test_too_little_vacuum_is_refused():
    fractional = np.array([[0, 0, z] for z in np.linspace(0, 0.8, 5)])
    with pytest.raises(EngineError, match=r"only 3\.0 Angstrom are empty"):
        placement(fractional, np.diag([5.0, 5.0, 15.0]), open_axes(Settings(idipol=3)), (9, 9, 60))
