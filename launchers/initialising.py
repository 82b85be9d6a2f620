"""``heterofire init``: asks what the flags left open, and writes FireWorks' files, once."""

import getpass
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from ..structures.errors import InputError
from .cluster_choices import KINDS, ClusterChoices
from .cluster_files import ConfigFile, cluster_files, write_cluster_files
from .mongodb_addresses import user_in
from .settings import DEFAULT_ENGINE, ENGINES

PASSWORD_VARIABLE = "HETEROFIRE_MONGODB_PASSWORD"  # noqa: S105, a name, not a password
_STARTER = {"slurm": "srun ", "pbs": "mpirun ", "sge": "mpirun ", "lsf": "mpirun ", "local": ""}
# What a shell splits or expands: FireWorks' templates do not quote the folder of a launch.
_NOT_IN_A_SCRIPT = re.compile(r"[^\w./+@%:,=-]")


def initialise(
    folder: Path, answers: Mapping[str, Any], *, force: bool, dry_run: bool, ask: bool | None = None
) -> None:
    """Write FireWorks' files into a project folder and print what to do next.

    Parameters
    ----------
    folder
        The project.
    answers
        Fields of `ClusterChoices` by name; None where the user gave no flag.
    force
        Replace files that are there.
    dry_run
        Print the files, passwords hidden, and write nothing.
    ask
        Whether to ask for what is missing; by default only on a terminal.

    Raises
    ------
    InputError
        A value is wrong or missing, or a file is there already; nothing was written.
    """
    is_asking = sys.stdin.isatty() and sys.stdout.isatty() if ask is None else ask
    given = _with_defaults(_asked(answers) if is_asking else dict(answers))
    choices = ClusterChoices.checked(given | {"password": _password(given, is_asking)})
    _check_folder(folder, choices)
    made = cluster_files(folder, choices)
    if dry_run:
        print("\n".join(f"# {folder / file.name}\n{file.shown}" for file in made))
        return
    existing = existing_files(folder, made)
    if existing and not force and not (is_asking and _may_replace(existing)):
        raise InputError(
            f"{', '.join(existing)} in {folder} would be replaced by other content; nothing was "
            "written. Use --force to replace them, or --dry-run to see the new ones."
        )
    for path in write_cluster_files(folder, choices):
        print(f"written: {path}", file=sys.stderr)
    print(next_steps(folder, choices))


def existing_files(folder: Path, made: list[ConfigFile]) -> list[str]:
    """Return the names of files that are there with other content."""
    return [
        file.name
        for file in made
        if (folder / file.name).exists()
        and (folder / file.name).read_text(encoding="utf-8", errors="replace") != file.text
    ]


def next_steps(folder: Path, choices: ClusterChoices) -> str:
    """Return what to do after init, and what the files leave open."""
    lines = ["next:", "  heterofire doctor            checks this machine, the stores, VASP"]
    if choices.kind != "local":
        lines.append("  heterofire doctor --test-job  sends a one-minute job through the queue")
    lines += [
        "  heterofire plan STUDY        every calculation and its cost",
        "  heterofire submit STUDY      queues them in the LaunchPad",
        "  heterofire launch            runs them",
    ]
    if choices.engine == "vasp" and choices.potcars is None:
        lines.append("note: no --potcars; VASP needs PMG_VASP_PSP_DIR where the jobs run")
    if choices.mongodb_env:
        lines.append(
            f"note: set {choices.mongodb_env} before each command; use heterofire's lpad, rlaunch "
            "and qlaunch, because FireWorks' own do not read it"
        )
    lines += [
        f"warning: {folder / name} is there and still counts; remove it {instead}"
        for name, instead in _left_over(folder, choices).items()
    ]
    return "\n".join(lines)


def _left_over(folder: Path, choices: ClusterChoices) -> dict[str, str]:
    """Return files of an earlier init that these choices do not write, and what goes without."""
    instead = {}
    if not choices.mongodb and not choices.mongodb_env:
        instead["my_launchpad.yaml"] = "to keep the LaunchPad in launchpad.db"
    if choices.kind == "local":
        instead["my_qadapter.yaml"] = "to have no queue"
    return {name: words for name, words in instead.items() if (folder / name).exists()}


