"""WAVECAR.gpw: the last density and wave functions, from which a run goes on."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...structures.files import write_atomic, write_error

NAME = "WAVECAR.gpw"
_SEAL = "WAVECAR.json"  # what the file is of, its checksum and that of the one before
FILES = (NAME, _SEAL)


def save(
    calculator: Any, folder: Path, identity: Mapping[str, Any], shift: Sequence[float]
) -> None:
    """Write density and wave functions, by temp and rename.

    The seal is there first and counts for the new file and for the one it takes the place of, so
    that a kill at any moment leaves one of them.

    Parameters
    ----------
    calculator
        GPAW's, after convergence or between two cycles.
    folder
        Of the run, or of an image.
    identity
        What a run must have in common with this one to go on from it.
    shift
        How far the atoms were moved in the cell, in fractions of it.
    """
    path, temporary = folder / NAME, folder / f".{NAME}.tmp"
    try:
        calculator.write(temporary, mode="all")
        digests = [_digest(temporary), *_sealed(folder / _SEAL, identity)[:1]]
        seal = {"sha256": digests, "of": dict(identity), "shift": list(shift)}
        write_atomic(folder / _SEAL, json.dumps(seal) + "\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise write_error(path, error) from error


def usable(folder: Path, identity: Mapping[str, Any]) -> tuple[Path, list[float]] | None:
    """Return the checkpoint of a folder and its shift where it is whole and of this calculation."""
    path, seal = folder / NAME, folder / _SEAL
    (folder / f".{NAME}.tmp").unlink(missing_ok=True)  # of a write that was killed
    try:
        content = json.loads(seal.read_text())
        if content["of"] != json.loads(json.dumps(identity)):
            return None
        if _digest(path) in content["sha256"]:
            return path, [float(x) for x in content["shift"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    else:
        sys.stderr.write(f"heterofire engine gpaw: note: {path} is damaged; starting afresh\n")
    return None


def _sealed(seal: Path, identity: Mapping[str, Any]) -> list[str]:
    """Return the checksums that a seal of this calculation has, newest first."""
    try:
        content = json.loads(seal.read_text())
        if content["of"] != json.loads(json.dumps(identity)):
            return []
        return [str(digest) for digest in content["sha256"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
