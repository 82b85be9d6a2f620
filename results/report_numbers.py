"""Derived numbers and published ones as a report shows them: by kind, linked to their runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import pandas as pd

from .compare import compare
from .records import Property
from .report_calculations import CalculationRow
from .tables import SEPARATOR, balance_words

# Heading of the quantities that hold a phrase, in the order of the page; first match counts.
_HEADINGS = (
    ("binding energy", "Binding energies"),
    ("interaction energy", "Interaction energies"),
    ("preparation energy", "Preparation energies"),
    ("isomerisation energy", "Isomerisation energies"),
    ("energy above the lowest placement", "Placements"),
    ("adhesion", "Adhesion and strain"),
    ("strain energy", "Adhesion and strain"),
    ("lattice mismatch", "Adhesion and strain"),
    ("reaction energy", "Reaction energies"),
    ("rate-determining", "Reaction routes"),
    ("state energy", "Reaction routes"),
    ("step energy", "Reaction routes"),
    ("state free energy", "Reaction routes"),
    ("step free energy", "Reaction routes"),
    ("barrier", "Barriers"),
    ("DOS", "Electronic structure"),
    ("gap", "Electronic structure"),
    ("d-band", "Electronic structure"),
    ("HOMO", "Electronic structure"),
    ("LUMO", "Electronic structure"),
    ("Fermi level", "Electronic structure"),
    ("charge", "Charges"),
    ("electrons gained", "Charges"),
    ("ELF", "Electron localization"),
    ("change of", "Changes of bond lengths"),
    ("bond", "Bond lengths"),
    ("distance", "Distances"),
    ("", "Other numbers"),
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A run behind a number."""

    words: str  # "+1 host with K", or its name where the number has no legs
    anchor: str  # id in the page; empty for a run that is not in this study


@dataclass(frozen=True, kw_only=True)
class NumberRow:
    """One derived number."""

    item: Property
    balance: str
    sources: tuple[Source, ...]
    marks: tuple[int, ...]  # numbers of its notes


@dataclass(frozen=True, kw_only=True)
class NumberGroup:
    """Numbers of one kind."""

    title: str
    rows: tuple[NumberRow, ...]
    notes: tuple[str, ...]  # as the marks number them


class Footnotes:
    """Notes of one table, each once and numbered from 1.

    Examples
    --------
    >>> notes = Footnotes()
    >>> notes.marks(["coarse", "metal"]), notes.marks(["coarse"]), notes.texts
    ((1, 2), (1,), ('coarse', 'metal'))
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def marks(self, notes: Iterable[str]) -> tuple[int, ...]:
        """Return the numbers of notes."""
        return tuple(self._numbers.setdefault(note, len(self._numbers) + 1) for note in notes)

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the notes in the order of their numbers."""
        return tuple(self._numbers)


class Runs:
    """The calculations of a page, by key."""

    def __init__(self, calculations: Sequence[CalculationRow]) -> None:
        self._rows = {row.key: row for row in calculations}
        pattern = "|".join(re.escape(row.key) for row in calculations)
        self._keys = re.compile(rf"\b(?:{pattern})\b") if pattern else None

    def source(self, key: str, words: str = "") -> Source:
        """Return the link to a run; without one where it is not in the page."""
        row = self._rows.get(key)
        if row is None:
            return Source(words=words or key, anchor="")
        return Source(words=words or row.name, anchor=row.anchor)

    def named(self, note: str) -> str:
        """Return a note with the names of runs in the place of keys and folders."""
        for row in self._rows.values():
            if row.folder and row.folder in note:
                note = note.replace(row.folder, row.name)
        if self._keys is None:
            return note
        return self._keys.sub(lambda found: self._rows[found[0]].name, note)


def number_groups(properties: Sequence[Property], runs: Runs) -> tuple[NumberGroup, ...]:
    """Return the numbers of a study by kind, energies first."""
    of_title: dict[str, list[Property]] = {title: [] for _, title in _HEADINGS}
    for item in properties:
        of_title[next(title for phrase, title in _HEADINGS if phrase in item.quantity)].append(item)
    return tuple(_group(title, items, runs) for title, items in of_title.items() if items)


def _group(title: str, items: Sequence[Property], runs: Runs) -> NumberGroup:
    notes = Footnotes()
    rows = tuple(
        NumberRow(
            item=item,
            balance=balance_words(item),
            sources=_sources(item, runs),
            marks=notes.marks(map(runs.named, item.notes)),
        )
        for item in items
    )
    return NumberGroup(title=title, rows=rows, notes=notes.texts)


def _sources(item: Property, runs: Runs) -> tuple[Source, ...]:
    """Return the legs of an energy, then any other run it was derived from."""
    legs = tuple(
        runs.source(leg.key or "", f"{leg.factor:+g}".replace("-", "−") + f" {leg.role}")
        for leg in item.legs
    )
    in_legs = {leg.key for leg in item.legs}
    return legs + tuple(runs.source(key) for key in item.keys if key not in in_legs)


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """A published value and a computed one it may mean."""

    cells: Mapping[str, object]  # columns of `compare.compare`; None where there is nothing
    sources: tuple[Source, ...]
    marks: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Published values beside computed ones, and what is doubtful about them."""

    rows: tuple[ComparedRow, ...]
    notes: tuple[str, ...]  # doubts about single values, as the marks number them
    general: tuple[str, ...]  # doubts that touch every value


def comparison(properties: Sequence[Property], doi: str, runs: Runs) -> Comparison:
    """Return published values beside computed ones, with the doubts as notes."""
    frame = compare(properties, doi)
    doubts = [str(cell).split(SEPARATOR) if cell else [] for cell in frame["doubts"]]
    known = dict.fromkeys(chain.from_iterable(doubts))
    general = tuple(word for word in known if all(word in said for said in doubts))
    notes = Footnotes()
    rows = []
    for row, said in zip(frame.to_dict(orient="records"), doubts, strict=True):
        keys = dict.fromkeys(str(row.pop("keys")).split())
        rows.append(
            ComparedRow(
                cells={str(name): None if pd.isna(value) else value for name, value in row.items()},
                sources=tuple(runs.source(key) for key in keys),
                marks=notes.marks(word for word in said if word not in general),
            )
        )
    return Comparison(rows=tuple(rows), notes=notes.texts, general=general)