def _with_defaults(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers with the engine chosen and without what was left open."""
    given = {name: value for name, value in answers.items() if value not in (None, ())}
    if "kind" not in given:
        raise InputError(f"--cluster is missing; choose among {', '.join(KINDS)}")
    if "engine" not in given and given["kind"] == "local" and not given.get("vasp_std"):
        given["engine"] = DEFAULT_ENGINE
    if given["kind"] != "local" and given.get("engine", "vasp") == "vasp" and "cores" not in given:
        raise InputError("--cores is missing: the cores of one node, such as --cores 32")
    return given


def _password(given: Mapping[str, Any], is_asking: bool) -> str | None:
    """Return the password of a MongoDB user: from the environment, else asked for unseen."""
    uri = given.get("mongodb")
    if not uri or "://" not in uri or not user_in(uri):
        return None
    found = os.environ.get(PASSWORD_VARIABLE)
    if found is None and is_asking:
        found = getpass.getpass(f"password of {user_in(uri)} on the MongoDB server: ")
    return found


def _check_folder(folder: Path, choices: ClusterChoices) -> None:
    """Refuse a folder that job scripts could not change into."""
    found = _NOT_IN_A_SCRIPT.search(str(folder))
    if choices.kind != "local" and found:
        raise InputError(
            f"{folder} holds {found.group()!r}, which the shell of a job script would take apart. "
            "Work in a folder whose path has letters, digits and . _ - only."
        )


def _may_replace(existing: list[str]) -> bool:
    return typer.confirm(f"{', '.join(existing)} exist with other content. Replace them?")


def _asked(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers completed on the terminal; what a flag has said is not asked again."""
    given = dict(answers)
    if given.get("kind") is None:
        given["kind"] = typer.prompt(f"queue ({', '.join(KINDS)})", default="slurm")
    if given.get("engine") is None:
        given["engine"] = typer.prompt(f"engine ({', '.join(ENGINES)})", default="vasp")
    if given["kind"] != "local":
        _ask(given, "account", "account or project (empty: none)", "")
        _ask(given, "partition", "partition or queue (empty: the default one)", "")
        _ask(given, "walltime_s", "longest walltime of a job", "24:00:00")
        _ask(given, "nodes", "nodes that one calculation may take", 1)
    _ask(given, "cores", "cores of one node", os.cpu_count() or 1)
    if given["kind"] != "local" and not given.get("modules"):
        named = str(typer.prompt("modules that VASP needs, in order (empty: none)", default=""))
        given["modules"] = tuple(named.split())
    if given["engine"] == "vasp":
        _ask_about_vasp(given)
    _ask(given, "scratch", "scratch folder of the jobs (empty: none)", "")
    if given.get("mongodb_env") is None:
        _ask(given, "mongodb", "MongoDB address without password (empty: a file here)", "")
    return given


def _ask_about_vasp(given: dict[str, Any]) -> None:
    """Ask for VASP's programs and potentials."""
    starter = _STARTER.get(given["kind"], "")
    _ask(given, "vasp_std", "command of VASP", f"{starter}vasp_std")
    for name in ("gam", "ncl"):
        standard = str(given["vasp_std"] or "")
        proposed = standard.replace("vasp_std", f"vasp_{name}") if "vasp_std" in standard else ""
        _ask(given, f"vasp_{name}", f"its {name} build (- for none)", proposed or "-")
        given[f"vasp_{name}"] = None if given[f"vasp_{name}"] == "-" else given[f"vasp_{name}"]
    if given.get("vtst") is None:
        given["vtst"] = typer.confirm("is it built with VTST (climbing image)?", default=False)
    _ask(given, "potcars", "POTCAR library (empty: set PMG_VASP_PSP_DIR yourself)", "")


def _ask(given: dict[str, Any], name: str, question: str, default: Any) -> None:
    """Ask for one value unless it is there; an empty answer means none."""
    if given.get(name) is None:
        given[name] = typer.prompt(question, default=default) or None
