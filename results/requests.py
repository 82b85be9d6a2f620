"""What to derive once the runs are there: plain records that travel in a FireWorks spec."""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from .molecule_requests import (
    AlignedDosRequest,
    BondRequest,
    ComplexRequest,
    ElfLineRequest,
    PartRequest,
    PlacementRequest,
)
from .request_bases import BaseRequest, LegRequest, RunRequest, Sources, Wanted, leg_sources

__all__ = [
    "AlignedDosRequest",
    "BarrierRequest",
    "BondRequest",
    "ChargeRequest",
    "ComplexRequest",
    "DosRequest",
    "ElfLineRequest",
    "ElfRequest",
    "EnergyRequest",
    "HopRequest",
    "InterlayerRequest",
    "LegRequest",
    "MigrationRequest",
    "MismatchRequest",
    "PartRequest",
    "PathwayRequest",
    "PlacementRequest",
    "RateRequest",
    "Request",
    "StateRequest",
    "StepBandRequest",
    "TransferRequest",
    "VibrationRequest",
]


class EnergyRequest(BaseRequest):
    """A binding, reaction or formation energy: the sum over its legs, divided by ``per``."""

    kind: Literal["energy"] = "energy"
    quantity: str  # "K binding energy", "reaction energy"
    reference: str = ""  # "K atom", "bcc K", "K+ gas"
    legs: tuple[LegRequest, ...]
    per: float = 1.0  # formula units the legs add up to
    per_what: str = ""  # "Mo"; the unit becomes eV/Mo
    equation: str = ""  # "Mo + 2 K2S -> Mo + 4 K + 2 S"

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        return leg_sources(self.legs)

    def wanted(self) -> Wanted:
        """Return quantity and unit of the energy."""
        return [(self.quantity, f"eV/{self.per_what}" if self.per_what else "eV")]


class BarrierRequest(BaseRequest):
    """Barriers forward and back along a band."""

    kind: Literal["barrier"] = "barrier"
    band: str  # key of the NEB calculation
    initial: str  # keys of the relaxed end points
    final: str
    ion: str = "K"

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        return [
            (f"band of {self.label}", self.band),
            (f"initial end point of {self.label}", self.initial),
            (f"final end point of {self.label}", self.final),
        ]

    def wanted(self) -> Wanted:
        """Return quantity and unit of each barrier."""
        return [("barrier forward", "eV"), ("barrier back", "eV")]


class HopRequest(BaseModel):
    """A hop and where it occurs in the cell; it can be gone both ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str  # "surface 1: Mo-top to hollow"
    band: str  # key of the NEB calculation
    initial: str  # keys of the relaxed end points
    final: str
    # Sites and cell of the second one, for each equivalent hop; that which was computed first.
    edges: tuple[tuple[int, int, int, int], ...] = Field(min_length=1)


class MigrationRequest(BaseRequest):
    """The barrier of the lowest path from cell to cell through several hops."""

    kind: Literal["migration"] = "migration"
    directions: Literal[1, 2]  # along a line, or everywhere in the plane
    site_kinds: tuple[int, ...]  # sites of one number are equivalent
    hops: tuple[HopRequest, ...] = Field(min_length=1)

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        return [
            (f"{role} of {hop.label}", key)
            for hop in self.hops
            for role, key in (
                ("band", hop.band),
                ("initial end point", hop.initial),
                ("final end point", hop.final),
            )
        ]

    def wanted(self) -> Wanted:
        """Return quantity and unit of the barrier."""
        return [("migration barrier", "eV")]


class DosRequest(RunRequest):
    """DOS, its value at the Fermi level, gap, and d-band centres of ``d_elements``."""

    kind: Literal["dos"] = "dos"
    d_elements: tuple[str, ...] = ("Mo",)
    area: float | None = Field(default=None, gt=0)  # Angstrom^2 in the plane of a slab

    @model_serializer(mode="wrap")
    def _without_empty_area(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out an area that is not given: plans are known by the hash of their requests."""
        written: dict[str, Any] = handler(self)
        if self.area is None:
            del written["area"]
        return written

    def wanted(self) -> Wanted:
        """Return quantity and unit of what a DOS gives."""
        centres = [(f"d-band centre of {element}", "eV") for element in self.d_elements]
        per_area = [] if self.area is None else [("DOS at E_F per area", "states/eV/nm^2")]
        return [("DOS at E_F", "states/eV/cell"), *per_area, ("band gap", "eV"), *centres]


