import pytest
from fireworks import Firework, PyTask, Workflow

from heterofire.launchers.bundles import mark_stop
from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.reconciling import reconcile
from heterofire.launchers.recovery import recover, rerun_failed
from heterofire.launchers.reservations import (
    count_loss,
    holds,
    job_of,
    release,
    reserve,
    set_job,
)
from heterofire.launchers.schedulers import JobFacts, Scheduler
from heterofire.launchers.status import job_statuses, with_jobs


class Answers(Scheduler):
    """A scheduler that says what it is told to say."""

    kind = "slurm"

    def __init__(self, exit_code="0:0", **facts):
        self.facts, self.exit_code = facts, exit_code
        self.n_questions = 0

    def _listed(self, ids):
        self.n_questions += 1
        return {
            job: JobFacts(job_id=job, state=state, reason=reason, exit_code=self.exit_code)
            for job, (state, reason) in self.facts.items()
        }

    def cancel(self, ids): ...

    def n_queued(self):
        return len(self.facts)


def sleeping(**about):
    spec = {"heterofire": {"study": "small", "task": "static", **about}}
    return Firework(PyTask(func="time.sleep", args=[0]), spec=spec, name="sleeps")


@pytest.fixture
def launchpad(tmp_path):
    launchpad = open_launchpad(embedded=tmp_path / "launchpad.db", strm_lvl="CRITICAL")
    launchpad.add_wf(Workflow([sleeping(max_lost=2)]))
    return launchpad


@pytest.fixture
def submitted(launchpad, tmp_path):
    reservation = reserve(launchpad, 1, "submitter", tmp_path)
    assert set_job(launchpad, reservation.launch_id, "7")
    return reservation


def state(launchpad):
    return launchpad.fireworks.find_one({"fw_id": 1})["state"]


def lost(launchpad):
    return launchpad.fireworks.find_one({"fw_id": 1})["spec"]["heterofire"].get("lost", [])


def test_a_firework_is_reserved_only_once(launchpad, submitted, tmp_path):
    assert reserve(launchpad, 1, "another", tmp_path) is None


def test_the_job_of_a_launch_is_noted_only_once(launchpad, submitted):
    assert not set_job(launchpad, submitted.launch_id, "8")
    assert job_of(launchpad.launches.find_one({"launch_id": submitted.launch_id})) == "7"


def test_a_released_firework_is_ready_and_not_that_launch_s_any_more(launchpad, submitted):
    assert release(launchpad, submitted)
    assert state(launchpad) == "READY"
    assert holds(launchpad, submitted) is None
    assert not release(launchpad, submitted)
    assert count_loss(launchpad, submitted, "7", "TIMEOUT") == ""


def test_one_loss_too_many_fails_with_all_reasons(launchpad, tmp_path):
    for job, outcome in (("1", "queued again"), ("2", "queued again"), ("3", "failed")):
        reservation = reserve(launchpad, 1, "submitter", tmp_path)
        set_job(launchpad, reservation.launch_id, job)
        assert count_loss(launchpad, reservation, job, f"reason {job}") == outcome
    (status,) = job_statuses(launchpad)
    assert status.state == "FIZZLED"
    assert status.reason.startswith("QueueError: lost 3 times: job 1 reason 1; job 2 reason 2")
    rerun_failed(launchpad, [1])
    assert state(launchpad) == "READY"
    assert lost(launchpad) == [], "a person's new start counts anew"


@pytest.mark.parametrize("alive", ["pending", "running", "ending"])
def test_live_jobs_are_never_touched(launchpad, submitted, tmp_path, alive):
    scheduler = Answers(**{"7": (alive, "")})
    assert reconcile(launchpad, scheduler, tmp_path, tmp_path / "locks") == []
    assert state(launchpad) == "RESERVED"
    assert scheduler.n_questions == 1


def test_a_job_that_is_gone_gives_its_firework_back_with_the_reason(launchpad, submitted, tmp_path):
    scheduler = Answers(**{"7": ("gone", "OUT_OF_MEMORY")})
    (mended,) = reconcile(launchpad, scheduler, tmp_path, tmp_path / "locks")
    assert (mended.job, mended.reason, mended.outcome) == ("7", "OUT_OF_MEMORY", "queued again")
    assert state(launchpad) == "READY"
    assert [loss["reason"] for loss in lost(launchpad)] == ["OUT_OF_MEMORY"]


def test_the_reason_of_a_stopped_job_is_filled_in_later(launchpad, submitted, tmp_path):
    assert count_loss(launchpad, submitted, "7", "") == "queued again"
    reconcile(launchpad, Answers(**{"7": ("ending", "")}), tmp_path, tmp_path / "locks")
    assert [loss["reason"] for loss in lost(launchpad)] == [""]
    reconcile(launchpad, Answers(**{"7": ("gone", "TIMEOUT")}), tmp_path, tmp_path / "locks")
    assert [loss["reason"] for loss in lost(launchpad)] == ["TIMEOUT"]


def test_recovery_by_locks_leaves_jobs_to_the_scheduler(launchpad, submitted, tmp_path):
    assert recover(launchpad, tmp_path / "locks") == []
    assert state(launchpad) == "RESERVED"


def test_status_asks_the_scheduler_once_and_shows_its_word(launchpad, submitted):
    scheduler = Answers(**{"7": ("pending", "Priority")})
    (status,) = with_jobs(job_statuses(launchpad), scheduler)
    assert (status.job, status.job_state, status.job_reason) == ("7", "pending", "Priority")
    assert scheduler.n_questions == 1


def test_a_module_that_cannot_be_loaded_is_not_tried_again(launchpad, submitted, tmp_path):
    scheduler = Answers(exit_code="78:0", **{"7": ("gone", "FAILED")})
    (mended,) = reconcile(launchpad, scheduler, tmp_path, tmp_path / "locks")
    assert mended.outcome == "failed"
    (status,) = job_statuses(launchpad)
    assert status.state == "FIZZLED"
    assert "a module could not be loaded" in status.reason


def test_a_failure_after_the_order_to_stop_is_no_failure(launchpad, submitted, tmp_path):
    mark_stop(tmp_path, "7")
    launchpad.mark_fizzled(submitted.launch_id)
    scheduler = Answers(**{"7": ("gone", "PREEMPTED")})
    reconcile(launchpad, scheduler, tmp_path, tmp_path / "locks")
    assert state(launchpad) == "READY"
    assert reconcile(launchpad, scheduler, tmp_path, tmp_path / "locks") == []
    assert [loss["reason"] for loss in lost(launchpad)] == ["PREEMPTED"]


def test_a_failure_of_its_own_stays_one(launchpad, submitted, tmp_path):
    launchpad.mark_fizzled(submitted.launch_id)
    scheduler = Answers(**{"7": ("gone", "COMPLETED")})
    assert reconcile(launchpad, scheduler, tmp_path, tmp_path / "locks") == []
    assert state(launchpad) == "FIZZLED"
