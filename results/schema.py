"""Tables of the result database, and the ordered steps that bring an old one up to date."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
)

from ..structures.errors import StoreError

METADATA = MetaData()

MIGRATIONS = Table(
    "heterofire_schema",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("applied", Text, nullable=False),
)

CALCULATIONS = Table(
    "calculations",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # "run" or "band"
    Column("engine", Text, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("e0", Float),  # eV, energy(sigma -> 0); empty for a band, whose images have their own
    Column("free_energy", Float),  # eV, F (TOTEN)
    Column("e_wo_entropy", Float),  # eV
    Column("efermi", Float),  # eV
    Column("max_force", Float),  # eV/Angstrom
    Column("n_ionic_steps", Integer, nullable=False),
    Column("formula", Text, nullable=False),
    Column("n_atoms", Integer, nullable=False),
    Column("charge", Float),  # e
    Column("n_electrons", Float),
    Column("magnetization", Float),  # Bohr magnetons
    Column("structure", Text, nullable=False),  # JSON; of a band: the list of its images
    Column("initial_structure", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("incar", Text, nullable=False),
    Column("kpoints", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON: reasons, and what the arrays cannot say
    Column("notes", Text, nullable=False),
    Column("corrections", Text, nullable=False),
    Column("elapsed_s", Float, nullable=False),
    Column("folder", Text, nullable=False),
    Column("created", Text, nullable=False),  # ISO 8601, UTC
    Column("sha256", Text, nullable=False),  # of everything above but key and created
)

USES = Table(
    "uses",
    METADATA,
    Column("study", Text, primary_key=True),
    Column("profile", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("key", Text, ForeignKey("calculations.key"), primary_key=True, index=True),
    Column("model", Text, nullable=False),
    Column("task", Text, nullable=False),
)

ARRAYS = Table(
    "arrays",
    METADATA,
    Column("key", Text, ForeignKey("calculations.key"), primary_key=True),
    Column("name", Text, primary_key=True),  # "dos.projected"
    Column("dtype", Text, nullable=False),
    Column("shape", Text, nullable=False),  # JSON
    Column("unit", Text, nullable=False),
    Column("blob", LargeBinary, nullable=False),  # zlib
    Column("sha256", Text, nullable=False),  # of the uncompressed bytes
)

PROPERTIES = Table(
    "properties",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", Text, nullable=False, index=True),
    Column("profile", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("quantity", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("value", Float),
    Column("unit", Text, nullable=False),
    Column("energy_kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("keys", Text, nullable=False),  # JSON
    Column("detail", Text, nullable=False),
    Column("notes", Text, nullable=False),
)

LEGS = Table(
    "legs",
    METADATA,
    Column("property_id", Integer, ForeignKey("properties.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("factor", Float, nullable=False),
    Column("key", Text, ForeignKey("calculations.key")),  # empty for an electron
    Column("energy", Float, nullable=False),  # eV, E0
    Column("charge", Float, nullable=False),  # e
    Column("formula", Text, nullable=False),
)


def _create_tables(connection: Connection) -> None:
    """Create the tables as of version 1."""
    METADATA.create_all(connection)


# Append only: a released step never changes, a new one brings the tables of the last release
# to those above. The version of a database is the number of steps it has seen.
STEPS: list[tuple[str, Callable[[Connection], None]]] = [("create tables", _create_tables)]


def schema_version(connection: Connection) -> int:
    """Return the number of migration steps a database has seen; 0 for an empty one.

    Raises
    ------
    StoreError
        The database holds tables, but not ours, or was written by a newer heterofire.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return 0
    if MIGRATIONS.name not in tables:
        raise StoreError(
            f"the database holds tables of another program ({', '.join(sorted(tables)[:4])}); "
            "it was left as it is. Name another file for the results."
        )
    version = connection.execute(select(func.max(MIGRATIONS.c.version))).scalar() or 0
    if version > len(STEPS):
        raise StoreError(
            f"the result database has schema version {version}, this heterofire knows up to "
            f"{len(STEPS)}; it was left as it is. Update heterofire, or name another file."
        )
    return int(version)


def migrate(connection: Connection) -> list[str]:
    """Run the steps a database has not seen, inside the caller's transaction.

    Returns
    -------
    list of str
        Names of the steps that were run; empty when the database was up to date.
    """
    names = []
    for version, (name, step) in enumerate(STEPS, start=1):
        if version > schema_version(connection):
            step(connection)
            applied = datetime.now(UTC).isoformat(timespec="seconds")
            connection.execute(
                insert(MIGRATIONS).values(version=version, name=name, applied=applied)
            )
            names.append(name)
    return names
