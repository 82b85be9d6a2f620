"""The tables of a study by name: which rows each takes, its columns, and the notes below."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import select

from ..structures.errors import InputError
from .conditions import satisfies
from .figure_definitions import DEFINITIONS
from .figure_names import drawings
from .records import Property
from .schema import CALCULATIONS
from .store import ResultStore
from .tables import SEPARATOR, table

_ABOUT = ("study", "profile", "engine", "method")  # said once above
_ENERGIES = (*_ABOUT, "model", "quantity", "label", "reference", "value", "unit", "status")
_PLAIN = (*_ABOUT, "model", "quantity", "label", "value", "unit", "status")
# Of the settings of a run, those that a number depends on and that its method does not say.
_SETTINGS = ("functional", "cutoff", "dispersion", "hubbard_u", "smearing", "sigma")


@dataclass(frozen=True, kw_only=True)
class TableDefinition:
    """A table before any number."""

    name: str  # "binding"
    title: str
    query: str  # which properties of a study it takes
    columns: tuple[str, ...] = _PLAIN  # of `tables.COLUMNS`; notes are always there


_ALL = (
    TableDefinition(
        name="electronic",
        title="Densities of states, levels and gaps",
        query='quantity CONTAINS "DOS" OR quantity ENDS WITH "gap" OR quantity = "HOMO" '
        'OR quantity = "LUMO" OR quantity = "Fermi level" OR quantity CONTAINS "band centre"',
        columns=_ENERGIES,
    ),
    TableDefinition(
        name="binding",
        title="Binding, interaction and preparation energies",
        query='quantity CONTAINS "binding energy" OR quantity ENDS WITH "interaction energy" '
        'OR quantity STARTS WITH "preparation energy"',
        columns=(*_ENERGIES, "balance"),
    ),
    TableDefinition(
        name="barriers",
        title="Barriers of hops and steps",
        query='quantity STARTS WITH "barrier " OR quantity ENDS WITH "migration barrier" '
        'OR quantity = "rate-determining barrier"',
    ),
    TableDefinition(
        name="reactions",
        title="Reaction energies",
        query='quantity ENDS WITH "reaction energy" OR quantity = "isomerisation energy"',
        columns=(*_PLAIN, "balance"),
    ),
    TableDefinition(
        name="pathways",
        title="States and steps of routes",
        query='quantity STARTS WITH "state " OR quantity STARTS WITH "step " '
        'OR quantity = "rate-determining step"',
        columns=_ENERGIES,
    ),
    TableDefinition(
        name="charges",
        title="Charges of fragments and ions",
        query='quantity STARTS WITH "net charge of" OR quantity STARTS WITH "electrons gained by"',
        columns=_ENERGIES,
    ),
    TableDefinition(
        name="structure",
        title="Distances, bonds, strain and adhesion",
        query='quantity = "interlayer distance" OR quantity = "lattice mismatch" '
        'OR quantity CONTAINS "bond" OR quantity = "strain energy" '
        'OR quantity = "work of adhesion" OR quantity = "number of pieces"',
        columns=_ENERGIES,
    ),
)
TABLES: Mapping[str, TableDefinition] = {item.name: item for item in _ALL}


def table_definition(study: str, name: str) -> TableDefinition:
    """Return a table by its name, or the one of the numbers behind a figure ("5b").

    Raises
    ------
    InputError
        There is neither.

    Examples
    --------
    >>> table_definition("potassium-anode", "5b").title
    'Binding energy of the ion at each site'
    """
    if name in TABLES:
        return TABLES[name]
    figures = drawings(study)
    if name not in figures:
        raise InputError(
            f"no table {name!r}: choose of {', '.join(TABLES)}, or the rows behind a figure: "
            f"{', '.join(figures)}"
        )
    figure = DEFINITIONS[figures[name]]
    columns = (*_ENERGIES, "balance")
    return TableDefinition(name=name, title=figure.title, query=figure.query, columns=columns)


def named_table(
    store: ResultStore, properties: Iterable[Property], definition: TableDefinition
) -> pd.DataFrame:
    """Return a table with all that has to be said below it as notes.

    Parameters
    ----------
    store
        Has the settings of the runs behind the properties.
    properties
        Of one study, profile and engine.

    Returns
    -------
    pandas.DataFrame
        The columns of the definition, and ``notes``: runs that are not converged, corrections,
        settings that differ from those of the other rows.
    """
    chosen = [item for item in properties if satisfies(definition.query, item)]
    frame = table(chosen)[[*definition.columns, "notes", "keys"]]
    differing = settings_notes(store, chosen)
    notes = [
        SEPARATOR.join([*item.notes, *([more] if more else [])])
        for item, more in zip(chosen, differing, strict=True)
    ]
    return frame.assign(notes=notes)


def settings_notes(store: ResultStore, properties: Sequence[Property]) -> list[str]:
    """Return for each property how the settings of its runs differ from those of most, or ""."""
    keys = {key for item in properties for key in item.keys}
    query = select(CALCULATIONS.c.key, CALCULATIONS.c.settings)
    with store.reading() as connection:
        rows = connection.execute(query.where(CALCULATIONS.c.key.in_(sorted(keys)))).all()
    settings = {key: json.loads(text) for key, text in rows}
    usual = {
        name: Counter(_word(found.get(name)) for found in settings.values()).most_common(1)[0][0]
        for name in _SETTINGS
        if settings
    }
    return [
        _differing([settings[key] for key in item.keys if key in settings], usual)
        for item in properties
    ]


def _differing(runs: Iterable[Mapping[str, object]], usual: Mapping[str, str]) -> str:
    words = {
        f"{name} {_word(run.get(name))} (most others {usual[name]})": None
        for run in runs
        for name in usual
        if _word(run.get(name)) != usual[name]
    }
    return f"settings differ: {', '.join(words)}" if words else ""


def _word(value: object) -> str:
    return "none" if value in (None, [], "") else str(value)
