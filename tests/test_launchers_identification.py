"""`heterofire identify`: what it prints, draws and refuses."""

import json

import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.structures.crystals import build_crystal, crystal_names
from heterofire.structures.errors import InputError
from heterofire.structures.formats import write_structure

PAPER = "40.70,43.01,45.23,58.97"


def run(*arguments):
    return CliRunner().invoke(app, ["identify", *map(str, arguments)])


def test_the_phase_of_the_paper_is_named_and_the_other_one_refused():
    done = run("Ni3Mo3N_eta6", "Ni2Mo3N", "--peaks", PAPER, "--wavelength", "CuKa1")
    assert done.exit_code == 0
    assert "(221)+(300)" in done.stdout
    assert "Ni2Mo3N fits: 4 of 4 peaks explained, mean deviation 0.01 deg, a = 6.644 A" in (
        done.stdout
    )
    assert done.stdout.rstrip().endswith("Ni3Mo3N_eta6 does not.")


def test_a_script_gets_every_peak_of_every_phase_best_first():
    done = run("Ni3Mo3N_eta6", "Ni2Mo3N", "--peaks", PAPER, "--json")
    found = json.loads(done.stdout)
    assert [phase["phase"] for phase in found["phases"]] == ["Ni2Mo3N", "Ni3Mo3N_eta6"]
    best, other = found["phases"]
    assert [peak["hkl"] for peak in best["peaks"]] == [
        "(221)+(300)", "(310)", "(311)", "(411)+(330)",
    ]  # fmt: skip
    assert other["unexplained"] == [45.23, 58.97]
    assert [line["hkl"] for line in other["absent"]] == ["(440)"]


def test_without_a_crystal_every_known_one_is_tried():
    found = json.loads(run("--peaks", PAPER, "--json").stdout)
    assert {phase["phase"] for phase in found["phases"]} == set(crystal_names())
    assert [phase["phase"] for phase in found["phases"] if phase["fits"]] == ["Ni2Mo3N"]


def test_phases_that_the_peaks_cannot_tell_apart_are_all_named():
    done = run("MoN_delta2", "MoN_delta3", "--peaks", "31.65,36.05,48.73")
    assert "MoN_delta3 cannot be told from it by these peaks alone." in done.stdout


def test_no_phase_that_fits_is_said_with_what_speaks_against_the_nearest():
    done = run("Ni3Mo3N_eta6", "--peaks", PAPER)
    assert done.exit_code == 0
    assert "No phase fits. The nearest is Ni3Mo3N_eta6: mean deviation 0.38" in done.stdout
    assert "unexplained 45.23, 58.97; absent (440)" in done.stdout


def test_a_crystal_that_cannot_be_fitted_is_told_beside_the_others():
    done = run("graphite_2H", "LiF", "--peaks", "44.9", "--json")
    found = json.loads(done.stdout)
    assert [phase["phase"] for phase in found["phases"]] == ["LiF"]
    assert "graphite_2H has 2 free lattice parameters" in found["refused"][0]


def test_one_peak_is_enough_for_the_scale_but_tests_nothing():
    assert isinstance(run("graphite_2H", "--peaks", "26.54").exception, InputError)
    done = run("graphite_2H", "--peaks", "26.54", "--fix-ratio")
    assert "c = 6.717 A (+0.1 %)" in done.stdout
    assert "That tests nothing" in done.stdout


def test_a_primitive_cell_in_a_file_is_indexed_in_the_conventional_one(tmp_path):
    write_structure(build_crystal("Ni3Mo3N_eta6", primitive=True), tmp_path / "POSCAR")
    (phase,) = json.loads(run(tmp_path / "POSCAR", "--peaks", PAPER, "--json").stdout)["phases"]
    assert phase["cell"][0] == pytest.approx(10.86, abs=0.01)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_patterns_are_drawn(tmp_path, kind):
    drawing = tmp_path / f"patterns.{kind}"
    done = run("Ni2Mo3N", "Ni3Mo3N_eta6", "--peaks", PAPER, "-o", drawing)
    assert done.exit_code == 0
    assert drawing.stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Ni2Mo3N", "--peaks", "40.7;43.0"], "numbers with commas between"),
        (["Ni2Mo3N", "--peaks", ","], "but there is none"),
        (["Ni2Mo3N", "--peaks", "40.7,190"], "but 190.0 is none"),
        (["unobtainium", "--peaks", "40.7"], "no crystal and no file is called 'unobtainium'"),
        (["Ni2Mo3N", "--peaks", "40.7", "--wavelength", "UKa"], "no wavelength 'UKa'"),
        (["Ni2Mo3N", "--peaks", "40.7", "-o", "a.gif"], r"cannot draw a\.gif: name it \*\.png"),
    ],
)
def test_bad_input_is_refused_with_what_is_wanted(arguments, message):
    done = run(*arguments)
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2
    with pytest.raises(InputError, match=message):
        raise done.exception


def test_peaks_are_required():
    assert run("Ni2Mo3N").exit_code == 2
