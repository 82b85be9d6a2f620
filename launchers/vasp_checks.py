"""What VASP needs before a job is wasted: programs, VTST, potentials."""

import mmap
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..structures.errors import InputError
from ..workflows.parallelism import command_words
from ..workflows.potcar_files import PotcarFacts, potcar_facts, potcar_library
from .machine_checks import Check

STARTERS = ("srun", "mpirun", "mpiexec", "ibrun", "aprun", "jsrun")
_SHELL_TIMEOUT_S = 60
_VTST = b"VTST: version"  # what the patch prints into OUTCAR, and so a string of the program
_NEWEST = 50
_HEAD = 400_000  # bytes of an OUTCAR before its first step


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where the words of a command are, in the shell that jobs have."""

    paths: Mapping[str, str]  # program: path
    problem: str  # what the shell said when it ended with an error
    has_modules: bool  # whether there was anything to load


def check_vasp_command(command: Sequence[str], pre_rocket: str = "", build: str = "") -> Check:
    """Check that what ``vasp_cmd`` names is on this machine, with the jobs' modules loaded.

    Parameters
    ----------
    command
        ``("srun", "vasp_std")``; empty when nothing is configured.
    pre_rocket
        What a job does first, from ``my_qadapter.yaml``; run in a login bash.
    build
        Which of several builds it is, for the name of the check.
    """
    name = f"engine {build}".strip()
    if not command:
        return Check(
            name=name, status="failed", message="engine vasp, but no vasp_cmd",
            remedy="Write 'vasp_cmd: srun vasp_std' under env in my_fworker.yaml, or run "
            "heterofire init.",
        )  # fmt: skip
    found, shown = find_programs(command, pre_rocket), " ".join(command)
    if found.problem:
        return Check(
            name=name, status="failed", message=f"before '{shown}': {found.problem}",
            remedy="Correct the modules in pre_rocket of my_qadapter.yaml (module avail lists "
            "them), or run heterofire init again.",
        )  # fmt: skip
    missing = _missing(command, found.paths)
    if not missing:
        program = found.paths[_program(command, found.paths)]
        return Check(name=name, status="ok", message=f"'{shown}' is {program} (not started)")
    if found.has_modules:
        return Check(
            name=name, status="failed", message=f"no {missing} with the jobs' modules loaded",
            remedy="Correct vasp_cmd in my_fworker.yaml or the modules in my_qadapter.yaml; "
            "heterofire doctor --test-job looks on a node.",
        )  # fmt: skip
    return Check(
        name=name, status="warning", message=f"'{shown}' cannot be started from this shell",
        remedy="Fine on a login node, when the job script loads VASP's module; else correct "
        "vasp_cmd in my_fworker.yaml.",
    )  # fmt: skip


def find_programs(command: Sequence[str], pre_rocket: str = "") -> Found:
    """Return where the words of a command are, after a login bash has done what jobs do first."""
    if not pre_rocket.strip():
        paths = {word: path for word in command if (path := shutil.which(word))}
        return Found(paths=paths, problem="", has_modules=False)
    script = (
        f"{pre_rocket}\n"
        'for word in "$@"; do type -P -- "$word" >/dev/null && '
        'printf \'\\036%s\\037%s\' "$word" "$(type -P -- "$word")"; done; true'
    )
    try:
        done = subprocess.run(
            ["bash", "-l", "-c", script, "doctor", *command],
            capture_output=True, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL, timeout=_SHELL_TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        problem = (
            f"pre_rocket of my_qadapter.yaml, or a login shell's own start-up files, did not end "
            f"within {_SHELL_TIMEOUT_S} s"
        )
        return Found(paths={}, problem=problem, has_modules=True)
    pairs = (part.split("\037", 1) for part in done.stdout.split("\036")[1:])
    last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    return Found(
        paths={pair[0]: pair[1] for pair in pairs if len(pair) == 2},
        problem=last if done.returncode else "",
        has_modules="module " in pre_rocket,
    )


def check_vtst(*, is_declared: bool, programs: Iterable[Path], runs: Path) -> Check:
    """Check that VASP is built with VTST when the worker's file says so.

    Parameters
    ----------
    is_declared
        ``vtst`` of the worker.
    programs
        VASP's programs, where they are known; VTST's version is a string in them.
    runs
        Run folders, whose OUTCARs say ``VTST: version ...``.
    """
    has_vtst = next((told for told in map(_program_has_vtst, programs) if told is not None), None)
    where = "its program"
    if has_vtst is None:
        has_vtst, where = _outcars_have_vtst(runs)
    if not is_declared:
        hint = "; set vtst: true in my_fworker.yaml to climb" if has_vtst else ""
        return Check(name="VTST", status="ok", message=f"not declared{hint}")
    if has_vtst:
        return Check(name="VTST", status="ok", message=f"declared, and {where} says so")
    if has_vtst is None:
        return Check(
            name="VTST", status="warning", message="declared, and nothing here tells",
            remedy="Look into any OUTCAR of this VASP: grep 'VTST: version' OUTCAR. Without that "
            "line set vtst: false in my_fworker.yaml, or climbing images do not climb.",
        )  # fmt: skip
    return Check(
        name="VTST", status="failed", message=f"declared, but {where} knows nothing of VTST",
        remedy="Set vtst: false in my_fworker.yaml, or name a VASP built with VTST: plain VASP "
        "ignores LCLIMB and IOPT.",
    )  # fmt: skip


def check_potcar_library(*, needed: bool, named: str | None = None) -> Check:
    """Check that POTCARs can be put together on this machine."""
    library = potcar_library(named)
    if library is not None:
        return Check(name="POTCAR library", status="ok", message=str(library))
    if not needed:
        message = "none, and the embedded engine needs none (POTCAR.spec is written)"
        return Check(name="POTCAR library", status="ok", message=message)
    return Check(
        name="POTCAR library", status="warning",
        message="none here: only POTCAR.spec is written, and VASP will not start without POTCAR",
        remedy="Set PMG_VASP_PSP_DIR in ~/.config/.pmgrc.yaml on the machine where workers run, or "
        "potcars in the env of my_fworker.yaml.",
    )  # fmt: skip


def check_potcars(symbols: Iterable[str], library: Path | None) -> Check:
    """Check that every potential of a study is there, of one functional and one release.

    Parameters
    ----------
    symbols
        POTCAR symbols.
    library
        The POTCAR library, or None.
    """
    wanted = sorted(set(symbols))
    if library is None:
        return Check(
            name="POTCARs", status="failed", message=f"no library for {', '.join(wanted)}",
            remedy="heterofire init --potcars FOLDER, or set PMG_VASP_PSP_DIR.",
        )  # fmt: skip
    facts, problems = list[PotcarFacts](), list[str]()
    for symbol in wanted:
        try:
            facts.append(potcar_facts(symbol, library))
        except InputError as error:
            problems.append(str(error))
    if problems:
        return Check(
            name="POTCARs", status="failed", message=" ".join(problems),
            remedy="Complete the library, or name other symbols under 'potcars' in the study.",
        )  # fmt: skip
    return _check_uniform(facts)


def _check_uniform(facts: Sequence[PotcarFacts]) -> Check:
    """Return the check that potentials are of one functional and one release."""
    functionals, families = _groups(facts, "functional"), _groups(facts, "family")
    if len(functionals) > 1:
        return Check(
            name="POTCARs", status="failed", message=f"of several functionals: {functionals}",
            remedy="Energies of different functionals cannot be subtracted: clean the library.",
        )  # fmt: skip
    if len(families) > 1:
        return Check(
            name="POTCARs", status="warning", message=f"of several releases: {families}",
            remedy="Complete one folder of the library with the potentials it lacks.",
        )  # fmt: skip
    titles = ", ".join(f"{fact.titel} ({fact.sha256[:8]})" for fact in facts)
    return Check(
        name="POTCARs", status="ok", message=f"{len(facts)} of {facts[0].family}: {titles}"
    )


def vasp_commands(env: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the worker's commands by build; the one command where there are no builds."""
    commands = env.get("vasp_cmds") or ({"": env["vasp_cmd"]} if env.get("vasp_cmd") else {})
    return {build: command_words(command) for build, command in commands.items()}


