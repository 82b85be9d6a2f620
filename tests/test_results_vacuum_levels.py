"""The vacuum level from LOCPOT, and from an engine that says it."""

import gzip
import json
import re

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.launchers.engines.run import run_engine
from heterofire.results.density_files import poscar_head, write_density
from heterofire.results.parsing import parse_run
from heterofire.results.vacuum_levels import find_vacuum_level, read_locpot, vacuum_level

LEVEL = 2.5  # eV, what the potential is far away


def water(lattice):
    middle = lattice.get_cartesian_coords([0.5, 0.5, 0.98])  # across a face of the cell
    atoms = middle + np.array([[0, 0, 0], [0.76, 0, 0.59], [-0.76, 0, 0.59]])
    return Structure(lattice, ["O", "H", "H"], atoms, coords_are_cartesian=True)


def distances(structure, grid):
    """Return the distance of each grid point to the nearest atom, by pymatgen."""
    axes = [np.arange(n) / n for n in grid]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    table = structure.lattice.get_all_distances(points, structure.frac_coords)
    return table.min(axis=1).reshape(grid)


def write_locpot(path, structure, grid, *, well=-40.0, slope=0.0, n_blocks=1):
    """Write a potential with a well at each atom, 1 Angstrom wide."""
    d = distances(structure, grid)
    values = LEVEL + well * np.exp(-(d**2)) + slope * np.arange(grid[2]) / grid[2]
    return write_density(path, poscar_head(structure, "water"), *[values] * n_blocks)


@pytest.mark.parametrize(
    "lattice",
    [
        Lattice.cubic(14.0),
        Lattice.orthorhombic(12, 13, 17),
        Lattice([[14, 0, 0], [4, 13, 0], [2, 3, 15]]),
    ],
    ids=["cube", "box", "skew"],
)
def test_the_level_is_the_potential_far_from_all_atoms(tmp_path, lattice):
    found = vacuum_level(
        read_locpot(write_locpot(tmp_path / "LOCPOT", water(lattice), (45, 48, 50)))
    )
    assert found.level == pytest.approx(LEVEL, abs=1e-6)
    assert found.spread < 1e-6


def test_the_thinned_values_are_those_of_the_file(tmp_path):
    structure, grid = water(Lattice.cubic(12.0)), (90, 96, 100)
    thin = read_locpot(write_locpot(tmp_path / "LOCPOT", structure, grid, slope=1.0))
    assert thin.values.shape == (45, 48, 50)
    d = distances(structure, grid)
    full = LEVEL - 40.0 * np.exp(-(d**2)) + np.arange(100) / 100
    np.testing.assert_allclose(thin.values, full[::2, ::2, ::2], atol=1e-9)
    np.testing.assert_allclose(thin.fractions[2], np.arange(50) / 50)


def test_a_potential_that_is_not_flat_shows_its_spread(tmp_path):
    path = write_locpot(tmp_path / "LOCPOT", water(Lattice.cubic(16.0)), (40, 40, 40), slope=1.0)
    assert vacuum_level(read_locpot(path)).spread > 0.1


def test_a_narrow_vacuum_gives_its_middle(tmp_path):
    path = write_locpot(tmp_path / "LOCPOT", water(Lattice.cubic(8.0)), (24, 24, 24))
    assert vacuum_level(read_locpot(path)).level == pytest.approx(LEVEL, abs=1e-3)


def test_a_crystal_has_no_vacuum(tmp_path):
    lithium = Structure(Lattice.cubic(3.5), ["Li", "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert (
        vacuum_level(read_locpot(write_locpot(tmp_path / "LOCPOT", lithium, (12, 12, 12)))) is None
    )


def test_two_blocks_and_gzip_are_read(tmp_path):
    path = write_locpot(tmp_path / "LOCPOT", water(Lattice.cubic(12.0)), (30, 30, 30), n_blocks=2)
    (tmp_path / "LOCPOT.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    found, notes = find_vacuum_level(tmp_path, None)
    assert (round(found.level, 6), notes) == (LEVEL, ())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], r"of 27000 values"),
        (lambda text: text.replace("2.50000000000E+00", "****************", 1), "not a number"),
        (lambda text: text.replace("2.50000000000E+00", "NaN", 1), "NaN"),
        (lambda text: text[:120], "head|values"),
        (lambda text: text.replace("30   30   30", "30   30"), "head"),
    ],
    ids=["cut", "stars", "nan", "head only", "grid"],
)
def test_a_damaged_file_costs_the_level_and_says_so(tmp_path, damage, message):
    path = write_locpot(tmp_path / "LOCPOT", water(Lattice.cubic(12.0)), (30, 30, 30))
    path.write_text(damage(path.read_text()))
    found, [note] = find_vacuum_level(tmp_path, None)
    assert found is None
    assert str(path) in note
    assert re.search(message, note)


def test_without_a_locpot_nothing_is_known(tmp_path):
    assert find_vacuum_level(tmp_path, None) == (None, ())


@pytest.mark.parametrize(("tag", "level"), [("IDIPOL = 4\n", 0.0), ("", None)])
def test_the_engine_tells_for_isolated_molecules_only(tmp_path, tag, level):
    water(Lattice.cubic(12.0)).to(filename=str(tmp_path / "POSCAR"), fmt="poscar")
    incar = "ISPIN = 2\nLORBIT = 11\nMAGMOM = 2 0 0\nISMEAR = -1\nSIGMA = 0.0862\n"
    (tmp_path / "INCAR").write_text(incar + tag)
    (tmp_path / "KPOINTS").write_text("gamma\n0\nGamma\n1 1 1\n")
    assert run_engine("xtb", tmp_path) == 0
    report = json.loads((tmp_path / "engine.json").read_text())
    assert report.get("vacuum_level_ev") == level
    run = parse_run(tmp_path)
    assert (run.vacuum_level, run.vacuum_spread) == (level, level)
    assert run.moments.sum() == pytest.approx(2.0, abs=1e-3)
    assert run.moments[0] > 1
