"""GPAW is installed with what the machine has, and nothing is done by halves."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from heterofire.launchers import doctor, gpaw_setup
from heterofire.launchers.gpaw_build import (
    BuildTools,
    Library,
    config_text,
    find_build_tools,
    own_config,
    require_build_tools,
)
from heterofire.launchers.gpaw_trial import GpawFacts, try_gpaw
from heterofire.launchers.settings import load_settings
from heterofire.structures.errors import EngineError, InputError

BLAS, XC = Library(name="openblas"), Library(name="xc", prefix=Path("/conda"))
BARE = {"compiler": "g++", "mpi": False, "noblas": True, "nolibxc": True, "fftw": False,
        "libraries": []}  # fmt: skip
WITH_XC = {"nolibxc": False, "include_dirs": ["/conda/include"], "library_dirs": ["/conda/lib"]}


@pytest.fixture(autouse=True)
def no_own_config(tmp_path, monkeypatch):
    """A user who has no config file for GPAW."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GPAW_CONFIG", raising=False)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put scripts, and nothing else, on the path: name -> what it runs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(**scripts: str) -> Path:
        for name, script in scripts.items():
            path = folder / name.replace("_", "+")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return folder

    return add


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({}, {}),
        ({"mpi_compiler": "mpicxx"}, {"compiler": "mpicxx", "mpi": True}),
        ({"openblas": BLAS}, {"noblas": False, "libraries": ["openblas"]}),
        ({"libxc": XC}, {"libraries": ["xc"], **WITH_XC}),
        ({"fftw": Library(name="fftw3")}, {"fftw": True, "libraries": ["fftw3"]}),
        (
            {"mpi_compiler": "mpicxx", "openblas": BLAS, "libxc": XC},
            {"compiler": "mpicxx", "mpi": True, "noblas": False, "libraries": ["openblas", "xc"]}
            | WITH_XC,
        ),
    ],
    ids=["bare", "MPI", "OpenBLAS", "libxc in a prefix", "FFTW", "all"],
)
def test_config_file_says_what_was_found(found, wanted):
    settings: dict[str, object] = {}
    exec(config_text(BuildTools(compiler="g++", **found)), settings)  # noqa: S102 - as GPAW does
    expected = BARE | wanted
    assert {name: settings[name] for name in expected} == expected
    assert settings["runtime_library_dirs"] == settings["library_dirs"]


def test_without_a_compiler_the_message_names_the_package(programs):
    programs()
    with pytest.raises(EngineError, match=r"no C\+\+ compiler .*apt-get install g\+\+"):
        require_build_tools(find_build_tools())


def test_compiler_that_compiles_nothing_is_none(programs):
    programs(g__="exit 1")
    assert find_build_tools().compiler is None


def test_headers_of_python_are_wanted():
    with pytest.raises(EngineError, match=r"Python headers .*apt-get install python3-dev"):
        require_build_tools(BuildTools(compiler="g++", has_headers=False))


def test_each_tool_is_found_by_building_with_it(programs):
    """This g++ knows one library, this mpicxx no MPI."""
    programs(g__='case "$*" in *-lxc*) exit 1;; esac', mpicxx="exit 1")
    tools = find_build_tools()
    assert (tools.compiler, tools.mpi_compiler, tools.libxc) == ("g++", None, None)
    assert tools.openblas == BLAS
    assert tools.missing() == ["MPI", "libxc"]


def test_library_in_this_environment_is_found_there(programs):
    programs(g__=f'case "$*" in *-L{sys.prefix}/lib*|*trial) exit 0;; esac; exit 1')
    assert find_build_tools().openblas == Library(name="openblas", prefix=Path(sys.prefix))


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, set()),
        ({"serial": True}, {"MPI"}),
        ({"plain": True}, {"MPI", "OpenBLAS", "libxc", "FFTW"}),
    ],
    ids=["all", "serial", "plain"],
)
def test_options_leave_out_what_is_there(programs, options, left):
    programs(g__="exit 0", mpicxx="exit 0")
    assert set(find_build_tools(**options).missing()) == left


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here")
def test_the_real_compiler_is_found_and_links_no_library_that_is_not_there():
    tools = find_build_tools()
    assert tools.compiler == "g++"
    if not subprocess.run(["g++", "-lxc", "-shared", "-o", os.devnull], check=False).returncode:
        assert tools.libxc is not None
    else:
        assert tools.libxc is None or tools.libxc.prefix is not None


