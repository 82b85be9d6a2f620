"""Compute nodes without a database: ordered here, run there, taken in again."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from fireworks import Firework, FWAction, FWorker, PyTask, Workflow
from pymatgen.io.vasp import Poscar

from heterofire.launchers import spool as spooling
from heterofire.launchers.launchpads import open_launchpad
from heterofire.launchers.liveness import worker_name
from heterofire.launchers.ordering import is_offline, order_firework
from heterofire.launchers.project import Project
from heterofire.launchers.reservations import MAX_LOST
from heterofire.launchers.settings import load_settings
from heterofire.launchers.spool import give_up, take_in
from heterofire.launchers.spool_files import Spool, file_sizes, sealed, write_first
from heterofire.launchers.status import job_statuses
from heterofire.launchers.worker import worker_locks
from heterofire.results.store import ResultStore
from heterofire.workflows.flows import step_firework
from heterofire.workflows.planning import plan_study
from heterofire.workflows.study_reading import load_study

TESTS = Path(__file__).parent
STUDY = """\
study: potassium
title: Nothing that takes long
hosts: []
phases:
  K atom: {atom: K}
  K: {crystal: K_bcc}
reactions: [{name: K, reactants: [K atom], products: [K]}]
per: {elements: [K], atoms: 1, unit_name: K}
"""
OURS = {"heterofire": {"study": "potassium", "task": "static"}}
ENDED = {"reason": "", "began": "2026-11-21T10:00:00+00:00", "ended": "2026-11-21T10:01:00+00:00"}


def project_in(folder):
    return Project(load_settings(folder=folder))


def pytask(name, parents=(), **spec):
    task = PyTask(func="time.sleep", args=[0])
    return Firework(task, spec={**OURS, **spec}, name=name, parents=list(parents))


def order_ready(project, limit=0, query=None):
    """Reserve and order the fireworks that are ready, as `launch` does before it submits."""
    name = worker_name(worker_locks(project.settings))  # a lock tells that this process lives
    fworker, orders = FWorker(name=name, query=query or {}), []
    while not limit or len(orders) < limit:
        firework, launch_id = project.launchpad.reserve_fw(fworker, str(project.settings.folder))
        if firework is None:
            break
        orders.append(order_firework(project, firework, launch_id))
    return [order for order in orders if order is not None]


def start_node(folder, *orders):
    """Start a worker as a job on a compute node does."""
    command = [sys.executable, "-P", "-m", "heterofire.launchers.worker"]
    command += ["--folder", str(folder), "--engine", "xtb", "--offline", *map(str, orders)]
    with (folder / "node.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def leave_result(order, action, state="COMPLETED"):
    """Leave what a node leaves whose one task has decided this."""
    spool = Spool(Path(order))
    spool.begin({"by": "heterofire@node@1", "job": "77", "at": ENDED["began"]})
    spool.write("task-1", {"failed": state == "FIZZLED", "action": action.to_dict()})
    spool.write("end", {"state": state, "files": file_sizes(spool.run_folder), **ENDED})


def states(project):
    """Return the state of every firework, of those with a continuation, too."""
    fireworks = project.launchpad.fireworks.find({}, {"name": 1, "state": 1})
    return {firework["name"]: firework["state"] for firework in fireworks}


def launches_of(project):
    """Return how many launches each firework has had."""
    found = project.launchpad.fireworks.find({}, {"name": 1, "launches": 1, "archived_launches": 1})
    return {f["name"]: len(f["launches"]) + len(f.get("archived_launches", [])) for f in found}


@pytest.fixture(scope="module")
def submitted(tmp_path_factory, heterofire):
    """A project folder with a study in its queue."""
    folder = tmp_path_factory.mktemp("offline") / "project"
    folder.mkdir()
    (folder / "potassium.yaml").write_text(STUDY)
    done = heterofire(folder, "submit", "potassium.yaml")
    assert done.returncode == 0, done.stderr
    return folder, _copy(folder)


@pytest.fixture(scope="module")
def computed(submitted):
    """The same with everything computed on a node, and one that goes on; nothing taken in."""
    folder, copy = submitted
    _restore(folder, copy)
    hidden = folder.parent / "hidden"
    hidden.mkdir()
    with project_in(folder) as project:
        first = pytask("first", _launch_dir=str(folder / "runs" / "first"))
        project.launchpad.add_wf(Workflow([first, pytask("child", parents=[first])]))
        orders = order_ready(project)
        assert set(states(project).values()) == {"RESERVED", "WAITING"}
    for name in ("results.db", "launchpad.db"):  # the node sees neither
        (folder / name).rename(hidden / name)
    goes_on = [order for order in orders if "first" in str(order)]
    leave_result(goes_on[0], FWAction(stored_data={"continued": 1}, detours=[pytask("second")]))
    others = [order for order in orders if order not in goes_on]
    assert start_node(folder, *others).wait(timeout=200) == 0, (folder / "node.log").read_text()
    assert not (folder / "results.db").exists()
    assert not (folder / "launchpad.db").exists()
    for name in ("results.db", "launchpad.db"):
        (hidden / name).rename(folder / name)
    return folder, _copy(folder)


def _copy(folder):
    copy = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, copy, ignore=lambda *_: [".workers"])  # closing it drops our locks
    return copy


def _restore(folder, copy):
    """Put a project back as it was; its paths are written down in it, so it stays in its place.

    The file by which workers show that they live stays: this process holds it open.
    """
    workers = folder / "runs" / ".workers"
    for path in [*folder.iterdir(), *(folder / "runs").glob("*")]:
        if path.is_file():
            path.unlink()
        elif path not in (folder / "runs", workers):
            shutil.rmtree(path)
    shutil.copytree(copy, folder, dirs_exist_ok=True, ignore=lambda *_: [".workers"])


@pytest.fixture
def project(submitted):
    _restore(*submitted)
    with project_in(submitted[0]) as opened:
        yield opened


@pytest.fixture
def spooled(computed):
    """Return the folder with all results on the node's side."""
    _restore(*computed)
    return computed[0]


