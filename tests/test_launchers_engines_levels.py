"""Levels of several spins and k-points: sums, the files made of them, and those who read them.

The crystal is a chain of Mo and S in the tight-binding model, whose bands are known: one s band
and one p band that mix, and a flat d level that is filled for spin up only.
"""

import json
import warnings
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from ase.io import read
from pymatgen.electronic_structure.core import OrbitalType, Spin
from pymatgen.io.vasp import Outcar, Vasprun

from heterofire.launchers.engines.kpoints import regular_mesh
from heterofire.launchers.engines.levels import (
    density_of_states,
    fermi_occupation,
    find_fermi_level,
)
from heterofire.launchers.engines.poscars import Poscar, format_poscar
from heterofire.launchers.engines.potentials import Evaluation, ScfCycle
from heterofire.launchers.engines.tags import Settings
from heterofire.launchers.engines.writing import Label, RunFiles
from heterofire.results.electronic import band_gap
from heterofire.results.outcar import parse_outcar
from heterofire.results.parsing import parse_run
from heterofire.results.vasprun import parse_vasprun
from heterofire.structures.errors import RunError

KT = 0.02  # eV
N_ELECTRONS = 3.0  # lower band up and down, flat level up
SITE, HOPS, SHIFT = 0.5, (1.0, 0.8), 0.45  # eV; SHIFT makes the gap indirect
FLAT = (-5.0, 5.0)  # eV, up and down
# 2 SHIFT cos k -+ sqrt(SITE^2 + |t1 + t2 e^ik|^2) at Gamma and at the zone boundary.
VALENCE_TOP = 2 * SHIFT - np.hypot(SITE, sum(HOPS))
CONDUCTION_BOTTOM = -2 * SHIFT + np.hypot(SITE, HOPS[0] - HOPS[1])
CHAIN = Poscar(
    comment="chain",
    lattice=np.diag([4.0, 12.0, 12.0]),
    symbols=("Mo", "S"),
    fractional=np.array([[0.0, 0.5, 0.5], [0.45, 0.5, 0.5]]),
    movable=None,
)
SETTINGS = Settings(
    system="chain", ismear=-1, sigma=KT, ispin=2, lorbit=11, nedos=2001, emin=-7.0, emax=7.0
)
S, PX, DZ2 = 0, 3, 6  # columns of `ORBITALS`


def chain_at(k, flat):
    """Return levels (3,) and weights (2 atoms, 9 orbitals, 3 levels) at a point of the chain."""
    phase = 2 * np.pi * k[0]
    hop = HOPS[0] + HOPS[1] * np.exp(-1j * phase)
    diagonal = 2 * SHIFT * np.cos(phase)
    matrix = np.array([[diagonal + SITE, hop], [np.conj(hop), diagonal - SITE]])
    energies, vectors = np.linalg.eigh(matrix)
    weights = np.zeros((2, 9, 3))
    weights[0, S, :2], weights[1, PX, :2] = np.abs(vectors) ** 2
    weights[0, DZ2, 2] = 1.0
    order = np.argsort([*energies, flat])
    return np.array([*energies, flat])[order], weights[:, :, order]


def chain(kpoints):
    """Return an evaluation of the chain at these k-points, electrons and sums consistent."""
    rows = [[chain_at(k, flat) for k in kpoints.points] for flat in FLAT]
    levels = np.array([[levels for levels, _ in row] for row in rows])
    weights = np.array([[weights for _, weights in row] for row in rows])
    counted = np.broadcast_to(kpoints.weights[None, :, None], levels.shape)
    fermi = find_fermi_level(levels, N_ELECTRONS, KT, counted)
    evaluation = Evaluation(
        free_energy=-10.0,
        entropy_term=0.0,
        forces=np.zeros((2, 3)),
        stress=np.zeros((3, 3)),
        eigenvalues=levels,
        occupations=fermi_occupation((levels - fermi) / KT),
        fermi_level=fermi,
        weights=weights,
        charges=np.zeros(2),
        cycles=(ScfCycle(energy=-10.0, change=-10.0, density_error=0.0),),
        kpoints=kpoints,
    )
    electrons = evaluation.spin_populations.sum(axis=(0, 2))
    return replace(evaluation, charges=np.array([2.0, 1.0]) - electrons)


