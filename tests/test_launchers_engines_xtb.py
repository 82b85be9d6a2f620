"""The physics of the xTB engine: invariances, derivatives, sums."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule, mx2
from ase.units import kB

from heterofire.launchers.engines.levels import density_of_states
from heterofire.launchers.engines.poscars import Poscar
from heterofire.launchers.engines.tags import Settings
from heterofire.launchers.engines.xtb import XtbPotential
from heterofire.structures.errors import EngineError

SETTINGS = Settings(sigma=0.0862, ediff=1e-7, ismear=-1, nelm=250)


def as_poscar(atoms):
    return Poscar(
        comment="test",
        lattice=np.array(atoms.cell),
        symbols=tuple(atoms.get_chemical_symbols()),
        fractional=np.linalg.solve(np.array(atoms.cell).T, atoms.positions.T).T,
        movable=None,
    )


def evaluate(atoms, *, charge=0, method="GFN1-xTB", **settings):
    poscar = as_poscar(atoms)
    potential = XtbPotential(poscar, replace(SETTINGS, **settings), charge, method)
    return potential.evaluate(poscar.positions)


def in_box(name, box=12.0):
    atoms = molecule(name, cell=[box] * 3, pbc=True)
    atoms.center()
    return atoms


@pytest.fixture(scope="module")
def layer():
    """2x2 MoS2 with a K atom above, rattled: 13 atoms, odd electrons, no symmetry."""
    atoms = mx2("MoS2", a=3.16, thickness=3.13, size=(2, 2, 1), vacuum=8.0)
    atoms += Atoms("K", positions=[atoms.positions[0] + [0, 0, 4.6]])
    atoms.pbc = True
    atoms.rattle(0.05, seed=3)
    return atoms


@pytest.fixture(scope="module")
def layer_evaluation(layer):
    return evaluate(layer)


@pytest.mark.parametrize("method", ["GFN1-xTB", "GFN2-xTB"])
def test_numbers_are_those_of_tblites_own_ase_calculator(layer, method):
    from tblite.ase import TBLite

    mine = evaluate(layer, method=method, ediff=1e-5)
    plain = layer.copy()
    plain.calc = TBLite(method=method, electronic_temperature=0.0862 / kB, verbosity=0)
    assert mine.free_energy == pytest.approx(plain.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(mine.forces, plain.get_forces(), atol=1e-4)
    np.testing.assert_allclose(mine.charges, plain.get_charges(), atol=1e-4)


def test_forces_are_the_gradient_of_the_free_energy(layer, layer_evaluation):
    for atom, axis in ((12, 2), (0, 0)):
        energies = []
        for step in (-1e-3, 1e-3):
            moved = layer.copy()
            moved.positions[atom, axis] += step
            energies.append(evaluate(moved).free_energy)
        slope = (energies[1] - energies[0]) / 2e-3
        assert layer_evaluation.forces[atom, axis] == pytest.approx(-slope, abs=2e-4)


def test_stress_is_the_strain_derivative_of_the_free_energy(layer, layer_evaluation):
    energies = []
    for strain in (-1e-3, 1e-3):
        strained = layer.copy()
        strained.set_cell(layer.cell @ np.diag([1 + strain, 1, 1]), scale_atoms=True)
        energies.append(evaluate(strained).free_energy)
    slope = (energies[1] - energies[0]) / 2e-3 / layer.get_volume()
    assert layer_evaluation.stress[0, 0] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("ispin", [1, 2])
def test_the_entropy_term_is_minus_t_times_the_temperature_derivative(ispin):
    atoms = in_box("CH3", 8.0)  # odd number of electrons: each spin has its own Fermi level
    width, step = 0.5, 0.002
    energies = [
        evaluate(atoms, sigma=sigma, ispin=ispin).free_energy
        for sigma in (width - step, width + step)
    ]
    slope = (energies[1] - energies[0]) / (2 * step)
    term = evaluate(atoms, sigma=width, ispin=ispin).entropy_term
    assert term > 0.05
    assert term == pytest.approx(-width * slope, rel=1e-3)


def test_energy_does_not_depend_on_translation(layer, layer_evaluation):
    moved = layer.copy()
    moved.translate([0.3, 1.7, -2.9])
    assert evaluate(moved).free_energy == pytest.approx(layer_evaluation.free_energy, abs=1e-5)


def test_energy_does_not_depend_on_the_choice_of_lattice_vectors(layer, layer_evaluation):
    other = layer.copy()
    other.set_cell(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ layer.cell, scale_atoms=False)
    # tblite cuts its lattice sums along the lattice vectors: 2.5e-5 eV for these 13 atoms.
    assert evaluate(other).free_energy == pytest.approx(layer_evaluation.free_energy, abs=1e-4)


def test_energy_does_not_depend_on_the_order_of_atoms(layer, layer_evaluation):
    order = np.random.default_rng(0).permutation(len(layer))
    shuffled = evaluate(layer[order])
    assert shuffled.free_energy == pytest.approx(layer_evaluation.free_energy, abs=1e-6)
    np.testing.assert_allclose(shuffled.charges, layer_evaluation.charges[order], atol=1e-5)


def test_two_molecules_far_apart_do_not_bind():
    one = in_box("H2", 10.0)
    one.set_cell([10, 10, 40])
    two = one + one
    two.positions[len(one) :, 2] += 20.0
    bound = evaluate(two).energy_zero - 2 * evaluate(one).energy_zero
    assert bound == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("charge", [-1, 0, 1])
def test_mulliken_charges_sum_to_the_total_charge(charge):
    result = evaluate(in_box("H2O"), charge=charge)
    assert result.charges.sum() == pytest.approx(charge, abs=1e-6)
    assert result.n_electrons == pytest.approx(8 - charge, abs=1e-6)
    np.testing.assert_allclose(result.valences, [6, 1, 1], atol=1e-6)


def test_weights_of_each_level_sum_to_one(layer_evaluation):
    np.testing.assert_allclose(layer_evaluation.weights.sum(axis=(2, 3)), 1.0, atol=1e-9)


@pytest.mark.parametrize("broadening", ["fermi", "gaussian"])
@pytest.mark.parametrize("lorbit", [10, 11])
def test_projected_densities_sum_to_the_total(layer_evaluation, broadening, lorbit):
    dos = density_of_states(
        layer_evaluation,
        n_points=501,
        emin=None,
        emax=float(layer_evaluation.eigenvalues.max()) + 5.0,
        width=0.0862,
        broadening=broadening,
        lorbit=lorbit,
    )
    np.testing.assert_allclose(dos.projected.sum(axis=(1, 2)), dos.total, atol=1e-9)
    assert dos.projected.shape[2] == (3 if lorbit == 10 else 9)
    assert dos.integrated[0, -1] == pytest.approx(2 * layer_evaluation.eigenvalues.size, abs=1e-3)


def test_the_density_of_states_leaves_out_levels_far_above_the_fermi_level(layer_evaluation):
    shape = {"width": 0.0862, "broadening": "fermi", "lorbit": 0}
    dos = density_of_states(layer_evaluation, n_points=301, emin=None, emax=None, **shape)
    assert layer_evaluation.eigenvalues.max() > layer_evaluation.fermi_level + 50
    assert dos.emax == pytest.approx(layer_evaluation.fermi_level + 21.0)


def test_the_density_of_states_is_filled_up_to_the_fermi_level(layer_evaluation):
    # A Fermi-broadened level integrated to E_F is its occupation.
    dos = density_of_states(
        layer_evaluation,
        n_points=11,
        emin=layer_evaluation.fermi_level - 10,
        emax=layer_evaluation.fermi_level,
        width=0.0862,
        broadening="fermi",
        lorbit=0,
    )
    assert dos.integrated[0, -1] == pytest.approx(layer_evaluation.n_electrons, abs=1e-6)


def test_oxygen_is_a_triplet():
    triplet = evaluate(in_box("O2"), ispin=2, nupdown=2)
    singlet = evaluate(in_box("O2"), ispin=2, nupdown=0)
    assert triplet.magnetization == pytest.approx(2.0, abs=1e-6)
    assert triplet.free_energy < singlet.free_energy - 0.3


def test_magmom_sets_the_nearest_possible_moment():
    radical = evaluate(in_box("CH3"), ispin=2, magmom=(0.6, 0.1, 0.1, 0.1))
    assert radical.magnetization == pytest.approx(1.0, abs=1e-6)


def test_an_impossible_moment_is_refused():
    with pytest.raises(EngineError, match=r"NUPDOWN = 1 .* even"):
        evaluate(in_box("H2O"), ispin=2, nupdown=1)


def test_a_warm_start_gives_the_numbers_of_a_cold_one(layer):
    potential = XtbPotential(as_poscar(layer), SETTINGS, 0, "GFN1-xTB")
    potential.evaluate(layer.positions + 0.05 * np.sin(np.arange(39)).reshape(13, 3))
    warm, cold = potential.evaluate(layer.positions), evaluate(layer)
    assert warm.free_energy == pytest.approx(cold.free_energy, abs=1e-6)
    np.testing.assert_allclose(warm.forces, cold.forces, atol=1e-5)


def test_an_element_without_parameters_is_named():
    with pytest.raises(EngineError, match="Es"):
        evaluate(Atoms("Es", cell=[8] * 3, pbc=True))


def test_the_last_cycle_holds_the_final_energy(layer_evaluation):
    last = layer_evaluation.cycles[-1]
    assert last.energy == pytest.approx(layer_evaluation.free_energy, abs=1e-6)
    assert abs(last.change) < 1e-5


def test_an_isolated_ion_does_not_feel_its_box():
    energies = []
    for box in (12.0, 18.0):
        ion = Atoms("K", positions=[[6, 6, 6]], cell=[box] * 3, pbc=True)
        energies.append(evaluate(ion, charge=1, idipol=4).free_energy)
    assert energies[0] == pytest.approx(energies[1], abs=1e-9)


def test_an_isolated_molecule_may_lie_across_the_faces_of_its_box():
    atoms = in_box("H2O")
    whole = evaluate(atoms, idipol=4)
    atoms.translate([6.0, 6.1, 6.2])
    atoms.wrap()
    split = evaluate(atoms, idipol=4)
    assert split.free_energy == pytest.approx(whole.free_energy, abs=1e-8)
    assert np.allclose(split.forces, whole.forces, atol=1e-6)


def test_a_layer_is_no_molecule_in_a_box(layer):
    with pytest.raises(EngineError, match=r"IDIPOL = 4.*empty along axis 1"):
        evaluate(layer, idipol=4)
