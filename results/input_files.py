"""The input files of stored calculations, written from the database alone."""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar

from .study_rows import StudyRow

Files = dict[str, str]

_NUMBERS = {  # columns of a calculation and their units
    "e0": "eV",
    "free_energy": "eV",
    "e_wo_entropy": "eV",
    "efermi": "eV",
    "max_force": "eV/Angstrom",
    "charge": "e",
    "n_electrons": "",
    "magnetization": "Bohr magneton",
    "n_ionic_steps": "",
    "elapsed_s": "s",
}
_SAME_CELL = 1e-4  # relative
_NO_PATH = (
    "The images at the start of the band are not in the database: CONTCAR are the images at its "
    "end, and the POSCAR of the end points the same."
)


def input_files(row: StudyRow, others: Iterable[StudyRow] = ()) -> tuple[Files, list[str]]:
    """Return the input files of a calculation by their names, and what is not stored of them.

    Parameters
    ----------
    row
        The calculation. INCAR is that of its last part; POSCAR is the structure it started from,
        CONTCAR the one it ended with. A POTCAR is only named, by POTCAR.spec.
    others
        Calculations of the same study: a band has the k-points of its end points.

    Returns
    -------
    files, missing
        Empty for a density difference, which no program has computed.
    """
    if not row.incar:
        return {}, ["No program computed this: it is the difference of stored densities."]
    files = {"INCAR": str(Incar(dict(row.incar)))}
    missing = []
    kpoints = _kpoints(row.kpoints or _kpoints_of_like(row, others))
    if kpoints is None:
        missing.append("The list of k-points is not in the database; no KPOINTS was written.")
    else:
        files["KPOINTS"] = kpoints
    symbols = potcar_symbols(row.structures[0], row.settings.potcars)
    if symbols:
        files["POTCAR.spec"] = "\n".join(symbols) + "\n"
    else:
        missing.append("The POTCAR symbols are not in the database; no POTCAR.spec was written.")
    if row.kind == "band":
        missing.append(_NO_PATH)
    return files | _structures(row), missing


def _structures(row: StudyRow) -> Files:
    """Return POSCAR and CONTCAR, of a band in a folder for each image."""
    if row.kind != "band":
        start = row.initial_structure or row.structures[0]
        return {"POSCAR": _poscar(start), "CONTCAR": _poscar(row.structures[0])}
    files = {f"{i:02d}/CONTCAR": _poscar(image) for i, image in enumerate(row.structures)}
    for end in (0, len(row.structures) - 1):
        files[f"{end:02d}/POSCAR"] = files.pop(f"{end:02d}/CONTCAR")
    return files


def _poscar(structure: Structure) -> str:
    return str(Poscar(structure, sort_structure=False).get_str(significant_figures=12))


def cif_files(row: StudyRow) -> Files:
    """Return the structure at the end as CIF, of a band one for each image; by file name."""
    if row.kind == "band":
        named = {f"{row.folder_name}-{i:02d}": s for i, s in enumerate(row.structures)}
    else:
        named = {row.folder_name: row.structures[0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            f"{name}.cif": str(CifWriter(structure, significant_figures=8))
            for name, structure in named.items()
        }


def potcar_symbols(structure: Structure, titels: Sequence[str]) -> list[str]:
    """Return one POTCAR symbol for each block of equal elements; empty where one is not known.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> k2s = Structure(Lattice.cubic(7.4), ["K", "K", "S"], [[0] * 3, [0.5] * 3, [0.25] * 3])
    >>> potcar_symbols(k2s, ["PAW_PBE K_sv 06Sep2000", "PAW_PBE S 06Sep2000"])
    ['K_sv', 'S']
    """
    symbols = [titel.split()[1] if " " in titel else titel for titel in titels]
    by_element = {symbol.split("_")[0]: symbol for symbol in symbols}
    blocks = [element for element, _ in groupby(site.specie.symbol for site in structure)]
    found = [by_element.get(element, "") for element in blocks]
    return found if all(found) else []


def _kpoints(stored: Mapping[str, Any]) -> str | None:
    """Return a KPOINTS file of a mesh; None for a list or where nothing is stored."""
    if "divisions" not in stored:
        return None
    modes = Kpoints.supported_modes
    style = modes.Monkhorst if stored["style"] == "Monkhorst" else modes.Gamma
    divisions = tuple(stored["divisions"])
    shift = tuple(stored.get("shift", (0, 0, 0)))
    comment = f"{style.name}, {' x '.join(map(str, divisions))}"
    return str(Kpoints(comment=comment, style=style, kpts=(divisions,), kpts_shift=shift))


def _kpoints_of_like(row: StudyRow, others: Iterable[StudyRow]) -> Mapping[str, Any]:
    """Return the k-points of a calculation in the same cell, sampled as densely."""
    cell, spacing = row.structures[0].lattice.matrix, row.settings.kpoint_spacing
    for other in others:
        alike = other.kind == "run" and "divisions" in other.kpoints
        if not alike or abs(other.settings.kpoint_spacing - spacing) > _SAME_CELL * spacing:
            continue
        if np.allclose(other.structures[0].lattice.matrix, cell, rtol=_SAME_CELL, atol=1e-6):
            return other.kpoints
    return {}


def description(row: StudyRow, missing: Sequence[str]) -> dict[str, Any]:
    """Return what else is stored of a calculation but its arrays, as plain values with units."""
    columns = row.columns
    numbers = {
        name: {"value": columns[name], "unit": unit}
        for name, unit in _NUMBERS.items()
        if columns[name] is not None
    }
    same = ("key", "kind", "formula", "n_atoms", "engine", "engine_version", "method", "status")
    return {
        **{name: columns[name] for name in same},
        "names": list(row.names),
        "models": list(row.models),
        "tasks": list(row.tasks),
        "superseded": row.is_superseded,
        "reasons": list(row.details["reasons"]),
        "numbers": numbers,
        "settings": json.loads(columns["settings"]),
        "kpoints": dict(row.kpoints),
        "images": list(row.details.get("images", ())),
        "corrections": list(row.corrections),
        "notes": list(row.notes),
        "not in the database": list(missing),
        "stored": columns["created"],
        "sha256": columns["sha256"],
    }
