"""The figures of a study, redrawn from the store alone: PNG, SVG, PDF and their numbers as CSV."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from platform import python_version
from typing import Any

import matplotlib as mpl
from matplotlib import ft2font

from .. import __version__
from ..structures.errors import RunError
from ..structures.files import write_atomic
from .drawings import Source, add_remarks
from .figure_definitions import FigureDefinition, definition_of, number_of
from .figure_files import DPI, KINDS, STYLE, font_name, render
from .figure_records import FigureFile, FigureRecord
from .figure_sources import FigureReader, StoredStudy
from .figure_tables import add_figure
from .store import ResultStore
from .tables import to_csv

_LIBRARIES = ("matplotlib", "numpy", "pandas", "pillow", "scikit-image", "scipy")
_DRAWING_CODE = ("figures.py", "plots.py", "drawings.py", "_data.py", "_files.py", "_lines.py")


@dataclass(frozen=True, kw_only=True)
class RenderedFigure:
    """A figure before it is written: its record, and the bytes of each file by kind."""

    record: FigureRecord
    title: str
    contents: dict[str, bytes]


def draw_figure(
    store: ResultStore, name: str, *, study: str, profile: str, engine: str, folder: Path
) -> list[Path]:
    """Draw a figure from stored numbers, write it with the numbers beside it, and record it.

    Parameters
    ----------
    store
        The only source of numbers.
    name
        The number of a figure in the paper that the study rebuilds, "5b" (`numbered_figures`),
        or what is drawn, "binding" (`DEFINITIONS`).
    study, profile, engine
        Whose numbers; engines and methods are never mixed in one figure.
    folder
        Where ``<name>.png``, ``.svg``, ``.pdf`` and ``.csv`` are written; same bytes from the
        same numbers and the same Matplotlib.

    Returns
    -------
    list of pathlib.Path
        The files written.

    Raises
    ------
    InputError
        There is no such figure.
    RunError
        The store has nothing to draw for it, or numbers of more than one method.
    """
    stored = StoredStudy(store, study, profile, engine)
    return write_figure(render_figure(stored, name), store, folder)


def write_figure(figure: RenderedFigure, store: ResultStore, folder: Path) -> list[Path]:
    """Write the files of a figure and store its record; returns the files.

    The reference database keeps no records; the file itself holds one all the same.
    """
    paths, files = [], []
    for kind, data in figure.contents.items():
        name = f"{figure.record.name}.{kind}"
        paths.append(write_atomic(folder / name, data))
        files.append(FigureFile(kind=kind, name=name, sha256=hashlib.sha256(data).hexdigest()))
    if not store.is_fixed:
        add_figure(store, figure.record, files)
    return paths


def render_figure(stored: StoredStudy, name: str, kinds: Collection[str] = KINDS) -> RenderedFigure:
    """Return a figure as files in memory, CSV besides; nothing is written or recorded.

    Raises
    ------
    InputError, RunError
        As `draw_figure`.
    """
    definition = definition_of(stored.study, name)
    number = number_of(stored.study, definition)
    chosen = stored.chosen(definition.query)
    properties = [item for item, _ in chosen]
    reader = FigureReader(stored)
    about: dict[str, Any] = stored.about
    where = f"figure {name} of {stored.study}, profile {stored.profile}, engine {stored.engine}"
    with mpl.rc_context(STYLE):
        drawing = definition.draw(Source(reader, properties, stored.study, f"Fig. {number}"))
        if drawing is None:
            raise RunError(
                f"{where}: no number for it is in {stored.store.name} yet; finish the study."
            )
        about |= {"method": reader.check_method(properties, where)}
        record = FigureRecord(
            **about,
            **_drawn_by(definition),
            name=name,
            rows=tuple(reader.rows(chosen, definition.arrays)),
        )
        said = f"engine {stored.engine}, method {record.method}, profile {stored.profile}"
        add_remarks(drawing.figure, [said, *drawing.remarks])
        paper = f" (Fig. {number})" if number else ""
        title = f"{definition.title}{paper}: {stored.study}, {said}"
        contents = render(drawing.figure, record, title, kinds)
    contents["csv"] = to_csv(drawing.frame.assign(**about)).encode()
    return RenderedFigure(record=record, title=title, contents=contents)


def current_versions(definition: FigureDefinition) -> FigureRecord:
    """Return the record that a drawing of no rows at all would have now, for comparison."""
    names = ("study", "profile", "engine", "method", "name")
    empty: dict[str, Any] = dict.fromkeys(names, "")
    return FigureRecord(**empty, **_drawn_by(definition), rows=())


def _drawn_by(definition: FigureDefinition) -> dict[str, Any]:
    return {
        "drawing": definition.name,
        "query": definition.query,
        "settings": {"dpi": DPI, "font": font_name(), "code": _code_hash()},
        "heterofire": __version__,
        "libraries": {name: metadata.version(name) for name in _LIBRARIES}
        | {"freetype": ft2font.__freetype_version__, "python": python_version()},
    }


@cache
def _code_hash() -> str:
    """Return a hash of the modules that draw: a checkout changes between two versions."""
    digest = hashlib.sha256()
    for file in sorted(resources.files(__package__).iterdir(), key=lambda item: item.name):
        if file.name.endswith(_DRAWING_CODE):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
