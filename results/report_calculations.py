"""The calculations of a study as a report shows them, from the database alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .records import Floats
from .store import ResultStore
from .study_rows import StudyRow, study_rows


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Atoms to be looked at."""

    symbols: tuple[str, ...]
    positions: Floats  # (n_atoms, 3) in Angstrom
    cell: Floats  # (3, 3) rows in Angstrom

    @property
    def words(self) -> str:
        """Return what it is in words, for those who cannot see it."""
        a, b, c = np.linalg.norm(self.cell, axis=1)
        counts = {symbol: self.symbols.count(symbol) for symbol in sorted(set(self.symbols))}
        formula = " ".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in counts.items())
        plural = "s" if len(self.symbols) > 1 else ""
        return f"{len(self.symbols)} atom{plural} ({formula}), cell {a:.2f} x {b:.2f} x {c:.2f} Å"


@dataclass(frozen=True, kw_only=True)
class CalculationRow:
    """One calculation: what it was for, how it ended, where it lies."""

    key: str
    names: tuple[str, ...]  # "MoS2@NC/K-gallery-1/relax"; several where it serves several times
    model: str  # of the first name
    task: str
    kind: str  # "run", "band", "difference"
    formula: str
    n_atoms: int
    engine: str
    engine_version: str
    method: str
    status: str
    is_current: bool  # False where another calculation of the same name has taken its place
    reasons: tuple[str, ...]
    e0: float | None  # eV
    max_force: float | None  # eV/Angstrom
    n_ionic_steps: int
    elapsed_s: float
    folder: str
    created: str
    corrections: tuple[str, ...]
    notes: tuple[str, ...]
    settings: Mapping[str, Any]
    incar: Mapping[str, Any]
    kpoints: Mapping[str, Any]
    geometries: tuple[Geometry, ...]  # one, or the images of a band

    @property
    def name(self) -> str:
        """Return the name it is called by."""
        return self.names[0]

    @property
    def anchor(self) -> str:
        """Return the id of its row in the page."""
        return f"run-{self.key}"


def calculation_rows(
    store: ResultStore, study: str, profile: str, engine: str
) -> list[CalculationRow]:
    """Return the calculations of a study, each once, by model and name; no arrays are read.

    Raises
    ------
    InputError
        There are none.
    """
    rows = [_calculation(row) for row in study_rows(store, study, profile, engine)]
    return sorted(rows, key=lambda row: (row.model, row.name, row.key))


def _calculation(row: StudyRow) -> CalculationRow:
    copied = (
        *("key", "kind", "formula", "n_atoms", "engine", "engine_version", "method", "status"),
        *("e0", "n_ionic_steps", "elapsed_s", "folder", "created"),
    )
    return CalculationRow(
        **{name: row.columns[name] for name in copied},
        names=row.names,
        model=row.models[0],
        task=row.tasks[0],
        is_current=not row.is_superseded,
        max_force=row.largest_force,
        reasons=tuple(row.details.get("reasons", ())),
        corrections=row.corrections,
        notes=row.notes,
        settings=json.loads(row.columns["settings"]),
        incar=row.incar,
        kpoints=row.kpoints,
        geometries=tuple(geometry(entry) for entry in row.entries()),
    )


def geometry(structure: Mapping[str, Any]) -> Geometry:
    """Return the atoms of a pymatgen structure's dictionary.

    Reading the dictionary is a hundred times faster than building the structure.

    Examples
    --------
    >>> cell = [[4.0, 0, 0], [0, 5.0, 0], [0, 0, 6.0]]
    >>> site = {"species": [{"element": "Li"}], "xyz": [0.0, 0.0, 1.0]}
    >>> geometry({"lattice": {"matrix": cell}, "sites": [site]}).words
    '1 atom (Li), cell 4.00 x 5.00 x 6.00 Å'
    """
    sites = structure["sites"]
    return Geometry(
        symbols=tuple(str(site["species"][0]["element"]) for site in sites),
        positions=np.array([site["xyz"] for site in sites], dtype=float).reshape(-1, 3),
        cell=np.array(structure["lattice"]["matrix"], dtype=float),
    )
