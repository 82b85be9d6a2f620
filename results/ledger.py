"""What ``collect`` has looked at, kept beside the results, so that it is not read again."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from .schema import COLLECTED


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One run of a folder that was looked at: what it was then, and what came of it."""

    study: str
    folder: str  # absolute
    tag: str  # ".relax2" of several runs in one folder; else ""
    fingerprint: str  # of names, sizes and dates of its files
    key: str | None  # of the calculation it is stored as; None where it was left out
    reason: str  # why it was left out; else ""
    version: str  # of heterofire

    @property
    def place(self) -> str:
        """Return the hash under which it is remembered."""
        return place(self.study, self.folder, self.tag)


def place(study: str, folder: str, tag: str) -> str:
    """Return a short name for a run in a folder: a path may be longer than an index takes.

    Examples
    --------
    >>> place("collected", "/data/a", "") == place("collected", "/data/a", ".relax2")
    False
    """
    return hashlib.sha256("\0".join((study, folder, tag)).encode()).hexdigest()[:32]


def read_looked(connection: Connection, study: str) -> Mapping[str, Looked]:
    """Return all that was looked at for a study, by place."""
    rows = connection.execute(select(COLLECTED).where(COLLECTED.c.study == study)).mappings()
    kept = ("place", "looked")
    return {
        row["place"]: Looked(**{name: row[name] for name in row if name not in kept})
        for row in rows
    }


def write_looked(connection: Connection, looked: Iterable[Looked]) -> None:
    """Remember what was looked at in the place of what was remembered of it before."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = [{**asdict(item), "place": item.place, "looked": now} for item in looked]
    if not rows:
        return
    is_sqlite = connection.dialect.name == "sqlite"
    statement = sqlite_insert(COLLECTED) if is_sqlite else postgresql_insert(COLLECTED)
    names = ("fingerprint", "key", "reason", "version", "looked")
    changed = {name: statement.excluded[name] for name in names}
    upsert = statement.on_conflict_do_update(index_elements=["place"], set_=changed)
    connection.execute(upsert, rows)