def by_time_reversal(kpoints):
    """Return the points of a mesh of the chain without those whose opposite is kept."""
    kept = kpoints.points[:, 0] >= 0
    doubled = np.where(np.isin(kpoints.points[kept, 0], (0.0, 0.5)), 1, 2)
    weights = doubled / len(kpoints.points)
    return replace(kpoints, points=kpoints.points[kept], weights=weights)


def write(path, evaluation, settings=SETTINGS, **label):
    """Write the files of a static run of the chain."""
    head = Label(
        version="1",
        method="PBE, LCAO szp(dzp), h 0.22 A",
        started=datetime.now(UTC),
        **{"program": "heterofire-test", "lists_levels": True, **label},
    )
    with RunFiles(path, CHAIN, settings, {"LORBIT": "11", "ISPIN": "2"}, head, CHAIN.symbols) as f:
        f.step(evaluation, CHAIN.positions)
        f.finish()
    return path


@pytest.fixture(scope="module")
def evaluation():
    return chain(by_time_reversal(regular_mesh((8, 1, 1))))


@pytest.fixture(scope="module")
def folder(evaluation, tmp_path_factory):
    return write(tmp_path_factory.mktemp("chain"), evaluation)


@pytest.fixture(scope="module")
def theirs(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Vasprun(folder / "vasprun.xml", parse_projected_eigen=True, parse_dos=True)


def density(evaluation, **changes):
    options = {"n_points": 2001, "emin": -7.0, "emax": 7.0, "width": KT, "broadening": "gaussian"}
    return density_of_states(evaluation, **{**options, "lorbit": 11, **changes})


def test_the_sums_over_levels_count_each_kpoint_with_its_weight(evaluation):
    assert evaluation.n_electrons == pytest.approx(N_ELECTRONS)
    assert evaluation.magnetization == pytest.approx(1.0)
    assert evaluation.spin_populations.sum() == pytest.approx(N_ELECTRONS)
    np.testing.assert_allclose(evaluation.valences, [2.0, 1.0])


def test_the_fermi_level_of_a_half_filled_band_is_its_middle():
    points = regular_mesh((12, 1, 1)).points[:, 0]
    reduced = by_time_reversal(regular_mesh((12, 1, 1)))
    band = 1.5 - 2 * np.cos(2 * np.pi * points)
    fewer = 1.5 - 2 * np.cos(2 * np.pi * reduced.points[:, 0])
    assert find_fermi_level(band, 6.0, KT) == pytest.approx(1.5)
    assert find_fermi_level(fewer, 0.5, KT, reduced.weights) == pytest.approx(1.5)


@pytest.mark.parametrize("broadening", ["fermi", "gaussian"])
def test_the_density_of_states_up_to_the_gap_holds_all_electrons(evaluation, broadening):
    dos = density(evaluation, broadening=broadening)
    below = dos.energies < (VALENCE_TOP + CONDUCTION_BOTTOM) / 2
    step = dos.energies[1] - dos.energies[0]
    assert dos.total[:, below].sum() * step == pytest.approx(N_ELECTRONS, abs=1e-4)
    np.testing.assert_allclose(dos.integrated[:, below][:, -1], [2.0, 1.0], atol=1e-4)
    assert dos.integrated[:, -1].sum() == pytest.approx(6.0, abs=1e-6)


def test_mulliken_projections_sum_to_the_total_at_every_energy(evaluation):
    dos = density(evaluation)
    np.testing.assert_allclose(dos.projected.sum(axis=(1, 2)), dos.total, atol=1e-9)
    coarse = density(evaluation, lorbit=10)
    np.testing.assert_allclose(coarse.projected[:, 0, 2], dos.projected[:, 0, DZ2], atol=1e-12)
    assert coarse.projected.shape[2] == 3


def test_points_equal_by_symmetry_may_be_left_out(evaluation):
    everything = chain(regular_mesh((8, 1, 1)))
    assert len(everything.kpoints.points) == 8
    assert len(evaluation.kpoints.points) == 5
    np.testing.assert_allclose(density(everything).total, density(evaluation).total, atol=1e-9)
    assert everything.fermi_level == pytest.approx(evaluation.fermi_level)
    np.testing.assert_allclose(evaluation.kpoints.multiplicities, [1, 2, 2, 2, 1])


def test_our_reader_finds_levels_weights_and_the_gap(folder, evaluation):
    run = parse_vasprun(folder / "vasprun.xml")
    np.testing.assert_allclose(run.bands.eigenvalues, evaluation.eigenvalues, atol=1e-6)
    np.testing.assert_allclose(run.bands.occupations, evaluation.occupations, atol=1e-6)
    np.testing.assert_allclose(run.bands.weights, evaluation.kpoints.weights, atol=1e-8)
    assert run.kpoints == {
        "style": "Gamma", "n_kpoints": 5, "divisions": [8, 1, 1], "shift": [0, 0, 0],
    }  # fmt: skip
    gap = band_gap(run.bands, run.dos, 2)
    assert not gap.is_metal
    assert gap.valence_top == pytest.approx(VALENCE_TOP, abs=1e-6)
    assert gap.conduction_bottom == pytest.approx(CONDUCTION_BOTTOM, abs=1e-6)
    assert run.n_electrons == pytest.approx(N_ELECTRONS)


def test_a_metal_of_two_kpoints_is_one_for_our_reader(tmp_path, evaluation):
    kpoints = by_time_reversal(regular_mesh((2, 1, 1)))
    crossing = np.array([[[-1.0, 0.5, 5.0], [-1.0, -0.5, 5.0]]] * 2)
    levels = chain(kpoints)
    occupations = fermi_occupation(crossing / KT)
    metal = replace(levels, eigenvalues=crossing, occupations=occupations, fermi_level=0.0)
    run = parse_vasprun(write(tmp_path, metal) / "vasprun.xml")
    assert "a band crosses the Fermi level" in band_gap(run.bands, run.dos, 2).reasons


def test_pymatgen_finds_the_indirect_gap_and_the_kpoints(theirs, evaluation):
    gap, conduction, valence, is_direct = theirs.eigenvalue_band_properties
    assert not is_direct
    assert gap == pytest.approx(CONDUCTION_BOTTOM - VALENCE_TOP, abs=1e-6)
    assert (conduction, valence) == pytest.approx((CONDUCTION_BOTTOM, VALENCE_TOP), abs=1e-6)
    np.testing.assert_allclose(theirs.actual_kpoints, evaluation.kpoints.points, atol=1e-8)
    np.testing.assert_allclose(theirs.actual_kpoints_weights, evaluation.kpoints.weights, atol=1e-8)
    assert theirs.kpoints.style.name == "Gamma"


def test_pymatgen_reads_the_weight_of_each_orbital_in_each_level(theirs, evaluation):
    for spin, index in ((Spin.up, 0), (Spin.down, 1)):
        expected = evaluation.weights[index].transpose(0, 3, 1, 2)  # k, band, atom, orbital
        np.testing.assert_allclose(theirs.projected_eigenvalues[spin], expected, atol=6e-5)


def test_pymatgens_projected_densities_sum_to_the_electrons(theirs):
    dos = theirs.complete_dos
    below = dos.energies < dos.efermi
    step = dos.energies[1] - dos.energies[0]
    flat = dos.get_element_spd_dos("Mo")[OrbitalType.d].densities
    assert flat[Spin.up][below].sum() * step == pytest.approx(1.0, abs=1e-3)
    assert flat[Spin.down][below].sum() * step == pytest.approx(0.0, abs=1e-3)
    total = sum(d for e in dos.get_element_dos().values() for d in e.densities.values())
    assert total[below].sum() * step == pytest.approx(N_ELECTRONS, abs=1e-3)


def test_ase_and_pymatgen_read_the_levels_of_each_kpoint_from_outcar(folder, evaluation):
    calculator = read(folder / "OUTCAR").calc
    for spin in (0, 1):
        for k, weight in enumerate(evaluation.kpoints.weights):
            block = calculator.get_eigenvalues(kpt=k, spin=spin)
            np.testing.assert_allclose(block, evaluation.eigenvalues[spin, k], atol=6e-5)
            assert calculator.get_k_point_weights()[k] == pytest.approx(weight, abs=6e-4)
    run = Outcar(folder / "OUTCAR")
    assert run.total_mag == pytest.approx(1.0)
    assert run.efermi == pytest.approx(evaluation.fermi_level, abs=1e-6)


def test_our_reader_takes_an_outcar_with_levels(folder, evaluation):
    run = parse_outcar(folder / "OUTCAR")
    assert run.efermi == pytest.approx(evaluation.fermi_level, abs=1e-6)
    assert (run.n_electrons, run.magnetization) == pytest.approx((N_ELECTRONS, 1.0))
    np.testing.assert_allclose(run.site_electrons.sum(), N_ELECTRONS, atol=1e-3)
    np.testing.assert_allclose(run.positions, CHAIN.positions, atol=1e-5)
    assert (run.titels, run.symbols) == (("PBE Mo", "PBE S"), ("Mo", "S"))


def test_without_spin_an_outcar_counts_both_electrons_of_a_level(tmp_path, evaluation):
    single = replace(
        evaluation,
        eigenvalues=evaluation.eigenvalues[:1],
        occupations=evaluation.occupations[:1],
        weights=evaluation.weights[:1],
    )
    text = (write(tmp_path, single, replace(SETTINGS, ispin=1)) / "OUTCAR").read_text()
    assert "spin component" not in text
    assert text.count(" band No.  band energies     occupation") == 5
    assert "      1      -5.0000      2.00000" in text


def test_a_list_of_points_has_no_mesh_in_vasprun(tmp_path, evaluation):
    points = replace(evaluation.kpoints, mesh=None, style="list")
    run = parse_vasprun(write(tmp_path, replace(evaluation, kpoints=points)) / "vasprun.xml")
    assert run.kpoints == {"style": "Reciprocal", "n_kpoints": 5}


def test_an_engine_without_kpoints_writes_no_list_of_levels(tmp_path, evaluation):
    path = write(tmp_path, evaluation, lists_levels=False)
    assert "band No." not in (path / "OUTCAR").read_text()
    assert "<projected>" not in (path / "vasprun.xml").read_text()


def test_projections_are_left_out_without_lorbit_as_in_vasp(tmp_path, evaluation):
    text = (write(tmp_path, evaluation, replace(SETTINGS, lorbit=0)) / "vasprun.xml").read_text()
    assert "<projected>" not in text
    assert "<eigenvalues>" in text


def test_populations_of_paw_spheres_come_without_mulliken_charges(tmp_path, evaluation):
    text = (write(tmp_path, evaluation, projection="PAW spheres") / "OUTCAR").read_text()
    assert "populations below are those inside the PAW spheres" in text
    assert "Mulliken charges" not in text


def test_a_potential_of_an_earlier_run_is_removed(tmp_path, evaluation):
    (tmp_path / "LOCPOT").write_text("of another run")
    write(tmp_path, evaluation)
    assert not (tmp_path / "LOCPOT").exists()


def test_a_run_projected_on_paw_spheres_is_read_as_such(tmp_path, evaluation):
    """The spheres miss what lies between the atoms: nothing to sum to NELECT, as in VASP."""
    inside = 0.8 * evaluation.weights
    electrons = 0.8 * evaluation.spin_populations.sum(axis=(0, 2))
    partial = replace(evaluation, weights=inside, charges=np.array([2.0, 1.0]) - electrons)
    write(tmp_path, partial, program="heterofire-gpaw", projection="PAW spheres")
    (tmp_path / "POSCAR").write_text(format_poscar(CHAIN, CHAIN.positions))
    report = {
        "engine": "gpaw", "engine_version": "26.7", "method": "PBE, PW 400 eV", "status": "static",
        "temperature_K": 232.0, "projection": "PAW spheres",
    }  # fmt: skip
    (tmp_path / "engine.json").write_text(json.dumps(report))
    run = parse_run(tmp_path)
    assert (run.dos.projection, run.site_charges.scheme) == ("PAW spheres", "PAW spheres")
    np.testing.assert_allclose(run.site_charges.electrons, electrons, atol=1e-3)
    assert run.bands.eigenvalues.shape == (2, 5, 3)
    del report["projection"]
    (tmp_path / "engine.json").write_text(json.dumps(report))
    with pytest.raises(RunError, match=r"Mulliken populations sum to 2\.4"):
        parse_run(tmp_path)
