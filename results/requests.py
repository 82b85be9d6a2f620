"""What to derive once the runs are there: plain records that travel in a FireWorks spec."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from .hop_requests import BarrierRequest, HopRequest, MigrationRequest, barrier_name
from .molecule_requests import (
    AlignedDosRequest,
    BondRequest,
    ComplexRequest,
    ElfLineRequest,
    PartRequest,
    PlacementRequest,
)
from .pathway_requests import PathwayRequest, RateRequest, StateRequest, StepBandRequest
from .request_bases import (
    BaseRequest,
    LegRequest,
    RunRequest,
    Sources,
    Wanted,
    leg_sources,
    without_empty,
)

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
    "barrier_name",
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


class DosRequest(RunRequest):
    """DOS, its value at the Fermi level, gap, and d-band centres of ``d_elements``."""

    kind: Literal["dos"] = "dos"
    d_elements: tuple[str, ...] = ("Mo",)
    area: float | None = Field(default=None, gt=0)  # Angstrom^2 in the plane of a slab

    @model_serializer(mode="wrap")
    def _without_empty_area(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out an area that is not given: plans are known by the hash of their requests."""
        return without_empty(handler(self), "area")

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
