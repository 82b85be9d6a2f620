"""FireWorks runs on the embedded LaunchPad with real workers, which may be killed at any moment."""

import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fireworks import Firework, FWAction, FWorker, LaunchPad, PyTask, ScriptTask, Workflow
from fireworks.core.launchpad import WFLock
from fireworks.core.rocket_launcher import launch_rocket, rapidfire
from fireworks.utilities.fw_serializers import SAVED_FW_MODULES

from heterofire.launchers.claims import claim, is_alive
from heterofire.launchers.launchpads import (
    EmbeddedLaunchPad,
    open_launchpad,
    pin_rlaunch,
    rerun_lost,
    run_fireworks_command,
)
from heterofire.structures.errors import InputError, StoreError

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def launchpad(tmp_path, monkeypatch):
    """An empty embedded LaunchPad, and a folder of its own to launch in."""
    # FireWorks looks a task up by importing all it has, its own tests included, which pytest stops.
    tasks = "fireworks.user_objects.firetasks.script_task"
    monkeypatch.setitem(SAVED_FW_MODULES, "PyTask", tasks)
    monkeypatch.setitem(SAVED_FW_MODULES, "ScriptTask", tasks)
    queues = "fireworks.user_objects.queue_adapters.common_adapter"
    monkeypatch.setitem(SAVED_FW_MODULES, "CommonAdapter", queues)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return open_launchpad(embedded=tmp_path / "launchpad.db", strm_lvl="CRITICAL")


def no_ops(count):
    return [Firework(PyTask(func="time.time"), name=f"no-op {i}") for i in range(count)]


def noting(log, seconds=0.0):
    """A task that notes its start in a log; appended lines of one write never mix."""
    return ScriptTask.from_str(f"echo $PWD >> {log}; sleep {seconds}")


def work(path):
    """Run what is ready until nothing is, as one worker process."""
    launchpad = open_launchpad(embedded=path, strm_lvl="CRITICAL")
    while launchpad.future_run_exists():
        rapidfire(launchpad, nlaunches=0, strm_lvl="CRITICAL", sleep_time=0.05)
        time.sleep(0.02)


def states(launchpad):
    return Counter(doc["state"] for doc in launchpad.fireworks.find({}, {"state": 1}))


