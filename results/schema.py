"""Tables of the result database as they are now; `migrations` brings an older one up to date."""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

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
    Column("kind", Text, nullable=False),  # "run", "band" or "difference"
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
    Column("elements", Text, nullable=False, server_default=""),  # " C K Mo S ", from the formula
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
    Column("detail", Text, nullable=False),  # JSON
    Column("notes", Text, nullable=False),
    # What the number is of: stays the same when it is derived anew.
    Column("identity", Text, nullable=False, server_default=""),
    # Of everything above but the id, of its legs and of the keys of its sources.
    Column("sha256", Text, nullable=False, server_default=""),
    Column("derived", Text, nullable=False, server_default=""),  # ISO 8601, UTC; empty: not known
    Index("ix_properties_identity", "identity"),
)

SOURCES = Table(
    "sources",
    METADATA,
    Column("property_id", Integer, ForeignKey("properties.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("key", Text, ForeignKey("calculations.key"), nullable=False, index=True),
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

FIGURES = Table(
    "figures",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("study", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("name", Text, nullable=False),  # "5b"
    Column("drawing", Text, nullable=False),  # "binding"
    Column("query", Text, nullable=False),  # which properties of the study it takes
    Column("settings", Text, nullable=False),  # JSON
    Column("heterofire", Text, nullable=False),  # version
    Column("libraries", Text, nullable=False),  # JSON: name to version
    Column("drawn", Text, nullable=False),  # ISO 8601, UTC
    Column("state", Text, nullable=False),  # sha256 of everything above but drawn, and of the rows
    Index("ix_figures_name", "study", "profile", "engine", "name"),
)

FIGURE_ROWS = Table(
    "figure_rows",
    METADATA,
    Column("figure_id", Integer, ForeignKey("figures.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("kind", Text, nullable=False),  # "property", "calculation" or "array"
    # Not bound to the tables: that a row is gone is what the record is there to tell.
    Column("identity", Text, nullable=False),  # of a property, key of a calculation, "key:array"
    Column("key", Text),  # of the calculation; empty for a property
    Column("name", Text, nullable=False),  # for readers
    Column("value", Float),
    Column("unit", Text, nullable=False),
    Column("sha256", Text, nullable=False),
)

FIGURE_FILES = Table(
    "figure_files",
    METADATA,
    Column("figure_id", Integer, ForeignKey("figures.id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # "png"
    Column("name", Text, nullable=False),  # "5b.png"
    Column("sha256", Text, nullable=False),
)

# What `heterofire collect` has looked at: unchanged folders are not read again.
COLLECTED = Table(
    "collected_folders",
    METADATA,
    Column("place", Text, primary_key=True),  # hash of study, folder and tag: paths may be long
    Column("study", Text, nullable=False, index=True),
    Column("folder", Text, nullable=False),  # absolute
    Column("tag", Text, nullable=False),  # ".relax2" of several runs in one folder; else ""
    Column("fingerprint", Text, nullable=False),  # of names, sizes and dates of its files
    Column("key", Text, ForeignKey("calculations.key")),  # empty where it was left out
    Column("reason", Text, nullable=False),  # why it was left out
    Column("looked", Text, nullable=False),  # ISO 8601, UTC
    Column("version", Text, nullable=False),  # of heterofire: a newer one may read more
)
