"""KPAR, NCORE and the build of VASP fit the cores, and change no number."""

from dataclasses import replace
from pathlib import Path

import pytest

from heterofire.results.records import Label
from heterofire.structures.errors import RunError
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.folders import prepare_folder
from heterofire.workflows.parallelism import (
    irreducible_points,
    laid_on,
    parallel_tags,
    vasp_build,
    vasp_command,
)
from heterofire.workflows.tasks import WriteInputs

RANKS = (1, 2, 6, 7, 8, 12, 16, 24, 31, 32, 36, 48, 64, 96, 128, 256)


@pytest.fixture
def calculation(make_structure):
    label = Label(study="s", profile="paper", model="KS", task="relax", name="KS/relax")
    return Calculation(
        label=label,
        structure=make_structure("K", "S"),
        incar={"ENCUT": 400, "ISYM": 0},
        kpoints={"style": "Gamma", "mesh": [3, 3, 1], "n_kpoints": 5},
        potcar_symbols=("K_sv", "S"),
        engine="vasp",
        method="",
        nelect=15.0,
    )


@pytest.mark.parametrize("mesh", [[1, 1, 1], [2, 2, 1], [3, 3, 1], [4, 4, 4]], ids=str)
@pytest.mark.parametrize("images", [0, 3])
def test_the_tags_always_divide_what_they_share(calculation, mesh, images):
    calculation = replace(calculation, kpoints={"mesh": mesh}, n_images=images)
    for ranks in RANKS:
        tags = parallel_tags(calculation, ranks, 32)
        if ranks % max(images, 1):
            assert tags == {}
            continue
        per_image = ranks // max(images, 1)
        assert per_image % (tags.get("KPAR", 1) * tags.get("NCORE", 1)) == 0
        assert tags.get("NCORE", 1) <= 8


def test_an_even_mesh_off_gamma_has_fewer_points_than_one_around_it(calculation):
    around, off = (
        replace(calculation, kpoints={"style": style, "mesh": [2, 2, 1]})
        for style in ("Gamma", "Monkhorst-Pack")
    )
    assert (irreducible_points(around), irreducible_points(off)) == (4, 2)
    symmetric = {"ISYM": 2}
    assert irreducible_points(replace(off, incar=symmetric)) <= 2
    assert irreducible_points(replace(around, incar=symmetric)) <= 4
    assert vasp_build(off) == "std"


def test_what_the_study_has_set_is_kept(calculation):
    own = replace(calculation, incar={"KPAR": 1, "NPAR": 4})
    assert parallel_tags(own, 40, 40) == {}


@pytest.mark.parametrize("ibrion", [5, 6])
def test_vibrations_get_no_ncore(calculation, ibrion):
    vibrating = replace(calculation, incar={"IBRION": ibrion})
    assert "NCORE" not in parallel_tags(vibrating, 64, 64)


@pytest.mark.parametrize(
    ("incar", "mesh", "build"),
    [({}, [1, 1, 1], "gam"), ({}, [2, 2, 1], "std"), ({"LSORBIT": True}, [1, 1, 1], "ncl")],
)
def test_the_build_follows_from_mesh_and_spin_orbit(calculation, incar, mesh, build):
    assert vasp_build(replace(calculation, incar=incar, kpoints={"mesh": mesh})) == build


def test_the_gamma_only_build_runs_where_there_is_one(calculation):
    gamma = replace(calculation, kpoints={"mesh": [1, 1, 1]})
    commands = {"std": "srun vasp_std", "gam": "srun vasp_gam"}
    assert vasp_command(gamma, {"vasp_cmds": commands}) == ["srun", "vasp_gam"]
    assert vasp_command(calculation, {"vasp_cmds": commands}) == ["srun", "vasp_std"]
    only_one = {"vasp_cmd": "srun vasp_std", "vasp_cmds": {"std": "srun vasp_std"}}
    assert vasp_command(gamma, only_one) == ["srun", "vasp_std"]


def test_a_non_collinear_calculation_needs_its_build(calculation):
    spin_orbit = replace(calculation, incar={"LSORBIT": True})
    with pytest.raises(RunError, match="vasp-ncl"):
        vasp_command(spin_orbit, {"vasp_cmds": {"std": "vasp_std"}})


def test_the_embedded_engine_has_no_builds(calculation):
    other = replace(calculation, engine="xtb")
    assert vasp_command(other, {"vasp_cmd": ["xtb"], "vasp_cmds": {"std": "vasp"}}) == ["xtb"]


def test_the_tags_reach_the_incar_and_leave_the_key(calculation, store, tmp_path):
    env = {"vasp_cmd": "srun vasp_std", "heterofire": {"cluster": {"cores_per_node": 40}}}
    spread = laid_on(calculation, env, {"SLURM_NTASKS": "80"})
    assert spread.key == calculation.key
    assert replace(calculation, incar=dict(spread.incar)).key == calculation.key
    prepare_folder(spread, store, tmp_path / "run")
    incar = (tmp_path / "run" / "INCAR").read_text()
    assert "KPAR = 5" in incar
    assert "NCORE = 8" in incar


def test_outside_of_a_job_nothing_is_laid_on(calculation):
    assert laid_on(calculation, {"vasp_cmd": "vasp_std"}, {}) is calculation


def test_the_worker_lays_the_tags_on_and_takes_potentials_of_its_own_library(
    calculation, store, tmp_path, monkeypatch
):
    library = tmp_path / "library"
    for symbol, zval in (("K_sv", 9), ("S", 6)):
        (library / symbol).mkdir(parents=True)
        text = f" TITEL  = PAW_PBE {symbol} 01Jan2000\n ZVAL   = {zval}\n"
        (library / symbol / "POTCAR").write_text(text)
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    monkeypatch.setenv("SLURM_NTASKS", "20")
    env = {"engine": "vasp", "vasp_cmd": "srun vasp_std", "potcars": str(library)}
    spec = {"_fw_env": env, "heterofire": {"database": store.name}}
    action = WriteInputs(calculation=calculation.to_dict()).run_task(spec)
    assert action.stored_data == {"prepared": "written"}
    assert "KPAR = 5" in Path("INCAR").read_text()
    assert Path("POTCAR").read_text().count("TITEL") == 2