def check_taken_in_once(folder):
    with project_in(folder) as project:
        found = states(project)
        assert found == {
            "K atom/molecule": "COMPLETED",
            "K/bulk": "COMPLETED",
            "potassium/quick/derive": found["potassium/quick/derive"],
            "first": "COMPLETED",
            "second": "READY",
            "child": "WAITING",
        }
        names = [f["name"] for f in project.launchpad.fireworks.find({}, {"name": 1})]
        assert len(names) == len(set(names)), "a continuation was queued twice"
        n_launches = launches_of(project)
        assert {n_launches[name] for name in ("K atom/molecule", "K/bulk", "first")} == {1}
        with ResultStore.open(project.settings.database) as store:
            assert len(store.calculations()) == 2
            assert store.check() == []


def test_a_study_is_computed_without_a_database_and_collected(spooled, heterofire):
    done = heterofire(spooled, "collect")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 results taken in, 0 failed, 0 queued again, 0 still out\n"
    check_taken_in_once(spooled)
    with project_in(spooled) as project:
        assert states(project)["potassium/quick/derive"] == "COMPLETED"
        first = project.launchpad.fireworks.find_one({"name": "first"})
        launch = project.launchpad.launches.find_one({"launch_id": first["launches"][-1]})
        times = [datetime.fromisoformat(entry["created_on"]) for entry in launch["state_history"]]
        assert (times[-1] - times[-2]).total_seconds() == 60.0, "the times are those of the node"
        assert launch["action"]["stored_data"]["continued"] == 1
        (formation,) = project.store.properties()
    again = heterofire(spooled, "collect", "--json")
    assert json.loads(again.stdout)["done"] == []
    here = spooled.parent / "here"
    here.mkdir()
    (here / "potassium.yaml").write_text(STUDY)
    assert heterofire(here, "run", "potassium.yaml", "-j", "1").returncode == 0
    with project_in(here) as project:
        (local,) = project.store.properties()
    assert formation.value == pytest.approx(local.value, abs=1e-9)


def test_nothing_of_the_databases_and_no_potcar_travels(spooled):
    orders = list(spooled.glob("runs/*/offline/*/order.json"))
    assert len(orders) == 3
    for order in orders:
        text = order.read_text()
        assert "results.db" not in text
        assert "launchpad" not in text
        assert "VRHFIN" not in text


def killed_at(step, work):
    """Do the work in a process of its own, killed at this step of it; False when it ended."""
    pid = os.fork()
    if pid == 0:
        left = step

        def trace(frame, event, _argument):
            nonlocal left
            if not frame.f_code.co_filename.endswith(TRACED):
                return None
            if event == "line":
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        try:
            sys.settrace(trace)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed by itself"
    return os.WIFSIGNALED(status)


