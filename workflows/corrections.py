"""The record of what was corrected in a run folder, and inputs corrected once more by it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymatgen.io.vasp import Incar, Kpoints

from ..results.run_reports import CORRECTIONS
from ..structures.files import write_atomic


def apply_to_inputs(folder: Path, actions: Sequence[Mapping[str, Any]]) -> None:
    """Change INCAR and KPOINTS as a correction says; other actions are left alone."""
    from custodian.ansible.actions import DictActions  # slow to import, seldom wanted
    from custodian.ansible.interpreter import Modder

    modder = Modder(actions=[DictActions])
    for name, read in (("INCAR", Incar.from_file), ("KPOINTS", Kpoints.from_file)):
        wanted = [action["action"] for action in actions if action.get("dict") == name]
        if not wanted:
            continue
        content = read(str(folder / name))
        for action in wanted:
            content = modder.modify_object(dict(action), content)
        write_atomic(folder / name, str(content).rstrip("\n") + "\n")


def record_correction(folder: Path, handler: str, result: Mapping[str, Any]) -> None:
    """Add a correction to the record beside the run.

    custodian writes its own log when it ends, and overwrites that of the run before: after a
    kill, or over several parts of a run, nobody would know what was changed.
    """
    entry = {
        "handler": handler,
        "errors": [str(error) for error in result.get("errors") or []],
        "actions": result["actions"],
    }
    text = json.dumps([*recorded(folder), entry], indent=1, default=str)
    write_atomic(folder / CORRECTIONS, text + "\n")


def recorded(folder: Path) -> list[dict[str, Any]]:
    """Return the corrections that were made in a folder so far."""
    path = folder / CORRECTIONS
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def correct_again(folder: Path) -> None:
    """Make recorded corrections of INCAR and KPOINTS again in inputs that were written anew."""
    for entry in recorded(folder):
        apply_to_inputs(folder, entry["actions"])


def forget_corrections(folder: Path) -> None:
    """Put the record of corrections that did not help aside: the next run starts as planned."""
    path = folder / CORRECTIONS
    if path.is_file():
        path.replace(path.with_name(f"failed-{CORRECTIONS}"))
