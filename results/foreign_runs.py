"""Runs that heterofire did not make, read as strictly as its own, and named by what they hold."""

import gzip
import hashlib
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..structures.errors import RunError
from .encoding import Encoded, encode
from .folder_listings import printable
from .neb_parsing import parse_band
from .parsing import parse_files
from .parts import read_parts, with_parts
from .records import Band, Label, Run
from .run_discovery import Candidate
from .run_files import has_end_marker, read_chunks

PROFILE = "collected"
RECENT_S = 900.0  # a file that is not whole and changed since then is taken to be still growing
_LONGEST_NAME = 400  # characters of a label: an index of PostgreSQL takes no long paths
_INCAR_ECHO = re.compile(rb"<incar>.*?</incar>", re.DOTALL)
_FORCE_FIELD = re.compile(rb'name="ML_LMLFF"[^>]*>\s*T')
_PROGRAM = re.compile(rb'name="program"[^>]*>\s*([^<]*?)\s*<')
_VIBRATIONS = frozenset({5, 6, 7, 8})
_DIMER = 44
_OWN_NSCF = 10  # ICHARG from here on keeps the density it starts from


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What came of reading one candidate: a calculation to be stored, or why there is none."""

    fingerprint: str
    key: str = ""
    label: Label | None = None
    encoded: Encoded | None = None  # None where it is left out, or known by its key
    reason: str = ""  # why it is left out
    again: bool = False  # the next call reads it again, even if no file has changed


def read_candidate(
    candidate: Candidate,
    *,
    study: str,
    model: str | None = None,
    known: Collection[str] = (),
    now: float | None = None,
) -> Reading:
    """Return a run or band ready to be stored, or why it is left out; never raises.

    Parameters
    ----------
    candidate
        Its files.
    study, model
        Of its label; the model is the reduced formula when None.
    known
        Keys of runs whose content need not be read again.
    now
        Seconds since the epoch, to tell a file that grows from one that was cut; default: now.

    Returns
    -------
    Reading
        The key is `content_key`.
    """
    return guarded(candidate, lambda before: _read(candidate, before, study, model, known), now)


def guarded(
    candidate: Candidate, read: Callable[[str], Reading], now: float | None = None
) -> Reading:
    """Return what ``read`` makes of a candidate's fingerprint, or why it could not; never raises.

    Parameters
    ----------
    candidate
        Its files must be the same before and after.
    read
        May raise RunError.
    now
        As in `read_candidate`.
    """
    before = ""
    try:
        before = fingerprint(candidate.files)
        reading = read(before)
        if fingerprint(candidate.files) != before:
            return Reading(
                fingerprint=before,
                reason="changed while it was read: still being written",
                again=True,
            )
    except RunError as error:
        return _refused(candidate, before, error, time.time() if now is None else now)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return Reading(fingerprint=before, reason=reason, again=True)
    except MemoryError:
        reason = "not enough memory to read it: collect it alone with -j 1, or on another machine"
        return Reading(fingerprint=before, reason=reason, again=True)
    except Exception as error:  # one folder nobody foresaw must not keep the others out
        reason = f"{type(error).__name__}: {error} (not foreseen: please report it)"
        return Reading(fingerprint=before, reason=printable(reason))
    return reading


def fingerprint(files: Collection[Path]) -> str:
    """Return a hash of names, sizes and dates that changes when a file does.

    Examples
    --------
    >>> fingerprint([])
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:32]


def content_key(candidate: Candidate) -> str:
    """Return the identity of a run that was not planned here: a hash of what it holds.

    Of a run the hash of vasprun.xml, which holds the inputs as VASP read them, the results and the
    second it was started in; of a band that of INCAR, KPOINTS and each image's files. Compression,
    names, dates and places do not count: the same run moved, copied or packed is the same one.
    """
    digest = hashlib.sha256(b"heterofire collected 1\0")
    of_a_band = [path for path in candidate.files if ".json" not in path.name]
    for path in of_a_band if candidate.vasprun is None else [candidate.vasprun]:
        if candidate.is_band:
            digest.update(str(path.relative_to(candidate.folder)).removesuffix(".gz").encode())
        for chunk in read_chunks(path):
            digest.update(chunk)
        digest.update(b"\0")
    return digest.hexdigest()[:24]


