"""Zero-point energy, entropy and free energy: limits, gases against tables, imaginary modes."""

from dataclasses import replace

import numpy as np
import pytest
from ase import units
from ase.build import molecule
from ase.thermochemistry import HarmonicThermo
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from heterofire.results.derive import derive
from heterofire.results.molecules import free_molecule, rigid_motions
from heterofire.results.records import Vibrations
from heterofire.results.requests import VibrationRequest
from heterofire.results.thermochemistry import (
    adsorbate_thermochemistry,
    molecule_thermochemistry,
    settle_modes,
    vibrational_energy,
    vibrational_entropy,
    vibrational_free_energy,
    zero_point_energy,
)
from heterofire.structures.errors import RunError
from heterofire.structures.gaps import in_one_piece

ROOM = 298.15
ENERGIES = st.lists(st.floats(0.001, 0.6), min_size=1, max_size=9).map(np.array)


def modes_of(wavenumbers, n_atoms=1):
    """Return modes of these wavenumbers along the coordinates, one after the other."""
    vectors = np.eye(3 * n_atoms)[: len(wavenumbers)].reshape(-1, n_atoms, 3)
    return Vibrations(wavenumbers=np.array(wavenumbers, dtype=float), vectors=vectors)


def gas(name, wavenumbers, make_run, **changes):
    """Return a run of a molecule whose inner modes have these wavenumbers, highest first."""
    atoms = molecule(name, cell=[12.0, 12.0, 12.0], pbc=True)
    rigid = rigid_motions(atoms)
    inner = np.linalg.svd(rigid)[2][len(rigid) :]
    vibrations = Vibrations(
        wavenumbers=np.array([*wavenumbers, *([-75.0] * len(rigid))]),
        vectors=np.vstack([inner, rigid]).reshape(-1, len(atoms), 3),
    )
    return make_run(AseAtomsAdaptor.get_structure(atoms), vibrations=vibrations, **changes)


@given(ENERGIES, st.floats(1, 2000))
def test_free_energy_is_internal_energy_less_ts(energies, temperature):
    f, u, s = (
        function(energies, temperature)
        for function in (vibrational_free_energy, vibrational_energy, vibrational_entropy)
    )
    assert f == pytest.approx(u - temperature * s, abs=1e-12)
    assert s >= -1e-15


@given(ENERGIES, st.floats(20, 2000))
def test_harmonic_formulas_are_those_of_ase(energies, temperature):
    theirs = HarmonicThermo(energies)
    expected = theirs.get_helmholtz_energy(temperature, verbose=False)
    assert vibrational_free_energy(energies, temperature) == pytest.approx(expected, abs=1e-9)


@given(ENERGIES)
def test_at_absolute_zero_only_the_zero_point_is_left(energies):
    zero_point = zero_point_energy(energies)
    for temperature in (0.0, 1e-3):
        assert vibrational_free_energy(energies, temperature) == pytest.approx(zero_point)
        assert vibrational_energy(energies, temperature) == pytest.approx(zero_point)
        assert vibrational_entropy(energies, temperature) == pytest.approx(0, abs=1e-12)


def test_a_soft_mode_is_classical():
    energy, temperature = np.array([1e-6]), ROOM
    kt = units.kB * temperature
    classical = units.kB * (1 + np.log(kt / energy[0]))
    assert vibrational_entropy(energy, temperature) == pytest.approx(classical, rel=1e-6)
    assert vibrational_energy(energy, temperature) == pytest.approx(kt, rel=1e-6)


def test_a_stiff_mode_has_no_entropy():
    assert vibrational_entropy(np.array([0.45]), ROOM) == pytest.approx(0, abs=1e-9)


@given(ENERGIES)
def test_entropy_grows_with_temperature(energies):
    entropies = [vibrational_entropy(energies, t) for t in (100, 200, 400, 800)]
    assert (np.diff(entropies) >= -1e-15).all()


def test_soft_modes_are_raised_to_the_floor_and_it_is_said():
    settled = settle_modes([3600.0, 120.0, 60.0, 5.0])
    np.testing.assert_allclose(settled.energies[2:], 0.012)
    np.testing.assert_allclose(settled.energies[:2], np.array([3600, 120]) * units.invcm)
    assert settled.notes == (
        "mode of 60 1/cm raised to 12 meV (96.8 1/cm)",
        "mode of 5 1/cm raised to 12 meV (96.8 1/cm)",
    )


def test_a_lower_floor_leaves_modes_alone():
    assert settle_modes([60.0], floor_mev=0).notes == ()


