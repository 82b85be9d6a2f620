"""Nudged elastic bands of the engine: a symmetric hop, end points, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.constraints import FixAtoms
from ase.io import read
from pymatgen.analysis.transition_state import NEBAnalysis
from pymatgen.core import Structure
from pymatgen.io.vasp import Oszicar, Outcar

from heterofire.launchers.engines.elastic import band_pulls, climbing_image, improved_tangent
from heterofire.launchers.engines.poscars import Poscar, unwrapped
from heterofire.launchers.engines.run import run_engine
from heterofire.launchers.engines.smoothing import ROUGH, SMOOTH, hopping_atom, smoothed
from heterofire.launchers.engines.stopping import Stopper
from heterofire.launchers.engines.tags import Settings
from heterofire.launchers.engines.xtb import XtbPotential

pytestmark = pytest.mark.filterwarnings("ignore")
N_IMAGES = 3
GAMMA = "Gamma\n0\nGamma\n1 1 1\n0 0 0\n"
COMMON = "ISMEAR = -1\nSIGMA = 0.0862\nEDIFF = 1E-6\nNELECT = 16\nIDIPOL = 4\n"
INCAR = (
    f"{COMMON}NSW = 60\nIBRION = 3\nEDIFFG = -0.03\nIMAGES = {N_IMAGES}\nSPRING = -5\n"
    "LCLIMB = .TRUE.\nLORBIT = 10\n"
)


def write_band(path, images, incar=INCAR):
    for i, atoms in enumerate(images):
        (path / f"{i:02d}").mkdir(parents=True)
        atoms.write(path / f"{i:02d}" / "POSCAR", format="vasp", direct=True, vasp5=True)
    (path / "INCAR").write_text(incar)
    (path / "KPOINTS").write_text(GAMMA)
    (path / "POTCAR.spec").write_text("F\nH\n")
    return path


def bifluoride():
    """F-H-F(-) with the fluorines held 2.7 Angstrom apart: the proton has two minima."""
    atoms = Atoms(
        "F2H", positions=[[3, 4, 4], [5.7, 4, 4], [3.98, 4.1, 4]], cell=[9, 8, 8], pbc=True
    )
    atoms.set_constraint(FixAtoms([0, 1]))
    return atoms


def relaxed(path):
    """The proton at the left fluorine, as the engine finds it."""
    path.mkdir()
    bifluoride().write(path / "POSCAR", format="vasp", direct=True, vasp5=True)
    (path / "INCAR").write_text(COMMON + "NSW = 50\nIBRION = 2\nEDIFFG = -0.005\n")
    (path / "KPOINTS").write_text(GAMMA)
    (path / "POTCAR.spec").write_text("F\nH\n")
    assert run_engine("xtb", path) == 0
    return read(path / "CONTCAR")


def hop(start):
    """Images of the proton's hop to its mirror site, bent off the straight line."""
    there = start.positions[2] * [-1, 1, 1] + [8.7, 0, 0]
    images = []
    for t in np.linspace(0, 1, N_IMAGES + 2):
        image = start.copy()
        image.positions[2] += t * (there - start.positions[2])
        image.positions[2] += np.sin(np.pi * t) * np.array([0.0, 0.15, 0.1])
        images.append(image)
    return images


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    """The hop of the proton, climbed: symmetric about its middle."""
    start = relaxed(tmp_path_factory.mktemp("ends") / "run")
    path = write_band(tmp_path_factory.mktemp("band"), hop(start))
    assert run_engine("xtb", path) == 0
    return path


def outcars(band):
    return [Outcar(band / f"{i:02d}" / "OUTCAR") for i in range(N_IMAGES + 2)]


def test_forward_and_backward_barrier_of_a_symmetric_hop_agree(band):
    energies = np.array([o.final_energy for o in outcars(band)])
    forward, backward = energies.max() - energies[0], energies.max() - energies[-1]
    assert forward == pytest.approx(backward, abs=1e-4)
    assert 0.05 < forward < 0.12  # 0.081 eV measured
    assert energies.argmax() == 2


def test_the_climbing_image_is_the_flat_saddle_point(band):
    final = read(band / "02" / "OUTCAR")
    np.testing.assert_allclose(final.positions[2], [4.35, 4.0, 4.0], atol=0.02)
    assert np.linalg.norm(final.get_forces(apply_constraint=False)[2]) < 0.03


def test_the_band_says_it_converged(band):
    record = json.loads((band / "engine.json").read_text())
    assert record["status"] == "converged"
    assert record["largest_force"] < 0.03
    for i in (1, 2, 3):
        assert "reached required accuracy" in (band / f"{i:02d}" / "OUTCAR").read_text()


