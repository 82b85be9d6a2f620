"""Published PBE values, and measured ones beside them, that a PBE engine is held against."""

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, Self, TypeVar

import ase.units
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..structures.errors import InputError

Unit = Literal[
    "Angstrom", "GPa", "N/m", "eV", "eV/atom", "kcal/mol", "kJ/mol", "meV/atom", "meV/Angstrom^2"
]
Certainty = Literal["read", "read where others quote it", "recalled, not re-read"]

_FILE = "published_pbe.yaml"
_EV = {
    "eV": 1.0,
    "kcal/mol": ase.units.kcal / ase.units.mol,
    "kJ/mol": ase.units.kJ / ase.units.mol,
}
# What a value may be: a slip of the unit or of the decimal point lies outside.
_RANGES: Mapping[str, tuple[float, float]] = {
    "Angstrom": (0.5, 30),
    "GPa": (0.5, 1000),
    "N/m": (1, 500),
    "eV": (-10, 20),
    "eV/atom": (0.1, 12),
    "kcal/mol": (-250, 500),
    "kJ/mol": (-1000, 2000),
    "meV/atom": (-200, 0),
    "meV/Angstrom^2": (-100, 0),
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Kind = TypeVar("_Kind", bound=_Part)


class Source(_Part):
    """Where values are printed."""

    citation: str = Field(min_length=10)
    doi: str = Field(default="", pattern=r"^(10\.\d{4,9}/\S+)?$")
    doi_seen: bool = True  # beside the title; False: from memory
    url: str = Field(default="", pattern=r"^(https://\S+)?$")
    data: str = ""  # the data set or file the numbers were taken from

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if not self.doi and not self.url:
            raise ValueError(f"{self.citation} has neither a doi nor a url; add one")
        return self


class ReferenceValue(_Part):
    """One printed number with its source and how sure we are of it."""

    name: str = Field(min_length=1)
    system: str = Field(min_length=1)
    quantity: str = Field(min_length=1)
    value: float
    unit: Unit
    uncertainty: float | None = Field(default=None, gt=0)  # in `unit`
    functional: str = ""  # empty: measured
    method: str = Field(min_length=1)  # code and basis, or kind of measurement
    source: Source
    place: str = Field(min_length=1)  # table, page or entry of the data set
    certainty: Certainty
    notes: tuple[str, ...] = ()

    @property
    def is_measured(self) -> bool:
        """Whether it is a measured number, not a computed one."""
        return not self.functional

    def value_in(self, unit: str) -> float:
        """Return the value in another unit of energy per particle.

        Examples
        --------
        >>> round(reference_value("S2, atomisation energy, PBE PAW").value_in("eV"), 3)
        5.004
        """
        if unit == self.unit:
            return self.value
        if unit not in _EV or self.unit not in _EV:
            raise InputError(
                f"{self.name} is in {self.unit}, which cannot be given in {unit}; "
                f"energies can be given in {', '.join(_EV)}"
            )
        return float(self.value * _EV[self.unit] / _EV[unit])

    @model_validator(mode="after")
    def _is_sane(self) -> Self:
        low, high = _RANGES[self.unit]
        if not low <= self.value <= high:
            raise ValueError(f"{self.value} {self.unit} is outside {low} to {high}")
        if "binding energy" in self.quantity and self.value >= 0:
            raise ValueError(f"a binding energy of {self.value} is not bound; it must be negative")
        return self


def read_reference_values(text: str) -> Mapping[str, ReferenceValue]:
    """Return values by name from YAML text with `sources` and `values`.

    Raises
    ------
    InputError
        Names the entry, the field and what is wrong with it: an unknown or unused source, a name
        used twice, a number out of range.
    """
    document = yaml.safe_load(text)
    sources = {
        key: _checked(Source, fields, f"source {key}")
        for key, fields in document["sources"].items()
    }
    values = [_value(fields, sources) for fields in document["values"]]
    counts = Counter(item.name for item in values)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(f"{_FILE}: used twice: {', '.join(twice)}; give each value its own name")
    if unused := set(sources) - {fields["source"] for fields in document["values"]}:
        raise InputError(f"{_FILE}: no value has the source {', '.join(sorted(unused))}; remove it")
    return MappingProxyType({item.name: item for item in values})


def _value(fields: dict[str, Any], sources: Mapping[str, Source]) -> ReferenceValue:
    """Return one value with its source in place of the key of it."""
    key, where = str(fields.get("source")), fields.get("name", "a value without a name")
    if key not in sources:
        raise InputError(f"{_FILE}, {where}, source: {key} is not among the sources; add it there")
    return _checked(ReferenceValue, fields | {"source": sources[key]}, where)


def _checked(kind: type[_Kind], fields: dict[str, Any], where: str) -> _Kind:
    """Return a checked part; the error names the entry, the field and what was found."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "entry"
        raise InputError(f"{_FILE}, {where}, {field}: {first['msg']}") from error


@cache
def reference_values() -> Mapping[str, ReferenceValue]:
    """Return all values by name.

    Examples
    --------
    >>> item = reference_values()["bcc K, a, PBE all-electron"]
    >>> item.value, item.unit, item.source.doi
    (5.2843, 'Angstrom', '10.1038/s42254-023-00655-3')
    """
    text = (resources.files(__package__) / _FILE).read_text(encoding="utf-8")
    return read_reference_values(text)


def reference_value(name: str) -> ReferenceValue:
    """Return the value of this name.

    Raises
    ------
    InputError
        There is none; says which names are near.

    Examples
    --------
    >>> reference_value("LiF, a, PBE PAW").value
    4.069
    """
    values = reference_values()
    if name in values:
        return values[name]
    near = get_close_matches(name, values, n=3, cutoff=0.4) or list(values)[:3]
    raise InputError(f"no published value named {name!r}; near are {'; '.join(near)}")


def values_of(system: str) -> tuple[ReferenceValue, ...]:
    """Return the values of systems whose name begins so, as they stand in the file.

    Examples
    --------
    >>> [item.value for item in values_of("MoS2 monolayer") if item.unit == "eV"]
    [1.58, 1.6, 0.15]
    """
    return tuple(item for item in reference_values().values() if item.system.startswith(system))
