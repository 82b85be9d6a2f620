"""Bader charges: against Henkelman's program, on analytic densities, and on files that lie."""

import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Poscar
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.results.bader import ALGORITHMS, bader_charges
from heterofire.results.bader_folder import bader_folder
from heterofire.results.bader_tables import bader_frame, format_acf
from heterofire.results.bader_weight import voronoi_facets
from heterofire.results.density_files import write_density
from heterofire.structures.errors import InputError, RunError

CORPUS = Path(os.environ.get("HETEROFIRE_VASP_CORPUS", ""))
needs_corpus = pytest.mark.skipif(
    not (CORPUS / "reference.yaml").is_file(),
    reason="HETEROFIRE_VASP_CORPUS does not name a folder with reference.yaml",
)
CUBE = Lattice.cubic(6.0)
TILTED = Lattice.from_parameters(6.0, 6.4, 7.0, 75, 100, 115)
PLACES = [[0.21, 0.22, 0.23], [0.71, 0.72, 0.73]]


def gaussians(structure, shape, electrons, widths) -> np.ndarray:
    """Return periodic Gaussians, one per atom, density times volume in electrons."""
    matrix = structure.lattice.matrix
    axes = [np.arange(n) / n for n in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    total = np.zeros(shape)
    images = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
    for place, n, width in zip(structure.frac_coords, electrons, widths, strict=True):
        away = grid - place
        away -= np.round(away)
        factor = n * structure.volume / (2 * np.pi * width**2) ** 1.5
        for image in images:
            squared = ((away + image) @ matrix) ** 2
            total += factor * np.exp(-squared.sum(axis=-1) / (2 * width**2))
    return total


def pair(lattice=CUBE, shift=0.0) -> Structure:
    return Structure(lattice, ["Na", "Cl"], np.array(PLACES) + shift)


# ---- against Henkelman 1.05 ----------------------------------------------------------------


@needs_corpus
@pytest.mark.parametrize(("algorithm", "tolerance"), [("near-grid", 0.001), ("weight", 0.002)])
def test_charges_are_those_of_henkelmans_program(algorithm, tolerance):
    wanted = yaml.safe_load((CORPUS / "reference.yaml").read_text())["bader"]["si"]
    (charges,) = bader_folder(CORPUS / "bader/si_static", algorithms=[algorithm])
    expected = wanted[algorithm.replace("-", "")]
    np.testing.assert_allclose(charges.electrons, expected, atol=tolerance)
    assert charges.reference == "AECCAR0+AECCAR2"
    assert "was not checked against NELECT" in charges.notes[0]


@needs_corpus
def test_volumes_fill_the_cell_and_distances_are_half_a_bond():
    (charges,) = bader_folder(CORPUS / "bader/si_static")
    assert charges.volumes.sum() == pytest.approx(40.90, abs=0.01)
    # Si-Si is 2.37 Angstrom; the surface of grid points is within a step of its middle.
    np.testing.assert_allclose(charges.distances, 2.37 / 2, atol=0.07)


# ---- analytic densities --------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("lattice", [CUBE, TILTED], ids=["cube", "tilted"])
def test_separated_gaussians_keep_their_electrons(lattice, algorithm):
    structure = pair(lattice)
    density = gaussians(structure, (48, 50, 52), [3.0, 5.0], [0.5, 0.5])
    charges = bader_charges(
        density, density, structure, algorithm=algorithm, valences=[1.0, 7.0], vacuum_density=0
    )
    # The nearest images are 5 Angstrom apart: 1 % of a Gaussian lies outside 1.5 Angstrom.
    np.testing.assert_allclose(charges.electrons, [3.0, 5.0], atol=0.005)
    np.testing.assert_allclose(charges.net, [-2.0, 2.0], atol=0.005)
    np.testing.assert_allclose(charges.gained, [2.0, -2.0], atol=0.005)
    assert charges.volumes.sum() + charges.vacuum_volume == pytest.approx(structure.volume)
    assert charges.notes == ("below 0 e/Angstrom^3 of the reference: vacuum",)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_half_a_cell_further_nothing_changes(algorithm):
    one, other = pair(TILTED), pair(TILTED, shift=0.5)
    shape = (44, 48, 52)
    density = gaussians(one, shape, [3.0, 5.0], [0.9, 0.8])
    moved = np.roll(density, tuple(n // 2 for n in shape), axis=(0, 1, 2))
    before = bader_charges(density, density, one, algorithm=algorithm)
    after = bader_charges(moved, moved, other, algorithm=algorithm)
    # Paths start elsewhere, so that points on a ridge may go the other way.
    np.testing.assert_allclose(after.electrons, before.electrons, atol=2e-3)


def overlapping(n: int, algorithm: str) -> float:
    """Return the electrons of the larger of two Gaussians that overlap."""
    structure = Structure(TILTED, ["Na", "Cl"], [[0.2, 0.23, 0.26], [0.7, 0.73, 0.76]])
    density = gaussians(structure, (n, n, n), [1.0, 2.0], [1.0, 1.1])
    return float(bader_charges(density, density, structure, algorithm=algorithm).electrons[1])


@pytest.mark.parametrize("algorithm", ["near-grid", "weight"])
def test_the_error_falls_with_the_grid(algorithm):
    best = overlapping(96, "weight")
    errors = [abs(overlapping(n, algorithm) - best) for n in (16, 64)]
    assert errors[1] < errors[0]
    assert errors[1] < 0.003


@pytest.mark.parametrize("algorithm", ["near-grid", "weight"])
def test_a_shift_by_a_fraction_of_a_step_moves_no_charge(algorithm):
    found = []
    for fraction in (0.0, 0.25, 0.5):
        structure = pair(TILTED, shift=fraction / 60)
        density = gaussians(structure, (60, 60, 60), [3.0, 6.0], [0.8, 1.0])
        charges = bader_charges(density, density, structure, algorithm=algorithm)
        found.append(charges.electrons)
    np.testing.assert_allclose(found[1:], [found[0]] * 2, atol=0.01)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_spin_density_on_the_same_volumes_gives_moments(algorithm):
    structure = pair()
    density = gaussians(structure, (40, 40, 40), [3.0, 5.0], [0.5, 0.5])
    spin = gaussians(structure, (40, 40, 40), [2.0, -1.0], [0.4, 0.4])
    charges = bader_charges(density, density, structure, algorithm=algorithm, spin=spin)
    np.testing.assert_allclose(charges.moments, [2.0, -1.0], atol=0.005)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_below_the_threshold_all_is_vacuum(algorithm):
    structure = pair()
    density = gaussians(structure, (40, 40, 40), [3.0, 5.0], [0.5, 0.5])
    charges = bader_charges(density, density, structure, algorithm=algorithm, vacuum_density=0.01)
    low = density < 0.01 * structure.volume
    assert charges.vacuum_volume == pytest.approx(structure.volume * low.mean())
    assert charges.vacuum_electrons == pytest.approx(density[low].sum() / density.size)
    assert charges.electrons.sum() + charges.vacuum_electrons == pytest.approx(density.mean())


def test_an_attractor_without_an_atom_is_reported_and_counted_with_the_nearest():
    structure = pair()
    hole = Structure(CUBE, ["Na", "Cl", "X0+"], [*PLACES, [0.21, 0.22, 0.6]])
    density = gaussians(hole, (40, 40, 40), [3.0, 5.0, 0.5], [0.45, 0.45, 0.4])
    charges = bader_charges(density, density, structure)
    assert charges.electrons.sum() == pytest.approx(8.5, abs=1e-4)
    assert charges.notes[0].startswith("1 attractors without an atom nearby, 0.5")
    assert "2.22 Angstrom from Na1" in charges.notes[0]


def test_a_cubic_grid_has_six_facets_and_a_hexagonal_one_eight():
    assert len(voronoi_facets(0.1 * np.eye(3))[0]) == 6
    hexagonal = Lattice.hexagonal(0.1, 0.12).matrix
    offsets, weights = voronoi_facets(hexagonal)
    assert len(offsets) == 8
    # Facets of a Voronoi cell around its centre: pyramids of height l/2 over them fill it.
    lengths = np.linalg.norm(offsets @ hexagonal, axis=1)
    filled = (weights * lengths * lengths / 2 / 3).sum()
    assert filled == pytest.approx(np.linalg.det(hexagonal))


def test_an_unknown_algorithm_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="choose of near-grid, on-grid, weight"):
        bader_charges(np.ones((4, 4, 4)), np.ones((4, 4, 4)), pair(), algorithm="offgrid")


# ---- folders -------------------------------------------------------------------------------

SHAPE = (36, 36, 36)
POTCAR = "   POMASS =   22.990; ZVAL   =    1.000    mass and valenz\n" * 1 + (
    "   POMASS =   35.453; ZVAL   =    7.000    mass and valenz\n"
)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A run folder of Na+ Cl- with densities, POSCAR and POTCAR headers of 1 + 7 electrons."""
    structure = pair()
    head = Poscar(structure).get_str()
    valence = gaussians(structure, SHAPE, [0.2, 7.8], [0.5, 0.6])
    core = gaussians(structure, SHAPE, [10.0, 10.0], [0.25, 0.25])
    write_density(tmp_path / "CHGCAR", head, valence)
    write_density(tmp_path / "AECCAR2", head, valence * 1.002)
    write_density(tmp_path / "AECCAR0", head, core)
    (tmp_path / "POSCAR").write_text(head)
    (tmp_path / "POTCAR").write_text(POTCAR)
    return tmp_path


def run_cli(*arguments: object):
    return CliRunner().invoke(app, ["bader", *map(str, arguments)])


def test_a_folder_gives_a_table_with_the_algorithm_in_every_row(folder):
    result = run_cli(folder, "--algorithm", "near-grid", "--algorithm", "weight")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(("Na", "Cl"))]
    assert [row[:2] for row in rows] == [
        ["Na1", "near-grid"],
        ["Cl2", "near-grid"],
        ["Na1", "weight"],
        ["Cl2", "weight"],
    ]
    assert float(rows[1][3]) == pytest.approx(0.8, abs=0.02)  # gained
    assert float(rows[0][4]) == pytest.approx(0.8, abs=0.02)  # net charge
    assert "volumes of AECCAR0+AECCAR2 on 36x36x36 points" in result.stdout


def test_json_holds_the_same_numbers_and_the_notes(folder):
    result = run_cli(folder, "--json")
    data = json.loads(result.stdout)
    assert data["electrons"]["near-grid"] == pytest.approx(8.0, abs=1e-6)
    assert data["atoms"][1]["algorithm"] == "near-grid"
    assert data["atoms"][1]["gained"] == pytest.approx(0.8, abs=0.02)
    assert data["atoms"][0]["moment"] is None
    assert "NELECT is that of neutral atoms by POTCAR" in data["notes"]["near-grid"]


def test_gzip_files_are_read_as_well(folder):
    (plain,) = bader_folder(folder)
    for name in ("CHGCAR", "AECCAR0", "AECCAR2"):
        with gzip.open(folder / f"{name}.gz", "wb") as packed:
            packed.write((folder / name).read_bytes())
        (folder / name).unlink()
    np.testing.assert_array_equal(bader_folder(folder)[0].electrons, plain.electrons)


def test_acf_dat_has_henkelmans_columns(folder, tmp_path):
    result = run_cli(folder, "-o", tmp_path / "out" / "ACF.dat")
    assert result.exit_code == 0
    lines = (tmp_path / "out" / "ACF.dat").read_text().splitlines()
    head = ["#", "X", "Y", "Z", "CHARGE", "MIN", "DIST", "ATOMIC", "VOL"]
    assert lines[0].split() == head
    assert [float(x) for x in lines[2].split()[1:4]] == pytest.approx([1.26, 1.32, 1.38], abs=1e-4)
    assert float(lines[3].split()[4]) == pytest.approx(7.8, abs=0.02)
    assert lines[-1].split() == ["NUMBER", "OF", "ELECTRONS:", "8.0000"]


def test_another_reference_may_be_named(folder):
    (charges,) = bader_folder(folder, reference="CHGCAR")
    assert charges.reference == "CHGCAR"
    with pytest.raises(InputError, match="neither here nor in"):
        bader_folder(folder, reference="ELFCAR")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path: Path) -> None:
    path.write_text(path.read_text().replace("E-0", "Exx", 1))


def nan(path: Path) -> None:
    head, _, rest = path.read_text().partition("   36   36   36\n")
    first, _, others = rest.partition("\n")
    path.write_text(f"{head}   36   36   36\n nan {' '.join(first.split()[1:])}\n{others}")


def other_atoms(path: Path) -> None:
    path.write_text(path.read_text().replace("Na", "K ").replace("Cl", "Br"))


def other_place(path: Path) -> None:
    path.write_text(path.read_text().replace("0.21000", "0.22000", 1))


def other_grid(path: Path) -> None:
    structure = pair()
    values = gaussians(structure, (30, 30, 30), [10.0, 10.0], [0.3, 0.3])
    write_density(path, Poscar(structure).get_str(), values)


BAD = {
    "cut CHGCAR": ("CHGCAR", cut, "CHGCAR"),
    "words in AECCAR0": ("AECCAR0", spoil, "AECCAR0"),
    "NaN in CHGCAR": ("CHGCAR", nan, "NaN"),
    "other atoms": ("AECCAR2", other_atoms, "its atoms are K1 Br1 instead of Na1 Cl1"),
    "other places": ("AECCAR0", other_place, "Na1 is 0.060 Angstrom away from where it was"),
    "other grid": ("AECCAR0", other_grid, "its grid is 30x30x30 instead of 36x36x36"),
    "no AECCAR0": ("AECCAR0", Path.unlink, "no AECCAR0 (or AECCAR0.gz). Run the calculation with"),
    "wrong atom count": (
        "POSCAR",
        lambda path: path.write_text(path.read_text().replace("1 1\n", "1 2\n")),
        "has 2 atoms, the run has 3",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_cannot_be_trusted_are_refused(folder, name):
    file, spoiler, words = BAD[name]
    spoiler(folder / file)
    if name == "wrong atom count":  # as many electrons, one atom more
        (folder / "POTCAR").write_text(POTCAR.replace("7.000", "3.500"))
    result = run_cli(folder)
    assert result.exit_code != 0
    assert isinstance(result.exception, RunError)
    assert result.exception.exit_code == 1
    assert words in str(result.exception)


def test_aeccar2_offered_as_chgcar_does_not_sum_to_nelect(folder):
    shutil.copy(folder / "AECCAR2", folder / "CHGCAR")
    with pytest.raises(RunError, match=r"sums to 8\.01600 electrons, NELECT is 8.*not AECCAR2"):
        bader_folder(folder)


def test_aeccar2_of_another_run_is_refused(folder):
    write_density(
        folder / "AECCAR2",
        Poscar(pair()).get_str(),
        gaussians(pair(), SHAPE, [2.0, 10.0], [0.5, 0.6]),
    )
    with pytest.raises(RunError, match="not the valence density of the same run"):
        bader_folder(folder)


def test_a_grid_too_coarse_for_the_core_says_which_spacing_to_use(tmp_path):
    structure = Structure(CUBE, ["Na", "Cl"], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.56]])
    density = gaussians(structure, (12, 12, 12), [3.0, 5.0], [0.3, 0.3])
    with pytest.raises(
        RunError, match=r"near Cl2: the grid of 0\.500 Angstrom is too coarse.*NGXF"
    ):
        bader_charges(density, density, structure)


def test_a_hydrogen_without_a_maximum_of_its_own_is_reported():
    structure = Structure(CUBE, ["O", "H"], [[0.5, 0.5, 0.5], [0.5, 0.5, 0.66]])
    density = gaussians(structure, (40, 40, 40), [7.99, 0.01], [0.6, 0.6])
    charges = bader_charges(density, density, structure)
    assert charges.notes[0].startswith("H2 without a maximum of the density")
    assert charges.electrons[1] == 0.0


def test_table_and_acf_agree(folder):
    (charges,) = bader_folder(folder)
    frame = bader_frame(pair(), [charges])
    acf = format_acf(pair(), charges).splitlines()[2:4]
    assert [float(line.split()[4]) for line in acf] == pytest.approx(
        list(frame["electrons"]), abs=1e-6
    )
