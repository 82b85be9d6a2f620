"""What to derive of molecules and their complexes: plain records, see `requests`."""

from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from .request_bases import BaseRequest, LegRequest, RunRequest, Sources, Wanted

Bond = tuple[int, int]


class PartRequest(BaseModel):
    """A part of a complex, relaxed on its own; or an electron that comes with it (key None)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  # "TFSI-"
    key: str | None
    alternatives: tuple[str, ...] = ()  # the lowest that is finished counts: trans and cis
    factor: float = Field(default=1.0, gt=0)

    def leg(self) -> LegRequest:
        """Return the part as a reactant."""
        return LegRequest(
            role=self.name, factor=-self.factor, key=self.key, alternatives=self.alternatives
        )


class PlacementRequest(BaseModel):
    """A complex as relaxed from one start, and its parts frozen in its geometry."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str  # "placement 1"
    key: str
    frozen: dict[str, str] = Field(default_factory=dict)  # name of the part: key of its static run


class ComplexRequest(BaseRequest):
    """Binding energy of the lowest placement, and of what it is made: interaction, preparation."""

    kind: Literal["complex"] = "complex"
    quantity: str = "binding energy"  # "TFSI- binding energy"
    reference: str = ""  # "Li atom", "Li+ gas"
    placements: tuple[PlacementRequest, ...] = Field(min_length=1)
    parts: tuple[PartRequest, ...] = Field(min_length=2)
    equation: str = ""

    @model_validator(mode="after")
    def _frozen_parts_are_parts(self) -> Self:
        """Refuse names that occur twice, and frozen geometries of what is no part."""
        for what in (self.parts, self.placements):
            names = [item.name for item in what]
            if len(set(names)) < len(names):
                raise ValueError(f"{self.model}, {self.label}: a name occurs twice in {names}")
        parts = {part.name for part in self.parts}
        for placement in self.placements:
            if unknown := sorted(set(placement.frozen) - parts):
                raise ValueError(
                    f"{placement.name} freezes {', '.join(unknown)}, which is no part of "
                    f"{sorted(parts)}"
                )
        return self

    @property
    def is_taken_apart(self) -> bool:
        """Return whether interaction and preparation energies are asked for."""
        return any(placement.frozen for placement in self.placements)

    def sources(self) -> Sources:
        """Return role and key of every calculation that may be needed."""
        found: Sources = []
        for placement in self.placements:
            found.append((placement.name, placement.key))
            found += [(f"{n} in {placement.name}", key) for n, key in placement.frozen.items()]
        for part in self.parts:
            keys = () if part.key is None else (part.key, *part.alternatives)
            found += [(part.name, key) for key in keys]
        return found

    def wanted(self) -> Wanted:
        """Return quantity and unit of each energy."""
        return [(name, "eV") for name in self.quantities()]

    def quantities(self) -> list[str]:
        """Return the names of the energies, the binding energy first."""
        if not self.is_taken_apart:
            return [self.quantity]
        whole = self.quantity.replace("binding", "interaction")
        whole = whole if whole != self.quantity else f"interaction part of {self.quantity}"
        parts = [f"preparation energy of {part.name}" for part in self.parts if part.key]
        return [self.quantity, whole, *parts]


class BondRequest(RunRequest):
    """Lengths of named bonds, how they changed, and whether the molecule is still whole."""

    kind: Literal["bonds"] = "bonds"
    bonds: dict[str, Bond] = Field(default_factory=dict)  # "C-F bond 1": its atoms
    before: str | None = None  # key of the run that lengths are compared with
    before_bonds: dict[str, Bond] = Field(
        default_factory=dict
    )  # atoms in that run, where they are numbered otherwise
    atoms: tuple[int, ...] | None = None  # whose bonding is looked at; None: that of all
    is_intact: bool = True  # whether to report the bonding
    species: str = ""  # the molecule, to say what of it left chemically sane bounds ...
    order: tuple[int, ...] = ()  # ... and where its atoms are, in its own order

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        if self.before is None:
            return super().sources()
        return [*super().sources(), (f"{self.model} {self.label} before", self.before)]

    def wanted(self) -> Wanted:
        """Return quantity and unit of each length, each change, and the number of pieces."""
        lengths = [(name, "Angstrom") for name in self.bonds]
        changes = [] if self.before is None else [f"change of {name}" for name in self.bonds]
        pieces = [("number of pieces", "")] if self.is_intact else []
        return [*lengths, *((name, "Angstrom") for name in changes), *pieces]


class AlignedDosRequest(BaseRequest):
    """Levels and DOS of several systems on one energy scale."""

    kind: Literal["aligned-dos"] = "aligned-dos"
    systems: dict[str, str] = Field(min_length=1)  # name, the model of the properties: key
    d_elements: tuple[str, ...] = ("Co", "Fe")
    # Where a run has no vacuum level: the lowest states that belong mostly to these atoms.
    deep_element: str | None = None  # "N"
    deep_atoms: dict[str, tuple[int, ...]] = Field(default_factory=dict)  # by system

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        return list(self.systems.items())

    def wanted(self) -> Wanted:
        """Return quantity and unit of what each system has."""
        return [
            ("Fermi level", "eV"),
            ("HOMO", "eV"),
            ("LUMO", "eV"),
            ("HOMO-LUMO gap", "eV"),
            ("TDOS at E_F", "states/eV/cell"),
            ("TDOS near E_F", "states/eV/cell"),
        ]


class ElfLineRequest(RunRequest):
    """The electron localization function along bonds, and in the plane of three atoms."""

    kind: Literal["elf-line"] = "elf-line"
    bonds: dict[str, Bond] = Field(min_length=1)  # "S1-N1"
    plane: tuple[int, int, int]  # atoms that a slice is drawn through

    def wanted(self) -> Wanted:
        """Return quantity and unit; the function has no dimension."""
        return [(f"lowest ELF between {name}", "") for name in self.bonds]
