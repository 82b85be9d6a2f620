"""What to derive once the runs are there: plain records that travel in a FireWorks spec."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

Sources = list[tuple[str, str]]  # role and key of each calculation that is needed
Wanted = list[tuple[str, str]]  # quantity and unit of each property that follows


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str  # "MoS2@NC"
    label: str  # site, path or route


class _RunRequest(_Request):
    """What follows from one run."""

    key: str

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        return [(f"{self.model} {self.label}", self.key)]


class LegRequest(BaseModel):
    """A term of an energy: factor times the E0 of a calculation, or an electron (key None)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    factor: float  # positive for products, negative for reactants
    key: str | None = None  # None: an electron at the vacuum level, energy 0, charge -1


class EnergyRequest(_Request):
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
        return [(leg.role, leg.key) for leg in self.legs if leg.key is not None]

    def wanted(self) -> Wanted:
        """Return quantity and unit of the energy."""
        return [(self.quantity, f"eV/{self.per_what}" if self.per_what else "eV")]


class BarrierRequest(_Request):
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


class MigrationRequest(_Request):
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


class DosRequest(_RunRequest):
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


class InterlayerRequest(_RunRequest):
    """Distance between the facing atom planes of two layers, in Angstrom."""

    kind: Literal["interlayer"] = "interlayer"
    bottom: tuple[int, ...]  # atom indices of each layer
    top: tuple[int, ...]

    def wanted(self) -> Wanted:
        """Return quantity and unit of the distance."""
        return [("interlayer distance", "Angstrom")]


class ChargeRequest(_RunRequest):
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


class TransferRequest(_RunRequest):
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


class ElfRequest(_RunRequest):
    """Largest electron localization function in the plane between two layers."""

    kind: Literal["elf"] = "elf"
    bottom: tuple[int, ...]
    top: tuple[int, ...]

    def wanted(self) -> Wanted:
        """Return quantity and unit; the function has no dimension."""
        return [("largest ELF between the layers", "")]


class VibrationRequest(_RunRequest):
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


class MismatchRequest(_Request):
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


class PathwayRequest(_Request):
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
            found += [(leg.role, leg.key) for leg in state.legs if leg.key is not None]
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
    | PathwayRequest,
    Field(discriminator="kind"),
]
