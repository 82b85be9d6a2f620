"""Runs and bands as database rows and back, with a hash that shows any change."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pymatgen.core import Structure

from .array_rows import Row, content_hash, damaged, pack_array, to_json, unpack_array
from .density_encoding import (
    decode_bader,
    decode_difference,
    decode_elf,
    encode_charges,
    encode_difference,
)
from .records import (
    Band,
    Bands,
    DensityDifference,
    Dos,
    Floats,
    Image,
    Part,
    Run,
    Settings,
    SiteCharges,
    formula_elements,
)
from .vibrations import decode_vibrations, encode_vibrations

Record = Run | Band | DensityDifference

_OF_A_RUN = (  # columns that bands and differences leave empty
    *("e0", "free_energy", "e_wo_entropy", "efermi", "max_force"),
    *("charge", "n_electrons", "magnetization"),
)


@dataclass(frozen=True)
class Encoded:
    """A calculation as it goes into the tables, without its key and date."""

    row: Row
    arrays: tuple[Row, ...]


def encode(record: Record) -> Encoded:
    """Return a run, band or difference as the columns and arrays that hold all of it.

    Raises
    ------
    RunError
        An energy or array is not finite.
    """
    if isinstance(record, Run):
        row, arrays = _encode_run(record)
    elif isinstance(record, Band):
        row, arrays = _encode_band(record)
    else:
        row, arrays = _encode_difference(record)
    row |= {
        "engine": record.settings.engine,
        "engine_version": record.engine_version,
        "method": record.settings.method,
        "status": record.status,
        "settings": to_json(asdict(record.settings)),
        "notes": to_json(list(record.notes)),
        "elapsed_s": float(record.elapsed_s),
        "folder": record.folder,
    }
    # SQLite turns -0.0 into 0.0, which would look like damage.
    row = {name: v + 0.0 if isinstance(v, float) else v for name, v in row.items()}
    packed = tuple(pack_array(name, values) for name, values in arrays.items())
    row["elements"] = formula_elements(row["formula"])
    row["sha256"] = content_hash(row, {array["name"]: array["sha256"] for array in packed})
    return Encoded(row, packed)


def decode(row: Mapping[str, Any], packed: list[Mapping[str, Any]]) -> Record:
    """Return the run, band or difference of its columns and arrays.

    Raises
    ------
    StoreError
        The row or an array is not what was written; names the row.
    """
    where = f"calculation {row['key']} ({row['folder']})"
    hashes = {array["name"]: array["sha256"] for array in packed}
    if content_hash(row, hashes) != row["sha256"]:
        raise damaged(where)
    arrays = {array["name"]: unpack_array(array, where) for array in packed}
    return _DECODERS[row["kind"]](row, arrays)


def _encode_run(run: Run) -> tuple[Row, dict[str, Floats]]:
    arrays = {"forces": run.forces}
    details: dict[str, Any] = {"reasons": list(run.reasons), **_parts(run)}
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
    more_details, more_arrays = encode_charges(run)
    details |= more_details | _cores(run) | _vacuum(run)
    arrays |= more_arrays | encode_vibrations(run)
    if run.moments is not None:
        arrays["moments"] = run.moments
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
        **_steps(run),
    }
    return row, arrays


def _steps(record: Run | Band) -> Row:
    """Return the columns of what a program computed step by step."""
    return {
        "n_ionic_steps": int(record.n_ionic_steps),
        "incar": to_json(dict(record.incar)),
        "corrections": to_json(list(record.corrections)),
    }


def _parts(record: Run | Band) -> dict[str, Any]:
    """Return the earlier parts; nothing where there are none, as in databases of before."""
    return {"parts": [asdict(part) for part in record.parts]} if record.parts else {}


def _cores(record: Run | Band) -> dict[str, Any]:
    """Return the detail of how many cores there were; nothing where that is unknown."""
    return {} if record.n_cores is None else {"n_cores": int(record.n_cores)}


def _vacuum(run: Run) -> dict[str, Any]:
    """Return the vacuum level and its spread; nothing where there are none, as of before."""
    both = {"vacuum_level": run.vacuum_level, "vacuum_spread": run.vacuum_spread}
    return {name: float(value) for name, value in both.items() if value is not None}


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
    details |= _parts(band)
    details |= _cores(band)
    first = band.images[0].structure
    row = dict.fromkeys(_OF_A_RUN) | {
        "kind": "band",
        "formula": first.formula,
        "n_atoms": len(first),
        "structure": to_json([image.structure.as_dict() for image in band.images]),
        "initial_structure": "null",
        "kpoints": "{}",
        "details": to_json(details),
        **_steps(band),
    }
    return row, {"path": band.path}


def _encode_difference(record: DensityDifference) -> tuple[Row, dict[str, Floats]]:
    details, arrays = encode_difference(record)
    row = dict.fromkeys(_OF_A_RUN) | {
        "kind": "difference",
        "formula": record.structure.formula,
        "n_atoms": len(record.structure),
        "structure": to_json(record.structure.as_dict()),
        "initial_structure": "null",
        "kpoints": "{}",
        "details": to_json({"reasons": list(record.reasons), **details}),
        "n_ionic_steps": 0,
        "incar": "{}",
        "corrections": "[]",
    }
    return row, arrays


def _shared(row: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that all records have in common."""
    settings = json.loads(row["settings"])
    settings["potcars"] = tuple(settings["potcars"])
    settings["hubbard_u"] = tuple((element, u) for element, u in settings["hubbard_u"])
    return {
        "folder": row["folder"],
        "settings": Settings(**settings),
        "engine_version": row["engine_version"],
        "status": row["status"],
        "reasons": tuple(details["reasons"]),
        "elapsed_s": row["elapsed_s"],
        "notes": tuple(json.loads(row["notes"])),
    }


