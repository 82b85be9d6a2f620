"""What to derive once the runs are there: plain records that travel in a FireWorks spec."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str  # "MoS2@NC"
    label: str  # site, path or route


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


class BarrierRequest(_Request):
    """Barriers forward and back along a band."""

    kind: Literal["barrier"] = "barrier"
    band: str  # key of the NEB calculation
    initial: str  # keys of the relaxed end points
    final: str
    ion: str = "K"


class DosRequest(_Request):
    """DOS, its value at the Fermi level, gap, and d-band centres of ``d_elements``."""

    kind: Literal["dos"] = "dos"
    key: str
    d_elements: tuple[str, ...] = ("Mo",)


class InterlayerRequest(_Request):
    """Distance between the facing atom planes of two layers, in Angstrom."""

    kind: Literal["interlayer"] = "interlayer"
    key: str
    bottom: tuple[int, ...]  # atom indices of each layer
    top: tuple[int, ...]


class ChargeRequest(_Request):
    """Net charge of an element's atoms, with the name of the scheme."""

    kind: Literal["charge"] = "charge"
    key: str
    element: str = "K"


Request = Annotated[
    EnergyRequest | BarrierRequest | DosRequest | InterlayerRequest | ChargeRequest,
    Field(discriminator="kind"),
]