def test_four_workers_run_each_of_200_fireworks_once(launchpad):
    launchpad.bulk_add_wfs(no_ops(200))
    workers = [FORK.Process(target=work, args=(Path(launchpad.host),)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert states(launchpad) == {"COMPLETED": 200}
    runs = Counter(doc["fw_id"] for doc in launchpad.launches.find({}, {"fw_id": 1}))
    assert set(runs.values()) == {1}
    assert len(runs) == 200
    by_worker = Counter(d["process"] for d in launchpad.db.owners.find())
    assert by_worker == {}


def test_workers_killed_at_random_lose_nothing_that_was_finished(launchpad, tmp_path):
    log = tmp_path / "log"
    pairs = 15
    # However fast the machine, the last pairs wait until enough workers were killed.
    enough = tmp_path / "enough"
    waiting = ScriptTask.from_str(f"echo $PWD >> {log}; until [ -e {enough} ]; do sleep 0.02; done")
    for i in range(pairs):
        first = Firework(noting(log, 0.02) if i < 10 else waiting, name=f"first {i}")
        second = Firework(noting(log, 0.02), name=f"second {i}", parents=[first])
        launchpad.add_wf(Workflow([first, second]))
    rng = random.Random(2)
    path = Path(launchpad.host)
    workers = [FORK.Process(target=work, args=(path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    finished: set[int] = set()
    kills = lost = 0
    deadline = time.monotonic() + 120
    while states(launchpad) != {"COMPLETED": 2 * pairs} and time.monotonic() < deadline:
        time.sleep(rng.uniform(0.01, 0.12))
        now = set(launchpad.get_fw_ids({"state": "COMPLETED"}))
        assert finished <= now
        finished = now
        victim = rng.randrange(3)
        if kills < 25:
            os.kill(workers[victim].pid, signal.SIGKILL)
            kills += 1
        if kills > 10:
            enough.touch()
        workers[victim].join(0.2 if kills < 25 else 0.01)
        if not workers[victim].is_alive():
            lost += len(rerun_lost(launchpad))
            workers[victim] = FORK.Process(target=work, args=(path,))
            workers[victim].start()
    for worker in workers:
        worker.kill()
        worker.join()
    assert states(launchpad) == {"COMPLETED": 2 * pairs}
    assert kills > 10
    assert launchpad.workflows.count_documents({"locked": {"$exists": True}}) == 0
    assert launchpad.workflows.count_documents({"state": "COMPLETED"}) == pairs
    started = len(log.read_text().splitlines())
    assert 2 * pairs <= started <= 2 * pairs + lost
    launches = launchpad.launches.find({"state": "COMPLETED"}, {"fw_id": 1})
    assert set(Counter(doc["fw_id"] for doc in launches).values()) == {1}


def test_only_the_fireworks_of_dead_workers_are_run_again(launchpad):
    path = Path(launchpad.host)
    for name in ("killed", "alive"):
        launchpad.add_wf(Firework(PyTask(func="time.sleep", args=[60]), name=name))
    workers = [FORK.Process(target=work, args=(path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    while states(launchpad) != {"RUNNING": 2}:
        time.sleep(0.02)
    assert rerun_lost(launchpad) == []
    workers[0].kill()
    workers[0].join()
    lost = rerun_lost(launchpad)
    assert len(lost) == 1
    assert states(launchpad) == {"RUNNING": 1, "READY": 1}
    assert rerun_lost(launchpad) == []
    workers[1].kill()
    workers[1].join()
    assert len(rerun_lost(launchpad)) == 1


def test_a_claim_ends_with_its_process_even_when_a_child_lives_on(tmp_path):
    locks = tmp_path / "locks"
    code = (
        "import sys, subprocess, time; from pathlib import Path;"
        "from heterofire.launchers.claims import claim;"
        "print(claim(Path(sys.argv[1])), flush=True);"
        "print(subprocess.Popen(['sleep', '20'], stdout=subprocess.DEVNULL).pid, flush=True);"
        "time.sleep(30)"
    )
    with subprocess.Popen([sys.executable, "-c", code, locks], stdout=subprocess.PIPE) as process:
        number, child = int(process.stdout.readline()), int(process.stdout.readline())
        assert is_alive(number, locks)
        assert claim(locks) == claim(locks) != number
        process.kill()
        process.wait()
        assert not is_alive(number, locks)
        os.kill(child, signal.SIGKILL)


def test_a_kill_inside_a_change_leaves_none_of_it(launchpad):
    def die_half_way():
        refresh = LaunchPad._update_wf
        LaunchPad._update_wf = lambda self, *args: (
            refresh(self, *args),
            os.kill(os.getpid(), signal.SIGKILL),
        )
        launch_rocket(open_launchpad(embedded=Path(launchpad.host)), strm_lvl="CRITICAL")

    launchpad.add_wf(no_ops(1)[0])
    before = [list(launchpad.db[name].find()) for name in ("fireworks", "workflows", "launches")]
    child = FORK.Process(target=die_half_way)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    after = [list(launchpad.db[name].find()) for name in ("fireworks", "workflows", "launches")]
    assert after == before


def test_a_failing_refresh_is_kept_as_with_a_server(launchpad, monkeypatch):
    launchpad.add_wf(no_ops(1)[0])

    def fail(self, fw_id):
        raise ZeroDivisionError

    monkeypatch.setattr(Workflow, "refresh", fail)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        launchpad.checkout_fw(FWorker(), ".")
    assert states(launchpad) == {"FIZZLED": 1}


def test_dynamic_workflows_rerun_defuse_and_priorities_work(launchpad):
    detour = Firework(ScriptTask.from_str("true"), name="detour")
    spec = {"_priority": 1}
    launchpad.add_wf(Firework(PyTask(func="time.time"), spec=spec, name="low"))
    launchpad.add_wf(Firework(PyTask(func="time.time"), spec={"_priority": 7}, name="high"))
    launchpad.add_wf(no_ops(1)[0])
    firework, launch_id = launchpad.checkout_fw(FWorker(), ".")
    assert firework.name == "high"
    launchpad.complete_launch(launch_id, FWAction(additions=detour, stored_data={"energy": -1.5}))
    assert launchpad.get_launch_by_id(launch_id).action.stored_data == {"energy": -1.5}
    rapidfire(launchpad, strm_lvl="CRITICAL")
    assert states(launchpad) == {"COMPLETED": 4}
    launchpad.rerun_fw(firework.fw_id)
    assert launchpad.get_fw_by_id(firework.fw_id).state == "READY"
    launchpad.defuse_fw(firework.fw_id)
    assert launchpad.get_fw_by_id(firework.fw_id).state == "DEFUSED"
    launchpad.delete_wf(firework.fw_id)
    assert len(launchpad.get_wf_ids()) == 2
    with WFLock(launchpad, launchpad.get_fw_ids()[0]):
        assert launchpad.workflows.count_documents({"locked": True}) == 1


def test_lost_runs_are_also_found_by_time(launchpad):
    launchpad.add_wf(no_ops(1)[0])
    firework, launch_id = launchpad.checkout_fw(FWorker(), ".")
    assert launchpad.detect_lostruns() == ([], [], [])
    launchpad.ping_launch(launch_id, ptime=datetime.now(UTC) - timedelta(hours=9))
    assert launchpad.detect_lostruns(rerun=True) == ([launch_id], [firework.fw_id], [])
    assert states(launchpad) == {"READY": 1}


def test_reset_wants_todays_date_and_empties_everything(launchpad):
    launchpad.bulk_add_wfs(no_ops(30))
    with pytest.raises(ValueError, match="password"):
        launchpad.reset("no", require_password=True)
    launchpad.reset(datetime.now().strftime("%Y-%m-%d"))
    assert launchpad.get_fw_ids() == []
    assert list(launchpad.add_wf(no_ops(1)[0]).values()) == [1]


def test_a_launchpad_travels_between_processes(launchpad):
    launchpad.add_wf(no_ops(1)[0])
    for copy in (
        pickle.loads(pickle.dumps(launchpad)),  # noqa: S301
        EmbeddedLaunchPad.from_dict(launchpad.to_dict()),
    ):
        assert copy.get_fw_ids() == [1]
        assert copy.host == launchpad.host


def test_documents_beyond_the_limit_of_mongodb_are_kept(launchpad):
    launchpad.add_wf(no_ops(1)[0])
    _, launch_id = launchpad.checkout_fw(FWorker(), ".")
    launchpad.complete_launch(launch_id, FWAction(stored_data={"text": "x" * 17_000_000}))
    assert len(launchpad.get_launch_by_id(launch_id).action.stored_data["text"]) == 17_000_000


def command(launchpad, kind, *args):
    return run_fireworks_command(kind, list(args), embedded=Path(launchpad.host))


def test_lpad_shows_and_reruns_what_is_in_the_file(launchpad, capfd):
    launchpad.bulk_add_wfs(no_ops(3))
    assert command(launchpad, "rlaunch", "-s", "rapidfire", "--nlaunches", "2") == 0
    assert command(launchpad, "lpad", "get_wflows", "-s", "COMPLETED", "-d", "count") == 0
    assert capfd.readouterr().out.strip().splitlines()[-1] == "2"
    assert command(launchpad, "lpad", "get_fws", "-d", "more") == 0
    done = launchpad.get_fw_ids({"state": "COMPLETED"})
    assert command(launchpad, "lpad", "rerun_fws", "-i", str(done[0])) == 0
    assert states(launchpad) == {"COMPLETED": 1, "READY": 2}
    for args in (
        ["detect_lostruns"],
        ["get_wflows", "-d", "all"],
        ["report"],
        ["get_launchdir", "1"],
    ):
        assert command(launchpad, "lpad", *args) == 0
    assert (
        command(launchpad, "lpad", "reset", "--password", datetime.now().strftime("%Y-%m-%d")) == 0
    )
    assert launchpad.get_fw_ids() == []


def test_lpad_says_wrong_usage_by_its_exit_code(launchpad, capfd):
    assert command(launchpad, "lpad", "no-such-command") == 2
    assert command(launchpad, "lpad", "--help") == 0
    assert "no-such-command" in capfd.readouterr().err


def test_rlaunch_multi_shares_the_file_and_hands_tasks_a_launchpad(
    launchpad, tmp_path, monkeypatch
):
    log = tmp_path / "log"
    for i in range(8):
        launchpad.add_wf(Firework(noting(log), name=f"{i}"))
    (tmp_path / "work" / "asking_task.py").write_text(
        "from fireworks import FiretaskBase, explicit_serialize\n"
        "@explicit_serialize\n"
        "class Ask(FiretaskBase):\n"
        "    def run_task(self, spec):\n"
        "        self.launchpad.update_spec([self.fw_id], {'seen': 1})\n"
        "        assert self.launchpad.get_fw_dict_by_id(self.fw_id)['state'] == 'RUNNING'\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "work")
    document = {
        "spec": {"_tasks": [{"_fw_name": "{{asking_task.Ask}}"}], "_add_launchpad_and_fw_id": True}
    }
    launchpad.add_wf(Firework.from_dict({**document, "name": "asks", "fw_id": -1}))
    code = (
        "import sys; from pathlib import Path; from heterofire.launchers.launchpads import *;"
        "run_fireworks_command('rlaunch', ['multi', '3', '--nlaunches', '0', '--timeout', '60',"
        "'--sleep', '1'], embedded=Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "work")}
    run = subprocess.run(
        [sys.executable, "-c", code, launchpad.host],
        env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert states(launchpad) == {"COMPLETED": 9}, run.stdout + run.stderr
    assert len(log.read_text().splitlines()) == 8


def test_a_queue_script_reaches_the_same_file_from_any_folder(launchpad, tmp_path):
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "sbatch"  # runs the script at once, in an environment of its own
    fake.write_text(
        "#!/bin/sh\nenv -i PATH=/usr/bin:/bin sh $1 > out.txt 2>&1\necho Submitted batch job 7\n"
    )
    fake.chmod(0o755)
    (tmp_path / "work" / "my_qadapter.yaml").write_text(
        "_fw_name: CommonAdapter\n_fw_q_type: SLURM\nrocket_launch: rlaunch -s singleshot\n"
        f"_q_commands_override: {{submit_cmd: {fake}}}\n"
    )
    launchpad.add_wf(no_ops(1)[0])
    launchpad.add_wf(no_ops(1)[0])
    assert command(launchpad, "qlaunch", "-r", "-s", "singleshot") == 0
    script = (tmp_path / "work" / "FW_submit.script").read_text()
    out = (tmp_path / "work" / "out.txt").read_text()
    assert f"rlaunch -l {launchpad.host} -s singleshot --fw_id" in script
    assert states(launchpad) == {"COMPLETED": 1, "READY": 1}, script + out
    assert command(launchpad, "qlaunch", "-s", "singleshot") == 0
    assert states(launchpad) == {"COMPLETED": 2}


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("rlaunch singleshot", "PY singleshot"),
        ("srun -n 1 /opt/bin/rlaunch -w w.yaml singleshot", "srun -n 1 PY -w w.yaml singleshot"),
        ("heterofire rlaunch rapidfire", "PY rapidfire"),
        ("cd rlaunch_dir && rlaunch rapidfire", "cd rlaunch_dir && PY rapidfire"),
        ("run_vasp", "run_vasp"),
    ],
)
def test_only_the_rlaunch_of_a_job_script_is_changed(entry, wanted):
    ours = f"{sys.executable} -m heterofire.launchers rlaunch -l '/a b/l.db'"
    assert pin_rlaunch(entry, Path("/a b/l.db")) == wanted.replace("PY", ours)


def test_a_launchpad_file_of_fireworks_means_mongodb(tmp_path):
    path = tmp_path / "my_launchpad.yaml"
    path.write_text("host: db.example.org\nport: 27018\nname: mine\n")
    launchpad = open_launchpad(my_launchpad=path, embedded=tmp_path / "launchpad.db")
    assert (type(launchpad), launchpad.host, launchpad.port) == (LaunchPad, "db.example.org", 27018)
    assert rerun_lost(launchpad) == []
    assert not (tmp_path / "launchpad.db").exists()


@pytest.mark.parametrize("content", ["", "host", "name: only", "[1, 2]", "host: {a: b"])
def test_a_bad_launchpad_file_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "my_launchpad.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"my_launchpad\.yaml"):
        open_launchpad(my_launchpad=path, embedded=tmp_path / "launchpad.db")


def test_a_missing_launchpad_file_is_not_replaced_by_another_store(tmp_path):
    with pytest.raises(InputError, match="not there"):
        open_launchpad(my_launchpad=tmp_path / "no.yaml", embedded=tmp_path / "launchpad.db")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_an_error_with_its_address(tmp_path):
    path = tmp_path / "my_launchpad.yaml"
    path.write_text(
        "host: 127.0.0.1\nport: 1\nname: mine\n"
        "mongoclient_kwargs: {serverSelectionTimeoutMS: 200}\n"
    )
    for args in (["get_fws"], ["get_wflows"]):
        with pytest.raises((StoreError, InputError), match=r"127\.0\.0\.1"):
            run_fireworks_command("lpad", args, my_launchpad=path, embedded=tmp_path / "l.db")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
        run_fireworks_command(
            "rlaunch", ["-s", "singleshot"], my_launchpad=path, embedded=tmp_path / "l.db"
        )


def test_a_damaged_file_stops_a_command_and_is_kept(tmp_path):
    path = tmp_path / "launchpad.db"
    path.write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="move it away"):
        run_fireworks_command("lpad", ["get_wflows"], embedded=path)
    assert path.read_bytes() == before