def test_a_small_imaginary_mode_is_raised_and_reported():
    found = adsorbate_thermochemistry(modes_of([500.0, 200.0, -30.0]))
    assert found.imaginary == (30.0,)
    assert found.energies[-1] == pytest.approx(0.012)
    assert "mode of 30i 1/cm raised to 12 meV (96.8 1/cm)" in found.notes


def test_a_minimum_with_a_large_imaginary_mode_is_none():
    with pytest.raises(RunError, match="no minimum: imaginary modes of 51i 1/cm"):
        adsorbate_thermochemistry(modes_of([500.0, 200.0, -51.0]))


def test_an_imaginary_mode_needs_a_floor():
    with pytest.raises(RunError, match="Give a floor above 0 meV"):
        settle_modes([500.0, -10.0], floor_mev=0)


def test_a_saddle_leaves_out_its_one_imaginary_mode():
    found = adsorbate_thermochemistry(modes_of([500.0, 200.0, -300.0]), is_saddle=True)
    assert found.zpe == pytest.approx(350 * units.invcm)
    assert found.imaginary == (300.0,)
    assert "mode of 300i 1/cm is the way over and left out" in found.notes


@pytest.mark.parametrize("wavenumbers", [[500.0, 200.0], [500.0, -200.0, -300.0]])
def test_a_saddle_has_exactly_one_imaginary_mode(wavenumbers):
    with pytest.raises(RunError, match="a saddle point has one"):
        settle_modes(wavenumbers, is_saddle=True)


# Wavenumbers and entropies at 298.15 K and 1 bar: NIST Chemistry WebBook, SRD 69.
GASES = {
    "H2": ([4401.0], "linear", 2, 130.68),
    "H2O": ([3756.0, 3657.0, 1595.0], "nonlinear", 2, 188.84),
    "CO2": ([2349.0, 1333.0, 667.0, 667.0], "linear", 2, 213.79),
    "NH3": ([3444.0, 3444.0, 3337.0, 1627.0, 1627.0, 950.0], "nonlinear", 3, 192.77),
    "CO": ([2170.0], "linear", 1, 197.66),
}


@pytest.mark.parametrize("name", GASES)
def test_entropy_of_a_gas_is_the_measured_one(name, make_run):
    wavenumbers, shape, symmetry, measured = GASES[name]
    run = gas(name, wavenumbers, make_run, n_electrons=2.0)
    found = molecule_thermochemistry(run)
    assert found.notes[0].startswith(f"ideal gas at 1 bar: {shape}, symmetry number {symmetry},")
    assert found.entropy * units.mol / units.kJ * 1000 == pytest.approx(measured, abs=0.6)
    assert found.zpe == pytest.approx(sum(wavenumbers) * units.invcm / 2, rel=1e-6)
    assert found.imaginary == ()


def test_gibbs_energy_of_a_gas_is_enthalpy_less_ts(make_run):
    found = molecule_thermochemistry(gas("H2O", [3756.0, 3657.0, 1595.0], make_run))
    kt = units.kB * ROOM
    assert found.free_energy == pytest.approx(found.internal_energy + kt + found.minus_ts)


def test_a_tenfold_pressure_takes_kt_ln_10(make_run):
    run = gas("H2", [4401.0], make_run)
    low, high = (molecule_thermochemistry(run, pressure_bar=p) for p in (1.0, 10.0))
    assert high.free_energy - low.free_energy == pytest.approx(units.kB * ROOM * np.log(10))


def test_a_single_atom_only_flies(make_run):
    structure = Structure(Lattice.cubic(12), ["Ne"], [[0.5, 0.5, 0.5]])
    found = molecule_thermochemistry(make_run(structure, n_electrons=8.0))
    assert found.zpe == 0
    # Sackur and Tetrode: 146.33 J/mol/K at 1 bar
    assert found.entropy * units.mol / units.kJ * 1000 == pytest.approx(146.33, abs=0.05)


@pytest.mark.parametrize(("magnetization", "spin"), [(2.0, 1.0), (-1.0, 0.5), (0.02, 0.0)])
def test_spin_is_that_of_the_run(magnetization, spin, make_run):
    run = gas("O2", [1580.0], make_run, magnetization=magnetization)
    assert f"spin {spin:g}" in molecule_thermochemistry(run).notes[0]


def test_an_odd_number_of_electrons_is_a_doublet(make_run):
    run = gas("NO", [1904.0], make_run, n_electrons=11.0)
    assert "spin 0.5 (odd number" in molecule_thermochemistry(run).notes[0]


def test_an_imaginary_rotation_of_a_free_molecule_is_no_vibration(make_run):
    run = gas("H2O", [3756.0, 3657.0, 1595.0], make_run)
    assert run.vibrations.imaginary[0] == 75.0
    assert molecule_thermochemistry(run).imaginary == ()


