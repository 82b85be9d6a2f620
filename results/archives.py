"""Archives of a study for a data repository, made from the result database alone."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from .. import __version__
from ..structures.errors import InputError
from ..structures.files import write_error
from .archive_parts import (
    Payload,
    calculation_part,
    figure_part,
    output_part,
    structure_part,
    table_part,
)
from .archive_texts import About, archive_json, crate_json, readme
from .bags import Content, write_bag
from .extracts import write_extract
from .methods import methods_text
from .records import Property
from .schema import MIGRATIONS, PROPERTIES
from .store import ResultStore
from .study_rows import StudyRow, study_rows

DATABASE = "database/results.db"
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ArchiveRequest:
    """What goes into an archive."""

    study: str
    title: str
    profile: str
    engine: str
    paper: str = ""  # DOI
    figures: tuple[str, ...] = ()
    study_files: Mapping[str, bytes] = field(default_factory=dict)  # by name
    licence: str = ""  # SPDX identifier
    outputs: bool = False  # raw outputs of run folders
    densities: bool = False  # densities among them


@dataclass(frozen=True, kw_only=True)
class ArchiveSummary:
    """What was written, or would be."""

    about: About
    files: Mapping[str, int]  # path in the payload: bytes
    sha256: str = ""  # of the zip file; empty where none was written


def write_archive(
    store: ResultStore, request: ArchiveRequest, path: Path, *, progress: Progress = lambda _: None
) -> ArchiveSummary:
    """Write inputs, results, figures and a database extract of a study as one zip file.

    Everything is made from the extract, so that it is enough, and agrees with it while others go
    on writing the database. The same database and programs give the same bytes. Nothing is read
    from run folders unless raw outputs are asked for; a folder that is gone is noted.

    Parameters
    ----------
    store
        The result database; it is only read.
    request
        Which study, and what besides.
    path
        The zip file, which is replaced as a whole.
    progress
        Is told what is being done.

    Raises
    ------
    InputError
        Nothing is stored of the study, or no number was derived yet.
    HeteroError
        The disk is full or the folder cannot be written.
    """
    _refuse_empty(store, request)
    with _scratch() as scratch:
        progress("database extract")
        database = scratch / "results.db"
        write_extract(store, database, request.study, request.profile, request.engine)
        copy = Path(shutil.copyfile(database, scratch / "opened.db"))
        with ResultStore.open(copy) as extract:
            parts = _Parts(extract, request, progress)
            parts.add_results()
            parts.add_figures(scratch)
            parts.payload[DATABASE] = database
            about = parts.describe()
        progress("writing the archive")
        write_bag(path, parts.payload, _bag_info(about), about.name)
        files = {name: _size(content) for name, content in sorted(parts.payload.items())}
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ArchiveSummary(about=about, files=files, sha256=digest)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder for the extract and the figures; a full disk is said, not traced back."""
    with tempfile.TemporaryDirectory(prefix="heterofire-") as folder:
        try:
            yield Path(folder)
        except OSError as error:
            raise write_error(Path(error.filename or folder), error) from error


def _refuse_empty(store: ResultStore, request: ArchiveRequest) -> None:
    """Refuse a study of which nothing is stored, or no number was derived."""
    about = {"study": request.study, "profile": request.profile, "engine": request.engine}
    study_rows(store, **about)
    if not store.properties(**about):
        raise InputError(
            f"no numbers of {request.study} were derived yet: run heterofire run "
            f"{request.study} --profile {request.profile} to the end, then export again."
        )


def plan_archive(store: ResultStore, request: ArchiveRequest) -> ArchiveSummary:
    """Return what `write_archive` would write, without the database extract and the figures."""
    _refuse_empty(store, request)
    parts = _Parts(store, request, lambda _: None)
    parts.add_results()
    about = parts.describe()
    files = {name: _size(content) for name, content in sorted(parts.payload.items())}
    return ArchiveSummary(about=about, files=files)


