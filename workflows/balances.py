"""Cells of a route balanced against its first: what reservoirs give and take, what has left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition

from ..results.requests import LegRequest
from ..structures.errors import InputError
from .calculations import Calculation

_BALANCED = 1e-6  # atoms


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A cell that a route passes through."""

    name: str
    calculation: Calculation
    phases: tuple[str, ...] = ()  # what has left the cell, one formula unit each


@dataclass(frozen=True)
class Balance:
    """What the cells of a route are balanced with."""

    where: str  # how errors call the route
    reservoirs: Sequence[str]  # phases that give or take what a stage lacks
    phases: Mapping[str, Calculation]

    def legs(self, first: Stage, stage: Stage) -> dict[str, object]:
        """Return legs and equation of a stage: its cell and phases, less the first cell.

        Raises
        ------
        InputError
            The reservoirs cannot balance the stage, or in more than one way.
        """
        if stage.calculation.key == first.calculation.key and not stage.phases:
            return {"legs": ()}
        legs = [
            LegRequest(role=stage.name, factor=1.0, key=stage.calculation.key),
            LegRequest(role=first.name, factor=-1.0, key=first.calculation.key),
        ]
        sides: dict[int, list[str]] = {1: [stage.name], -1: [first.name]}
        units = dict.fromkeys(stage.phases, 1.0)
        for name, amount in self._amounts(first, stage).items():
            units[name] = units.get(name, 0.0) + amount
        for name, amount in units.items():
            if abs(amount) < _BALANCED:
                continue
            phase = self.phases[name]
            formula, per_cell = phase.structure.composition.get_reduced_formula_and_factor()
            legs.append(LegRequest(role=name, factor=amount / per_cell, key=phase.key))
            sides[1 if amount > 0 else -1].append(f"{abs(amount):.4g} {formula}")
        equation = " -> ".join(" + ".join(sides[sign]) for sign in (-1, 1))
        return {"legs": tuple(legs), "equation": equation}

    def _amounts(self, first: Stage, stage: Stage) -> dict[str, float]:
        """Return formula units of each reservoir that a stage takes (-) or gives (+), uniquely."""
        before = first.calculation.structure.composition
        after = stage.calculation.structure.composition
        for name in stage.phases:
            after += self._unit(name)
        units = [self._unit(name) for name in self.reservoirs]
        elements = sorted({el for part in (before, after, *units) for el in part}, key=str)
        wanted = np.array([before[el] - after[el] for el in elements])
        if np.abs(wanted).max() < _BALANCED:
            return {}
        matrix = np.array([[unit[el] for unit in units] for el in elements])
        matrix = matrix.reshape(len(elements), -1)
        solution = np.linalg.lstsq(matrix, wanted, rcond=None)[0] if units else np.empty(0)
        rest = wanted - matrix @ solution
        where = f"{self.where}, state {stage.name!r}"
        if np.abs(rest).max() > _BALANCED:
            left = zip(elements, rest, strict=True)
            odd = ", ".join(f"{el} {-r:+.3g}" for el, r in left if abs(r) > _BALANCED)
            named = ", ".join(self.reservoirs) or "none"
            raise InputError(
                f"{where} does not balance against {first.name!r}: {odd} atoms are left with "
                f"the reservoirs {named}; name a reservoir that holds them"
            )
        if np.linalg.matrix_rank(matrix) < len(units):
            raise InputError(
                f"{where} balances in several ways with the reservoirs {', '.join(self.reservoirs)}"
                ": leave one of them out"
            )
        return {
            name: round(float(amount), 9)
            for name, amount in zip(self.reservoirs, solution, strict=True)
        }

    def _unit(self, name: str) -> Composition:
        """Return one formula unit of a phase."""
        return self.phases[name].structure.composition.reduced_composition
