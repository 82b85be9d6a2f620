"""A derived number before study, engine and sources are added to it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Value:
    """A number of one request."""

    quantity: str
    unit: str
    value: float
    reference: str = ""  # scheme of a charge
    energy_kind: str = ""
    detail: dict[str, Any] = field(default_factory=dict)  # plain JSON
    notes: tuple[str, ...] = ()
