"""Runs and bands as database rows and back, with a hash that shows any change."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from ..structures.errors import RunError, StoreError
from .records import Band, Bands, Dos, Floats, Image, Run, Settings, SiteCharges

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
    "path": "Angstrom",
}
_UNHASHED = ("key", "created", "sha256")


@dataclass(frozen=True)
class Encoded:
    """A calculation as it goes into the tables, without its key and date."""

    row: Row
    arrays: tuple[Row, ...]


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
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
        )
    except (TypeError, ValueError) as error:
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
        "unit": _UNITS[name],
        "blob": zlib.compress(data, _LEVEL),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def unpack_array(row: Mapping[str, Any], where: str) -> Floats:
    """Return the array of its columns, checked against its hash.

    Raises
    ------
    StoreError
        The bytes are not those that were written; names ``where`` and the array.
    """
    try:
        data = zlib.decompress(row["blob"])
        intact = hashlib.sha256(data).hexdigest() == row["sha256"]
        values = np.frombuffer(data, dtype=row["dtype"]).reshape(json.loads(row["shape"]))
    except (zlib.error, ValueError, TypeError) as error:
        raise _damaged(f"array {row['name']} of {where}") from error
    if not intact:
        raise _damaged(f"array {row['name']} of {where}")
    return values.astype(np.float64)


def _damaged(what: str) -> StoreError:
    return StoreError(
        f"{what} does not match its hash: the database was changed or damaged after it was "
        "written. Restore a backup, or move the file away and collect the run folders again."
    )


def content_hash(row: Mapping[str, Any], array_hashes: Mapping[str, str]) -> str:
    """Return the sha256 of a calculation's columns together with its arrays' hashes."""
    content = {name: value for name, value in row.items() if name not in _UNHASHED}
    return hashlib.sha256(to_json([content, dict(array_hashes)]).encode()).hexdigest()


def encode(record: Run | Band) -> Encoded:
    """Return a run or a band as the columns and arrays that hold all of it.

    Raises
    ------
    RunError
        An energy or array is not finite.
    """
    row, arrays = _encode_run(record) if isinstance(record, Run) else _encode_band(record)
    row |= {
        "engine": record.settings.engine,
        "engine_version": record.engine_version,
        "method": record.settings.method,
        "status": record.status,
        "n_ionic_steps": int(record.n_ionic_steps),
        "settings": to_json(asdict(record.settings)),
        "incar": to_json(dict(record.incar)),
        "notes": to_json(list(record.notes)),
        "corrections": to_json(list(record.corrections)),
        "elapsed_s": float(record.elapsed_s),
        "folder": record.folder,
    }
    # SQLite turns -0.0 into 0.0, which would look like damage.
    row = {name: v + 0.0 if isinstance(v, float) else v for name, v in row.items()}
    packed = tuple(pack_array(name, values) for name, values in arrays.items())
    row["sha256"] = content_hash(row, {array["name"]: array["sha256"] for array in packed})
    return Encoded(row, packed)


def decode(row: Mapping[str, Any], packed: list[Mapping[str, Any]]) -> Run | Band:
    """Return the run or band of its columns and arrays.

    Raises
    ------
    StoreError
        The row or an array is not what was written; names the row.
    """
    where = f"calculation {row['key']} ({row['folder']})"
    hashes = {array["name"]: array["sha256"] for array in packed}
    if content_hash(row, hashes) != row["sha256"]:
        raise _damaged(where)
    arrays = {array["name"]: unpack_array(array, where) for array in packed}
    return _decode_run(row, arrays) if row["kind"] == "run" else _decode_band(row, arrays)


def _encode_run(run: Run) -> tuple[Row, dict[str, Floats]]:
    arrays = {"forces": run.forces}
    details: dict[str, Any] = {"reasons": list(run.reasons)}
    if run.dos is not None:
        arrays |= {"dos.energies": run.dos.energies, "dos.total": run.dos.total}
        if run.dos.projected is not None:
            arrays["dos.projected"] = run.dos.projected
        details["dos"] = {
            "orbitals": list(run.dos.orbitals),
            "efermi": float(run.dos.efermi),
            "projection": run.dos.projection,
        }
    if run.bands is not None:
        arrays |= {f"bands.{name}": values for name, values in vars(run.bands).items()}
    if run.site_charges is not None:
        arrays["site_charges.electrons"] = run.site_charges.electrons
        arrays["site_charges.net"] = run.site_charges.net
        details["site_charges"] = {"scheme": run.site_charges.scheme}
    magnetization = None if run.magnetization is None else float(run.magnetization)
    row = {
        "kind": "run",
        "e0": float(run.e0),
        "free_energy": float(run.free_energy),
        "e_wo_entropy": float(run.e_wo_entropy),
        "efermi": float(run.efermi),
        "max_force": float(run.max_force),
        "formula": run.structure.formula,
        "n_atoms": len(run.structure),
        "charge": float(run.charge),
        "n_electrons": float(run.n_electrons),
        "magnetization": magnetization,
        "structure": to_json(run.structure.as_dict()),
        "initial_structure": to_json(run.initial_structure.as_dict()),
        "kpoints": to_json(dict(run.kpoints)),
        "details": to_json(details),
    }
    return row, arrays


def _encode_band(band: Band) -> tuple[Row, dict[str, Floats]]:
    images = [
        {
            "e0": float(image.e0),
            "free_energy": float(image.free_energy),
            "e_wo_entropy": float(image.e_wo_entropy),
            "max_force": None if image.max_force is None else float(image.max_force),
            "status": image.status,
        }
        for image in band.images
    ]
    details = {"reasons": list(band.reasons), "images": images, "is_climbing": band.is_climbing}
    first = band.images[0].structure
    row = dict.fromkeys(
        ("e0", "free_energy", "e_wo_entropy", "efermi", "max_force", "charge", "n_electrons")
    ) | {
        "kind": "band",
        "formula": first.formula,
        "n_atoms": len(first),
        "magnetization": None,
        "structure": to_json([image.structure.as_dict() for image in band.images]),
        "initial_structure": "null",
        "kpoints": "{}",
        "details": to_json(details),
    }
    return row, {"path": band.path}


def _shared(row: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that runs and bands have in common."""
    settings = json.loads(row["settings"])
    settings["potcars"] = tuple(settings["potcars"])
    settings["hubbard_u"] = tuple((element, u) for element, u in settings["hubbard_u"])
    return {
        "folder": row["folder"],
        "settings": Settings(**settings),
        "engine_version": row["engine_version"],
        "status": row["status"],
        "reasons": tuple(details["reasons"]),
        "n_ionic_steps": row["n_ionic_steps"],
        "incar": json.loads(row["incar"]),
        "elapsed_s": row["elapsed_s"],
        "corrections": tuple(json.loads(row["corrections"])),
        "notes": tuple(json.loads(row["notes"])),
    }


