"""What stands beside a run's outputs: the engine's report, custodian's log, the screen output."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..structures.errors import RunError
from .run_files import find_file, read_bytes, read_chunks

CORRECTIONS = "corrections.json"  # what was corrected in all parts of a run, written at once
_SCREENS = ("vasp.out", "vasp_output", "stdout", "std_err.txt")
_UNFINISHED = frozenset({"running", "refused", "failed"})
_COMPLAINTS = re.compile(
    rb"^.*(?:very serious problems|internal error|Sub-Space-Matrix is not hermitian|"
    rb"ZBRENT: fatal|Error EDDDAV).*$",
    re.IGNORECASE | re.MULTILINE,
)


def read_engine_report(folder: Path, program: str) -> Mapping[str, Any] | None:
    """Return ``engine.json``, or None for VASP.

    Parameters
    ----------
    folder
        The run folder.
    program
        What vasprun.xml or OUTCAR names as the program: "vasp", "heterofire-xtb".

    Returns
    -------
    Mapping or None
        Holds engine, engine_version, method and temperature_K.

    Raises
    ------
    RunError
        The report and the outputs do not belong together, or the report lacks a key: without it
        numbers of two methods could be subtracted.
    """
    path, is_vasp = folder / "engine.json", program.lower().startswith("vasp")
    if not path.is_file():
        if is_vasp:
            return None
        raise RunError(
            f"{path}: missing, but the outputs were written by '{program}'. Without it their "
            "method is unknown: run the engine in this folder again."
        )
    if is_vasp:
        raise RunError(
            f"{path}: belongs to an engine, but the outputs beside it were written by VASP. "
            "Remove the one that is left over from an earlier run."
        )
    report = _load(path)
    if not has_ended(folder):
        raise RunError(
            f"{path}: the engine did not come to its end (status '{report.get('status')}'), so "
            f"the outputs may be of an earlier run. {report.get('error', '')} Run it again."
        )
    missing = {"engine", "engine_version", "method", "temperature_K"} - set(report)
    if missing:
        raise RunError(f"{path}: lacks {', '.join(sorted(missing))}. Run the engine again.")
    return report


def has_ended(folder: Path) -> bool:
    """Return whether an engine that worked in the folder came to its end; True without a report.

    Parameters
    ----------
    folder
        The run folder; an engine that is running, died, or refused the inputs leaves its outputs
        unfinished, or those of an earlier run.

    Raises
    ------
    RunError
        ``engine.json`` cannot be read.
    """
    path = folder / "engine.json"
    return not path.is_file() or _load(path).get("status", "ended") not in _UNFINISHED


def _load(path: Path) -> Mapping[str, Any]:
    """Return an engine's report, or the status of one that was killed by a signal."""
    try:
        report: dict[str, Any] = json.loads(read_bytes(path))
        if str(report.get("status", "")).startswith("ended by"):
            report["status"] = "running"
    except (ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not readable: {error}. Run the engine again.") from error
    return report


def engine_notes(report: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the tags an engine did not honour, and moments it lost, one sentence each.

    Examples
    --------
    >>> engine_notes({"noted": {"IVDW": "built in", "ENCUT": "no plane waves"}})
    ('IVDW: built in', 'ENCUT: no plane waves')
    """
    noted = (report or {}).get("noted", {})
    lost = tuple(f"MAGMOM: {word}" for word in (report or {}).get("spin", {}).get("lost", ()))
    if isinstance(noted, Mapping):
        return (*(f"{tag}: {note}" for tag, note in noted.items()), *lost)
    return (*(str(note) for note in noted), *lost)


def read_corrections(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what custodian changed, in order, and notes on its log.

    Parameters
    ----------
    folder
        A run folder; ``corrections.json`` is read where heterofire kept one, else
        ``custodian.json`` or ``custodian.json.gz``, which tells of the last start only.

    Returns
    -------
    tuple
        The corrections ("UnconvergedErrorHandler: Unconverged -> INCAR ALGO=All") and the notes.
    """
    path = find_file(folder, CORRECTIONS) or find_file(folder, "custodian.json")
    if path is None:
        return (), ()
    try:
        log = json.loads(read_bytes(path))
        is_own = path.name == CORRECTIONS
        steps = log if is_own else [step for run in log for step in run["corrections"]]
        return tuple(_correction(step) for step in steps), ()
    except (RunError, ValueError, LookupError, TypeError, AttributeError) as error:
        # The numbers do not hang on this log; that it is unreadable must not go unsaid.
        return (), (f"{path.name} cannot be read: {error}",)


def screen_notes(folder: Path) -> tuple[str, ...]:
    """Return each different complaint on VASP's screen output, such as "BRMIX: very serious"."""
    notes = []
    for name in _SCREENS:
        path = find_file(folder, name)
        if path is not None:
            for line in _COMPLAINTS.findall(b"".join(read_chunks(path))):
                notes.append(f"{name}: {line.decode('latin-1').strip(' |*')}")
    return tuple(dict.fromkeys(notes))


def _correction(step: Mapping[str, Any]) -> str:
    """Return one correction of custodian's log as a line."""
    handler = step.get("handler")
    name = handler.get("@class", "handler") if isinstance(handler, Mapping) else str(handler)
    actions = "; ".join(_action(action) for action in step.get("actions") or [])
    errors = ", ".join(str(error) for error in step.get("errors") or [])
    return f"{name}: {errors} -> {actions or 'nothing'}"


def _action(action: Mapping[str, Any]) -> str:
    """Return "INCAR ALGO=All" for one of custodian's actions."""
    target = action.get("dict") or action.get("file") or ""
    change = action.get("action", {})
    if target == "POSCAR":
        return "POSCAR changed"  # custodian's action holds all of the structure
    values = ", ".join(
        f"{key}={value}" if verb == "_set" else f"{verb.strip('_')} {key} {value}"
        for verb, pairs in change.items()
        for key, value in (pairs.items() if isinstance(pairs, Mapping) else [(pairs, "")])
    )
    return f"{target} {values}".strip()