TRACED = (
    "launchers/spool.py",
    "launchers/ordering.py",
    "launchers/spool_files.py",
    "launchers/actions.py",
)


def collect_in(folder):
    with project_in(folder) as project:
        take_in(project)


def order_in(folder):
    with project_in(folder) as project:
        order_ready(project)


def test_taking_in_may_be_killed_anywhere(computed):
    folder, copy = computed
    chance = random.Random(5)
    n_kills, step = 0, 0
    _restore(folder, copy)
    while killed_at(step, lambda: collect_in(folder)):
        n_kills += 1
        collect_in(folder)
        check_taken_in_once(folder)
        step += chance.randint(5, 15)
        _restore(folder, copy)
    print(f"{n_kills} kills, {step} steps")
    assert n_kills >= 30


def test_ordering_may_be_killed_anywhere(submitted):
    folder, copy = submitted
    chance = random.Random(6)
    n_kills, step = 0, 0
    _restore(folder, copy)
    while killed_at(step, lambda: order_in(folder)):
        n_kills += 1
        with project_in(folder) as project:
            take_in(project)
            order_ready(project)
            out = {name: state for name, state in states(project).items() if "derive" not in name}
            assert set(out.values()) == {"RESERVED"}
            assert len(spooling.orders_out(project)) == 2
            for order in project.settings.runs.glob("*/offline/*/order.json"):
                spool = Spool(order.parent)
                assert spool.is_newest or spool.begun(), "a lost order could still be run"
        step += chance.randint(5, 15)
        _restore(folder, copy)
    print(f"{n_kills} kills, {step} steps")
    assert n_kills >= 10


def in_a_process(work):
    """Do the work in a process of its own: a client of pymongo does not outlive a fork."""
    assert not killed_at(sys.maxsize, work)


def move_to_server(folder, server, name):
    """Move a project's LaunchPad from its file to a server."""
    before = open_launchpad(embedded=folder / "launchpad.db").db
    after = open_launchpad(my_launchpad=server.name_in(folder, name), embedded=folder / "unused").db
    for collection in ("fireworks", "launches", "workflows", "fw_id_assigner"):
        if documents := list(before[collection].find()):
            after[collection].insert_many(documents)


@pytest.mark.slow
def test_taking_in_into_mongodb_may_be_killed_anywhere(computed, mongodb, monkeypatch):
    """There a kill also falls between changes that belong together, and leaves locks."""
    monkeypatch.setattr(sys.modules[__name__], "TRACED", (*TRACED, "fireworks/core/launchpad.py"))
    folder, copy = computed
    chance = random.Random(7)
    n_kills, step, was_killed = 0, 0, True
    while was_killed:
        _restore(folder, copy)
        name = f"fireworks-{n_kills}"
        in_a_process(lambda name=name: move_to_server(folder, mongodb, name))
        was_killed = killed_at(step, lambda: collect_in(folder))
        in_a_process(lambda: collect_in(folder))
        in_a_process(lambda: check_taken_in_once(folder))
        n_kills += was_killed
        step += chance.randint(30, 60)
    print(f"{n_kills} kills, {step} steps")
    assert n_kills >= 30