def _shared_steps(row: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """Return `_shared` and what a program computed step by step."""
    return {
        **_shared(row, details),
        "n_ionic_steps": row["n_ionic_steps"],
        "incar": json.loads(row["incar"]),
        "corrections": tuple(json.loads(row["corrections"])),
        "parts": tuple(Part(**part) for part in details.get("parts", ())),
        "n_cores": details.get("n_cores"),
    }


def _decode_run(row: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Run:
    details = json.loads(row["details"])
    copied = ("e0", "free_energy", "e_wo_entropy", "efermi", "max_force", "n_electrons", "charge")
    return Run(
        **_shared_steps(row, details),
        **{name: row[name] for name in copied},
        magnetization=row["magnetization"],
        initial_structure=Structure.from_dict(json.loads(row["initial_structure"])),
        structure=Structure.from_dict(json.loads(row["structure"])),
        forces=arrays["forces"],
        kpoints=json.loads(row["kpoints"]),
        dos=_decode_dos(details, arrays),
        bands=_decode_bands(arrays),
        site_charges=_decode_charges(details, arrays),
        bader=decode_bader(details, arrays),
        elf=decode_elf(details, arrays),
        vibrations=decode_vibrations(arrays),
        moments=arrays.get("moments"),
        vacuum_level=details.get("vacuum_level"),
        vacuum_spread=details.get("vacuum_spread"),
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
        **_shared_steps(row, details),
        images=images,
        path=arrays["path"],
        is_climbing=details["is_climbing"],
    )


def _decode_difference(row: Mapping[str, Any], arrays: Mapping[str, Floats]) -> DensityDifference:
    details = json.loads(row["details"])
    structure = Structure.from_dict(json.loads(row["structure"]))
    return decode_difference(_shared(row, details), structure, details, arrays)


_DECODERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Floats]], Record]] = {
    "run": _decode_run,
    "band": _decode_band,
    "difference": _decode_difference,
}
