"""Measured powder peaks: indexed, refined, judged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from heterofire.structures.crystals import build_crystal, crystal_names
from heterofire.structures.diffraction import PENALTY, checked_peaks, fit_phase, rank_phases
from heterofire.structures.errors import InputError
from heterofire.structures.metrics import (
    cell_of,
    conventional_cell,
    metric_basis,
    metric_of,
    with_metric,
)
from heterofire.structures.reflections import powder_lines, wavelength_of

PAPER = (40.70, 43.01, 45.23, 58.97)  # 10.1007/s40820-025-01992-x
MON = (31.65, 36.05, 48.73)


def fit(name, peaks, **options):
    return fit_phase(build_crystal(name), peaks, name=name, **options)


def stretched(name, *factors):
    """Return a crystal whose axes are multiplied as far as its symmetry lets them differ."""
    crystal = build_crystal(name)
    n_free = len(metric_basis(crystal))
    a, b, c = factors
    by = np.array([a, b if n_free > 2 else a, c if n_free > 1 else a])
    return with_metric(crystal, metric_of(crystal) / np.outer(by, by))


def test_the_papers_peaks_are_those_of_filled_beta_manganese():
    found = fit("Ni2Mo3N", PAPER, radiation="CuKa1")
    assert found.fits
    assert found.cell[0] == pytest.approx(6.644, abs=1e-3)
    assert found.deviation == pytest.approx(0.01, abs=0.005)
    labels = [peak.line.label for peak in found.peaks]
    assert labels == ["(221)+(300)", "(310)", "(311)", "(411)+(330)"]


def test_the_papers_peaks_are_not_those_of_the_eta_carbide_type_at_any_lattice():
    found = fit("Ni3Mo3N_eta6", PAPER, radiation="CuKa1")
    assert not found.fits
    assert found.cell[0] == pytest.approx(10.85, abs=0.01)
    assert found.deviation == pytest.approx(0.38, abs=0.01)
    assert [peak.two_theta for peak in found.peaks if peak.line is None] == [45.23]
    assert [line.label for line in found.absent] == ["(440)"]
    assert any("moved by more than 1 %: a -2.2 %" in text for text in found.warnings)


def test_a_line_too_weak_to_be_seen_leaves_its_peak_unexplained():
    found = fit("Ni3Mo3N_eta6", PAPER)
    last = found.peaks[-1]
    assert last.line.label == "(444)"
    assert last.line.intensity < 0.1
    assert [peak.two_theta for peak in found.unexplained] == [45.23, 58.97]


def test_both_lattice_parameters_of_molybdenum_nitride_are_refined():
    found = fit("MoN_delta3", MON, radiation="CuKa1")
    assert found.fits
    assert found.cell[0] == pytest.approx(5.749, abs=1e-3)
    assert found.cell[2] == pytest.approx(5.649, abs=1e-3)
    assert [peak.line.label for peak in found.peaks] == ["(002)", "(200)", "(202)"]


def test_the_weighted_wavelength_makes_the_lattice_larger_in_proportion():
    one, both = (fit("Ni2Mo3N", PAPER, radiation=name) for name in ("CuKa1", "CuKa"))
    assert both.cell[0] / one.cell[0] == pytest.approx(1.54184 / 1.54056, rel=1e-6)
    assert both.deviation == pytest.approx(one.deviation, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(crystal_names()),
    factors=st.tuples(*3 * (st.floats(0.985, 1.015),)),
)
def test_peaks_of_a_stretched_crystal_give_its_lattice_back(name, factors):
    true = stretched(name, *factors)
    peaks = [line.two_theta for line in powder_lines(true) if line.intensity > 10][:12]
    found = fit(name, peaks)
    assert found.fits
    np.testing.assert_allclose(found.cell, cell_of(metric_of(true)), rtol=1e-4)


@pytest.mark.parametrize(
    ("lattice", "n_free"),
    [
        (Lattice.orthorhombic(4.1, 5.2, 6.3), 3),
        (Lattice.monoclinic(4.1, 5.2, 6.3, 100), 4),
        (Lattice.from_parameters(4.1, 5.2, 6.3, 80, 95, 103), 6),
        (Lattice.rhombohedral(4.1, 70), 2),
    ],
    ids=["orthorhombic", "monoclinic", "triclinic", "rhombohedral"],
)
def test_every_free_parameter_of_a_crystal_system_is_refined(lattice, n_free):
    crystal = Structure(lattice, ["Mo"], [[0, 0, 0]])
    true = crystal.copy()
    true.scale_lattice(1.008**3 * crystal.volume)
    found = fit_phase(crystal, [line.two_theta for line in powder_lines(true)][:14])
    assert found.n_refined == n_free
    np.testing.assert_allclose(found.cell, true.lattice.parameters, rtol=1e-4)


def test_a_tetragonal_crystal_in_a_cell_that_looks_cubic_is_refined_as_tetragonal():
    crystal = Structure(Lattice.cubic(3.8), ["Cu", "Au"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal.append("Li", [0.5, 0.5, 0])
    true = Structure(Lattice.tetragonal(3.8, 3.77), crystal.species, crystal.frac_coords)
    found = fit_phase(crystal, [line.two_theta for line in powder_lines(true)][:10])
    assert found.n_refined == 2
    assert found.cell[2] == pytest.approx(3.77, rel=1e-4)


def test_a_misread_peak_is_unexplained_and_does_not_move_the_lattice():
    true = stretched("Ni2Mo3N", 1.004, 1, 1)
    peaks = [line.two_theta for line in powder_lines(true) if line.intensity > 5]
    found = fit("Ni2Mo3N", [*peaks, 53.1])
    assert [peak.two_theta for peak in found.unexplained] == [53.1]
    assert found.deviation == pytest.approx(PENALTY / (len(peaks) + 1), abs=1e-3)
    assert found.cell[0] == pytest.approx(1.004 * 6.634, rel=1e-5)


def test_a_strong_line_that_was_not_measured_is_named():
    without = [peak for peak in PAPER if peak != 43.01]
    found = fit("Ni2Mo3N", without)
    assert [line.label for line in found.absent] == ["(310)"]
    assert not found.fits


def test_a_crystal_with_lines_at_every_angle_is_not_the_best():
    ranked = rank_phases(fit(name, PAPER) for name in ("S8_alpha", "Ni3Mo3N_eta6", "Ni2Mo3N"))
    assert ranked[0].name == "Ni2Mo3N"
    sulfur = ranked[-1]
    assert sulfur.deviation < ranked[0].deviation
    assert len(sulfur.absent) > 3


def test_fewer_peaks_than_lattice_parameters_are_refused_with_both_numbers():
    with pytest.raises(InputError, match=r"has 2 free .* peaks is only 1: .*--fix-ratio"):
        fit("graphite_2H", [26.54])


def test_peaks_that_leave_a_parameter_open_are_refused_with_their_indices():
    with pytest.raises(InputError, match=r"2 peaks index as \(002\), \(004\) .* its 2 lattice"):
        fit("graphite_2H", [26.54, 54.66])


def test_the_scale_alone_is_refined_to_one_peak_when_asked():
    found = fit("graphite_2H", [26.54], fix_ratio=True)
    assert found.cell[2] == pytest.approx(6.717, abs=1e-3)
    assert found.cell[2] / found.cell[0] == pytest.approx(6.711 / 2.464)
    assert not found.is_tested
    assert any("no peak is left to test" in text for text in found.warnings)


def test_peaks_far_from_every_line_leave_the_lattice_as_it_was():
    found = fit("LiF", [20.0, 22.0])
    assert found.cell == found.own_cell
    assert found.deviation == PENALTY
    assert found.warnings == ("no peak is near a line: the lattice was not refined",)


def test_peaks_are_sorted():
    assert fit("Ni2Mo3N", reversed(PAPER)) == fit("Ni2Mo3N", PAPER)


@pytest.mark.parametrize(
    ("peaks", "message"),
    [
        ([], "but there is none"),
        ([40.7, 180.0], "but 180.0 is none"),
        ([0.0, 40.7], "but 0.0 is none"),
        ([-3.0, 40.7], "but -3.0 is none"),
        ([40.7, float("nan")], "but nan is none"),
        ([float("inf")], "but inf is none"),
        ([40.7, 43.01, 40.7], "peak at 40.7 degrees is given twice"),
    ],
)
def test_what_is_no_list_of_peaks_is_refused(peaks, message):
    with pytest.raises(InputError, match=message):
        checked_peaks(peaks)


@pytest.mark.parametrize("radiation", ["CuK", "0", "-1.5", "nan", "1e9"])
def test_what_is_no_wavelength_is_refused(radiation):
    with pytest.raises(InputError, match=r"no wavelength .* CuKa, CuKa1"):
        wavelength_of(radiation)


def test_a_wavelength_too_long_for_any_line_is_refused():
    with pytest.raises(InputError, match=r"LiF has no line below 90 degrees at 9.5 A"):
        fit("LiF", [40.0], radiation=9.5)


def test_calculated_angles_follow_from_braggs_law():
    first = powder_lines(build_crystal("Mo_bcc"))[0]
    spacing = 3.147 / np.sqrt(2)
    assert first.two_theta == pytest.approx(2 * np.degrees(np.arcsin(1.54184 / 2 / spacing)))
    assert first.intensity == pytest.approx(100)


def test_hexagonal_indices_are_written_without_signs():
    labels = [line.label for line in powder_lines(build_crystal("graphite_2H"))]
    assert "(110)" in labels
    assert not any("-" in label for label in labels)


def test_sites_that_two_elements_share_are_taken():
    crystal = build_crystal("Ni2Mo3N")
    mixed = crystal.copy()
    mixed.replace_species({"N": {"C": 0.5, "N": 0.5}})
    assert fit_phase(mixed, PAPER).fits


def test_a_primitive_cell_is_brought_to_the_conventional_one_and_that_one_kept():
    whole = conventional_cell(build_crystal("Ni3Mo3N_eta6", primitive=True))
    assert len(whole) == 112
    assert conventional_cell(build_crystal("MoN_delta3")) == build_crystal("MoN_delta3")
