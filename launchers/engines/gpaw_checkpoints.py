"""WAVECAR.gpw: the last density and wave functions, from which a run goes on."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...structures.files import write_atomic, write_error

NAME = "WAVECAR.gpw"
_SEAL = "WAVECAR.json"  # what the file is of, and its checksum


def save(
    calculator: Any, folder: Path, identity: Mapping[str, Any], shift: Sequence[float]
) -> None:
    """Write density and wave functions, by temp and rename, then the seal that makes them count.

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
        digest = _digest(temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise write_error(path, error) from error
    seal = {"sha256": digest, "of": dict(identity), "shift": list(shift)}
    write_atomic(folder / _SEAL, json.dumps(seal) + "\n")


def usable(folder: Path, identity: Mapping[str, Any]) -> tuple[Path, list[float]] | None:
    """Return the checkpoint of a folder and its shift where it is whole and of this calculation."""
    path, seal = folder / NAME, folder / _SEAL
    try:
        content = json.loads(seal.read_text())
        if content["of"] != json.loads(json.dumps(identity)):
            return None
        if content["sha256"] == _digest(path):
            return path, [float(x) for x in content["shift"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    else:
        sys.stderr.write(f"heterofire engine gpaw: note: {path} is damaged; starting afresh\n")
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
