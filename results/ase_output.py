"""Calculations as an ASE database: atoms with energy and forces, what they are as key-value pairs.

Energies are E0 (energy without smearing) as ASE has it, ``free_energy`` is F; a band is one row
per image. What ASE's keys cannot hold stands in ``data``.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, select
from sqlalchemy.engine import RowMapping

from ..structures.errors import InputError
from ..structures.files import write_error
from .array_rows import unpack_array
from .querying import Asked, Query, understand
from .schema import ARRAYS, CALCULATIONS, LEGS, PROPERTIES, SOURCES, USES

_BATCH = 200  # calculations held at a time
_PAIRS = ("kind", "engine", "engine_version", "method", "status", "charge")
_DATA = ("folder", "created", "sha256", "n_electrons", "efermi", "e_wo_entropy")
_OF_PROPERTIES = (
    *("study", "profile", "model", "quantity", "label", "reference"),
    *("value", "unit", "energy_kind", "status"),
)


def write_ase(
    connection: Connection,
    question: Query,
    path: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the calculations of a query, or those behind its properties or legs; return how many.

    Parameters
    ----------
    path
        A new file that ends in ``.db``; it is there whole or not at all.
    progress
        Told after each batch how many calculations of how many are written.

    Raises
    ------
    InputError
        The file is there already, or has another ending.
    """
    if path.suffix != ".db":
        raise InputError(f"{path}: an ASE database ends in .db here: --ase {path.stem or 'out'}.db")
    if path.exists():
        raise InputError(f"{path} is there already and was left as it is: name another file.")
    asked = understand(question, connection.dialect.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            temporary = Path(folder) / path.name
            n_written = _write(connection, asked, temporary, progress)
            temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    return n_written


def _write(
    connection: Connection, asked: Asked, path: Path, progress: Callable[[int, int], None] | None
) -> int:
    from ase.db import connect  # slow to import, as is pymatgen below

    keys = _keys(asked)
    counted = select(func.count()).select_from(CALCULATIONS).where(CALCULATIONS.c.key.in_(keys))
    n_all = connection.execute(counted).scalar_one()
    statement = (
        select(CALCULATIONS).where(CALCULATIONS.c.key.in_(keys)).order_by(CALCULATIONS.c.key)
    )
    options = {"stream_results": True, "yield_per": _BATCH}
    n_written = 0
    with connect(path, use_lock_file=False) as database:
        database.metadata = {"title": "heterofire", "heterofire_query": asked.query.filter}
        for batch in (
            connection.execute(statement, execution_options=options).mappings().partitions()
        ):
            names = [row["key"] for row in batch]
            more = _more(connection, asked, names)
            for row in batch:
                for atoms, pairs, data in _images(row, more[row["key"]]):
                    database.write(atoms, key_value_pairs=pairs, data=data)
            n_written += len(batch)
            if progress:
                progress(n_written, n_all)
    return n_written


def _keys(asked: Asked) -> Select[Any]:
    """Return the keys of the calculations behind the rows."""
    if asked.table.name == "calculations":
        return asked.statement.with_only_columns(CALCULATIONS.c.key)
    if asked.table.name == "legs":
        return asked.statement.with_only_columns(LEGS.c.key)
    chosen = asked.statement.with_only_columns(PROPERTIES.c.id)
    return select(SOURCES.c.key).where(SOURCES.c.property_id.in_(chosen))


def _more(
    connection: Connection, asked: Asked, keys: Sequence[str]
) -> Mapping[str, dict[str, Any]]:
    """Return forces, uses and the asked properties of some calculations."""
    found = defaultdict[str, dict[str, Any]](lambda: {"uses": [], "properties": []})
    arrays = select(ARRAYS).where(ARRAYS.c.key.in_(keys), ARRAYS.c.name == "forces")
    for row in connection.execute(arrays).mappings():
        found[row["key"]]["forces"] = unpack_array(dict(row), f"calculation {row['key']}")
    uses = select(USES).where(USES.c.key.in_(keys)).order_by(USES.c.study, USES.c.name)
    for row in connection.execute(uses).mappings():
        use = {name: value for name, value in row.items() if name != "key"}
        found[row["key"]]["uses"].append(use)
    if asked.table.name == "properties":
        for row in connection.execute(_properties(asked, keys)).mappings():
            item = {name: row[name] for name in _OF_PROPERTIES}
            found[row["key"]]["properties"].append(item)
    return found


def _properties(asked: Asked, keys: Sequence[str]) -> Select[Any]:
    chosen = asked.statement.with_only_columns(PROPERTIES.c.id)
    return (
        select(SOURCES.c.key, *(PROPERTIES.c[name] for name in _OF_PROPERTIES))
        .join(PROPERTIES, PROPERTIES.c.id == SOURCES.c.property_id)
        .where(SOURCES.c.key.in_(keys), PROPERTIES.c.id.in_(chosen))
        .order_by(PROPERTIES.c.id)
    )


def _images(
    row: RowMapping, more: Mapping[str, Any]
) -> Iterator[tuple[Any, dict[str, Any], dict[str, Any]]]:
    """Yield atoms, key-value pairs and data: once, of a band once for each image."""
    pairs, data = _described(row, more)
    structure = json.loads(row["structure"])
    if row["kind"] != "band":
        energies = {"energy": row["e0"], "free_energy": row["free_energy"]}
        yield _atoms(structure, energies | {"forces": more.get("forces")}), pairs, data
        return
    images = json.loads(row["details"])["images"]
    for number, (entry, image) in enumerate(zip(structure, images, strict=True)):
        energies = {"energy": image["e0"], "free_energy": image["free_energy"]}
        named = pairs | {"image": number, "status": image["status"]}
        yield _atoms(entry, energies), named, data


def _atoms(structure: Mapping[str, Any], results: Mapping[str, Any]) -> Any:
    """Return atoms with their results."""
    from ase.calculators.singlepoint import SinglePointCalculator
    from pymatgen.core import Structure
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = AseAtomsAdaptor.get_atoms(Structure.from_dict(dict(structure)), msonable=False)
    known = {name: value for name, value in results.items() if value is not None}
    if known:
        atoms.calc = SinglePointCalculator(atoms, **known)
    return atoms


def _described(row: RowMapping, more: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return key-value pairs and data of a calculation."""
    data = {name: row[name] for name in _DATA} | {
        "key": row["key"],
        "uses": more["uses"],
        "notes": json.loads(row["notes"]),
        "corrections": json.loads(row["corrections"]),
        "settings": json.loads(row["settings"]),
    }
    if more["properties"]:
        data["properties"] = more["properties"]
    words = {name: row[name] for name in _PAIRS} | {"key": row["key"]}
    for use in more["uses"][:1]:
        words |= use
    pairs = {f"{name}_e" if name == "charge" else name: value for name, value in words.items()}
    return {name: value for name, value in pairs.items() if _fits(value)}, data


def _fits(value: object) -> bool:
    """Return whether ASE takes a value: no text that reads as a number."""
    if not isinstance(value, str):
        return value is not None
    try:
        float(value)
    except ValueError:
        return bool(value) and value.lower() not in ("true", "false")
    return False
