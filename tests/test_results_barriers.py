"""Barriers forward and back, and what a reader has to be told about a band."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heterofire.results.barriers import band_barrier, fit_barrier
from heterofire.results.neb_parsing import parse_band
from heterofire.structures.errors import RunError

_HEIGHTS = st.floats(0.05, 3.0)


def test_a_symmetric_hop_has_equal_barriers():
    barrier = fit_barrier([0, 1, 2, 3, 4], [-5.0, -4.7, -4.4, -4.7, -5.0])
    assert barrier.forward == pytest.approx(barrier.back, abs=1e-12)
    assert barrier.forward == pytest.approx(0.6, abs=1e-6)
    assert barrier.saddle == pytest.approx(2.0)
    assert barrier.notes == ()


@given(st.lists(_HEIGHTS, min_size=1, max_size=5), st.floats(-0.04, 0.04), st.floats(-200, 200))
def test_turning_the_band_round_swaps_the_barriers(inner, last, shift):
    energies = shift + np.array([0.0, *inner, last])
    path = np.cumsum([0.0, *(0.5 + 0.1 * i for i in range(len(inner) + 1))])
    there = fit_barrier(path, energies)
    back = fit_barrier(path[-1] - path[::-1], energies[::-1])
    assert there.forward == pytest.approx(back.back, abs=1e-9)
    assert there.forward - there.back == pytest.approx(last, abs=1e-9)
    assert there.forward >= there.forward_image - 1e-12


def test_the_spline_finds_a_top_between_the_images():
    path = np.linspace(0, np.pi, 6)
    barrier = fit_barrier(path, -np.cos(2 * path) / 2)
    assert barrier.forward == pytest.approx(1.0, abs=0.02)
    assert barrier.forward > barrier.forward_image + 0.05
    assert barrier.saddle == pytest.approx(np.pi / 2, abs=1e-6)


def test_the_published_vacancy_hop_in_aluminium_comes_back():
    barrier = fit_barrier([0, 1.4400907, 2.8801576], [-114.586151, -113.990849, -114.58613])
    assert barrier.forward == pytest.approx(0.5953, abs=5e-5)
    assert barrier.back == pytest.approx(0.5953, abs=5e-5)


def test_an_intermediate_minimum_is_reported():
    barrier = fit_barrier([0, 1, 2, 3, 4], [0.0, 0.4, 0.1, 0.5, 0.0])
    assert barrier.minima == (2,)
    assert "intermediate minimum at image 2" in barrier.notes[0]


def test_a_ripple_below_the_tolerance_is_not_a_minimum():
    assert fit_barrier([0, 1, 2, 3, 4], [0.0, 0.4, 0.399, 0.4, 0.0]).minima == ()


@pytest.mark.parametrize(
    ("energies", "end"),
    [([0.0, -0.1, 0.3, 0.1, 0.0], "initial"), ([0.0, 0.2, 0.3, -0.1, 0.0], "final")],
)
def test_an_end_point_above_its_neighbour_is_reported(energies, end):
    notes = fit_barrier([0, 1, 2, 3, 4], energies).notes
    assert any(f"the {end} end point is not a minimum" in note for note in notes)


def test_a_path_without_a_saddle_says_so():
    barrier = fit_barrier([0, 1, 2], [0.0, 0.2, 0.4])
    assert barrier.back == pytest.approx(0.0, abs=1e-9)
    assert any("no saddle" in note for note in barrier.notes)


def test_a_spline_far_above_the_highest_image_gives_way_to_it():
    # A hop of K through MoS2 whose images lie unevenly: the spline would say 9.7 eV.
    barrier = fit_barrier([0.0, 2.30, 8.68, 16.0, 19.5], [0.0, 6.79, 4.29, 4.05, 0.80])
    assert barrier.forward == pytest.approx(6.79)
    assert barrier.back == pytest.approx(6.79 - 0.80)
    assert barrier.curve_energies.max() <= 6.79 + 1e-9
    assert "above the highest image, which is taken" in " ".join(barrier.notes)


def test_a_spline_is_never_replaced_without_a_word():
    barrier = fit_barrier([0.0, 0.67, 1.38, 2.5, 3.08, 3.98], [0, 0.01, 0.1, 0.094, 0.029, 0.015])
    assert barrier.forward == pytest.approx(0.1)
    assert "the spline rises 0.028 eV above the highest image, which is taken" in barrier.notes[0]


def test_a_path_whose_only_saddle_is_the_splines_has_none():
    barrier = fit_barrier([0.0, 0.11, 1.98], [0.0, 0.749, 0.928])
    assert barrier.back == pytest.approx(0.0, abs=1e-9)
    assert any("no saddle" in note for note in barrier.notes)


def test_a_coarse_path_says_so():
    notes = fit_barrier([0, 1, 2, 3], [0.0, 1.0, 1.0, 0.0]).notes
    assert any("too coarsely" in note for note in notes)


@pytest.mark.parametrize(
    ("path", "energies"),
    [([0, 1], [0, 1]), ([0, 1, 1], [0, 1, 0]), ([0, 1, 2], [0, np.nan, 0])],
    ids=["two", "same place", "nan"],
)
def test_images_that_make_no_path_are_refused(path, energies):
    with pytest.raises(RunError, match="no barrier from"):
        fit_barrier(path, energies)


def test_end_points_from_elsewhere_are_noticed(make_band, make_run, make_structure):
    structure = make_structure("K", "S")
    band = make_band(structure, [-5.0, -4.5, -5.0], is_climbing=False)
    notes = band_barrier(band, make_run(structure, -5.0), make_run(structure, -5.1)).notes
    assert any("the final end point has E0 -5.000000" in note for note in notes)
    assert not any("initial end point has" in note for note in notes)
    assert any("no climbing image" in note for note in notes)


def _corpus(name: str) -> Path:
    root = os.environ.get("HETEROFIRE_VASP_CORPUS")
    if not root:
        pytest.skip("HETEROFIRE_VASP_CORPUS names no folder")
    return Path(root) / name


def test_a_real_climbing_band_is_symmetric_and_as_high_as_its_images():
    band = parse_band(_corpus("neb/mast_vacancy_3images"), initial=None, final=None)
    barrier = band_barrier(band)
    assert barrier.forward_image == pytest.approx(0.322012, abs=1e-6)
    assert barrier.forward == pytest.approx(barrier.back, abs=1e-6)
    assert barrier.forward - barrier.forward_image < 1e-3
    assert band.is_climbing
