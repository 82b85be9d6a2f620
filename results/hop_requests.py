"""Requests about hops: barriers of bands, and the lowest path through several of them."""

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from .request_bases import BaseRequest, Sources, Wanted, without_empty


class BarrierRequest(BaseRequest):
    """Barriers forward and back along a band."""

    kind: Literal["barrier"] = "barrier"
    band: str  # key of the NEB calculation
    initial: str  # keys of the relaxed end points
    final: str
    ion: str = "K"
    mesh: str = ""  # "1x1x1", where another barrier of this hop is on another mesh

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not given: plans are known by the hash of their requests."""
        return without_empty(handler(self), "mesh")

    def sources(self) -> Sources:
        """Return role and key of every calculation that is needed."""
        return [
            (f"band of {self.label}", self.band),
            (f"initial end point of {self.label}", self.initial),
            (f"final end point of {self.label}", self.final),
        ]

    def wanted(self) -> Wanted:
        """Return quantity and unit of each barrier."""
        return [(barrier_name(direction, self.mesh), "eV") for direction in ("forward", "back")]


def barrier_name(direction: str, mesh: str = "") -> str:
    """Return the quantity of a barrier, with the mesh where it is not the one that counts."""
    return f"barrier {direction} at {mesh} k-points" if mesh else f"barrier {direction}"


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