def test_images_move_and_end_points_do_not(band):
    for i in (0, 4):
        moved = (
            read(band / f"{i:02d}" / "CONTCAR").positions
            - read(band / f"{i:02d}" / "POSCAR").positions
        )
        assert np.abs(moved).max() < 1e-9
        assert len(Oszicar(band / f"{i:02d}" / "OSZICAR").ionic_steps) == 1
    assert len(Oszicar(band / "01" / "OSZICAR").ionic_steps) > 3


def test_pymatgen_draws_the_barrier(band):
    structures = [Structure.from_file(band / f"{i:02d}" / "CONTCAR") for i in range(5)]
    analysis = NEBAnalysis.from_outcars(outcars(band), structures)
    _, maxima = analysis.get_extrema()
    energies = [o.final_energy for o in outcars(band)]
    assert len(maxima) == 1
    assert maxima[0][1] / 1000 == pytest.approx(max(energies) - energies[0], abs=2e-3)


def test_pymatgen_finds_the_slope_along_the_path(band):
    real = []
    for outcar in outcars(band)[1:-1]:
        outcar.read_neb()
        real.append(outcar.data["tangent_force"])
    assert real[0] < -0.1  # uphill: the force points back
    assert real[1] == pytest.approx(0.0, abs=0.03)
    assert real[2] > 0.1


def test_our_own_strict_parser_takes_the_band(band):
    from heterofire.results.neb_parsing import parse_band

    parsed = parse_band(band, initial=None, final=None)
    assert parsed.status == "converged", parsed.reasons
    assert parsed.is_climbing
    assert len(parsed.images) == 5


def test_an_end_point_that_was_computed_before_is_left_alone(tmp_path):
    images = hop(relaxed(tmp_path / "end"))
    path = write_band(tmp_path / "band", images, INCAR.replace("NSW = 60", "NSW = 1"))
    (path / "00" / "OUTCAR").write_text("of an earlier run")
    assert run_engine("xtb", path) == 0
    assert (path / "00" / "OUTCAR").read_text() == "of an earlier run"
    assert not (path / "00" / "vasprun.xml").exists()
    assert (path / "04" / "vasprun.xml").exists()


def n_evaluations(path):
    return json.loads((path / "engine.json").read_text())["n_evaluations"]


def test_the_next_part_of_a_band_takes_the_energies_of_its_ends_along(tmp_path):
    short = INCAR.replace("NSW = 60", "NSW = 2")
    path = write_band(tmp_path, hop(bifluoride()), short)
    assert run_engine("xtb", path) == 0
    assert n_evaluations(path) == 2 + 3 * 2
    known = [(path / f"{i:02d}" / "OUTCAR").stat().st_mtime_ns for i in (0, 4)]
    (path / "INCAR").write_text(INCAR.replace("NSW = 60", "NSW = 3"))
    assert run_engine("xtb", path) == 0
    assert n_evaluations(path) == 3 * 3
    assert [(path / f"{i:02d}" / "OUTCAR").stat().st_mtime_ns for i in (0, 4)] == known


@pytest.mark.parametrize("change", ["other SIGMA", "other ends", "torn", "no OUTCAR"])
def test_energies_of_other_ends_are_not_taken_along(tmp_path, change):
    short = INCAR.replace("NSW = 60", "NSW = 1")
    path = write_band(tmp_path, hop(bifluoride()), short)
    assert run_engine("xtb", path) == 0
    memory = path / "ENDS.json"
    if change == "other SIGMA":
        (path / "INCAR").write_text(short.replace("0.0862", "0.1"))
    elif change == "other ends":
        moved = read(path / "04" / "POSCAR")
        moved.positions[2] += 0.02
        moved.write(path / "04" / "POSCAR", format="vasp", direct=True, vasp5=True)
    elif change == "torn":
        memory.write_text(memory.read_text()[:40])
    else:
        (path / "00" / "OUTCAR").unlink()
    assert run_engine("xtb", path) == 0
    assert n_evaluations(path) == 2 + 3
    assert json.loads(memory.read_text())["about"]


def test_images_in_another_atom_order_are_refused(tmp_path, capfd):
    images = hop(bifluoride())
    images[2] = images[2][[2, 0, 1]]
    assert run_engine("xtb", write_band(tmp_path, images)) == 2
    assert "02" in capfd.readouterr().err


def test_a_missing_image_is_named(tmp_path, capfd):
    path = write_band(tmp_path, hop(bifluoride()))
    (path / "03" / "POSCAR").unlink()
    assert run_engine("xtb", path) == 2
    assert "03" in capfd.readouterr().err


