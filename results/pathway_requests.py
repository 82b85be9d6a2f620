"""Requests about routes: states, steps between them, and the barriers of these."""

from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .hop_requests import BarrierRequest
from .request_bases import BaseRequest, LegRequest, Sources, Wanted, leg_sources


class StateRequest(BaseModel):
    """A state of a pathway; its energy is measured against the first state."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  # "PS4 + *OH"
    legs: tuple[LegRequest, ...]  # its cell 1, the first state's -1, reservoirs; first state: none
    equation: str = ""  # "Li3PS4OH/C(002) + 2 Li -> ..."
    vibrations: str | None = None  # key of the vibrations of the state's adsorbate
    cell: str  # key of the state's relaxed cell


class PathwayRequest(BaseRequest):
    """Energies of the states of a route, of its steps, and the largest step."""

    kind: Literal["pathway"] = "pathway"
    states: tuple[StateRequest, ...] = Field(min_length=2)
    temperature_kelvin: float | None = Field(default=None, ge=0)  # of free energies; None: 298.15

    @property
    def has_vibrations(self) -> bool:
        """Return whether every state has vibrations, so that free energies follow."""
        return all(state.vibrations is not None for state in self.states)

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        found: Sources = []
        for state in self.states:
            found.append((state.name, state.cell))
            found += leg_sources(state.legs)
            if state.vibrations is not None and self.has_vibrations:
                found.append((f"vibrations of {state.name}", state.vibrations))
        return found

    def wanted(self) -> Wanted:
        """Return quantity and unit of each state, each step, and the largest step."""
        kinds = ("energy", "free energy") if self.has_vibrations else ("energy",)
        wanted: Wanted = []
        for kind in kinds:
            wanted += [(f"state {kind}", "eV")] * len(self.states)
            wanted += [(f"step {kind}", "eV")] * (len(self.states) - 1)
            wanted.append(("rate-determining step", "eV"))
        return wanted


class StepBandRequest(BaseModel):
    """The band of a step of a pathway."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str  # name of the state that the step leads to
    band: str  # key of the NEB calculation
    initial: str  # keys of the relaxed end points
    final: str


class RateRequest(BaseRequest):
    """The largest barrier of a route whose bond-breaking steps have bands."""

    kind: Literal["rds"] = "rds"
    states: tuple[StateRequest, ...] = Field(min_length=2)  # those of the pathway
    breaking: tuple[str, ...] = Field(min_length=1)  # states that bond-breaking steps lead to
    bands: tuple[StepBandRequest, ...] = ()

    @model_validator(mode="after")
    def _steps_are_there(self) -> Self:
        """Refuse names that no step leads to."""
        reached = [state.name for state in self.states[1:]]
        named = [*self.breaking, *(band.to for band in self.bands)]
        if unknown := [name for name in named if name not in reached]:
            raise ValueError(f"no step leads to {', '.join(unknown)}: name one of {reached}")
        return self

    def pathway(self) -> PathwayRequest:
        """Return the pathway whose steps these are."""
        return PathwayRequest(model=self.model, label=self.label, states=self.states)

    def barriers(self) -> list[tuple[StepBandRequest, BarrierRequest]]:
        """Return each step with a band, and the barrier that goes by the step's name."""
        before = {end.name: start.name for start, end in pairwise(self.states)}
        return [
            (
                step,
                BarrierRequest(
                    model=self.model,
                    label=f"{self.label}: {before[step.to]} -> {step.to}",
                    band=step.band,
                    initial=step.initial,
                    final=step.final,
                    ion="",
                ),
            )
            for step in self.bands
        ]

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        bands = [source for _, barrier in self.barriers() for source in barrier.sources()]
        return [*self.pathway().sources(), *bands]

    def wanted(self) -> Wanted:
        """Return quantity and unit of the barrier."""
        return [("rate-determining barrier", "eV")]
