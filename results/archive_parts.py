"""The parts of an archive, each a set of files by their path in it."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from ..structures.errors import InputError, RunError
from .bags import Content
from .compare import compare
from .input_files import cif_files, description, input_files
from .raw_outputs import raw_outputs
from .records import Property
from .store import ResultStore
from .study_rows import StudyRow
from .tables import format_table, table, to_csv

Payload = dict[str, Content]
_FORMATS = ("csv", "json")


def calculation_part(rows: Sequence[StudyRow]) -> Payload:
    """Return the inputs and the description of every calculation, and a table of them all."""
    files: dict[str, str] = {"calculations.csv": calculations_csv(rows)}
    for row in rows:
        inputs, missing = input_files(row, rows)
        about = json.dumps(description(row, missing), indent=1, ensure_ascii=False)
        inputs["calculation.json"] = about + "\n"
        files |= {f"calculations/{row.folder_name}/{name}": t for name, t in inputs.items()}
    return _encoded(files)


def structure_part(rows: Sequence[StudyRow]) -> Payload:
    """Return the structure at the end of every calculation, as CIF."""
    return _encoded({f"structures/{n}": t for row in rows for n, t in cif_files(row).items()})


def calculations_csv(rows: Iterable[StudyRow]) -> str:
    """Return one line for each calculation, units in the names of columns."""
    return to_csv(pd.DataFrame([_line(row) for row in rows]))


def _line(row: StudyRow) -> dict[str, object]:
    columns, settings = row.columns, row.settings
    return {
        "name": row.name,
        "other_names": " | ".join(row.names[1:]),
        "folder": f"calculations/{row.folder_name}",
        "key": row.key,
        "kind": row.kind,
        "task": " ".join(row.tasks),
        "model": " | ".join(row.models),
        "formula": columns["formula"],
        "n_atoms": columns["n_atoms"],
        "engine": settings.engine,
        "engine_version": columns["engine_version"],
        "method": settings.method,
        "cutoff_eV": settings.cutoff,
        "dispersion": settings.dispersion,
        "smearing": settings.smearing,
        "sigma_eV": settings.sigma,
        "kpoints": " ".join(map(str, row.kpoints.get("divisions", ()))),
        "kpoint_spacing_per_A": settings.kpoint_spacing,
        "potcars": ", ".join(settings.potcars),
        "status": row.status,
        "reasons": " | ".join(row.details["reasons"]),
        "superseded": row.is_superseded,
        "e0_eV": columns["e0"],
        "max_force_eV_per_A": row.largest_force,
        "charge_e": columns["charge"],
        "magnetization_bohr": columns["magnetization"],
        "n_ionic_steps": columns["n_ionic_steps"],
        "elapsed_s": columns["elapsed_s"],
        "sha256": columns["sha256"],
    }


def table_part(properties: Sequence[Property], paper: str) -> Payload:
    """Return derived numbers, and published ones beside them, as CSV and JSON."""
    frames = {"table": table(properties)}
    if paper:
        frames["compare"] = compare(properties, paper)
    return _encoded(
        {
            f"tables/{name}.{kind}": format_table(frame, kind)
            for name, frame in frames.items()
            for kind in _FORMATS
        }
    )


def figure_part(
    store: ResultStore, names: Sequence[str], folder: Path, *, study: str, profile: str, engine: str
) -> tuple[Payload, list[str]]:
    """Return the figures, which are drawn into a folder, and why one could not be."""
    from .figures import draw_figure  # slow: matplotlib

    payload: Payload = {}
    notes = []
    for name in names:
        about = {"study": study, "profile": profile, "engine": engine}
        try:
            written = draw_figure(store, name, folder=folder, **about)
        except (InputError, RunError) as error:
            notes.append(f"figure {name}: {str(error).replace(store.name, 'the database')}")
            continue
        payload |= {f"figures/{path.name}": path for path in written}
    return payload, notes


def output_part(rows: Sequence[StudyRow], *, densities: bool) -> tuple[Payload, list[str]]:
    """Return the raw outputs that are still there, and what is missing of them."""
    payload: Payload = {}
    notes: list[str] = []
    for row in rows:
        files, missing = raw_outputs(row, densities=densities)
        payload |= {f"outputs/{row.folder_name}/{name}": path for name, path in files.items()}
        notes += missing
    return payload, notes


def _encoded(files: dict[str, str]) -> Payload:
    return {name: text.encode() for name, text in files.items()}
