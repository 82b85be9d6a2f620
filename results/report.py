"""All that a report on a study says, collected from the result database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .figure_sources import StoredStudy
from .methods import Methods, methods_text
from .published import citation
from .records import Property
from .report_calculations import CalculationRow, Geometry, calculation_rows
from .report_figures import ReportFigure, band_plots, figure_or_reason
from .report_numbers import Comparison, NumberGroup, Runs, comparison, number_groups
from .report_stills import still
from .report_warnings import Caution, cautions
from .store import ResultStore

_TASKS = ("relax", "molecule", "bulk", "static")  # whose geometry is the model, first choice first


@dataclass(frozen=True, kw_only=True)
class ReportStudy:
    """Which numbers a report is about."""

    name: str
    profile: str
    engine: str
    title: str = ""
    paper: str = ""  # DOI of the paper it rebuilds
    figures: tuple[str, ...] = ()

    @property
    def about(self) -> dict[str, str]:
        """Return what selects its numbers in the database."""
        return {"study": self.name, "profile": self.profile, "engine": self.engine}


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model of the study, as one of its calculations has left it."""

    name: str
    calculation: CalculationRow
    geometry: Geometry
    n_calculations: int
    still: str  # SVG

    @property
    def is_reference(self) -> bool:
        """Return whether it is needed for its energy only: one calculation, no more."""
        return self.n_calculations == 1


@dataclass(frozen=True, kw_only=True)
class Report:
    """What stands in the page."""

    study: ReportStudy
    citation: str
    cautions: tuple[Caution, ...]
    models: tuple[Model, ...]
    calculations: tuple[CalculationRow, ...]
    groups: tuple[NumberGroup, ...]
    figures: tuple[ReportFigure, ...]
    bands: tuple[dict[str, Any], ...]  # hops with their curve; see `band_plots`
    comparison: Comparison
    methods: Methods
    database: str  # its name
    until: str  # day of the newest calculation, ISO 8601


def collect_report(
    store: ResultStore, study: ReportStudy, *, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Return all that a report on a study says.

    Parameters
    ----------
    store
        The only source of numbers.
    study
        Whose numbers; figures that cannot be drawn yet become warnings.
    say
        Is told of each figure before it is drawn, the long part of the work.

    Raises
    ------
    InputError
        The database holds nothing of this study, profile and engine.
    """
    properties = store.properties(**study.about)
    calculations = calculation_rows(store, **study.about)
    drawn, undrawn = _figures(store, study, properties, say)
    runs = Runs(calculations)
    groups = number_groups(properties, runs)
    compared = comparison(properties, study.paper, runs)
    missing = [row.cells for row in compared.rows if row.cells["status"] == "missing"]
    return Report(
        study=study,
        citation=citation(study.name),
        cautions=cautions(
            calculations,
            properties,
            runs,
            undrawn=undrawn,
            not_compared=[f"{c['figure']}: {c['quantity']}, {c['system']}" for c in missing],
        ),
        models=tuple(_models(calculations)),
        calculations=tuple(calculations),
        groups=groups,
        figures=drawn,
        bands=tuple(band_plots(properties, {c.key for c in calculations if c.kind == "band"})),
        comparison=compared,
        methods=methods_text(store, study.name, study.profile, study.engine),
        database=store.name.rsplit("/", 1)[-1],
        until=max((row.created for row in calculations), default="")[:10],
    )


def _figures(
    store: ResultStore,
    study: ReportStudy,
    properties: Sequence[Property],
    say: Callable[[str], None],
) -> tuple[tuple[ReportFigure, ...], dict[str, str]]:
    """Return the figures of a study, and why some could not be drawn."""
    drawn, undrawn, stored = [], {}, StoredStudy(store, **study.about)
    for position, name in enumerate(study.figures if properties else (), start=1):
        say(f"figure {name} ({position} of {len(study.figures)})")
        figure = figure_or_reason(stored, name)
        if isinstance(figure, ReportFigure):
            drawn.append(figure)
        else:
            undrawn[name] = figure
    return tuple(drawn), undrawn


def _models(calculations: Sequence[CalculationRow]) -> list[Model]:
    """Return each model once: what the study is about, larger ones first, then references."""
    by_name: dict[str, list[CalculationRow]] = {}
    for row in calculations:
        by_name.setdefault(row.model, []).append(row)
    models = []
    for name, rows in by_name.items():
        row = min(rows, key=_fitness)
        models.append(
            Model(
                name=name,
                calculation=row,
                geometry=row.geometries[0],
                n_calculations=len(rows),
                still=still(row.geometries[0], name),
            )
        )
    return sorted(models, key=lambda m: (m.is_reference, -m.calculation.n_atoms, m.name))


def _fitness(row: CalculationRow) -> tuple[bool, bool, int, int, str]:
    """Order the calculations of a model by how well they show the model itself."""
    rank = _TASKS.index(row.task) if row.task in _TASKS else len(_TASKS)
    is_poor = not row.is_current or row.status != "converged"
    return (row.kind != "run", is_poor, row.name.count("/"), rank, row.name)