class InterlayerRequest(RunRequest):
    """Distance between the facing atom planes of two layers, in Angstrom."""

    kind: Literal["interlayer"] = "interlayer"
    bottom: tuple[int, ...]  # atom indices of each layer
    top: tuple[int, ...]

    def wanted(self) -> Wanted:
        """Return quantity and unit of the distance."""
        return [("interlayer distance", "Angstrom")]


class ChargeRequest(RunRequest):
    """Net charge of an element's atoms, in every scheme that the run has."""

    kind: Literal["charge"] = "charge"
    element: str = "K"
    band: str | None = None  # the hop that the run is an image of ...
    image: int = 0  # ... and which one, 0 the initial end point

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        band = [] if self.band is None else [(f"band of {self.label}", self.band)]
        return [*super().sources(), *band]

    def wanted(self) -> Wanted:
        """Return quantity and unit of the charge."""
        return [(f"net charge of {self.element}", "e")]


class TransferRequest(RunRequest):
    """Electrons that the fragments of a whole gain, in every scheme that there is."""

    kind: Literal["transfer"] = "transfer"
    fragments: dict[str, tuple[int, ...]]  # name: atoms of the whole, the run of ``key``
    show: tuple[str, ...]  # fragments to report; with two, one says it all
    difference: str | None = None  # key of the density difference

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        if self.difference is None:
            return super().sources()
        return [*super().sources(), (f"density difference of {self.model}", self.difference)]

    def wanted(self) -> Wanted:
        """Return quantity and unit of each transfer."""
        return [(f"electrons gained by {name}", "e") for name in self.show]


class ElfRequest(RunRequest):
    """Largest electron localization function in the plane between two layers."""

    kind: Literal["elf"] = "elf"
    bottom: tuple[int, ...]
    top: tuple[int, ...]

    def wanted(self) -> Wanted:
        """Return quantity and unit; the function has no dimension."""
        return [("largest ELF between the layers", "")]


class VibrationRequest(RunRequest):
    """What the motion of the nuclei adds to an energy: of an adsorbate, or of a molecule."""

    kind: Literal["vibration"] = "vibration"
    temperature_kelvin: float = Field(default=298.15, ge=0)
    floor_mev: float = Field(default=12.0, ge=0)  # softer modes are raised to it
    is_saddle: bool = False  # one imaginary mode is wanted, and left out
    pressure_bar: float = Field(default=1.0, gt=0)  # of the gas, for a molecule
    symmetry_number: int | None = Field(default=None, ge=1)  # None: from the geometry

    def wanted(self) -> Wanted:
        """Return quantity and unit of each contribution."""
        return [("ZPE", "eV"), ("-TS", "eV"), ("F_vib", "eV")]


class MismatchRequest(BaseRequest):
    """How badly two layers fit: known from the geometry, no run is needed."""

    kind: Literal["mismatch"] = "mismatch"
    percent: dict[str, float]  # by definition: "area", "largest principal strain"

    def sources(self) -> Sources:
        """Return no calculation."""
        return []

    def wanted(self) -> Wanted:
        """Return quantity and unit, the same for every definition."""
        return [("lattice mismatch", "%")] * len(self.percent)


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


Request = Annotated[
    EnergyRequest
    | BarrierRequest
    | MigrationRequest
    | DosRequest
    | InterlayerRequest
    | ChargeRequest
    | TransferRequest
    | ElfRequest
    | VibrationRequest
    | MismatchRequest
    | PathwayRequest
    | ComplexRequest
    | BondRequest
    | AlignedDosRequest
    | ElfLineRequest
    | RateRequest,
    Field(discriminator="kind"),
]