def test_an_imaginary_vibration_of_a_molecule_is_noticed(make_run):
    with pytest.raises(RunError, match="no minimum: imaginary modes of 200i 1/cm"):
        molecule_thermochemistry(gas("NH3", [3444, 3444, 3337, 1627, 1627, -200.0], make_run))


def test_a_molecule_across_the_edge_of_its_box_is_one_piece():
    atoms = molecule("CO2", cell=[12.0, 12.0, 12.0], pbc=True)
    atoms.wrap()
    structure = AseAtomsAdaptor.get_structure(atoms)
    assert np.ptp(structure.cart_coords[:, 2]) > 6
    positions = in_one_piece(structure.frac_coords) @ structure.lattice.matrix
    assert np.ptp(positions[:, 2]) == pytest.approx(2 * 1.1787, abs=0.01)


@pytest.mark.parametrize(
    ("name", "n_rigid"), [("H2", 5), ("CO2", 5), ("C2H2", 5), ("H2O", 6), ("C60", 6)]
)
def test_rigid_motions_are_orthonormal_and_counted_by_shape(name, n_rigid):
    rigid = rigid_motions(molecule(name))
    np.testing.assert_allclose(rigid @ rigid.T, np.eye(n_rigid), atol=1e-10)


def test_a_molecule_with_held_atoms_is_no_gas(make_run, make_structure):
    run = make_run(make_structure("O", "H", box=12), vibrations=modes_of([3700.0, 100, 90], 2))
    with pytest.raises(RunError, match="3 vibrations of 6"):
        free_molecule(run.structure, run.vibrations)


@pytest.fixture
def hydroxyl(make_run, make_structure):
    """OH on a held Mo atom."""
    structure = make_structure("Mo", "O", "H")
    structure.add_site_property("selective_dynamics", [[False] * 3, [True] * 3, [True] * 3])
    wavenumbers = [3650.0, 800.0, 600.0, 400.0, 150.0, 60.0]
    vectors = np.eye(9)[3:].reshape(6, 3, 3)
    vibrations = Vibrations(wavenumbers=np.array(wavenumbers), vectors=vectors)
    return make_run(structure, vibrations=vibrations)


def derived(store, label, run, **changes):
    store.add_run("k1", label, run)
    request = VibrationRequest(model="MoS2", label="OH", key="k1", **changes)
    return derive(store, [request], study="s", profile="quick", engine="xtb")


def test_a_request_gives_zero_point_entropy_and_free_energy(store, label, hydroxyl):
    found = {item.quantity: item for item in derived(store, label, hydroxyl)}
    assert list(found) == ["ZPE", "-TS", "F_vib"]
    assert {item.status for item in found.values()} == {"ok"}
    detail = found["ZPE"].detail
    assert detail["internal_energy_ev"] + found["-TS"].value == pytest.approx(found["F_vib"].value)
    assert found["ZPE"].value == pytest.approx(0.35, abs=0.02)
    assert "mode of 60 1/cm raised to 12 meV (96.8 1/cm)" in found["F_vib"].notes


def test_a_request_at_another_temperature_says_so(store, label, hydroxyl):
    found = derived(store, label, hydroxyl, temperature_kelvin=0.0)
    assert [item.reference for item in found] == ["0 K"] * 3
    assert found[1].value == 0
    assert found[0].value == found[2].value


def test_what_is_no_minimum_is_missing_with_the_reason(store, label, hydroxyl):
    wavenumbers = [*hydroxyl.vibrations.wavenumbers[:-1], -120.0]
    modes = replace(hydroxyl.vibrations, wavenumbers=np.array(wavenumbers))
    found = derived(store, label, replace(hydroxyl, vibrations=modes))
    assert [item.status for item in found] == ["missing"] * 3
    assert "120i 1/cm" in found[0].notes[0]


def test_a_run_of_another_task_has_no_thermochemistry(store, label, hydroxyl):
    found = derived(store, label, replace(hydroxyl, vibrations=None))
    assert "Run it as task vibrations" in found[0].notes[0]


def test_a_geometry_that_is_not_at_rest_is_noted(store, label, hydroxyl):
    found = derived(store, label, replace(hydroxyl, max_force=0.3))
    assert "not at rest: largest force 0.30 eV/Angstrom" in found[0].notes


def test_a_request_of_a_molecule_is_an_ideal_gas(store, label, make_run):
    run = gas("H2O", [3756.0, 3657.0, 1595.0], make_run)
    found = derived(store, label, run)
    assert found[1].value == pytest.approx(-0.584, abs=0.003)
    assert found[0].notes[0].startswith("ideal gas at 1 bar: nonlinear, symmetry number 2")
