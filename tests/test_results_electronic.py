"""Metals have no gap, insulators have theirs, and d bands have a centre."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heterofire.results.electronic import band_gap, d_band_centre, dos_at_fermi, partial_dos
from heterofire.results.records import Bands, Dos
from heterofire.structures.errors import RunError


def _bands(levels, occupations) -> Bands:
    eigenvalues = np.array(levels, dtype=float)[None]
    filled = np.array(occupations, dtype=float)[None]
    weights = np.full(eigenvalues.shape[1], 1 / eigenvalues.shape[1])
    return Bands(eigenvalues=eigenvalues, occupations=filled, weights=weights)


INSULATOR = _bands([[-1.0, 2.0], [-1.2, 1.5]], [[1, 0], [1, 0]])


def test_an_insulator_keeps_its_indirect_gap(make_dos):
    gap = band_gap(INSULATOR, make_dos([-1.2, -1.0, 1.5, 2.0]), n_atoms=2)
    assert gap.value == pytest.approx(2.5)
    assert not gap.is_metal
    assert gap.reasons == ()


def test_a_fermi_level_at_the_band_edge_does_not_make_a_metal(make_dos):
    dos = make_dos([-1.0, 1.5], efermi=-1.0 + 0.15)
    assert dos_at_fermi(dos) > 0.1
    assert band_gap(INSULATOR, dos, n_atoms=1).value == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("bands", "reason"),
    [
        (_bands([[-1, 2], [0.5, 3]], [[1, 0], [0, 0]]), "crosses"),
        (_bands([[-1, 0.0, 2]], [[1, 0.4, 0]]), "partly filled"),
        (_bands([[-1.0, 2.0]], [[1, 0]]), "states/eV/atom"),
    ],
    ids=["crossing", "partial", "dos"],
)
def test_each_sign_alone_makes_a_metal(make_dos, bands, reason):
    dos = make_dos(list(np.arange(-2, 3, 0.1))) if "states" in reason else make_dos([-3.0, 3.0])
    gap = band_gap(bands, dos, n_atoms=1)
    assert gap.is_metal
    assert gap.value == 0.0
    assert [text for text in gap.reasons if reason in text] == list(gap.reasons)


def test_a_smeared_band_edge_of_an_insulator_is_no_metal(make_dos):
    edge = _bands([[-2.0, -1.0, 2.0]], [[1.2, 0.8, 0.0]])  # as Methfessel-Paxton leaves it
    assert band_gap(edge, make_dos([-2.0, -1.0, 2.0], efermi=-0.9), 1).value == 3.0


def test_a_gap_comes_from_the_dos_alone_when_levels_are_missing(make_dos):
    assert band_gap(None, make_dos([-2.0, 2.0]), 1).value == pytest.approx(3.5, abs=0.1)


def test_neither_levels_nor_dos_is_an_error(make_dos):
    with pytest.raises(RunError, match="run a DOS task"):
        band_gap(None, None, 1)
    with pytest.raises(RunError, match="raise NBANDS"):
        band_gap(_bands([[-1.0]], [[1]]), None, 1)


def test_the_dos_integrates_and_its_projections_sum_to_it(make_dos):
    dos = make_dos([-3.0, 1.0], n_atoms=3)
    symbols = ["Mo", "S", "S"]
    assert np.trapezoid(dos.total[0], dos.energies) == pytest.approx(4.0, abs=1e-6)
    parts = [
        partial_dos(dos, symbols, {element}, letter) for element in ("Mo", "S") for letter in "spd"
    ]
    assert np.allclose(sum(parts), dos.total.sum(axis=0), atol=1e-12)


def test_the_dos_at_the_fermi_level_does_not_hang_on_the_grid(make_dos):
    dos = make_dos([0.0])
    shifted = replace(dos, energies=dos.energies + 0.004, efermi=dos.efermi + 0.004)
    assert dos_at_fermi(dos) == pytest.approx(dos_at_fermi(shifted), rel=1e-6)


def test_a_dos_that_ends_below_the_fermi_level_is_refused(make_dos):
    with pytest.raises(RunError, match="widen EMIN and EMAX"):
        dos_at_fermi(replace(make_dos([0.0]), efermi=9.0))


def test_the_d_band_centre_is_the_weighted_mean_of_the_levels(make_dos):
    dos = make_dos([-2.0, -2.0, 1.0], n_atoms=2, efermi=0.5)
    assert d_band_centre(dos, ["Mo", "S"], ["Mo"]) == pytest.approx(-1.5, abs=1e-6)
    inside = d_band_centre(dos, ["Mo", "S"], ["Mo"], window=(-10, 0))
    assert inside == pytest.approx(-2.5, abs=1e-6)


def test_two_spins_count_together(make_dos):
    one = make_dos([-2.0, 0.0, 1.0], n_atoms=2)
    split = Dos(
        energies=one.energies,
        total=np.repeat(one.total / 2, 2, axis=0),
        projected=np.repeat(one.projected / 2, 2, axis=2),
        orbitals=one.orbitals,
        efermi=0.0,
        projection="",
    )
    assert dos_at_fermi(split) == pytest.approx(dos_at_fermi(one))
    assert d_band_centre(split, ["Mo", "S"], ["S"]) == d_band_centre(one, ["Mo", "S"], ["S"])


def test_no_d_states_and_no_projections_are_errors(make_dos):
    dos = make_dos([-2.0])
    with pytest.raises(RunError, match="LORBIT = 11"):
        d_band_centre(replace(dos, projected=None), ["Mo"], ["Mo"])
    with pytest.raises(RunError, match="no d states of W"):
        d_band_centre(dos, ["Mo"], ["W"])


def _corpus(name: str) -> Path:
    root = os.environ.get("HETEROFIRE_VASP_CORPUS")
    if not root:
        pytest.skip("HETEROFIRE_VASP_CORPUS names no folder")
    return Path(root) / name


def test_real_aluminium_is_a_metal_and_real_silicon_is_not():
    parsing = pytest.importorskip("heterofire.results.parsing")
    metal = parsing.parse_run(_corpus("dos/al_nscf_metal"))
    gap = band_gap(metal.bands, metal.dos, len(metal.structure))
    assert gap.is_metal
    silicon = parsing.parse_run(_corpus("dos/si_nscf_uniform"))
    gap = band_gap(silicon.bands, silicon.dos, len(silicon.structure))
    assert gap.value == pytest.approx(0.61, abs=0.02)


def test_real_insulators_keep_their_gap_where_thin_occupations_mislead():
    parsing = pytest.importorskip("heterofire.results.parsing")
    for folder, value in (("relax/lif_vdw", 8.56), ("molecule/pyiron_bader_h2o", 1.61)):
        run = parsing.parse_run(_corpus(folder))
        gap = band_gap(run.bands, run.dos, len(run.structure))
        assert gap.value == pytest.approx(value, abs=0.02), folder
