"""Properties as database rows and back, with an identity that outlives a new derivation."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from .array_rows import Row, to_json
from .records import Leg, Property

NAMED_BY = ("study", "profile", "engine", "model", "quantity", "label", "reference")
_UNHASHED = ("id", "identity", "sha256", "derived", "legs", "keys")
_SAID = ("method", "value", "unit", "energy_kind", "status", "detail", "notes")
_OF_A_LEG = ("role", "factor", "key", "energy", "charge", "formula")
_names, _names_of_row = attrgetter(*NAMED_BY), itemgetter(*NAMED_BY)
_said, _terms = itemgetter(*_SAID), itemgetter(*_OF_A_LEG)


def property_rows(properties: Iterable[Property], derived: str) -> Iterator[Row]:
    """Give the columns of each property; ``legs`` and ``keys`` stay lists, for their own tables.

    Parameters
    ----------
    derived
        ISO 8601 date.

    Raises
    ------
    RunError
        A value is not finite.
    """
    seen = Counter[tuple[str, ...]]()
    for item in properties:
        name = _names(item)
        yield _row(item, to_json(name), seen[name], derived)
        seen[name] += 1


def property_identity(item: Property, n_before: int = 0) -> str:
    """Return what a number is of, as a hash: the same each time it is derived.

    Parameters
    ----------
    n_before
        How many properties of the same names came before it.
    """
    return name_hash(_names(item), n_before)


def name_hash(names: Sequence[str], n_before: int) -> str:
    """Return the identity of a property of these names: `property_identity` from its row."""
    return _identity(to_json(names), n_before)


def _identity(names: str, n_before: int) -> str:
    return hashlib.sha256(f"{names}{n_before}".encode()).hexdigest()[:24]


def _row(item: Property, names: str, n_before: int, derived: str) -> Row:
    row = vars(item).copy()
    row["detail"] = to_json(item.detail) if item.detail else "{}"
    row["notes"] = to_json(item.notes) if item.notes else "[]"
    if item.value is not None:
        row["value"] = _number(item.value)
    row["legs"] = legs = [_leg(leg) for leg in item.legs]
    row["identity"], row["derived"] = _identity(names, n_before), derived
    row["sha256"] = _hash(names, row, legs, item.keys)
    return row


def _leg(leg: Leg) -> Row:
    row = vars(leg).copy()
    for name in ("factor", "energy", "charge"):
        row[name] = _number(row[name])
    return row


def _number(value: float) -> float:
    """Return a number as a database gives it back: a plain float, and SQLite has no -0.0."""
    return float(value) + 0.0


def row_hash(row: Mapping[str, Any], legs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> str:
    """Return the sha256 of a property's columns, its legs in order and its sources in order."""
    return _hash(to_json(_names_of_row(row)), row, legs, keys)


def _hash(
    names: str, row: Mapping[str, Any], legs: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> str:
    content = to_json([*_said(row), [_terms(leg) for leg in legs], keys])
    return hashlib.sha256(f"{names}{content}".encode()).hexdigest()


def read_property(row: Mapping[str, Any], legs: Iterable[Row], keys: Iterable[str]) -> Property:
    """Return the property of its row, its legs in order and the keys of its sources in order."""
    columns = {name: value for name, value in row.items() if name not in _UNHASHED}
    columns |= {"detail": json.loads(row["detail"]), "notes": tuple(json.loads(row["notes"]))}
    terms = tuple(Leg(**{name: leg[name] for name in _OF_A_LEG}) for leg in legs)
    return Property(**columns, legs=terms, keys=tuple(keys))
