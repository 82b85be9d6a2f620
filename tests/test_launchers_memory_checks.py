"""More workers than the memory holds are refused before one is started."""

import re
from dataclasses import replace

import pytest

from heterofire.launchers import memory_checks
from heterofire.launchers.memory_checks import check_memory, memory_need
from heterofire.structures.errors import InputError
from heterofire.workflows.gpaw_costs import gpaw_memory_gb
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import load_study, parse_study

STUDY = "{study: two, title: two, dos: false, hosts: [MoS2@NC], phases: {K: {crystal: K_bcc}}}"


@pytest.fixture(scope="module")
def steps():
    study = parse_study(STUDY, "two.yaml")
    return plan_study(study, "gpaw", engine="gpaw", method="PBE").calculations


def test_what_fits_is_started(steps):
    need = check_memory(steps, 2, 3)
    assert [name for name, _ in need.largest] == ["MoS2@NC/relax", "K/bulk"]
    assert "3.0 GB are free here" in need.words()


def test_too_many_workers_are_told_how_many_fit(steps):
    with pytest.raises(InputError, match=r"2 workers may need .* GB of memory are free here.*-j 1"):
        check_memory(steps, 2, 1.5)


def test_a_calculation_too_large_for_the_machine_is_named(steps):
    with pytest.raises(InputError, match=r"MoS2@NC/relax needs about .* nothing was started"):
        check_memory(steps, 1, 0.3)


def test_where_the_system_does_not_say_nothing_is_refused(steps, monkeypatch):
    monkeypatch.setattr(memory_checks, "available_memory_gb", lambda: None)
    assert check_memory(steps, 64).available_gb is None


def test_other_engines_are_not_guessed(steps):
    assert memory_need([replace(step, engine="xtb") for step in steps], 2) is None


def test_more_plane_waves_need_more_memory(steps):
    host = [step for step in steps if step.label.task == "relax"]
    finer = [replace(step, incar={**step.incar, "ENCUT": 800}) for step in host]
    assert memory_need(finer, 1).largest[0][1] > 1.2 * memory_need(host, 1).largest[0][1]


MEASURED = {  # GB, "Maximum memory used" in OUTCAR of runs on one core, GPAW 26.7
    "K+ ion/molecule": 0.68,
    "K atom/molecule": 1.01,
    "MoSSe(outer)@NC/N-graphene-alone/charge": 1.04,
    "MoSSe(outer)@NC/MoSSe-alone/charge": 1.37,
    "MoSSe@NC/charge": 1.72,
    "MoSSe@NC/refine": 1.11,
    "MoSSe@NC/elf": 0.86,
    "MoSSe@NC/K-gallery-2/relax": 0.89,
    "MoSSe@NC/K-hop-surface/neb": 2.31,
}


def test_memory_is_what_was_measured_within_the_margin():
    plan = plan_study(load_study("potassium-anode"), "gpaw", engine="gpaw")
    needs = {step.label.name: gpaw_memory_gb(step) for step in plan.calculations}
    for name, measured in MEASURED.items():
        assert 0.85 * measured < needs[name] < 1.3 * measured, name


def test_images_of_a_band_add_up_and_more_so_in_processes(steps, tmp_path, monkeypatch):
    relaxation = next(s for s in steps if s.label.name == "MoS2@NC/relax")
    band = replace(relaxation, n_images=3)
    path = 99
    (one,), (in_turn,) = (memory_need([s], 1, path).largest for s in (relaxation, band))
    monkeypatch.setenv("HETEROFIRE_ENGINE_PROCESSES", "auto")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    (at_once,) = memory_need([band], 1, path).largest
    assert one[1] < in_turn[1] < at_once[1] == pytest.approx(3 * one[1])


HUGE = """
study: huge
title: huge
phases: {K: {crystal: K_bcc}}
overrides: {gpaw: {every: {ENCUT: 9000000}}}
"""


def test_a_study_too_large_for_the_memory_starts_nothing(tmp_path, heterofire):
    (tmp_path / "huge.yaml").write_text(HUGE)
    asked = ("huge.yaml", "--profile", "gpaw", "--engine", "gpaw")
    refused = heterofire(tmp_path, "run", *asked)
    assert (refused.returncode, (tmp_path / "runs").exists()) == (2, False)
    assert re.search(r"K/bulk needs about \d{3}", refused.stderr)
    assert heterofire(tmp_path, "submit", *asked).returncode == 0
    launched = heterofire(tmp_path, "launch", "--engine", "gpaw", "-j", "1")
    assert (launched.returncode, list((tmp_path / "runs").glob("K*"))) == (2, [])
    assert "K/bulk needs about" in launched.stderr