class _Parts:
    """The payload as it grows."""

    def __init__(self, store: ResultStore, request: ArchiveRequest, progress: Progress) -> None:
        self._store, self._request, self._progress = store, request, progress
        self._rows = study_rows(store, request.study, request.profile, request.engine)
        self._properties = store.properties(
            study=request.study, profile=request.profile, engine=request.engine
        )
        self._n_figures = len(request.figures)
        self._notes: list[str] = []
        self.payload: Payload = {}

    def add_results(self) -> None:
        """Add inputs, structures, tables, methods, study and raw outputs."""
        request = self._request
        self._progress(f"inputs and structures of {len(self._rows)} calculations")
        self.payload |= calculation_part(self._rows) | structure_part(self._rows)
        self._progress("tables and methods")
        self.payload |= table_part(self._properties, request.paper)
        methods = methods_text(self._store, request.study, request.profile, request.engine)
        self.payload["methods.md"] = methods.text.encode()
        self.payload["references.bib"] = methods.bibtex.encode()
        self.payload |= {f"study/{name}": data for name, data in request.study_files.items()}
        if request.outputs:
            self._progress("raw outputs")
            files, notes = output_part(self._rows, densities=request.densities)
            self.payload |= files
            self._notes += notes

    def add_figures(self, scratch: Path) -> None:
        """Add figures, which show that the extract is enough to draw them."""
        request = self._request
        self._progress(f"{len(request.figures)} figures, drawn from the extract")
        about = {"study": request.study, "profile": request.profile, "engine": request.engine}
        figures, notes = figure_part(self._store, request.figures, scratch / "figures", **about)
        self._n_figures -= len(notes)
        self._notes += notes
        self.payload |= figures

    def describe(self) -> About:
        """Add what the archive says about itself, last."""
        request = self._request
        rows, properties = self._rows, self._properties
        if not request.outputs:
            self._notes.insert(0, "Raw outputs (OUTCAR, vasprun.xml): export with --with-outputs")
        about = About(
            study=request.study,
            title=request.title,
            profile=request.profile,
            engine=request.engine,
            methods=tuple(sorted({row.settings.method for row in rows})),
            paper=request.paper,
            licence=request.licence,
            date=self._date(),
            counts=_counts(rows, properties, self._n_figures),
            notes=tuple(self._notes),
        )
        files = [*self.payload, "README.md", "archive.json", DATABASE]
        self.payload["archive.json"] = archive_json(about, self._schema()).encode()
        self.payload["README.md"] = readme(about, files).encode()
        self.payload["ro-crate-metadata.json"] = crate_json(about, files).encode()
        return about

    def _schema(self) -> int:
        with self._store.reading() as connection:
            return int(connection.execute(select(func.max(MIGRATIONS.c.version))).scalar() or 0)

    def _date(self) -> str:
        """Return when the newest row was written, which stays the same from export to export."""
        request = self._request
        own = (
            PROPERTIES.c.study == request.study,
            PROPERTIES.c.profile == request.profile,
            PROPERTIES.c.engine == request.engine,
        )
        with self._store.reading() as connection:
            derived = connection.execute(select(func.max(PROPERTIES.c.derived)).where(*own))
            newest = derived.scalar() or ""
        return max([newest, *(str(row.columns["created"]) for row in self._rows)])


def _counts(
    rows: Sequence[StudyRow], properties: Sequence[Property], n_figures: int
) -> dict[str, int]:
    return {
        "calculations": len(rows),
        "unconverged": sum(row.status != "converged" for row in rows),
        "superseded": sum(row.is_superseded for row in rows),
        "numbers": len(properties),
        "figures": n_figures,
    }


def _bag_info(about: About) -> dict[str, str]:
    return {
        "Bag-Software-Agent": f"heterofire {__version__}",
        "External-Identifier": about.name,
        "External-Description": f"{about.title}: inputs, results, figures and database",
    }


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
