import pytest

from heterofire.launchers.qadapters import load_qadapter
from heterofire.launchers.schedulers import (
    Slurm,
    _slurm_facts,
    find_scheduler,
    read_bjobs,
    read_qstat,
    read_qstat_xml,
)
from heterofire.structures.errors import InputError, QueueError

QSTAT = """\
Job Id: 101.server
    Job_Name = relax
    job_state = R
    comment = Job run at Sat Nov 21 at 10:00 on (node1:ncpus=1) and a long
\tline that goes on
Job Id: 102.server
    job_state = F
    Exit_status = -29
    comment = Job run at ... and exceeded limit
Job Id: 103.server
    job_state = F
    Exit_status = 271
"""
QSTAT_XML = """\
<?xml version='1.0'?>
<job_info><queue_info>
<job_list state="running"><JB_job_number>5</JB_job_number><state>r</state></job_list>
<job_list state="running"><JB_job_number>6</JB_job_number><state>dr</state></job_list>
</queue_info><job_info>
<job_list state="pending"><JB_job_number>7</JB_job_number><state>Eqw</state></job_list>
</job_info></job_info>
"""


@pytest.mark.parametrize(
    ("word", "reason", "state", "said"),
    [
        ("PENDING", "Priority", "pending", "Priority"),
        ("REQUEUE_HOLD", "None", "pending", ""),
        ("SUSPENDED", "None", "running", ""),
        ("COMPLETING", "None", "ending", ""),
        ("TIMEOUT", "TimeLimit", "gone", "TIMEOUT (TimeLimit)"),
        ("CANCELLED by 1000", "None", "gone", "CANCELLED"),
        ("CANCELLED+", "Resources", "gone", "CANCELLED"),
        ("OUT_OF_MEMORY", "OutOfMemory", "gone", "OUT_OF_MEMORY (OutOfMemory)"),
    ],
)
def test_slurm_words_are_understood(word, reason, state, said):
    facts = _slurm_facts("1", word, reason)
    assert (facts.state, facts.reason) == (state, said)


def test_qstat_of_pbs_is_understood():
    running, timed_out, killed = read_qstat(QSTAT)
    assert (running.job_id, running.state) == ("101", "running")
    assert running.reason.endswith("a longline that goes on")
    assert (timed_out.state, timed_out.reason) == ("gone", "TIMEOUT")
    assert (killed.state, killed.reason) == ("gone", "killed by signal 15")


def test_qstat_of_grid_engine_is_understood():
    found = {f.job_id: f for f in read_qstat_xml(QSTAT_XML)}
    assert [found[job].state for job in "567"] == ["running", "ending", "pending"]
    assert found["7"].reason == "error state Eqw"


def test_a_job_that_lsf_has_lost_sight_of_is_left_alone():
    (unknown,) = read_bjobs("9|UNKWN|-|-|-")
    assert unknown.state == "running"


def test_a_scheduler_that_is_not_there_is_an_error_and_no_answer(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(QueueError, match="squeue is not on this machine"):
        Slurm().jobs(["1"])


def test_a_scheduler_we_do_not_know_is_named():
    with pytest.raises(InputError, match="Cobalt"):
        find_scheduler("Cobalt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("_fw_name: CommonAdapter\n_fw_q_type: SLURM\npartition: x", "knows no key 'partition'"),
        ("_fw_name: CommonAdapter\n_fw_q_type: NQS", "not a supported queue type"),
        ("_fw_name: CommonAdapter\n_fw_q_type: SLURM\nqueue: 'a\n\n  b'", "must be one line"),
        ("_fw_name: CommonAdapter\n_fw_q_type: SGE\n_fw_template_file: gone.txt", "gone.txt"),
        ("_fw_name: ScriptTask\nscript: ls", "_fw_q_type: SLURM"),
        ("queue: debug", "_fw_q_type: SLURM"),
        ("- 1", "must hold a mapping"),
        ("a: [", "cannot read"),
    ],
)
def test_a_wrong_qadapter_is_told_before_anything_is_submitted(tmp_path, text, words):
    path = tmp_path / "my_qadapter.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        load_qadapter(path)
    assert str(path) in str(caught.value)


def test_a_walltime_without_quotes_is_read_as_fireworks_reads_it(tmp_path):
    path = tmp_path / "my_qadapter.yaml"
    path.write_text("_fw_name: CommonAdapter\n_fw_q_type: SLURM\nwalltime: 24:00:00\n")
    assert "#SBATCH --time=24:00:00\n" in load_qadapter(path).script(tmp_path, {})