def guess_task(incar: Mapping[str, Any], kpoints: Mapping[str, Any] | None = None) -> str:
    """Return what a run was for, as its INCAR tells.

    Parameters
    ----------
    incar
        The tags that were set.
    kpoints
        As in `Run.kpoints`; a list along lines is a band structure.

    Returns
    -------
    str
        One of heterofire's tasks, or "md", "saddle", "bands", "optics".

    Examples
    --------
    >>> guess_task({"NSW": 99, "IBRION": 2}), guess_task({"ICHARG": 11}), guess_task({})
    ('relax', 'dos', 'static')
    """
    n_steps = _integer(incar, "NSW", 0)
    ibrion = _integer(incar, "IBRION", 0 if n_steps > 0 else -1)
    is_line = (kpoints or {}).get("style") == "Line_mode"
    tasks = {
        "vibrations": ibrion in _VIBRATIONS and n_steps != 0,
        "saddle": n_steps > 0 and (ibrion == _DIMER or incar.get("ICHAIN") == 2),
        "md": n_steps > 1 and ibrion == 0,
        "relax": n_steps > 1 and ibrion > 0,
        "bands": is_line,
        "optics": bool(incar.get("LOPTICS") or incar.get("LEPSILON")),
        "dos": _integer(incar, "ICHARG", 0) > _OWN_NSCF or "NEDOS" in incar,
    }
    return next((task for task, is_it in tasks.items() if is_it), "static")


def _integer(incar: Mapping[str, Any], tag: str, default: int) -> int:
    """Return a tag's number; a guess is no reason to leave a run out."""
    try:
        return int(incar.get(tag, default))
    except (TypeError, ValueError):
        return default


def _read(
    candidate: Candidate, before: str, study: str, model: str | None, known: Collection[str]
) -> Reading:
    if any(
        "\udc80" <= character <= "\udcff" for path in candidate.files for character in str(path)
    ):
        # lxml and databases take text only.
        raise RunError("its path has bytes that are no UTF-8: rename it to collect it.")
    key = content_key(candidate)
    if key in known:
        return Reading(fingerprint=before, key=key)
    record: Band | Run
    if candidate.vasprun is None:
        record = parse_band(candidate.folder, initial=None, final=None)
    else:
        record = _run(candidate, candidate.vasprun)
    record = replace(
        record,
        folder=printable(record.folder),
        notes=(*(printable(note) for note in record.notes), *candidate.notes),
    )
    if isinstance(record, Run):
        task, structure = guess_task(record.incar, record.kpoints), record.structure
    else:
        task, structure = "neb", record.images[0].structure
    label = Label(
        study=study,
        profile=PROFILE,
        model=model or structure.composition.reduced_formula,
        task=task,
        name=candidate.name[-_LONGEST_NAME:],
    )
    return Reading(fingerprint=before, key=key, label=label, encoded=encode(record))


def _run(candidate: Candidate, vasprun: Path) -> Run:
    """Return the run; beside one of several runs of a folder LOCPOT and parts are nobody's."""
    _refuse_others(vasprun, candidate.folder)
    run = parse_files(
        candidate.folder, vasprun=vasprun, outcar=candidate.outcar, poscar=candidate.poscar
    )
    if candidate.tag:
        return replace(run, vacuum_level=None, vacuum_spread=None)
    return with_parts(run, read_parts(candidate.folder))


def _refuse_others(vasprun: Path, folder: Path) -> None:
    """Refuse what is no DFT of VASP or of heterofire's engines, in words that say so."""
    head = b""
    for chunk in read_chunks(vasprun):
        head += chunk
        if b"</incar>" in head or len(head) > 1 << 22:
            break
    program = _PROGRAM.search(head)
    name = program[1].decode("latin-1") if program else ""
    if name and not name.lower().startswith("vasp") and not (folder / "engine.json").is_file():
        raise RunError(
            f"{vasprun}: written by '{name}', not by VASP: its method and units are not known."
        )
    incar = _INCAR_ECHO.search(head)
    if incar and _FORCE_FIELD.search(incar[0]):
        raise RunError(
            f"{vasprun}: a machine-learned force field was used (ML_LMLFF): not every energy is "
            "one of DFT. Compute single points with ML_LMLFF = .FALSE. and collect these."
        )


def _refused(candidate: Candidate, before: str, error: RunError, now: float) -> Reading:
    """Return why a candidate is left out; one whose files still grow is for a later look."""
    reason = printable(str(error).replace(f"{candidate.folder}/", ""))
    cause = error.__cause__
    if isinstance(cause, OSError) and not isinstance(cause, gzip.BadGzipFile):
        return Reading(fingerprint=before, reason=reason, again=True)  # rights are no change
    age_s = _growing_since(candidate, now)
    if age_s is not None:
        reason = f"still being written (last change {age_s:.0f} s ago): {reason}"
    return Reading(fingerprint=before, reason=reason, again=age_s is not None)


def _growing_since(candidate: Candidate, now: float) -> float | None:
    """Return the seconds since the last change of outputs without an end; None if they are old."""
    outputs = [path for path in candidate.files if re.match(r"vasprun|OUTCAR", path.name)]
    try:
        if all(has_end_marker(path) for path in outputs):
            return None
        age_s = now - max(path.stat().st_mtime for path in candidate.files)
    except OSError:
        return None
    return max(0.0, age_s) if age_s < RECENT_S else None
