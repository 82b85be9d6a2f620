"""How long stored runs took, and what makes a run long."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The duration of one finished run, with the sizes that explain it."""

    key: str
    task: str
    n_atoms: int
    n_images: int  # between the end points; 0 for anything but a band
    n_kpoints: int | None  # irreducible; None where the record does not hold them (bands)
    n_ionic_steps: int
    elapsed_s: float
    n_cores: int | None

    @property
    def core_hours(self) -> float | None:
        """Return what the run has cost; None where its cores or its time are unknown."""
        if not self.n_cores or self.elapsed_s <= 0:
            return None
        return self.n_cores * self.elapsed_s / 3600


def timing_of_row(row: Mapping[str, Any]) -> Timing:
    """Return the timing of a row of the result database."""
    details, kpoints = json.loads(row["details"]), json.loads(row["kpoints"])
    return Timing(
        **{name: row[name] for name in ("key", "task", "n_atoms", "n_ionic_steps", "elapsed_s")},
        n_images=max(len(details.get("images", ())) - 2, 0),
        n_kpoints=kpoints.get("n_kpoints"),
        n_cores=details.get("n_cores"),
    )
