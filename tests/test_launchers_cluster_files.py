"""What init writes is what FireWorks reads, and its job scripts are the golden ones."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fireworks import FWorker, LaunchPad
from fireworks.utilities.fw_serializers import load_object_from_file
from pydantic import SecretStr

from heterofire.launchers.cluster_files import ClusterChoices, cluster_files, write_cluster_files
from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.settings import load_settings
from heterofire.launchers.walltimes import format_walltime, parse_walltime
from heterofire.structures.errors import InputError

GOLDEN = Path(__file__).parent / "data" / "queue"
QUIETLY = {"capture_output": True, "text": True}
QUEUES = ("slurm", "pbs", "sge", "lsf")


def choices(kind: str, **changes) -> ClusterChoices:
    starter = "srun" if kind == "slurm" else "mpirun"
    answers = {
        "kind": kind,
        "account": "battery-2026",
        "partition": "long",
        "cores": 32,
        "nodes": 2,
        "walltime_s": "2-00:00:00",
        "modules": ("intel/2023b", "vasp/6.4.3"),
        "vasp_std": f"{starter} vasp_std",
        "vasp_gam": f"{starter} vasp_gam",
        "vtst": True,
        "scratch": "/scratch/$USER",
    }
    return ClusterChoices.checked(answers | changes)


def script_of(folder: Path, chosen: ClusterChoices) -> str:
    """Return the job script that FireWorks makes, with the same paths on every machine."""
    for file in cluster_files(folder, chosen, python="/opt/python/bin/python"):
        (folder / file.name).write_text(file.text)
    script = load_object_from_file(str(folder / "my_qadapter.yaml")).get_script_str(folder / "runs")
    return script.replace(str(folder), "/home/ann/project")


@pytest.mark.filterwarnings("error::UserWarning")  # FireWorks warns of keys it does not know
@pytest.mark.parametrize("kind", QUEUES)
def test_job_script_is_the_golden_one(tmp_path, kind):
    script = script_of(tmp_path, choices(kind))
    assert script == (GOLDEN / f"{kind}.sh").read_text()


@pytest.mark.parametrize("kind", QUEUES)
def test_job_script_is_bash(kind):
    checked = subprocess.run(["bash", "-n", GOLDEN / f"{kind}.sh"], check=False, **QUIETLY)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="no shellcheck on this machine")
@pytest.mark.parametrize("kind", QUEUES)
def test_job_script_has_no_warning_of_shellcheck(kind):
    command = ["shellcheck", "-S", "warning", "-e", "SC2164,SC1091", GOLDEN / f"{kind}.sh"]
    checked = subprocess.run(command, check=False, **QUIETLY)
    assert checked.returncode == 0, checked.stdout


def sge_root(folder: Path) -> Path:
    """Make the two files of a cell that qsub wants to see before it reads a script."""
    common = folder / "sge" / "default" / "common"
    common.mkdir(parents=True)
    (common / "act_qmaster").write_text("localhost\n")
    entries = ("admin_user none", "default_domain none", "ignore_fqdn false", "security_mode none",
               "spooling_method classic", "spooling_lib libspoolc", "spooling_params /var;/var",
               "binary_path /usr/sbin", "qmaster_spool_dir /var", "listener_threads 2",
               "worker_threads 2", "scheduler_threads 1")  # fmt: skip
    (common / "bootstrap").write_text("\n".join(entries) + "\n")
    return folder / "sge"


def verified_by_sge(folder: Path, script: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SGE_ROOT": str(sge_root(folder)), "SGE_CELL": "default"}
    return subprocess.run(["qsub", "-verify", script], check=False, env=environment, **QUIETLY)


@pytest.mark.skipif(not shutil.which("qsub"), reason="needs qsub of Debian's gridengine-client")
def test_sge_itself_reads_the_job_script_as_it_was_meant(tmp_path):
    done = verified_by_sge(tmp_path, GOLDEN / "sge.sh")
    assert done.returncode == 0, done.stderr
    told = dict(re.findall(r"^([\w ]+):\s+(.*)$", done.stdout, re.MULTILINE))
    assert told["hard_queue_list"] == "long"
    assert told["hard resource_list"] == "h_rt=48:00:00"
    assert told["parallel environment"].split() == ["mpi", "range:", "64"]
    assert told["project"] == "battery-2026"
    assert told["shell_list"].endswith("/bin/bash")


@pytest.mark.skipif(not shutil.which("qsub"), reason="needs qsub of Debian's gridengine-client")
def test_sge_refuses_what_is_no_option_of_its(tmp_path):
    wrong = tmp_path / "wrong.sh"
    wrong.write_text((GOLDEN / "sge.sh").read_text().replace("-pe mpi 64", "-pe mpi"))
    assert verified_by_sge(tmp_path, wrong).returncode != 0


@pytest.mark.parametrize("kind", QUEUES)
def test_a_module_that_is_not_there_ends_the_job_with_its_name(tmp_path, kind):
    script = script_of(tmp_path, choices(kind, modules=("no-such-module",)))
    (tmp_path / "job.sh").write_text("module() { return 1; }\n" + script)
    done = subprocess.run(["bash", tmp_path / "job.sh"], check=False, **QUIETLY)
    assert done.returncode == 78
    assert "cannot load module no-such-module" in done.stderr
    assert "rlaunch" not in done.stderr


@pytest.mark.parametrize("kind", ["slurm", "pbs", "sge"])
def test_optional_lines_are_left_out(tmp_path, kind):
    bare = choices(kind, account=None, partition=None, modules=())
    script = script_of(tmp_path, bare)
    assert "long" not in script
    assert "battery" not in script
    assert "module" not in script
    assert "$$" not in script


def test_fireworks_own_loaders_read_every_file(tmp_path):
    address = {"mongodb": "mongodb://ann@db.org:27017/battery?connectTimeoutMS=50"}
    write_cluster_files(tmp_path, choices("slurm", password=SecretStr("s/cr@t"), **address))
    worker = FWorker.from_file(str(tmp_path / "my_fworker.yaml"))
    assert worker.env["vasp_cmds"] == {"std": "srun vasp_std", "gam": "srun vasp_gam"}
    launchpad = LaunchPad.from_file(str(tmp_path / "my_launchpad.yaml"))
    assert launchpad.name == "battery"
    options = launchpad.connection.options.pool_options._credentials
    assert (options.username, options.password) == ("ann", "s/cr@t")
    adapter = load_object_from_file(str(tmp_path / "my_qadapter.yaml"))
    assert (adapter.q_type, adapter["queue"]) == ("SLURM", "long")
    code = "from fireworks import fw_config; print(fw_config.QUEUEADAPTER_LOC)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip().endswith(str(tmp_path / "my_qadapter.yaml"))


def test_the_password_is_in_one_file_that_nobody_else_reads(tmp_path):
    chosen = choices("slurm", mongodb="mongodb://ann@db.org/x", password=SecretStr("hidden1"))
    written = write_cluster_files(tmp_path, chosen)
    holding = [path for path in written if "hidden1" in path.read_text()]
    assert [path.name for path in holding] == ["my_launchpad.yaml"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    assert "hidden1" not in repr(chosen)
    assert all("hidden1" not in file.shown for file in cluster_files(tmp_path, chosen))


def test_an_address_in_the_environment_is_read_at_run_time(tmp_path, monkeypatch):
    write_cluster_files(tmp_path, choices("slurm", mongodb_env="BATTERY_DB"))
    path = tmp_path / "my_launchpad.yaml"
    with pytest.raises(InputError, match="BATTERY_DB, which is not set"):
        open_launchpad(my_launchpad=path, embedded=tmp_path / "unused.db")
    monkeypatch.setenv("BATTERY_DB", "mongodb://ann:pw@db.org/battery?connectTimeoutMS=50")
    launchpad = open_launchpad(my_launchpad=path, embedded=tmp_path / "unused.db")
    assert launchpad.name == "battery"
    assert "pw" not in path.read_text()


def test_settings_find_what_init_wrote(tmp_path):
    write_cluster_files(tmp_path, choices("slurm"))
    settings = load_settings(folder=tmp_path)
    assert (settings.engine, settings.vasp_cmd) == ("vasp", ("srun", "vasp_std"))
    assert settings.has_vtst
    assert settings.my_launchpad is None


@pytest.mark.parametrize("engine", ["xtb", "gpaw"])
def test_engines_of_our_own_run_on_a_cluster_too(tmp_path, engine):
    write_cluster_files(tmp_path, ClusterChoices.checked({"kind": "slurm", "engine": engine}))
    assert load_settings(folder=tmp_path).engine == engine
    env = yaml.safe_load((tmp_path / "my_fworker.yaml").read_text())["env"]
    assert env["vasp_cmd"].endswith(f"engine {engine}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"partition": "long\n#SBATCH --begin=now"}, "--partition"),
        ({"account": "a; rm -rf"}, "--account"),
        ({"modules": ("vasp`id`",)}, "--module: 'vasp`id`' is no name of a module"),
        ({"vasp_std": "srun vasp_std | tee log"}, "--vasp-std.*no shell reads this"),
        ({"walltime_s": "24"}, "--walltime: walltime '24' is not HH:MM:SS"),
        ({"cores": 0}, "--cores 0"),
        ({"potcars": Path("no/such/folder")}, "--potcars.*no/such/folder is not a folder"),
        ({"scratch": "scratch; ls"}, "--scratch.*whole path"),
        ({"kind": "moab"}, "--cluster 'moab'"),
        ({"vasp_std": None}, "--vasp-std is missing"),
        ({"kind": "lsf", "partition": None}, "--partition is missing"),
        ({"mongodb": "db.org"}, "--mongodb: 'db.org' is no MongoDB address"),
        ({"mongodb": "mongodb://ann@db.org"}, "HETEROFIRE_MONGODB_PASSWORD"),
        ({"mongodb_env": "A-B"}, "--mongodb-env"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_wrong_value_is_named_with_its_flag(change, message):
    with pytest.raises(InputError, match=f"(?s){message}"):
        choices(**({"kind": "slurm"} | change))


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(InputError, match="leave the password out") as caught:
        choices("slurm", mongodb="mongodb://ann:hidden1@db.org")
    assert "hidden1" not in str(caught.value)


@pytest.mark.parametrize("text", ["24", "24h", "", "1:99", "-1:00", "0:00"])
def test_what_is_no_walltime_is_refused(text):
    with pytest.raises(InputError, match="walltime"):
        parse_walltime(text)


@pytest.mark.parametrize("kind", QUEUES)
def test_walltime_comes_back_as_it_went_in(kind):
    assert parse_walltime(format_walltime(93600, kind)) == 93600
