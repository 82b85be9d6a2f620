"""What the schedulers say about the time that is left."""

import os
import time
from datetime import datetime

import pytest

from heterofire.workflows.walltime import ask_command, job_times, note_start, seconds_left

NOW = 1_790_000_000.0


def local(seconds: float, form: str = "%Y-%m-%dT%H:%M:%S") -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime(form)


def says(answers):
    """A scheduler that gives fixed answers to its commands."""
    return lambda words: answers.get(" ".join(words))


def silent(words):
    raise AssertionError(f"{words} was not to be asked")


def test_slurm_tells_the_end_in_the_environment():
    environ = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": f"{NOW + 600:.0f}"}
    assert seconds_left(environ, silent, now=NOW) == 600


def test_an_older_slurm_is_asked_by_scontrol():
    said = (
        "JobId=7 JobName=relax\n   JobState=RUNNING Reason=None\n"
        "   RunTime=00:10:00 TimeLimit=01:00:00 TimeMin=N/A\n"
        f"   StartTime={local(NOW - 600)} EndTime={local(NOW + 3000)} Deadline=N/A\n"
    )
    run = says({"scontrol show job 7": said})
    times = job_times({"SLURM_JOB_ID": "7"}, run)
    assert (times.left(NOW), times.length()) == (3000, 3600)


@pytest.mark.parametrize(
    "said",
    [None, "TimeLimit=UNLIMITED\n EndTime=2030-01-01T00:00:00", "EndTime=Unknown", "nonsense"],
    ids=["scontrol fails", "no limit", "unknown", "nonsense"],
)
def test_no_answer_is_no_limit(said):
    assert seconds_left({"SLURM_JOB_ID": "7"}, says({"scontrol show job 7": said})) is None


@pytest.mark.parametrize("value", ["60", "1:00:00"])
def test_the_option_of_sbatch_is_never_taken_for_a_fact(value):
    assert seconds_left({"SBATCH_TIMELIMIT": value}, silent) is None
    environ = {"SBATCH_TIMELIMIT": value, "SLURM_JOB_ID": "7"}
    assert seconds_left(environ, says({})) is None


@pytest.mark.parametrize(
    "start",
    ["    stime = {}\n", "    start_time = {}\n"],
    ids=["PBS Pro", "TORQUE"],
)
def test_pbs_tells_limit_and_start_in_qstat(start):
    date = local(NOW - 1800, "%a %b %d %H:%M:%S %Y")
    said = f"Job Id: 12.server\n    Resource_List.walltime = 24:00:00\n{start.format(date)}"
    run = says({"qstat -f 12.server": said})
    assert seconds_left({"PBS_JOBID": "12.server"}, run, now=NOW) == 86400 - 1800


def test_pbs_without_qstat_on_the_node_tells_by_its_node_file(tmp_path):
    nodes = tmp_path / "nodes"
    nodes.write_text("node1\n")
    os.utime(nodes, (NOW - 100, NOW - 100))
    environ = {"PBS_JOBID": "12", "PBS_WALLTIME": "3600", "PBS_NODEFILE": str(nodes)}
    assert seconds_left(environ, says({}), now=NOW) == 3500


def test_lsf_tells_the_time_left_of_the_job_or_of_its_part_of_an_array():
    asked = {"bjobs -noheader -o time_left 5": "2:30 L\n"}
    left = seconds_left({"LSB_JOBID": "5", "LSB_JOBINDEX": "0"}, says(asked))
    assert left == pytest.approx(9000, abs=1)
    asked = {"bjobs -noheader -o time_left 5[3]": "0:02 L\n"}
    left = seconds_left({"LSB_JOBID": "5", "LSB_JOBINDEX": "3"}, says(asked))
    assert left == pytest.approx(120, abs=1)


@pytest.mark.parametrize("limit", ["h_rt=7200,mem=4G", "mem=4G,h_rt=2:00:00"])
def test_grid_engine_tells_limit_and_start_of_this_job(limit):
    entry = (
        "<job_list><JB_job_number>{}</JB_job_number><JAT_start_time>{}</JAT_start_time></job_list>"
    )
    others = entry.format(41, local(NOW - 9000)) + entry.format(42, local(NOW - 200))
    run = says({"qstat -j 42": f"hard resource_list: {limit}\n", "qstat -s r -xml": others})
    environ = {"JOB_ID": "42", "SGE_ROOT": "/opt/sge"}
    assert seconds_left(environ, run, now=NOW) == 7000


def test_the_variable_of_our_own_comes_last():
    own = {"HETEROFIRE_WALLTIME_END": f"{NOW + 50}"}
    assert seconds_left(own, silent, now=NOW) == 50
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": f"{NOW + 600}"}
    assert seconds_left(own | slurm, silent, now=NOW) == 600


@pytest.mark.parametrize("text", ["soon", "", "-5", "inf", "nan"])
def test_a_time_that_is_none_is_no_limit(text):
    assert seconds_left({"HETEROFIRE_WALLTIME_END": text}, silent) is None


def test_a_scheduler_that_is_not_there_or_fails_gives_no_answer():
    assert ask_command(["no-such-scheduler"]) is None
    assert ask_command(["false"]) is None
    assert ask_command(["echo", "a; b"]) == "a; b\n"


def test_a_scheduler_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr("heterofire.workflows.walltime._PATIENCE_S", 0.2)
    start = time.monotonic()
    assert ask_command(["sleep", "30"]) is None
    assert time.monotonic() - start < 5


def test_who_looks_late_knows_that_the_job_was_longer():
    environ = {"HETEROFIRE_WALLTIME_END": f"{time.time() + 100}"}
    assert job_times(environ, silent).length() == pytest.approx(100, abs=1)
    environ["HETEROFIRE_WALLTIME_START"] = f"{time.time() - 900}"
    note_start(environ)
    assert job_times(environ, silent).length() == pytest.approx(1000, abs=1)
