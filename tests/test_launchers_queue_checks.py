"""The queue is looked at, and a test job is sent, before a calculation is.

No scheduler runs here: `sbatch` is a script that runs the job at once and answers as Slurm does.
"""

import os
import stat
import time
from pathlib import Path

import pytest

from heterofire.launchers.cluster_files import ClusterChoices, write_cluster_files
from heterofire.launchers.queue_checks import check_queue, send_test_job

SBATCH = """\
#!/bin/bash
(bash "$1" > job-7.out 2> job-7.error; touch ended) &
echo "Submitted batch job 7"
"""


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A project configured for Slurm, and programs that stand in for it."""
    programs = tmp_path / "bin"
    program(programs, "sbatch", SBATCH)
    program(programs, "squeue", "#!/bin/sh\n")
    program(
        programs,
        "scontrol",
        '#!/bin/sh\n[ "$3" = long ] && exit\necho "Partition $3 not found" >&2\nexit 1\n',
    )
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    configure(tmp_path)
    return tmp_path


def configure(folder: Path, **changes) -> None:
    answers = {"kind": "slurm", "partition": "long", "cores": 4, "vasp_std": "srun vasp_std"}
    write_cluster_files(folder, ClusterChoices.checked(answers | changes))


def test_a_queue_that_answers_is_ok(queue):
    check = check_queue(queue / "my_qadapter.yaml")
    assert (check.status, check.message) == ("ok", "SLURM answers, partition long")


def test_a_partition_that_is_not_there_is_told_in_the_queues_own_words(queue):
    configure(queue, partition="longg")
    check = check_queue(queue / "my_qadapter.yaml")
    assert check.status == "failed"
    assert "Partition longg not found" in check.message


def test_a_machine_without_the_queues_commands_fails(tmp_path, monkeypatch):
    configure(tmp_path, kind="lsf")
    monkeypatch.setenv("PATH", str(tmp_path))
    check = check_queue(tmp_path / "my_qadapter.yaml")
    assert (check.status, check.message) == ("failed", "bsub is not on this machine")


def test_a_test_job_comes_back_and_leaves_nothing(queue):
    vasp = program(
        queue / "bin", "vasp_std", "#!/bin/sh\necho 'No INCAR found, STOPPING' >&2\nexit 1\n"
    )
    scratch = queue / "scratch"
    check = send_test_job(
        queue / "my_qadapter.yaml", queue / "runs", command=[str(vasp)], scratch=str(scratch)
    )
    assert check.status == "ok", check.message
    assert "job 7 on" in check.message
    assert "No INCAR found" in check.message
    assert list(scratch.iterdir()) == []
    assert list((queue / "runs").glob("test-job-*")) == []


def test_a_job_that_the_queue_refuses_is_told_in_its_own_words(queue):
    refuse = "#!/bin/sh\necho 'sbatch: error: invalid account or partition' >&2\nexit 1\n"
    program(queue / "bin", "sbatch", refuse)
    check = send_test_job(queue / "my_qadapter.yaml", queue / "runs")
    assert check.status == "failed"
    assert "sbatch: error: invalid account or partition" in check.message


def test_a_module_that_the_node_lacks_is_told_at_once(queue):
    configure(queue, modules=("no-such-module/1",))
    started = time.monotonic()
    check = send_test_job(queue / "my_qadapter.yaml", queue / "runs")
    assert check.status == "failed"
    assert "cannot load module no-such-module/1" in check.message
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "#!/bin/sh\necho 'error while loading shared libraries: libmkl.so' >&2\nexit 1\n",
            "libmkl",
        ),
        (None, "does not start"),
    ],
    ids=["library is missing", "program is missing"],
)
def test_a_vasp_that_does_not_start_on_the_node_fails(queue, script, said):
    vasp = queue / "bin" / "vasp_std"
    if script:
        program(queue / "bin", "vasp_std", script)
    check = send_test_job(queue / "my_qadapter.yaml", queue / "runs", command=[str(vasp)])
    assert check.status == "failed"
    assert said in check.message


def test_a_scratch_that_cannot_be_written_on_the_node_fails(queue):
    (queue / "occupied").write_text("a file")
    check = send_test_job(
        queue / "my_qadapter.yaml", queue / "runs", scratch=str(queue / "occupied" / "here")
    )
    assert check.status == "failed"
    assert "occupied" in check.message


def test_a_job_that_waits_is_left_to_itself(queue):
    program(queue / "bin", "sbatch", "#!/bin/sh\necho 'Submitted batch job 8'\n")
    check = send_test_job(queue / "my_qadapter.yaml", queue / "runs", wait_s=1)
    assert check.status == "warning"
    assert "job 8 has not come back after 1 s" in check.message