def _decode_run(row: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Run:
    details = json.loads(row["details"])
    copied = ("e0", "free_energy", "e_wo_entropy", "efermi", "max_force", "n_electrons", "charge")
    return Run(
        **_shared(row, details),
        **{name: row[name] for name in copied},
        magnetization=row["magnetization"],
        initial_structure=Structure.from_dict(json.loads(row["initial_structure"])),
        structure=Structure.from_dict(json.loads(row["structure"])),
        forces=arrays["forces"],
        kpoints=json.loads(row["kpoints"]),
        dos=_decode_dos(details, arrays),
        bands=_decode_bands(arrays),
        site_charges=_decode_charges(details, arrays),
    )


def _decode_dos(details: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Dos | None:
    if "dos" not in details:
        return None
    return Dos(
        energies=arrays["dos.energies"],
        total=arrays["dos.total"],
        projected=arrays.get("dos.projected"),
        orbitals=tuple(details["dos"]["orbitals"]),
        efermi=details["dos"]["efermi"],
        projection=details["dos"]["projection"],
    )


def _decode_bands(arrays: Mapping[str, Floats]) -> Bands | None:
    if "bands.weights" not in arrays:
        return None
    return Bands(
        eigenvalues=arrays["bands.eigenvalues"],
        occupations=arrays["bands.occupations"],
        weights=arrays["bands.weights"],
    )


def _decode_charges(details: Mapping[str, Any], arrays: Mapping[str, Floats]) -> SiteCharges | None:
    if "site_charges" not in details:
        return None
    return SiteCharges(
        scheme=details["site_charges"]["scheme"],
        electrons=arrays["site_charges.electrons"],
        net=arrays["site_charges.net"],
    )


def _decode_band(row: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Band:
    details = json.loads(row["details"])
    structures = [Structure.from_dict(entry) for entry in json.loads(row["structure"])]
    images = tuple(
        Image(structure=structure, **image)
        for structure, image in zip(structures, details["images"], strict=True)
    )
    return Band(
        **_shared(row, details),
        images=images,
        path=arrays["path"],
        is_climbing=details["is_climbing"],
    )
