"""Plane waves, bands and k-points are those that VASP prints."""

from dataclasses import replace

import pytest
from pymatgen.core import Lattice, Structure

from heterofire.results.records import Label
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.parallelism import irreducible_points
from heterofire.workflows.sizes import plane_waves, size_of


@pytest.fixture
def silicon():
    """The two atoms of VASP's own example, ENCUT 520 eV."""
    return Calculation(
        label=Label(study="s", profile="paper", model="Si", task="bulk", name="Si/bulk"),
        structure=Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.4692), ["Si"], [[0, 0, 0]])
        .get_primitive_structure(),
        incar={"ENCUT": 520, "ISYM": 2},
        kpoints={"mesh": [8, 8, 8], "n_kpoints": 260},
        potcar_symbols=("Si",),
        engine="vasp",
        method="",
        nelect=8.0,
    )  # fmt: skip


# Volume in Angstrom^3, ENCUT in eV, and "maximum number of plane-waves" of real OUTCARs.
@pytest.mark.parametrize(
    ("volume", "cutoff", "printed"),
    [
        (16.2993, 520.0, 459),
        (17.0222, 680.0, 701),
        (528.8965, 300.0, 6238),
        (235.8, 400.0, 4369),
        (943.2, 400.0, 17214),
    ],
)
def test_plane_waves_are_those_of_real_outcars(volume, cutoff, printed):
    assert plane_waves(volume, cutoff) == pytest.approx(printed, rel=0.05)


def test_symmetry_reduces_the_mesh_as_vasp_does(silicon):
    assert irreducible_points(silicon) == 29  # "Found 29 irreducible k-points"
    assert irreducible_points(replace(silicon, incar={"ISYM": 0})) == 260
    assert irreducible_points(replace(silicon, incar={"ISYM": -1})) == 512
    assert irreducible_points(replace(silicon, engine="xtb")) == 260


def test_memory_is_that_of_the_wavefunctions(silicon):
    size = size_of(silicon)
    assert size.bands == 7
    assert size.memory_gb == pytest.approx(29 * 7 * size.plane_waves * 16 / 1e9, rel=1e-3)


@pytest.mark.parametrize(
    ("incar", "images", "factor"),
    [({"ISPIN": 2}, 0, 2), ({"LSORBIT": True}, 0, 4), ({"NBANDS": 14}, 0, 2), ({}, 5, 5)],
    ids=["spin", "spinors and twice the bands", "bands", "images"],
)
def test_memory_grows_with_spin_bands_and_images(silicon, incar, images, factor):
    larger = replace(silicon, incar={**silicon.incar, **incar}, n_images=images)
    assert size_of(larger).memory_gb == pytest.approx(factor * size_of(silicon).memory_gb, rel=1e-3)


def test_gamma_alone_needs_half_the_coefficients(silicon):
    gamma = replace(silicon, kpoints={"mesh": [1, 1, 1]})
    size = size_of(gamma)
    assert size.memory_gb == pytest.approx(7 * size.plane_waves * 16 / 2 / 1e9, rel=1e-3)


def test_without_encut_the_potentials_say_it(silicon):
    unset = replace(silicon, incar={})
    assert size_of(unset).plane_waves < size_of(silicon).plane_waves
