"""What figures read of the store: properties by a query, calculations with a note of which."""

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

from ..structures.errors import RunError
from .conditions import satisfies
from .figure_records import FigureRow
from .figure_tables import array_rows, calculation_rows
from .property_rows import property_rows
from .records import GEOMETRY, Band, DensityDifference, Property, Run
from .store import ResultStore

_Kind = TypeVar("_Kind", Run, Band, DensityDifference)


class StoredStudy:
    """The properties of a study, read once for all of its figures."""

    def __init__(self, store: ResultStore, study: str, profile: str, engine: str) -> None:
        self.store, self.study, self.profile, self.engine = store, study, profile, engine
        self._differences: dict[str, DensityDifference] = {}

    @property
    def about(self) -> dict[str, str]:
        """Return study, profile and engine."""
        return {"study": self.study, "profile": self.profile, "engine": self.engine}

    @cached_property
    def _properties(self) -> list[tuple[Property, FigureRow]]:
        found = self.store.properties(**self.about)
        return [
            (item, _property_row(item, row["identity"], row["sha256"]))
            for item, row in zip(found, property_rows(found, ""), strict=True)
        ]

    def load(self) -> None:
        """Read the properties now, for instance before a process parts."""
        self.chosen('quantity = ""')

    def chosen(self, query: str) -> list[tuple[Property, FigureRow]]:
        """Return the properties that meet a condition, each with its row in a record."""
        return [pair for pair in self._properties if satisfies(query, pair[0])]

    def calculations(self, keys: Sequence[str]) -> list[FigureRow]:
        """Return the rows of calculations as they are now; those that are gone are left out."""
        return calculation_rows(self.store, keys, study=self.study, profile=self.profile)

    def difference(self, key: str) -> DensityDifference:
        """Return a density difference; several figures show the same one."""
        if key not in self._differences:
            self._differences[key] = self.store.get_difference(key)
        return self._differences[key]


def _property_row(item: Property, identity: str, digest: str) -> FigureRow:
    against = f" against {item.reference}" if item.reference else ""
    return FigureRow(
        kind="property",
        identity=identity,
        key=None,
        name=f"{item.quantity} of {item.model}, {item.label}{against}",
        value=None if item.value is None else float(item.value) + 0.0,
        unit=item.unit,
        sha256=digest,
    )


class FigureReader:
    """The calculations that one figure reads; remembers which, and who computed them."""

    def __init__(self, stored: StoredStudy) -> None:
        self._stored = stored
        self._computed: dict[str, tuple[str, str]] = {}  # key: engine and method

    @property
    def keys(self) -> list[str]:
        """Return what was read, in that order."""
        return list(self._computed)

    def get_run(self, key: str) -> Run:
        """Return a stored run."""
        return self._noted(key, self._stored.store.get_run(key))

    def get_band(self, key: str) -> Band:
        """Return a stored band."""
        return self._noted(key, self._stored.store.get_band(key))

    def get_difference(self, key: str) -> DensityDifference:
        """Return a stored density difference."""
        return self._noted(key, self._stored.difference(key))

    def _noted(self, key: str, record: _Kind) -> _Kind:
        self._computed[key] = (record.settings.engine, record.settings.method)
        return record

    def check_method(self, properties: Sequence[Property], where: str) -> str:
        """Return the one method of all that a figure shows.

        Raises
        ------
        RunError
            Numbers or densities come from more than one method or engine.
        """
        valued = [item for item in properties if item.value is not None]
        methods = {item.method for item in valued} - {GEOMETRY}
        methods |= {method for _, method in self._computed.values()}
        engines = {item.engine for item in valued}
        engines |= {engine for engine, _ in self._computed.values()}
        for what, found in (("methods", methods), ("engines", engines)):
            if len(found) > 1:
                raise RunError(
                    f"{where}: the numbers come from the {what} {' and '.join(sorted(found))}, "
                    "which are never mixed. Derive them anew with one of them."
                )
        return next(iter(methods), GEOMETRY)

    def rows(
        self, chosen: Sequence[tuple[Property, FigureRow]], arrays: Sequence[str]
    ) -> list[FigureRow]:
        """Return the rows behind a figure: properties, the calculations of both, arrays read.

        Parameters
        ----------
        chosen
            See `StoredStudy.chosen`.
        arrays
            Names of the arrays that the figure shows of what it read, such as ``dos.*``.
        """
        behind = [key for item, _ in chosen for key in _keys(item)]
        calculations = self._stored.calculations([*behind, *self.keys])
        names = {row.identity: row.name for row in calculations}
        read = {key: names[key] for key in self.keys if key in names}
        return [
            *(row for _, row in chosen),
            *calculations,
            *array_rows(self._stored.store, read, arrays),
        ]


def _keys(item: Property) -> list[str]:
    return [*item.keys, *(leg.key for leg in item.legs if leg.key)]