def test_a_band_that_is_not_nudged_is_refused(tmp_path, capfd):
    images = hop(bifluoride())
    path = write_band(tmp_path, images, INCAR.replace("SPRING = -5", "SPRING = 5"))
    assert run_engine("xtb", path) == 1
    assert "SPRING" in capfd.readouterr().err


def test_atoms_are_followed_through_the_walls_of_the_cell():
    def image(x):
        return Poscar(
            comment="",
            lattice=5 * np.eye(3),
            symbols=("K",),
            fractional=np.array([[x, 0.0, 0.0]]),
            movable=None,
        )

    path = unwrapped([image(0.9), image(0.98), image(0.06), image(0.2)])
    np.testing.assert_allclose([p.fractional[0, 0] for p in path], [0.9, 0.98, 1.06, 1.2])


@pytest.mark.parametrize(
    ("energies", "expected"),
    [([0, 1, 2], "ahead"), ([2, 1, 0], "behind"), ([0, 2, 1], "behind"), ([1, 2, 0], "ahead")],
    ids=["rising", "falling", "top, next is higher", "top, last is higher"],
)
def test_the_tangent_leans_to_the_higher_neighbour(energies, expected):
    ahead, behind = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    tangent = improved_tangent(ahead, behind, energies)
    assert np.linalg.norm(tangent) == pytest.approx(1.0)
    leans_ahead = tangent[0] > tangent[1]
    is_extremum = energies[1] == 2
    higher_is_next = energies[2] > energies[0]
    assert leans_ahead == (higher_is_next if is_extremum else expected == "ahead")


def test_a_rough_image_is_made_smooth_while_the_hopping_atom_stays():
    settings = Settings(sigma=0.0862, ediff=1e-6, ismear=-1, nelm=250)
    water = molecule("H2O", cell=[12.0] * 3, pbc=True)
    water.positions[2] = water.positions[0] + [0.0, -0.55, -0.4]  # H far too near to O
    fractional = water.get_scaled_positions(wrap=False)
    rough = Poscar(
        comment="rough",
        lattice=np.array(water.cell),
        symbols=("O", "H", "H"),
        fractional=fractional,
        movable=None,
    )
    potential = XtbPotential(rough, settings, 0, "GFN1-xTB")
    stopper = Stopper(Path("nowhere"))
    smooth = smoothed(potential, rough, 0, stopper, "01")
    before, after = potential.evaluate(rough.positions), potential.evaluate(smooth.positions)
    assert np.allclose(smooth.positions[0], rough.positions[0])
    assert np.abs(before.forces).max() > ROUGH
    assert np.abs(after.forces[1:]).max() < SMOOTH
    assert after.free_energy < before.free_energy
    assert smoothed(potential, smooth, 0, stopper, "01") is smooth


def test_the_hopping_atom_is_the_one_that_moves_most():
    ends = [
        Poscar(
            comment="end",
            lattice=10 * np.eye(3),
            symbols=("K", "S"),
            fractional=np.array([[x, 0, 0], [0.5 + x / 10, 0, 0]]),
            movable=None,
        )
        for x in (0.1, 0.3)
    ]
    assert hopping_atom(ends) == 0


@pytest.mark.parametrize(
    ("energies", "climbs"),
    [
        ([0.0, 0.4, 0.2], [True]),
        ([0.0, 0.5, 1.1], [False]),  # uphill all the way to a state that is held
        ([0.0, -0.4, 1.1], [False]),  # a dip: it would climb out of the band
        ([0.0, 0.3, 0.5, 0.4], [False, True]),
        ([1.0, 0.2, 0.3, 0.1], [False, True]),  # a peak below an end is a saddle all the same
        ([0.0, 0.1, 0.2, 0.3], [False, False]),
    ],
)
def test_an_image_climbs_only_above_both_its_neighbours(energies, climbs):
    points = [np.array([float(i), 0.0]) for i in range(len(energies))]
    forces = [np.array([0.3, 0.1])] * (len(energies) - 2)
    climber = climbing_image(energies, None)
    pulls = band_pulls(points, forces, energies, stiffness=5.0, climber=climber)
    assert [pull.climbs for pull in pulls] == climbs
    assert [pull.along < 0 for pull in pulls] == climbs


@pytest.mark.parametrize(
    ("energies", "climber"),
    [
        ([0.0, 0.300, 0.302, 0.0], 1),  # alike: no taking of turns
        ([0.0, 0.290, 0.302, 0.0], 2),
        ([0.0, 0.010, 0.011, 0.012], None),  # an end is higher: it would climb out
    ],
)
def test_the_image_that_climbs_goes_on_while_no_other_is_much_higher(energies, climber):
    assert climbing_image(energies, 1) == climber
