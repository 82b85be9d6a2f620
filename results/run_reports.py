"""What stands beside a run's outputs: the engine's report, custodian's log, the screen output."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..structures.errors import RunError
from .run_files import find_file, read_bytes, read_chunks

_SCREENS = ("vasp.out", "vasp_output", "stdout", "std_err.txt")
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
    try:
        report: Mapping[str, Any] = json.loads(path.read_text())
        missing = {"engine", "engine_version", "method", "temperature_K"} - set(report)
    except (ValueError, TypeError) as error:
        raise RunError(f"{path}: not readable: {error}. Run the engine again.") from error
    if missing:
        raise RunError(f"{path}: lacks {', '.join(sorted(missing))}. Run the engine again.")
    return report


def engine_notes(report: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the tags an engine did not honour, one sentence each.

    Examples
    --------
    >>> engine_notes({"noted": ["IVDW: dispersion is built in", {"tag": "ALGO", "why": "none"}]})
    ('IVDW: dispersion is built in', 'tag ALGO, why none')
    """
    noted = (report or {}).get("noted", [])
    items = noted.items() if isinstance(noted, Mapping) else noted
    return tuple(_sentence(item) for item in items)


def read_corrections(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what custodian changed, in order, and notes on its log.

    Parameters
    ----------
    folder
        A run folder; ``custodian.json`` or ``custodian.json.gz`` is read when there.

    Returns
    -------
    tuple
        The corrections ("UnconvergedErrorHandler: Unconverged -> INCAR ALGO=All") and the notes.
    """
    path = find_file(folder, "custodian.json")
    if path is None:
        return (), ()
    try:
        runs = json.loads(read_bytes(path))
        steps = [step for run in runs for step in run["corrections"]]
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


def _sentence(item: Any) -> str:
    """Return a note as text, whichever way the engine wrote it."""
    if isinstance(item, Mapping):
        return ", ".join(f"{key} {value}" for key, value in item.items())
    if isinstance(item, tuple):
        return ": ".join(str(part) for part in item)
    return str(item)


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
    values = ", ".join(
        f"{key}={value}" if verb == "_set" else f"{verb.strip('_')} {key} {value}"
        for verb, pairs in change.items()
        for key, value in (pairs.items() if isinstance(pairs, Mapping) else [(pairs, "")])
    )
    return f"{target} {values}".strip()
