"""KPAR, NCORE and the build of VASP fit the cores, and change no number."""

from dataclasses import replace

import pytest

from heterofire.results.records import Label
from heterofire.structures.errors import RunError
from heterofire.workflows.calculations import Calculation
from heterofire.workflows.folders import prepare_folder
from heterofire.workflows.parallelism import laid_on, parallel_tags, vasp_build, vasp_command

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
