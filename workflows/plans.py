"""A planned study: every calculation, parents before children, and what is derived from them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..results.requests import Request
from .calculations import Calculation
from .study import Profile

# Expected ionic steps of each task: used only to order the queue and to guess the time left.
_STEPS = {"relax": 12.0, "molecule": 5.0, "neb": 12.0}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every calculation of a study, parents before children, and what is derived from them."""

    study: str
    source: str  # what the study was loaded by: its name, or a path
    profile: Profile
    engine: str
    method: str
    calculations: tuple[Calculation, ...]
    requests: tuple[Request, ...]

    @cached_property
    def identity(self) -> str:
        """Return a hash of all calculations and requests."""
        parts = [c.key for c in self.calculations]
        parts += [request.model_dump_json() for request in self.requests]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    @property
    def grouped_warnings(self) -> dict[str, list[str]]:
        """Return each warning once, with the names of the calculations it is about."""
        groups: dict[str, list[str]] = {}
        for calculation in self.calculations:
            for warning in calculation.warnings:
                groups.setdefault(warning, []).append(calculation.label.name)
        return groups

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per calculation: what it is and what it costs."""
        return [
            {
                "name": c.label.name,
                "task": c.label.task,
                "atoms": len(c.structure),
                "images": c.n_images,
                "k-points": "x".join(map(str, c.kpoints["mesh"])),
                "bands": c.n_bands,
                "cost": round(relative_cost(c), 2),
                "key": c.key,
                "changes": list(c.changes),
            }
            for c in self.calculations
        ]


def relative_cost(calculation: Calculation) -> float:
    """Return a rough cost; 1 is one energy and force of 45 atoms at one k-point.

    Diagonalisation makes it grow with about the 2.5th power of the atom count.

    Examples
    --------
    >>> round(_size_factor(45, 1), 3)
    1.0
    """
    steps = _STEPS.get(calculation.label.task, 1.0)
    points = float(calculation.kpoints.get("n_kpoints", 1))
    images = max(calculation.n_images, 1)
    return steps * images * _size_factor(len(calculation.structure), points)


def _size_factor(n_atoms: int, n_kpoints: float) -> float:
    return float((n_atoms / 45) ** 2.5 * n_kpoints)
