"""Density differences: conservation, planes, fragments that do not fit."""

from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.results.densities import Density
from heterofire.results.differences import (
    difference_record,
    fragment_gains,
    low_pass,
    subtract_densities,
)
from heterofire.results.planar import heights_above, planar_profile, vacuum_middle
from heterofire.structures.errors import RunError

CELL = Lattice.from_parameters(6.0, 7.0, 20.0, 90, 80, 100)  # c is tilted against the normal
LOW, HIGH = [0.5, 0.5, 0.10], [0.5, 0.5, 0.35]
GRID = (24, 28, 160)


def gaussian(centre, electrons, width=0.8) -> np.ndarray:
    """A periodic Gaussian of so many electrons around a fractional position, rho * volume."""
    axes = [np.arange(n) / n for n in GRID]
    fractions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) - np.asarray(centre)
    total = np.zeros(GRID)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            for k in (-1, 0, 1):
                moved = (fractions - np.round(fractions) + [i, j, k]) @ CELL.matrix
                total += np.exp(-((moved**2).sum(axis=-1)) / (2 * width**2))
    return electrons * total / total.mean()


def density(species, positions, values) -> Density:
    return Density(
        path=Path(f"runs/{'-'.join(species)}/CHGCAR"),
        structure=Structure(CELL, species, positions),
        values=values,
        spin=None,
    )


@pytest.fixture(scope="module")
def stack() -> tuple[Density, dict[str, Density]]:
    """K below S: joining them moves 0.3 electrons from K to S."""
    whole = density(["K", "S"], [LOW, HIGH], gaussian(LOW, 0.7) + gaussian(HIGH, 6.3))
    parts = {
        "sulfur": density(["S"], [HIGH], gaussian(HIGH, 6.0)),
        "potassium": density(["K"], [LOW], gaussian(LOW, 1.0)),
    }
    return whole, parts


def test_electrons_are_conserved_and_gains_add_up_to_nothing(stack, make_run):
    record, delta = difference_record(
        *stack, make_run(Structure(CELL, ["K", "S"], [LOW, HIGH])), "runs/difference"
    )
    assert delta.mean() == pytest.approx(0.0, abs=1e-9)
    gains = fragment_gains(record)
    assert sum(gains.values()) == pytest.approx(0.0, abs=1e-6)
    assert record.integrated[-1] == pytest.approx(0.0, abs=1e-3)


def test_a_plane_gives_back_the_electrons_that_moved(stack, make_run):
    record, _ = difference_record(
        *stack, make_run(Structure(CELL, ["K", "S"], [LOW, HIGH])), "runs/difference"
    )
    # The fragments lie 4.9 Angstrom apart: the tails that cross the plane hold under 0.002 e.
    assert fragment_gains(record)["sulfur"] == pytest.approx(0.3, abs=2e-3)
    assert fragment_gains(record)["potassium"] == pytest.approx(-0.3, abs=2e-3)
    assert record.fragments == {"sulfur": (1,), "potassium": (0,)}


def test_the_plane_is_where_the_joint_density_is_lowest(stack, make_run):
    record, _ = difference_record(
        *stack, make_run(Structure(CELL, ["K", "S"], [LOW, HIGH])), "runs/difference"
    )
    (plane,) = record.planes
    low, high = heights_above(record.structure, float(record.z[0]))
    assert low < plane < high
    between = (record.z > low) & (record.z < high)
    assert record.joint[between].min() == pytest.approx(np.interp(plane, record.z, record.joint))


def test_the_planar_sum_integrates_to_all_electrons_from_vacuum_to_vacuum(stack):
    whole, _ = stack
    profile = planar_profile(whole.structure, whole.values, whole.values)
    step = profile.z[1] - profile.z[0]
    assert profile.joint.sum() * step == pytest.approx(7.0, abs=1e-9)
    assert profile.z[0] == pytest.approx(vacuum_middle(whole.structure), abs=step)
    assert profile.joint[0] < 1e-6


