"""A calculation that ran in parts: what each did, and all of them as one record."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pymatgen.core import Structure

from ..structures.errors import RunError
from .records import Band, Part, Run
from .run_files import find_file, read_bytes, read_chunks

MARK = "walltime.json"  # beside the outputs of a run that was asked to stop for lack of time

_NSW = re.compile(rb"^\s*NSW\s*=\s*(\d+)", re.MULTILINE)
_PART = re.compile(r"part-\d+")
_IONIC_STEP = re.compile(rb"^[ \d]*\d F=", re.MULTILINE)
_LOOP = re.compile(rb"LOOP\+:.*real time\s+([\d.]+)")
_NSW_USED = "ionic: all of NSW"
_Record = TypeVar("_Record", Run, Band)


def part_folders(folder: Path) -> list[Path]:
    """Return the folders of the earlier parts of a run, ``part-01`` first.

    Examples
    --------
    >>> part_folders(Path("no such folder"))
    []
    """
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and _PART.fullmatch(p.name))


def read_parts(folder: Path, images: Sequence[Path] = ()) -> tuple[Part, ...]:
    """Return what the earlier parts of a run did.

    Parameters
    ----------
    folder
        The run folder.
    images
        The folders of the moving images of a band; the longest of them counts.
    """
    places = [folder, *images]
    names = sorted({part.name for place in places for part in part_folders(place)})
    return tuple(_part(name, folder, images or [folder]) for name in names)


def n_steps(folder: Path) -> int:
    """Return how many ionic steps OSZICAR tells of; 0 without one."""
    return len(_IONIC_STEP.findall(_content(folder, "OSZICAR")))


def was_stopped(outcar: Path) -> bool:
    """Return whether OUTCAR says that STOPCAR ended the run, and not that it was at its end.

    A light look: what a step that was given up has written need not stand strict parsing.
    """
    signs = {b"stop encountered!": False, b"reached required accuracy": False}
    tail = b""
    try:
        for chunk in read_chunks(outcar):
            window = tail + chunk
            signs = {sign: found or sign in window for sign, found in signs.items()}
            tail = window[-40:]
    except RunError:
        return False
    stopped, relaxed = signs.values()
    return stopped and not relaxed


def with_parts(record: _Record, parts: Sequence[Part], initial: Structure | None = None) -> _Record:
    """Return the record of the last part as that of the whole calculation.

    Energies, forces and structure stay those of the last part; steps and times are summed, the
    start is that of the first part, NSW is again what the calculation was allowed in all.

    Parameters
    ----------
    record
        As parsed from the run folder.
    parts
        The earlier parts.
    initial
        Where the first one started; of a run, not of a band.
    """
    if not parts:
        return record
    n_before = sum(part.n_ionic_steps for part in parts)
    changes: dict[str, Any] = {
        "parts": tuple(parts),
        "n_ionic_steps": record.n_ionic_steps + n_before,
        "elapsed_s": record.elapsed_s + sum(part.elapsed_s for part in parts),
        "reasons": tuple(_of_all(reason, record, len(parts) + 1) for reason in record.reasons),
    }
    if initial is not None:
        changes["initial_structure"] = initial
    allowed = _NSW.search(_content(Path(record.folder) / parts[0].name, "INCAR"))
    if allowed:
        changes["incar"] = {**record.incar, "NSW": int(allowed[1])}
    return replace(record, **changes)


def _of_all(reason: str, record: Run | Band, n_parts: int) -> str:
    """Return a reason that counts the steps of the last part as one about all parts."""
    return f"{reason} that were left for part {n_parts}" if _NSW_USED in reason else reason


def _part(name: str, folder: Path, places: Sequence[Path]) -> Part:
    return Part(
        name=name,
        n_ionic_steps=max(n_steps(place / name) for place in places),
        elapsed_s=max(_seconds(place / name) for place in places),
        ended="walltime" if (folder / name / MARK).is_file() else "interrupted",
    )


def _seconds(folder: Path) -> float:
    """Return how long the ionic steps in OUTCAR took."""
    return round(sum(float(s) for s in _LOOP.findall(_content(folder, "OUTCAR"))), 3)


def _content(folder: Path, name: str) -> bytes:
    """Return a file; nothing where it is missing, empty or damaged, as after a kill."""
    path = find_file(folder, name)
    try:
        return read_bytes(path) if path else b""
    except RunError:
        return b""
