"""Arrays as database columns, with a hash that shows any change."""

import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..structures.errors import RunError, StoreError
from .records import Floats

Row = dict[str, Any]

# zlib level 1: DOS arrays are mostly zeros, and higher levels cost more time than they save.
_LEVEL = 1
_UNITS = {
    "forces": "eV/Angstrom",
    "dos.energies": "eV",
    "dos.total": "states/eV/cell",
    "dos.projected": "states/eV/cell",
    "bands.eigenvalues": "eV",
    "bands.occupations": "",
    "bands.weights": "",
    "site_charges.electrons": "e",
    "site_charges.net": "e",
    "moments": "Bohr magneton",
    "path": "Angstrom",
    "bader.electrons": "e",
    "bader.net": "e",
    "bader.volumes": "Angstrom^3",
    "bader.distances": "Angstrom",
    "bader.moments": "Bohr magneton",
    "elf.z": "Angstrom",
    "elf.mean": "",
    "elf.largest": "",
    "elf.coarse": "",
    "difference.z": "Angstrom",
    "difference.joint": "e/Angstrom",
    "difference.delta": "e/Angstrom",
    "difference.integrated": "e",
    "difference.coarse": "e/Angstrom^3",
    "vibrations.wavenumbers": "1/cm",
    "vibrations.vectors": "",
}
_UNHASHED = ("key", "created", "sha256", "elements")  # elements follow from the formula


def to_json(value: object) -> str:
    """Return compact JSON with sorted keys; numpy values become plain ones.

    Raises
    ------
    RunError
        The value holds NaN or infinity, or something JSON has no word for.

    Examples
    --------
    >>> to_json({"b": np.float64(1.5), "a": (True, None)})
    '{"a":[true,null],"b":1.5}'
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise RunError(
            f"cannot store {str(value)[:80]}: {error}. Check the run's inputs."
        ) from error


def _plain(value: object) -> object:
    """Return the plain Python value of what json does not know."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


# Without its search for circles, which end in a RecursionError anyway, it is a third faster.
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False, default=_plain
)


def pack_array(name: str, values: NDArray[Any]) -> Row:
    """Return the columns of an array: little-endian doubles, compressed, with their hash."""
    array = np.ascontiguousarray(values, dtype="<f8")
    if not np.isfinite(array).all():
        raise RunError(f"{name} holds NaN or infinity and was not stored. Check the run folder.")
    data = array.tobytes()
    return {
        "name": name,
        "dtype": "<f8",
        "shape": to_json(list(array.shape)),
        "unit": _UNITS[_kind(name)],
        "blob": zlib.compress(data, _LEVEL),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _kind(name: str) -> str:
    """Return the name without what stands in its middle: "bader.net" for bader.near-grid.net."""
    first, _, rest = name.partition(".")
    return f"{first}.{rest.rpartition('.')[2]}" if rest else first


def unpack_array(row: Mapping[str, Any], where: str) -> Floats:
    """Return the array of its columns, checked against its hash.

    Raises
    ------
    StoreError
        The bytes are not those that were written; names ``where`` and the array.
    """
    try:
        shape, kind = json.loads(row["shape"]), np.dtype(row["dtype"])
        # Never more than the shape says: a blob of another's database may swell without end.
        most = math.prod(shape) * kind.itemsize
        data = zlib.decompressobj().decompress(row["blob"], most + 1)
        intact = hashlib.sha256(data).hexdigest() == row["sha256"]
        values = np.frombuffer(data, dtype=kind).reshape(shape)
    except (zlib.error, ValueError, TypeError) as error:
        raise damaged(f"array {row['name']} of {where}") from error
    if not intact:
        raise damaged(f"array {row['name']} of {where}")
    return values.astype(np.float64)


def damaged(what: str) -> StoreError:
    """Return the error for a row or array that is not what was written."""
    return StoreError(
        f"{what} does not match its hash: the database was changed or damaged after it was "
        "written. Restore a backup, or move the file away and collect the run folders again."
    )


def content_hash(row: Mapping[str, Any], array_hashes: Mapping[str, str]) -> str:
    """Return the sha256 of a calculation's columns together with its arrays' hashes."""
    content = {name: value for name, value in row.items() if name not in _UNHASHED}
    return hashlib.sha256(to_json([content, dict(array_hashes)]).encode()).hexdigest()
