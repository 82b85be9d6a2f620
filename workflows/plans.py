"""A planned study: every calculation, parents before children, and what is derived from them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..results.requests import Request
from .calculations import Calculation
from .gpaw_costs import gpaw_memory_gb, gpaw_seconds, lcao_seconds_of_a_step
from .parallelism import irreducible_points
from .sizes import size_of
from .study import Profile
from .subtractions import Subtraction

Step = Calculation | Subtraction

# Expected ionic steps of each task: used only to order the queue and to guess the time left.
# A charge run starts from nothing, and its densities take as long as its energy.
_STEPS = {"relax": 12.0, "molecule": 5.0, "neb": 12.0, "charge": 8.0}
_SUBTRACTION = 1.0
# The unit of relative cost: 45 atoms in a cell of the hosts at one k-point.
GPAW_SECONDS_PER_UNIT = lcao_seconds_of_a_step(n_atoms=45, n_points=195_000, n_kpoints=1, n_spins=1)
_FEW = 5.0  # steps of a relaxation in which next to nothing moves


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every calculation of a study, parents before children, and what is derived from them."""

    study: str
    source: str  # what the study was loaded by: its name, or a path
    profile: Profile
    engine: str
    method: str  # of all calculations; joined by '; ' where they differ
    calculations: tuple[Calculation, ...]
    requests: tuple[Request, ...]
    subtractions: tuple[Subtraction, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return calculations and density differences, parents before children."""
        return (*self.calculations, *self.subtractions)

    @cached_property
    def identity(self) -> str:
        """Return a hash of all steps and requests."""
        parts = [step.key for step in self.steps]
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
        """Return one row per step: what it is and what it costs."""
        return [_row(step) for step in self.steps]


def mesh_name(step: Calculation) -> str:
    """Return the mesh as tables have it: "3x3x1", and "2x2x1 MP" where Gamma is left out."""
    name = "x".join(map(str, step.kpoints["mesh"]))
    return name if step.kpoints.get("style", "Gamma") == "Gamma" else f"{name} MP"


def is_of_gpaw(step: Step) -> bool:
    """Return whether GPAW does this step."""
    return isinstance(step, Calculation) and step.engine == "gpaw"


def shared_method(calculations: Iterable[Calculation]) -> str:
    """Return the method of the calculations, each once where they differ."""
    return "; ".join(dict.fromkeys(calculation.method for calculation in calculations))


def _row(step: Step) -> dict[str, Any]:
    """Return one step of a plan as a row; a density difference runs no program."""
    row: dict[str, Any] = {
        "name": step.label.name,
        "task": step.label.task,
        "atoms": None,
        "images": None,
        "k-points": None,
        "irreducible": None,
        "bands": None,
        "plane waves": None,
        "memory (GB)": None,
        "cost": round(relative_cost(step), 2),
        "key": step.key,
        "changes": [],
    }
    if isinstance(step, Subtraction):
        return row
    return (
        row
        | {
            "atoms": len(step.structure),
            "images": step.n_images,
            "k-points": mesh_name(step),
            "bands": step.n_bands,
            "changes": list(step.changes),
        }
        | _engine_size(step)
    )


def _engine_size(step: Calculation) -> dict[str, Any]:
    """Return the sizes that an engine has."""
    if is_of_gpaw(step):
        return {"memory (GB)": round(gpaw_memory_gb(step), 2)}
    if step.engine != "vasp":
        return {}
    size = size_of(step)
    return {
        "irreducible": size.irreducible_points,
        "bands": size.bands,
        "plane waves": size.plane_waves,
        "memory (GB)": round(size.memory_gb, 3),
    }


def relative_cost(step: Step) -> float:
    """Return a rough cost; 1 is one energy and force of 45 atoms at one k-point.

    Diagonalisation makes it grow with about the 2.5th power of the atom count.

    Examples
    --------
    >>> round(_size_factor(45, 1), 3)
    1.0
    """
    if isinstance(step, Subtraction):
        return _SUBTRACTION
    if is_of_gpaw(step):
        return gpaw_seconds(step) / GPAW_SECONDS_PER_UNIT
    return cost_of(
        step.label.task,
        len(step.structure),
        irreducible_points(step),
        n_images=step.n_images,
        n_steps=_n_steps(step),
    )


def cost_of(
    task: str, n_atoms: int, n_kpoints: float, *, n_images: int = 0, n_steps: float | None = None
) -> float:
    """Return the relative cost of a calculation by its sizes; see `relative_cost`.

    Examples
    --------
    >>> cost_of("static", 45, 1), cost_of("relax", 45, 4), cost_of("neb", 45, 1, n_images=3)
    (1.0, 48.0, 36.0)
    """
    steps = _STEPS.get(task, 1.0) if n_steps is None else n_steps
    return steps * max(n_images, 1) * _size_factor(n_atoms, n_kpoints)


def _n_steps(step: Calculation) -> float:
    """Return the expected ionic steps: fewer where few atoms are free, no more than NSW.

    Vibrations displace each free coordinate back and forth.
    """
    flags = step.structure.site_properties.get("selective_dynamics")
    if step.label.task == "vibrations":
        n_free = 3 * len(step.structure) if flags is None else sum(map(sum, flags))
        return 1.0 + 2.0 * n_free
    usual = _STEPS.get(step.label.task, 1.0)
    if flags is None or step.label.task not in ("relax", "molecule", "neb"):
        return usual
    n_atoms = sum(any(directions) for directions in flags)
    nsw = float(step.incar.get("NSW") or 1)
    return min(usual, _FEW + n_atoms, nsw) if n_atoms else 1.0


def _size_factor(n_atoms: int, n_kpoints: float) -> float:
    return float((n_atoms / 45) ** 2.5 * n_kpoints)