def test_two_that_collect_at_once_take_in_once(spooled, heterofire):
    command = [sys.executable, "-P", "-m", "heterofire.launchers.cli", "collect", "--json"]
    both = [
        subprocess.Popen(command, cwd=spooled, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    taken = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sorted(len(one["done"]) for one in taken) == [0, 3]
    check_taken_in_once(spooled)


def test_what_a_killed_node_ran_is_queued_again_and_its_order_is_void(project):
    folder = project.settings.folder
    orders = order_ready(project)
    killed = start_node(folder, orders[0])
    spool = Spool(orders[0])
    wait_for(lambda: spool.begun() is not None)
    taken = take_in(project)
    assert len(taken.running) == 1
    assert len(taken.waiting) == 1
    assert states(project)[taken.running[0]] == "RUNNING"
    killed.kill()
    killed.wait()
    taken = take_in(project)
    assert "died" in taken.again[0][1]
    assert states(project)[taken.again[0][0]] == "READY"
    late = start_node(folder, orders[0])
    assert late.wait(timeout=60) == 0
    assert spool.end() is None, "a withdrawn order was run"


def test_a_job_that_is_started_again_goes_on(project):
    order = order_ready(project)[0]
    killed = start_node(project.settings.folder, order)
    wait_for(lambda: Spool(order).begun() is not None)
    killed.kill()
    killed.wait()
    assert start_node(project.settings.folder, order).wait(timeout=60) == 0
    taken = take_in(project)
    assert len(taken.done) == 1
    assert launches_of(project)[taken.done[0]] == 1


def test_a_child_gets_its_parents_structure_without_a_database(project):
    folder = project.settings.folder
    study = load_study(folder / "potassium.yaml")
    plan = plan_study(study, "quick", engine="xtb", method="GFN1-xTB")
    bulk = next(c for c in plan.calculations if c.label.name == "K/bulk")
    label = replace(bulk.label, name="K/again", task="static")
    child = replace(bulk, parents={"structure": bulk.key}, label=label)
    about = {"plan": "p", "runs": folder / "runs", "database": str(folder / "results.db")}
    first = step_firework(bulk, **about)
    project.launchpad.add_wf(Workflow([first, step_firework(child, parents=[first], **about)]))
    names = {"name": {"$in": ["K/bulk", "K/again"]}}
    orders = order_ready(project, query=names)
    assert all("K_bulk" in str(order) for order in orders), "the child waits for its parent"
    for order in orders:
        assert start_node(folder, order).wait(timeout=60) == 0
    take_in(project)
    (order,) = order_ready(project, query=names)
    start = Poscar.from_file(Spool(order).run_folder / "POSCAR").structure
    assert start.lattice == project.store.get_run(bulk.key).structure.lattice
    assert start_node(folder, order).wait(timeout=60) == 0
    assert take_in(project).done == ["K/again"]
    assert project.store.has(child.key)


def test_a_worker_of_another_machine_is_given_up_after_long_silence(project):
    order = order_ready(project)[0]
    spool = Spool(order)
    spool.begin({"by": "heterofire@node-17@4711@1", "job": "", "at": ENDED["began"]})
    spool.beat()
    assert len(take_in(project).running) == 1
    old = time.time() - 5 * 3600
    os.utime(order / "beat.json", (old, old))
    assert "silent for 5.0 h" in take_in(project).again[0][1]


def test_a_node_that_is_told_to_stop_gives_back(project):
    folder = project.settings.folder
    slow = Firework(PyTask(func="time.sleep", args=[4]), spec=dict(OURS), name="slow")
    project.launchpad.add_wf(Workflow([slow]))
    (order,) = order_ready(project, query={"name": "slow"})
    node = start_node(folder, order)
    wait_for(lambda: Spool(order).begun() is not None)
    node.send_signal(signal.SIGTERM)
    assert node.wait(timeout=60) == 128 + signal.SIGTERM
    assert take_in(project).again == [("slow", "told to stop by SIGTERM")]
    assert states(project)["slow"] == "READY"


def test_two_jobs_never_compute_in_one_folder(project):
    order = order_ready(project)[0]
    first, second = (start_node(project.settings.folder, order) for _ in range(2))
    assert sorted([first.wait(timeout=60), second.wait(timeout=60)]) in ([0, 0], [0, 1])
    assert len(take_in(project).done) == 1
    assert list(Spool(order).run_folder.glob("part-*")) == []


def test_a_result_database_that_cannot_be_written_loses_nothing(spooled):
    database = spooled / "results.db"
    kept = database.read_bytes()
    database.write_bytes(b"not a database" * 1000)
    with project_in(spooled) as project:
        taken = take_in(project)
        assert taken.done == ["first"]
        assert len(taken.troubles) == 2
        assert "FIZZLED" not in states(project).values()
    database.write_bytes(kept)
    collect_in(spooled)
    check_taken_in_once(spooled)


def test_launch_takes_in_before_it_starts_more(spooled, heterofire):
    done = heterofire(spooled, "launch", "-j", "1")
    assert done.returncode == 0, done.stderr
    assert "3 results taken in" in done.stderr
    with project_in(spooled) as project:
        assert set(states(project).values()) == {"COMPLETED"}


def test_a_launch_on_this_machine_does_not_wait_for_what_is_out(project, heterofire):
    order_ready(project, limit=1)
    done = heterofire(project.settings.folder, "launch", "-j", "1")
    assert done.returncode == 0, done.stderr
    assert sorted(states(project).values()) == ["COMPLETED", "RESERVED", "WAITING"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("my_fworker.yaml", "env: {heterofire: {cluster: {offline: true}}}\n"),
        ("my_qadapter.yaml", "_fw_q_type: SLURM\nrocket_launch: rlaunch singleshot --offline\n"),
    ],
)
def test_a_project_says_that_its_nodes_are_offline(tmp_path, name, text):
    assert not is_offline(load_settings(folder=tmp_path))
    (tmp_path / name).write_text(text)
    assert is_offline(load_settings(folder=tmp_path))


def test_an_order_that_got_no_job_is_given_back(submitted):
    folder, copy = submitted
    _restore(folder, copy)
    subprocess.run([sys.executable, "-c", ORDER, str(folder)], check=True, cwd=TESTS)
    with project_in(folder) as project:
        taken = take_in(project)
        assert len(taken.again) == 2
        assert "no job was submitted" in taken.again[0][1]


ORDER = """\
import sys
from pathlib import Path
from test_launchers_offline import order_ready, project_in
with project_in(Path(sys.argv[1])) as project:
    order_ready(project)
"""


def test_an_order_with_a_job_waits_for_it(project):
    orders = order_ready(project)
    for order in orders:
        project.launchpad.set_reservation_id(Spool(order).launch_id, 4711)
        old = time.time() - 7 * 86400
        os.utime(order / "order.json", (old, old))
    taken = take_in(project)
    assert len(taken.waiting) == 2
    fw_id = project.launchpad.get_fw_ids({"state": "RESERVED"})[0]
    assert give_up(project, fw_id, "CANCELLED by 1000")
    again = project.launchpad.get_fw_by_id(fw_id)
    assert again.state == "READY"
    (loss,) = again.spec["heterofire"]["lost"]
    assert (loss["job"], loss["reason"]) == ("4711", "CANCELLED by 1000")


def test_a_firework_lost_again_and_again_fails_with_all_reasons(project):
    for n in range(MAX_LOST + 1):
        order_ready(project)
        fw_id = project.launchpad.get_fw_ids({"state": "RESERVED"})[0]
        assert give_up(project, fw_id, f"NODE_FAIL {n}")
    assert project.launchpad.get_fw_by_id(fw_id).state == "FIZZLED"
    failed = next(s for s in job_statuses(project.launchpad) if s.state == "FIZZLED")
    assert "NODE_FAIL 0" in failed.reason
    assert "NODE_FAIL 5" in failed.reason


def test_a_damaged_result_is_not_believed(spooled):
    (end,) = spooled.glob("runs/K_bulk*/offline/*/end.json")
    end.write_text(end.read_text().replace("COMPLETED", "FIZZLED  "))
    with project_in(spooled) as project:
        taken = take_in(project)
        assert "checksum" in taken.again[0][1]
        assert order_ready(project) != [], "second is ready"
        assert states(project)["K/bulk"] == "COMPLETED", "its outputs were found, none computed"


def test_files_that_are_still_on_their_way_are_waited_for(spooled):
    (end,) = spooled.glob("runs/K_bulk*/offline/*/end.json")
    run = end.parent.parent.parent
    whole = (run / "vasprun.xml").read_bytes()
    (run / "vasprun.xml").write_bytes(whole[:1000])
    with project_in(spooled) as project:
        taken = take_in(project)
        assert "vasprun.xml" in taken.troubles[0][1]
        assert states(project)["K/bulk"] in ("RESERVED", "RUNNING")
        (run / "vasprun.xml").write_bytes(whole)
        assert take_in(project).done == ["K/bulk"]


def test_a_run_that_failed_says_why(project):
    orders = order_ready(project)
    for order in orders:
        incar = Spool(order).run_folder / "INCAR"
        incar.write_text(incar.read_text() + "LHFCALC = .TRUE.\n")
    assert start_node(project.settings.folder, *orders).wait(timeout=60) == 0
    taken = take_in(project)
    assert len(taken.failed) == 2
    failed = [s for s in job_statuses(project.launchpad) if s.state == "FIZZLED"]
    assert all("LHFCALC" in status.reason for status in failed)


def test_the_first_to_write_wins(tmp_path):
    assert write_first(tmp_path / "begun.json", sealed({"by": "a"}))
    assert not write_first(tmp_path / "begun.json", sealed({"by": "b"}))
    assert [path.name for path in tmp_path.iterdir()] == ["begun.json"]


def wait_for(claim, seconds=60.0):
    end = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
