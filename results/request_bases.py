"""What all requests are made of: names, the run they are about, and the legs of an energy."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

Sources = list[tuple[str, str]]  # role and key of each calculation that is needed
Wanted = list[tuple[str, str]]  # quantity and unit of each property that follows


class BaseRequest(BaseModel):
    """What a request is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str  # "MoS2@NC"
    label: str  # site, path or route


class RunRequest(BaseRequest):
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
    # Calculations of the same atoms and charge; the leg is the lowest of them and ``key`` that is
    # finished, for instance the best of several placements.
    alternatives: tuple[str, ...] = ()
    # The relaxation whose last structure the calculation has, where that is another one: an energy
    # is no better converged than its geometry.
    geometry: str | None = None

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not given: plans are known by the hash of their requests."""
        return without_empty(handler(self), "alternatives", "geometry")

    @model_validator(mode="after")
    def _electrons_are_alike(self) -> Self:
        if self.alternatives and self.key is None:
            raise ValueError(f"{self.role!r} is an electron: it has no alternatives")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Return every calculation that the leg may be; none for an electron."""
        return () if self.key is None else (self.key, *self.alternatives)


def without_empty(written: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return what was written of a request without those of its optional fields that are empty."""
    return {name: value for name, value in written.items() if value or name not in names}


def leg_sources(legs: Iterable[LegRequest]) -> Sources:
    """Return role and key of every calculation that legs may need."""
    found = [(leg, key) for leg in legs for key in leg.keys]
    return [(leg.role, key) for leg, key in found] + [
        (f"geometry of {leg.role}", leg.geometry) for leg, _ in found if leg.geometry
    ]