def test_own_config_file_goes_first_and_stays(tmp_path, monkeypatch):
    own = tmp_path / "mine.py"
    own.write_text("compiler = 'CC'\n")
    monkeypatch.setenv("GPAW_CONFIG", str(own))
    preparation = gpaw_setup.prepare()
    assert (preparation.config, preparation.config_text) == (own, "")
    with pytest.raises(InputError, match=r"no effect beside your own .*mine\.py"):
        gpaw_setup.prepare(serial=True)


def test_config_file_in_the_home_folder_is_found(tmp_path):
    usual = tmp_path / "home" / ".gpaw" / "siteconfig.py"
    usual.parent.mkdir(parents=True)
    usual.write_text("mpi = True\n")
    assert own_config() == usual


def test_config_file_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("GPAW_CONFIG", "/no/such.py")
    with pytest.raises(InputError, match=r"GPAW_CONFIG names /no/such\.py"):
        own_config()


def test_dry_run_shows_the_config_file_and_writes_nothing(tmp_path, heterofire, programs):
    path = programs(g__="exit 0", mpicxx="exit 0")
    own = gpaw_setup._own_folder()
    before = {file: file.stat().st_mtime_ns for file in own.glob("*")}
    done = heterofire(tmp_path, "setup", "gpaw", "--force", "--dry-run", PATH=str(path))
    assert done.returncode == 0, done.stderr
    assert "compiler = 'mpicxx'" in done.stderr
    assert str(own / "gpaw_config.py") in done.stderr
    assert "Nothing was changed" in done.stderr
    assert {file: file.stat().st_mtime_ns for file in own.glob("*")} == before


def test_command_without_a_compiler_fails_with_the_remedy(tmp_path, heterofire, programs):
    done = heterofire(tmp_path, "setup", "gpaw", "--force", PATH=str(programs()))
    assert done.returncode == 1
    assert "sudo apt-get install g++" in done.stderr


def a_preparation(tmp_path: Path, **tools: str) -> gpaw_setup.Preparation:
    return gpaw_setup.Preparation(
        requirements=("gpaw>=26.7",),
        config=tmp_path / "gpaw_config.py",
        config_text="compiler = 'g++'\n",
        tools=BuildTools(compiler="g++", **tools),
        log=tmp_path / "gpaw_setup.log",
    )


def test_a_build_that_fails_says_why_and_what_to_try(tmp_path, monkeypatch):
    """Really pip, which finds no such package in an empty folder."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(EngineError, match=r"exit code 1: ERROR: .*gpaw.*setup gpaw --plain"):
        gpaw_setup.install(a_preparation(tmp_path, mpi_compiler="mpicxx"))
    assert "ERROR" in (tmp_path / "gpaw_setup.log").read_text()


def test_a_second_call_waits_for_the_first_one(tmp_path, capsys):
    log = tmp_path / "gpaw_setup.log"
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(flush=True)"
    command = [sys.executable, "-c", f"{hold}; input()", str(log)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        first.stdout.readline()
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(lambda: gpaw_setup._alone(log).__enter__()[1])
            with pytest.raises(TimeoutError):
                second.result(timeout=1)
            first.communicate(b"\n")
            assert second.result(timeout=60) is True
    assert "waiting until another" in capsys.readouterr().err


def test_a_python_of_the_system_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(EngineError, match="managed by the system"):
        gpaw_setup._require_pip()


def test_the_trial_says_why_gpaw_does_not_start(tmp_path, monkeypatch):
    (tmp_path / "gpaw.py").write_text("raise OSError('libxc.so.9: cannot open shared object')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    facts = try_gpaw()
    assert facts.version == ""
    assert "libxc.so.9" in facts.problem


def test_doctor_tells_how_to_install_what_is_missing(monkeypatch, tmp_path):
    (tmp_path / "gpaw.py").write_text("raise ImportError('no GPAW here')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    settings = replace(load_settings(folder=tmp_path), engine="gpaw", vasp_cmd=("false", "gpaw"))
    found = {check.name: check for check in doctor.run_checks(settings)}["GPAW"]
    assert (found.status, found.remedy) == ("failed", "Install it: heterofire setup gpaw")
    assert "no GPAW here" in found.message


def test_gpaw_here_computes_hydrogen_and_is_described(gpaw):
    facts = try_gpaw()
    assert facts.problem == ""
    assert facts.energy == pytest.approx(-5.47535, abs=1e-3)
    assert facts.paw_data
    assert facts.describe().startswith("GPAW 26.")


def test_a_second_call_does_nothing(gpaw, tmp_path, heterofire):
    done = heterofire(tmp_path, "setup", "gpaw", "--json")
    assert done.returncode == 0, done.stderr
    assert "nothing was done" in done.stderr
    facts = GpawFacts(**json.loads(done.stdout))
    assert facts.problem == ""
