"""Legs that may be one of several calculations: the lowest of those that are finished."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pymatgen.core import Composition

from ..structures.errors import InputError
from .records import Run
from .requests import EnergyRequest, LegRequest, PathwayRequest, RateRequest, StateRequest

Chosen = TypeVar("Chosen", bound=EnergyRequest | PathwayRequest | RateRequest)

_CHARGE = 1e-3  # e
_TIE = 1e-6  # eV: the earlier one counts, so that the choice does not flicker


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which calculation a leg is, and how the others compare."""

    key: str
    above: Mapping[str, float] = field(default_factory=dict)  # key: eV above the chosen one
    unfinished: tuple[str, ...] = ()

    def note(self, role: str) -> str:
        """Say what was chosen among what."""
        others = ", ".join(f"{key} {energy:+.3f} eV" for key, energy in self.above.items())
        n_all = 1 + len(self.above) + len(self.unfinished)
        text = f"{role} is {self.key}, the lowest of {1 + len(self.above)} of {n_all}"
        text += f" (others: {others})" if others else ""
        return text + (f"; not finished: {', '.join(self.unfinished)}" if self.unfinished else "")


def choose_lowest(
    role: str, keys: Sequence[str], has: Callable[[str], bool], run: Callable[[str], Run]
) -> Choice | None:
    """Return the finished calculation with the lowest E0, None where none is finished.

    Parameters
    ----------
    role
        What they are alternatives for, for messages.
    keys
        Of calculations of the same atoms and charge.
    has, run
        Whether a calculation is finished, and its run.

    Raises
    ------
    InputError
        Two of them differ in composition or charge, so that the lower is no choice.
    """
    finished = [key for key in dict.fromkeys(keys) if has(key)]
    if not finished:
        return None
    runs = {key: run(key) for key in finished}
    first = finished[0]
    for key in finished[1:]:
        if not _are_alike(runs[first], runs[key]):
            raise InputError(
                f"the alternatives of {role!r} are not of the same atoms and charge: "
                f"{_what(runs[first])} ({first}) and {_what(runs[key])} ({key}). The lower of "
                "them is no choice: give alternatives of one composition and charge."
            )
    lowest = min(runs[key].e0 for key in finished)
    best = next(key for key in finished if runs[key].e0 <= lowest + _TIE)
    return Choice(
        key=best,
        above={key: runs[key].e0 - runs[best].e0 for key in finished if key != best},
        unfinished=tuple(key for key in dict.fromkeys(keys) if key not in finished),
    )


def _are_alike(one: Run, other: Run) -> bool:
    same_atoms: bool = _atoms(one) == _atoms(other)
    return same_atoms and abs(one.charge - other.charge) < _CHARGE


def _atoms(run: Run) -> Composition:
    return run.structure.composition.element_composition


def _what(run: Run) -> str:
    return f"{run.structure.formula} with charge {run.charge:+g}"


class LegChoices:
    """Which calculation each leg with alternatives is, the same wherever its key occurs."""

    def __init__(
        self,
        legs: Iterable[LegRequest],
        has: Callable[[str], bool],
        run: Callable[[str], Run],
    ) -> None:
        self._chosen: dict[str, Choice] = {}
        self.notes: list[str] = []
        for leg in legs:
            if leg.key is None or not leg.alternatives or leg.key in self._chosen:
                continue
            choice = choose_lowest(leg.role, leg.keys, has, run)
            if choice is not None:
                self._chosen[leg.key] = choice
                self.notes.append(choice.note(leg.role))

    def key(self, key: str) -> str:
        """Return the chosen key in the place of one that stands for several."""
        return self._chosen[key].key if key in self._chosen else key

    def legs(self, legs: Iterable[LegRequest]) -> tuple[LegRequest, ...]:
        """Return legs without alternatives."""
        return tuple(
            leg.model_copy(
                update={"key": None if leg.key is None else self.key(leg.key), "alternatives": ()}
            )
            for leg in legs
        )

    def states(self, states: Iterable[StateRequest]) -> tuple[StateRequest, ...]:
        """Return states without alternatives."""
        return tuple(
            state.model_copy(update={"cell": self.key(state.cell), "legs": self.legs(state.legs)})
            for state in states
        )


def with_chosen_legs(
    request: Chosen, has: Callable[[str], bool], run: Callable[[str], Run]
) -> tuple[Chosen, list[str]]:
    """Return a request whose legs are one calculation each, and notes on what was chosen.

    Raises
    ------
    InputError
        See `choose_lowest`.
    """
    update, notes = _chosen(request, has, run)
    return request.model_copy(update=update), notes


def _chosen(
    request: EnergyRequest | PathwayRequest | RateRequest,
    has: Callable[[str], bool],
    run: Callable[[str], Run],
) -> tuple[dict[str, object], list[str]]:
    """Return what changes in a request, and notes."""
    if isinstance(request, EnergyRequest):
        choices = LegChoices(request.legs, has, run)
        return {"legs": choices.legs(request.legs)}, choices.notes
    choices = LegChoices((leg for state in request.states for leg in state.legs), has, run)
    return {"states": choices.states(request.states)}, choices.notes