def test_wrapping_atoms_through_the_cell_changes_no_gain(stack, make_run):
    whole, parts = stack
    n = 120  # grid planes: the stack now crosses the boundary of the cell
    shift = n / GRID[2]

    def moved(item: Density) -> Density:
        structure = item.structure.copy()
        structure.translate_sites(range(len(structure)), [0, 0, shift])
        values = np.roll(item.values, n, axis=2)
        return Density(path=item.path, structure=structure, values=values, spin=None)

    shifted = {name: moved(part) for name, part in parts.items()}
    before, _ = difference_record(
        whole, parts, make_run(Structure(CELL, ["K", "S"], [LOW, HIGH])), "a"
    )
    after, _ = difference_record(
        moved(whole), shifted, make_run(Structure(CELL, ["K", "S"], [LOW, HIGH])), "b"
    )
    assert fragment_gains(after) == pytest.approx(fragment_gains(before), abs=1e-9)


def test_fragments_side_by_side_have_no_dividing_plane(make_run):
    left, right = [0.1, 0.5, 0.3], [0.6, 0.5, 0.3]
    whole = density(["K", "S"], [left, right], gaussian(left, 1) + gaussian(right, 6))
    parts = {
        "K": density(["K"], [left], gaussian(left, 1)),
        "S": density(["S"], [right], gaussian(right, 6)),
    }
    record, _ = difference_record(
        whole, parts, make_run(Structure(CELL, ["K", "S"], [LOW, HIGH])), "runs/difference"
    )
    assert record.planes == ()
    assert fragment_gains(record) is None
    assert "no plane divides them" in record.notes[0]


def test_the_coarse_grid_keeps_the_electrons_and_the_shape(stack):
    whole, _ = stack
    coarse = low_pass(whole.values, np.array(CELL.abc), 0.5)
    assert coarse.shape == (12, 14, 40)
    assert coarse.mean() == pytest.approx(whole.values.mean())
    assert np.abs(coarse - whole.values[::2, ::2, ::4]).max() < 0.02 * whole.values.max()


def broken(stack, **changes):
    """Return the whole and fragments with one thing about the sulfur changed."""
    whole, parts = stack
    values = {**vars(parts["sulfur"]), **changes}
    return whole, {**parts, "sulfur": Density(**values)}


def test_unlike_grids_are_refused(stack):
    whole, parts = broken(stack, values=np.zeros((24, 28, 80)))
    with pytest.raises(RunError, match=r"24x28x160 and 24x28x80.*NGXF"):
        subtract_densities(whole, parts)


def test_a_fragment_that_moved_is_refused(stack):
    moved = Structure(CELL, ["S"], [[0.5, 0.5, 0.36]])
    with pytest.raises(RunError, match=r"S1 is 0\.2\d* Angstrom from.*frozen"):
        subtract_densities(*broken(stack, structure=moved))


def test_another_cell_is_refused(stack):
    other = Structure(Lattice.orthorhombic(6.0, 7.0, 20.0), ["S"], [HIGH])
    with pytest.raises(RunError, match="its cell is not that of"):
        subtract_densities(*broken(stack, structure=other))


def test_an_atom_in_no_fragment_is_refused(stack):
    whole, parts = stack
    with pytest.raises(RunError, match=r"1 of its atoms \(S2"):
        subtract_densities(whole, {"potassium": parts["potassium"]})


def test_an_atom_in_two_fragments_is_refused(stack):
    whole, parts = stack
    with pytest.raises(RunError, match="atom 2 is in the fragments"):
        subtract_densities(whole, {**parts, "again": parts["sulfur"]})


def test_fragments_with_other_electrons_are_refused(stack):
    with pytest.raises(RunError, match=r"7\.0000 electrons, its fragments.*have 8\.0000"):
        subtract_densities(*broken(stack, values=gaussian(HIGH, 7.0)))