def programs_of(commands: Iterable[Sequence[str]], pre_rocket: str) -> list[Path]:
    """Return VASP's program in each command, where it can be found."""
    found = []
    for command in commands:
        paths = find_programs(command, pre_rocket).paths
        program = _program(command, paths)
        if program in paths:
            found.append(Path(paths[program]))
    return found


def _groups(facts: Sequence[PotcarFacts], name: str) -> dict[str, list[str]]:
    """Return the symbols by one of their facts."""
    groups: dict[str, list[str]] = {}
    for fact in facts:
        groups.setdefault(getattr(fact, name), []).append(fact.symbol)
    return groups


def _program(command: Sequence[str], paths: Mapping[str, str]) -> str:
    """Return the word that names VASP itself: behind a starter, the last one that is a program."""
    if Path(command[0]).name not in STARTERS:
        return command[0]
    return next((word for word in reversed(command[1:]) if word in paths), command[-1])


def _missing(command: Sequence[str], paths: Mapping[str, str]) -> str:
    """Return the word of a command that is not there; empty when all is well."""
    if command[0] not in paths:
        return command[0]
    program = _program(command, paths)
    return "" if program in paths else program


def _program_has_vtst(program: Path) -> bool | None:
    """Return whether a program holds VTST's version; None for a script or what cannot be read."""
    try:
        with (
            program.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as all_,
        ):
            if all_[:4] != b"\x7fELF":
                return None
            if all_.find(_VTST) >= 0:
                return True
            return False if all_.find(b"INCAR") >= 0 else None  # else VASP is in a library
    except (OSError, ValueError):
        return None


def _outcars_have_vtst(runs: Path) -> tuple[bool | None, str]:
    """Return whether VASP's newest OUTCAR in the run folders names VTST, and which it is."""
    outcars = [*runs.glob("*/OUTCAR"), *runs.glob("*/01/OUTCAR")]
    newest = sorted(outcars, key=lambda path: path.stat().st_mtime, reverse=True)[:_NEWEST]
    for path in newest:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.lstrip().startswith(b"vasp."):
            return _VTST in head, str(path)
    return None, ""
