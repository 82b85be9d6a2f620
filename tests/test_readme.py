"""Every command that the README prints is run as printed."""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = dict(re.findall(r"<!-- (\w+) -->\n```bash\n(.*?)```", README, re.DOTALL))
BIN = Path(sys.executable).parent


def bash(commands, folder, **environment):
    """Run shell commands with this Python's heterofire on the path; any failure ends them."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path} | environment,
        timeout=7200,  # only against a hang: a machine that is busy with other tests takes its time
        check=False,
    )


def test_every_bash_block_is_named_so_that_a_test_runs_it():
    assert README.count("```bash") == len(BLOCKS)
    assert set(BLOCKS) == {"run", "tests", "tour", "results", "setup", "cluster"}


def test_the_readme_is_short():
    assert len(README.splitlines()) < 150


def test_the_test_command_is_the_one_that_ci_calls():
    assert "python -m pytest" in BLOCKS["tests"]
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_every_file_that_the_readme_names_is_there():
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_tour_works(tmp_path):
    done = bash(BLOCKS["tour"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "POSCAR").exists()
    assert len(list((tmp_path / "inputs").iterdir())) > 30


@pytest.fixture
def node(tmp_path, slurm):
    """A folder whose jobs find a stand-in for VASP, which says that it is none, and ends."""
    vasp = tmp_path / "bin" / "vasp_std"
    vasp.parent.mkdir()
    vasp.write_text("#!/bin/sh\necho 'no VASP here' >&2\nexit 1\n")
    vasp.chmod(0o755)
    path = f"{vasp.parent}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"
    # Jobs run in a login shell, which sets PATH anew.
    (tmp_path / ".bash_profile").write_text(f"export PATH={shlex.quote(path)}\n")
    yield {"PATH": path, "HOME": str(tmp_path)}
    rows = subprocess.check_output(["squeue", "-h", "-o", "%i %Z"], text=True).splitlines()
    for job, folder in (row.split(" ", 1) for row in rows):
        if Path(folder).is_relative_to(tmp_path):
            subprocess.run(["scancel", job], check=False)


def test_the_cluster_commands_set_up_and_queue_what_jobs_then_take(tmp_path, node):
    init, doctor = BLOCKS["setup"].strip().splitlines()
    assert bash(init, tmp_path, **node).returncode == 0
    checked = bash(doctor, tmp_path, **node)
    assert checked.returncode == 1  # there are no POTCARs, and the stand-in is no VASP
    assert "POTCAR" in checked.stdout
    lines = BLOCKS["cluster"].strip().splitlines()
    done = {line.split()[1]: bash(line, tmp_path, **node) for line in lines}
    planned = bash(lines[0], tmp_path, **node).stdout
    steps = int(re.match(r"(\d+) of \1 steps would be queued\n", planned)[1])
    assert len(planned.splitlines()) > steps > 50
    assert f"{steps + 1} fireworks added" in done["submit"].stdout
    assert "jobs submitted" in done["launch"].stdout
    assert "0 results taken in" in done["collect"].stdout
    # `status` is 1 once a calculation has failed, and these fail at once.
    assert all(d.returncode == 0 for name, d in done.items() if name != "status")
    end = time.monotonic() + 120
    while "no VASP here" not in (shown := bash("heterofire status", tmp_path, **node)).stderr:
        assert time.monotonic() < end, shown.stdout + shown.stderr


@pytest.mark.slow
def test_the_first_command_rebuilds_the_paper_in_a_fresh_clone(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository to clone: this is an unpacked sdist")
    clone = tmp_path / "heterofire"
    subprocess.run(
        ["git", "-c", "safe.directory=*", "clone", "-q", str(ROOT), str(clone)], check=True
    )
    first = bash(BLOCKS["run"], clone)
    assert first.returncode == 0, first.stdout[-2000:] + first.stderr[-4000:]
    playground = clone / "playground"
    study = playground / "potassium-anode-quick-xtb"
    differences = ("difference-profile", "difference-slice", "difference-isosurface")
    for name in ("5a", "5b", "5c", "5d", "site-charges", "charges", *differences):
        for suffix in ("png", "svg", "pdf", "csv"):
            assert (study / f"{name}.{suffix}").stat().st_size > 0
    check_numbers(first.stdout)
    own = clone / ".venv" / "bin"
    results = bash(f'export PATH="{own}:$PATH"\n' + BLOCKS["results"], playground)
    assert results.returncode == 0, results.stderr
    again = bash("../.venv/bin/heterofire run potassium-anode --profile quick", playground)
    assert again.returncode == 0, again.stderr
    assert re.search(r"^([1-9]\d+) steps, \1 stored already$", again.stderr, re.MULTILINE)
    assert again.stdout == first.stdout


def check_numbers(printed):
    """Check signs and orders of magnitude that no engine may get wrong."""
    found = re.findall(r"(\S+@NC) +K binding energy +(\S+) +K atom +(-?\d+\.\d+)", printed)
    assert len(found) == 6
    for _model, _site, energy in found:
        assert -9.0 < float(energy) < -2.0  # GFN1 binds K far too strongly: facts in the docs
    charges = re.findall(r"net charge of K +(\S+) +Bader near-grid +(-?\d+\.\d+)", printed)
    assert len(charges) == 6
    assert all(0.5 < float(charge) < 1.0 for _site, charge in charges)
    gained = re.findall(
        r"N-graphene +without ion +(Bader near-grid|integrated Delta rho) +(-?\d\.\d+)", printed
    )
    assert len(gained) == 4
    signs = {float(value) > 0 for _scheme, value in gained}
    assert len(signs) == 1 or "the other sign" in printed
    assert "GFN1-xTB" in printed
    assert "missing" not in printed
