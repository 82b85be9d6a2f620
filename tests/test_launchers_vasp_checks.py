"""VASP's programs, VTST and potentials are found wanting before a job is. No VASP is needed."""

import shutil
import stat
import sys
from pathlib import Path

import pytest

from heterofire.launchers.vasp_checks import check_potcars, check_vasp_command, check_vtst

pytestmark = pytest.mark.usefixtures("own_home")

MODULES = (
    'module() { [ "$2" = vasp/6 ] || { echo "no module $2" >&2; return 1; }; PATH=%s:$PATH; }\n'
)


def program(path: Path, content: bytes = b"#!/bin/sh\n") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


def load(folder: Path, module: str) -> str:
    return (
        MODULES % folder
        + f"module load {module} || {{ echo 'cannot load {module}' >&2; exit 78; }}"
    )


def test_a_program_that_a_module_brings_is_found(tmp_path):
    vasp = program(tmp_path / "bin" / "vasp_std")
    assert check_vasp_command(("vasp_std",)).status == "warning"
    check = check_vasp_command(("vasp_std",), load(tmp_path / "bin", "vasp/6"))
    assert check.status == "ok", check.message
    assert str(vasp) in check.message


def test_a_module_that_is_not_there_fails_with_the_shells_words(tmp_path):
    check = check_vasp_command(("vasp_std",), load(tmp_path, "vasp/7"))
    assert check.status == "failed"
    assert "cannot load vasp/7" in check.message


def test_a_program_that_no_module_brings_fails(tmp_path):
    program(tmp_path / "bin" / "srun")
    check = check_vasp_command(
        ("srun", "-n", "4", "vasp_gam"), load(tmp_path / "bin", "vasp/6"), "gam"
    )
    assert (check.name, check.status) == ("engine gam", "failed")
    assert "no vasp_gam" in check.message


def test_words_of_the_command_are_never_run_by_the_shell(tmp_path):
    command = (f"$(touch {tmp_path}/ran)", "vasp_std")
    assert check_vasp_command(command, "true").status == "warning"
    assert list(tmp_path.iterdir()) == []


OUTCAR = " vasp.6.4.3 19Mar24\n INCAR:\n"
WITH_VTST = OUTCAR + " VTST: version 4.2, (02/10/23)\n"


def outcar(runs: Path, text: str) -> Path:
    (runs / "a").mkdir(parents=True)
    (runs / "a" / "OUTCAR").write_text(text)
    return runs


@pytest.mark.parametrize(
    ("is_declared", "text", "status"),
    [
        (True, WITH_VTST, "ok"),
        (True, OUTCAR, "failed"),
        (True, " engine xtb\n", "warning"),
        (False, WITH_VTST, "ok"),
        (False, OUTCAR, "ok"),
    ],
)
def test_an_outcar_tells_whether_vasp_has_vtst(tmp_path, is_declared, text, status):
    runs = outcar(tmp_path / "runs", text)
    check = check_vtst(is_declared=is_declared, programs=[], runs=runs)
    assert check.status == status
    assert bool(check.remedy) is (status != "ok")


@pytest.mark.parametrize(("string", "status"), [(b"", "failed"), (b"VTST: version 4.2", "ok")])
def test_the_program_itself_tells_whether_it_has_vtst(tmp_path, string, status):
    elf = Path(shutil.which("true")).read_bytes()
    vasp = program(tmp_path / "vasp_std", elf + b"\0No INCAR found\0" + string + b"\0")
    check = check_vtst(is_declared=True, programs=[vasp], runs=tmp_path / "none")
    assert check.status == status


def test_a_script_around_vasp_tells_nothing(tmp_path):
    wrapper = program(tmp_path / "vasp_std")
    check = check_vtst(is_declared=True, programs=[wrapper, tmp_path / "gone"], runs=tmp_path)
    assert check.status == "warning"
    assert "grep 'VTST: version' OUTCAR" in check.remedy
    assert check_vtst(is_declared=True, programs=[Path(sys.executable)], runs=tmp_path).status == (
        "warning"
    )


def potcar(
    library: Path, symbol: str, zval: float, functional: str = "PBE", family="potpaw_PBE.54"
):
    exchange = {"PBE": "PE", "LDA": "CA"}[functional]
    path = library / family / symbol / "POTCAR"
    path.parent.mkdir(parents=True)
    title = f"PAW_{functional} {symbol}" if functional == "PBE" else f"PAW {symbol}"
    header = f" ZVAL = {zval}\n TITEL  = {title} 01Jan2000\n LEXCH  = {exchange}\n"
    path.write_text(f" invented\n{header} SECRET 1.5\n")


def test_potentials_of_one_release_pass_and_only_their_titles_are_shown(tmp_path):
    potcar(tmp_path, "K_sv", 9)
    potcar(tmp_path, "S", 6)
    check = check_potcars(["S", "K_sv", "S"], tmp_path)
    assert check.status == "ok"
    assert "PAW_PBE K_sv 01Jan2000 (" in check.message
    assert "SECRET" not in check.message


def test_a_missing_potential_is_named(tmp_path):
    potcar(tmp_path, "K_sv", 9)
    check = check_potcars(["K_sv", "Mo_pv"], tmp_path)
    assert check.status == "failed"
    assert "no POTCAR for Mo_pv" in check.message


def test_potentials_of_two_functionals_fail(tmp_path):
    potcar(tmp_path, "K_sv", 9)
    potcar(tmp_path, "S", 6, "LDA")
    check = check_potcars(["S", "K_sv"], tmp_path)
    assert check.status == "failed"
    assert "several functionals" in check.message


def test_potentials_of_two_releases_are_a_warning(tmp_path):
    potcar(tmp_path, "K_sv", 9)
    potcar(tmp_path, "S", 6, family="potpaw_PBE.64")
    assert check_potcars(["S", "K_sv"], tmp_path).status == "warning"


def test_potentials_without_a_library_fail():
    assert check_potcars(["S"], None).status == "failed"
