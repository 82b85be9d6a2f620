"""The result database: calculations, what they are for, and the properties derived from them.

SQLite in one file by default; several processes may read and write it at once, and a killed
one leaves it as it was before its transaction. SQLite's WAL needs a disk of this machine: for
workers on several nodes give the URL of a PostgreSQL server.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    delete,
    func,
    insert,
    select,
    update,
)

from ..structures.errors import InputError, StoreError
from .database_checks import check_database
from .database_errors import explained
from .databases import connect, reading, settle_journal, writing
from .encoding import Encoded, Record, decode, encode
from .ledger import Looked, read_looked, write_looked
from .migrations import STEPS, migrate, schema_version
from .property_rows import property_rows
from .property_tables import (
    delete_properties,
    insert_properties,
    property_filter,
    select_properties,
)
from .records import Band, DensityDifference, Label, Property, Run
from .reference import is_reference, refuse_to_write
from .schema import ARRAYS, CALCULATIONS, MIGRATIONS, USES
from .timings import Timing, timing_of_row

if TYPE_CHECKING:
    from pandas import DataFrame

_log = logging.getLogger(__name__)
_Kind = TypeVar("_Kind", Run, Band, DensityDifference)

_LISTED = [
    *(USES.c[name] for name in ("study", "profile", "model", "task", "name")),
    *(
        CALCULATIONS.c[name]
        for name in (
            *("key", "kind", "engine", "engine_version", "method", "status", "formula", "n_atoms"),
            *("e0", "free_energy", "e_wo_entropy", "efermi", "max_force", "n_ionic_steps"),
            *("charge", "n_electrons", "magnetization", "elapsed_s", "folder", "created"),
            *("notes", "corrections"),
        )
    ),
]


class ResultStore:
    """Finished calculations and derived properties in one database.

    Examples
    --------
    >>> import tempfile
    >>> with ResultStore.open(tempfile.mkdtemp() + "/results.db") as store:
    ...     store.has("3f2a"), len(store.calculations())
    (False, 0)
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._reader, self._writer = reading(engine), writing(engine)
        self.name = name
        self._is_settled = False  # whether the file has the journal that writers want
        self.is_fixed = is_reference(name)  # nothing is ever written into it

    @classmethod
    def open(cls, path_or_url: str | os.PathLike[str]) -> Self:
        """Open a result database, creating it or bringing it up to date where needed.

        Of a SQLite file that is brought up to date a copy stays beside it.

        Parameters
        ----------
        path_or_url
            A file, or an SQLAlchemy URL such as ``postgresql+psycopg://host/results``.

        Raises
        ------
        StoreError
            Not a result database, damaged, written by a newer heterofire, or not writable; the
            file is left as it is.
        """
        text = os.fspath(path_or_url)
        store = cls(*connect(text))
        with explained("open", store.name):
            settle_journal(store._engine, only_reads=True)
            version = store._version()
            if 0 < version < len(STEPS):
                _bring_up_to_date(text)
            elif version == 0:
                with store._writing() as connection:  # only one process does, the others wait
                    migrate(connection)
        return store

    def close(self) -> None:
        """Let go of the database; a later call opens it again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def reading(self) -> AbstractContextManager[Connection]:
        """Return a connection to read from, whose errors say what to do.

        Examples
        --------
        >>> import tempfile
        >>> with ResultStore.open(tempfile.mkdtemp() + "/results.db") as store:
        ...     with store.reading() as connection:
        ...         connection.exec_driver_sql("SELECT count(*) FROM calculations").scalar()
        0
        """
        return self._reading()

    def writing(self) -> AbstractContextManager[Connection]:
        """Return a connection to write to in one transaction; like `reading`."""
        return self._writing()

    def has(self, key: str) -> bool:
        """Return whether a calculation with this key is stored."""
        with self._reading() as connection:
            return _stored_status(connection, key) is not None

    def add_run(self, key: str, label: Label, run: Run) -> None:
        """Store a run under its key and add what it is for, in one transaction.

        A key that is there already keeps its record, except that a converged run takes the
        place of an unconverged one.

        Raises
        ------
        RunError
            A number of the run is not finite.
        StoreError
            The database cannot be written; nothing of the run was stored.
        """
        self._add(key, label, encode(run))

    def add_band(self, key: str, label: Label, band: Band) -> None:
        """Store a band like `add_run` stores a run."""
        self._add(key, label, encode(band))

    def add_difference(self, key: str, label: Label, difference: DensityDifference) -> None:
        """Store a density difference like `add_run` stores a run."""
        self._add(key, label, encode(difference))

    def add_collected(
        self, read: Sequence[tuple[str, Label, Encoded]], looked: Sequence[Looked]
    ) -> None:
        """Store what other processes have read and encoded, and what `collect` has looked at.

        Parameters
        ----------
        read
            Key, label and content of each calculation; stored as `add_run` does.
        looked
            Folders that need not be read again while they stay as they are.
        """
        with self._writing() as connection:
            for key, label, encoded in read:
                _insert_calculation(connection, key, encoded)
                _insert_use(connection, key, label)
            write_looked(connection, looked)

    def collected(self, study: str, profile: str) -> dict[str, tuple[str, str]]:
        """Return name and status of what is stored for a study and profile, by key."""
        query = (
            select(USES.c.key, USES.c.name, CALCULATIONS.c.status)
            .join(CALCULATIONS, CALCULATIONS.c.key == USES.c.key)
            .where(USES.c.study == study, USES.c.profile == profile)
        )
        with self._reading() as connection:
            return {key: (name, status) for key, name, status in connection.execute(query)}

    def looked_at(self, study: str) -> Mapping[str, Looked]:
        """Return what `collect` has looked at for a study, by place."""
        with self._reading() as connection:
            return read_looked(connection, study)

    def add_use(self, key: str, label: Label) -> None:
        """Say what else a stored calculation is for.

        Raises
        ------
        StoreError
            No calculation has this key.
        """
        with self._writing() as connection:
            if _stored_status(connection, key) is None:
                raise self._missing(key)
            _insert_use(connection, key, label)

    def get_run(self, key: str) -> Run:
        """Return a stored run, its content checked against the hash it was written with.

        Raises
        ------
        StoreError
            There is none, it is no run, or it was changed after it was written.
        """
        return self._get_as(key, Run, "run")

    def get_band(self, key: str) -> Band:
        """Return a stored band; like `get_run`."""
        return self._get_as(key, Band, "band")

    def get_difference(self, key: str) -> DensityDifference:
        """Return a stored density difference; like `get_run`."""
        return self._get_as(key, DensityDifference, "density difference")

    def _get_as(self, key: str, kind: type[_Kind], wanted: str) -> _Kind:
        record = self._get(key)
        if not isinstance(record, kind):
            raise StoreError(
                f"calculation {key} in {self.name} is a {type(record).__name__.lower()}, "
                f"a {wanted} was asked for."
            )
        return record

    def replace_properties(
        self, study: str, profile: str, engine: str, properties: Sequence[Property]
    ) -> None:
        """Put these properties in the place of those the study, profile and engine had.

        Raises
        ------
        InputError
            A property belongs to another study, profile or engine.
        """
        wanted = (study, profile, engine)
        for item in properties:
            if (item.study, item.profile, item.engine) != wanted:
                raise InputError(
                    f"{item.quantity} of {item.model} belongs to {item.study}/{item.profile}/"
                    f"{item.engine}, not to {'/'.join(wanted)}: derive it for that one."
                )
        rows = property_rows(properties, datetime.now(UTC).isoformat(timespec="seconds"))
        with self._writing() as connection:
            delete_properties(connection, property_filter(*wanted))
            insert_properties(connection, rows)

    def properties(
        self, study: str | None = None, profile: str | None = None, engine: str | None = None
    ) -> list[Property]:
        """Return the derived properties in the order they were written."""
        with self._reading() as connection:
            return select_properties(connection, property_filter(study, profile, engine))

    def calculations(self, **filters: str) -> "DataFrame":
        """Return one row per use of a calculation, newest last.

        Parameters
        ----------
        **filters
            Columns and the value they must have, such as ``study="potassium-anode"``.

        Raises
        ------
        InputError
            There is no such column.
        """
        import pandas as pd

        columns = {column.name: column for column in _LISTED}
        for name in filters:
            if name not in columns:
                raise InputError(
                    f"calculations have no {name!r}; choose among {', '.join(columns)}"
                )
        query = (
            select(*_LISTED)
            .select_from(CALCULATIONS.outerjoin(USES, USES.c.key == CALCULATIONS.c.key))
            .where(*(columns[name] == value for name, value in filters.items()))
            .order_by(CALCULATIONS.c.created, USES.c.name)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return pd.DataFrame([tuple(row) for row in rows], columns=list(columns))

    def timings(self, engine: str) -> list[Timing]:
        """Return how long each stored run of an engine took, and what makes it long."""
        wanted = ("key", "n_atoms", "n_ionic_steps", "elapsed_s", "kpoints", "details")
        query = (
            select(*(CALCULATIONS.c[name] for name in wanted), func.min(USES.c.task).label("task"))
            .select_from(CALCULATIONS.join(USES, USES.c.key == CALCULATIONS.c.key))
            .where(CALCULATIONS.c.engine == engine, CALCULATIONS.c.kind != "difference")
            .group_by(*(CALCULATIONS.c[name] for name in wanted))
            .order_by(CALCULATIONS.c.key)
        )
        with self._reading() as connection:
            return [timing_of_row(dict(row)) for row in connection.execute(query).mappings()]

    def check(self) -> list[str]:
        """Return what is wrong with what is stored; empty when all hashes agree."""
        with self._reading() as connection:
            return list(check_database(connection).problems)

    def _version(self) -> int:
        """Return the schema version; 0 for a new database."""
        with self._reading() as connection:
            tables = self._engine.dialect.has_table(connection, MIGRATIONS.name)
            return schema_version(connection) if tables else 0

    def _add(self, key: str, label: Label, encoded: Encoded) -> None:
        with self._writing() as connection:
            _insert_calculation(connection, key, encoded)
            _insert_use(connection, key, label)

    def _get(self, key: str) -> Record:
        with self._reading() as connection:
            row = connection.execute(_by_key(CALCULATIONS, key)).mappings().one_or_none()
            arrays = connection.execute(_by_key(ARRAYS, key)).mappings().all()
        if row is None:
            raise self._missing(key)
        return decode(dict(row), [dict(array) for array in arrays])

    def _missing(self, key: str) -> StoreError:
        return StoreError(
            f"no calculation {key} in {self.name}: run the study that needs it first."
        )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained("read", self.name), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        refuse_to_write(self.name, "cannot write")
        with explained("write", self.name):
            if not self._is_settled:  # who only reads leaves the file as it is
                settle_journal(self._engine)
                self._is_settled = True
            with self._writer.begin() as connection:
                yield connection


def _by_key(table: Any, key: str) -> Select[Any]:
    return select(table).where(table.c.key == key)


def _stored_status(connection: Connection, key: str) -> str | None:
    query = select(CALCULATIONS.c.status).where(CALCULATIONS.c.key == key)
    status: str | None = connection.execute(query).scalar_one_or_none()
    return status


def _insert_calculation(connection: Connection, key: str, encoded: Encoded) -> None:
    """Insert a calculation; a converged one takes the place of an unconverged one."""
    row = {**encoded.row, "key": key, "created": datetime.now(UTC).isoformat()}
    arrays = [{**array, "key": key} for array in encoded.arrays]
    stored = _stored_status(connection, key)
    if stored is None:
        connection.execute(insert(CALCULATIONS).values(row))
        connection.execute(insert(ARRAYS), arrays)
    elif stored == "unconverged" and row["status"] == "converged":
        connection.execute(delete(ARRAYS).where(ARRAYS.c.key == key))
        connection.execute(update(CALCULATIONS).where(CALCULATIONS.c.key == key).values(row))
        connection.execute(insert(ARRAYS), arrays)


def _insert_use(connection: Connection, key: str, label: Label) -> None:
    row = {**asdict(label), "key": key}
    known = select(USES.c.key).where(
        *(USES.c[name] == row[name] for name in ("study", "profile", "name", "key"))
    )
    if connection.execute(known).first() is None:
        connection.execute(insert(USES).values(row))


def _bring_up_to_date(text: str) -> None:
    """Run the steps that an older database has not seen, and say where it is kept as it was."""
    from .backups import migrate_database  # rarely needed

    done = migrate_database(text)
    if done.backup is not None:
        _log.warning(
            "%s went from schema %d to %d; as it was: %s",
            done.name, done.before, done.after, done.backup,
        )  # fmt: skip
