"""More workers than the memory holds are refused before one is started."""

import re
from dataclasses import replace

import pytest

from heterofire.launchers.memory_checks import available_memory_gb, check_memory, memory_need
from heterofire.structures.errors import InputError
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study import parse_study

STUDY = "{study: two, title: two, dos: false, hosts: [MoS2@NC], phases: {K: {crystal: K_bcc}}}"


@pytest.fixture(scope="module")
def steps():
    study = parse_study(STUDY, "two.yaml")
    return plan_study(study, "gpaw", engine="gpaw", method="PBE").calculations


def meminfo(folder, gb):
    path = folder / "meminfo"
    path.write_text(f"MemTotal: 99999999 kB\nMemAvailable: {int(gb * 1e9 / 1024)} kB\n")
    return path


def test_what_fits_is_started(steps, tmp_path):
    need = check_memory(steps, 2, meminfo(tmp_path, 2))
    assert [name for name, _ in need.largest] == ["MoS2@NC/relax", "K/bulk"]
    assert "2.0 GB are free here" in need.words()


def test_too_many_workers_are_told_how_many_fit(steps, tmp_path):
    with pytest.raises(InputError, match=r"2 workers may need .* GB of memory are free here.*-j 1"):
        check_memory(steps, 2, meminfo(tmp_path, 0.8))


def test_a_calculation_too_large_for_the_machine_is_named(steps, tmp_path):
    with pytest.raises(InputError, match=r"MoS2@NC/relax needs about .* nothing was started"):
        check_memory(steps, 1, meminfo(tmp_path, 0.3))


def test_where_the_system_does_not_say_nothing_is_refused(steps, tmp_path):
    assert available_memory_gb(tmp_path / "missing") is None
    assert check_memory(steps, 64, tmp_path / "missing").available_gb is None


def test_other_engines_are_not_guessed(steps):
    assert memory_need([replace(step, engine="xtb") for step in steps], 2) is None


def test_more_plane_waves_need_more_memory(steps):
    host = [step for step in steps if step.label.task == "relax"]
    finer = [replace(step, incar={**step.incar, "ENCUT": 800}) for step in host]
    assert memory_need(finer, 1).largest[0][1] > 1.2 * memory_need(host, 1).largest[0][1]


def test_images_of_a_band_add_up_and_more_so_in_processes(steps, tmp_path, monkeypatch):
    relaxation = next(s for s in steps if s.label.name == "MoS2@NC/relax")
    band = replace(relaxation, n_images=3)
    path = meminfo(tmp_path, 99)
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
