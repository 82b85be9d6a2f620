"""Compute nodes without a database: ordered here, run there, taken in again."""

import os
import subprocess
import sys

import pytest

from heterofire.launchers.project import Project
from heterofire.launchers.settings import load_settings
from heterofire.launchers.spool import order_ready
from heterofire.launchers.status import job_statuses

HYDROGEN = """\
study: hydrogen
title: Nothing that takes long
hosts: []
phases:
  K atom: {atom: K}
  K: {crystal: K_bcc}
reactions: [{name: K, reactants: [K atom], products: [K]}]
per: {elements: [K], atoms: 1, unit_name: K}
"""


@pytest.fixture
def project(tmp_path, heterofire):
    """Return a project whose study is submitted."""
    (tmp_path / "molecules.yaml").write_text(HYDROGEN)
    done = heterofire(tmp_path, "submit", "molecules.yaml")
    assert done.returncode == 0, done.stderr
    with Project(load_settings(folder=tmp_path)) as opened:
        yield opened


def node(project, *orders, **environment):
    """Start a worker as a job on a compute node does."""
    command = [sys.executable, "-P", "-m", "heterofire.launchers.worker"]
    command += ["--folder", str(project.settings.folder), "--engine", "xtb", "--offline"]
    log = (project.settings.folder / "node.log").open("ab")
    return subprocess.Popen(
        [*command, *map(str, orders)],
        stdout=log,
        stderr=log,
        start_new_session=True,
        env=os.environ | environment,
    )


def states(project):
    return {status.name: status.state for status in job_statuses(project.launchpad)}


def test_a_study_runs_on_nodes_that_see_no_database(project, heterofire, tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for _ in range(4):
        orders = order_ready(project)
        if not orders:
            break
        for name in ("results.db", "launchpad.db"):
            (tmp_path / name).rename(hidden / name)
        assert node(project, *orders).wait(timeout=200) == 0
        assert not (tmp_path / "results.db").exists()
        for name in ("results.db", "launchpad.db"):
            (hidden / name).rename(tmp_path / name)
        done = heterofire(tmp_path, "collect", "--json")
        assert done.returncode == 0, done.stderr
        print(done.stdout)
    assert set(states(project).values()) == {"COMPLETED"}
