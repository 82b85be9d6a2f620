"""Documents in one SQLite file, looked up by a few keys.

One row per document (BSON behind a CRC-32) and one row per key that leads to it, so that a look-up
reads only the documents it may need and its cost does not grow with their number.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import bson

from .sqlite_files import SqliteFile

Document = dict[str, Any]
Stored = tuple[int, bytes]  # row number, BSON
Key = str | int | float | bytes
Entry = tuple[str, Key, float]  # field, key, rank

# Narrowest first: the first one that a filter names finds its candidates.
INDEXED = ("_id", "fw_id", "launch_id", "nodes", "launches", "name", "state")

_SCHEMA = """
CREATE TABLE documents (row INTEGER PRIMARY KEY, collection TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX documents_in_order ON documents (collection, row);
CREATE TABLE keys (
    collection TEXT NOT NULL, field TEXT NOT NULL, key NOT NULL, rank REAL NOT NULL,
    row INTEGER NOT NULL, PRIMARY KEY (collection, field, key, rank, row)
) WITHOUT ROWID
"""
_LEADS_HERE = "collection = ? AND field = ? AND key = ?"


def key_of(value: object) -> Key | None:
    """Return what stands for a value in the key table, or None if it has no key.

    Examples
    --------
    >>> key_of("READY"), key_of(3), key_of(3.5), key_of(None), key_of([1])
    ('READY', 3, 3.5, None, None)
    """
    if isinstance(value, bson.ObjectId):
        return bytes(value.binary)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return None  # BSON and SQLite hold 64 bits
    return value if isinstance(value, str | int | float) else None


def entries(document: Document) -> set[Entry]:
    """Return the entries of the key table that lead to a document.

    Examples
    --------
    >>> sorted(entries({"nodes": [1, 2], "state": "READY", "spec": {"_priority": 5}}))
    [('nodes', 1, 0.0), ('nodes', 2, 0.0), ('state', 'READY', -5.0)]
    """
    found: set[Entry] = set()
    for field in INDEXED:
        value = document.get(field)
        rank = rank_of(document) if field == "state" else 0.0
        keys = map(key_of, value if isinstance(value, list) else [value])
        found.update((field, key, rank) for key in keys if key is not None)
    return found


def rank_of(document: Document) -> float:
    """Return where a firework stands in its queue: -priority, last without one, -inf if unknown.

    Examples
    --------
    >>> rank_of({"spec": {"_priority": 5}}), rank_of({}), rank_of({"spec": {"_priority": "high"}})
    (-5.0, inf, -inf)
    """
    spec = document.get("spec")
    if isinstance(spec, list):
        return -math.inf
    priority = spec.get("_priority") if isinstance(spec, dict) else None
    if priority is None:
        return math.inf
    is_number = isinstance(priority, int | float) and not isinstance(priority, bool)
    return -float(priority) if is_number and abs(priority) < 2**53 else -math.inf


class DocumentFile:
    """Collections of documents in one file, which is made on first use.

    Raises
    ------
    StoreError
        From any method: the file is no LaunchPad, is damaged, or cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, schema=_SCHEMA, application_id=0x48464C50, version=1)
        self.path = self._file.path

    def reading(self) -> AbstractContextManager[None]:
        """Show one state of the file to all that is asked inside."""
        return self._file.reading()

    def writing(self, *, keep_on_error: bool = False) -> AbstractContextManager[None]:
        """Make all that is written inside one change; see `SqliteFile.writing`."""
        return self._file.writing(keep_on_error=keep_on_error)

    def all_rows(self, collection: str) -> Iterator[Stored]:
        """Yield every document of a collection, oldest first."""
        sql = "SELECT row, body FROM documents WHERE collection = ? ORDER BY row"
        for row, body in self._file.rows(sql, (collection,)):
            yield row, self._checked(body)

    def rows_with(self, collection: str, field: str, keys: Sequence[Key]) -> Iterator[Stored]:
        """Yield the documents that one of the keys leads to, oldest first."""
        rows = {row for key in keys for row in self._leading(collection, field, key)}
        for row in sorted(rows):
            for (body,) in self._file.rows("SELECT body FROM documents WHERE row = ?", (row,)):
                yield row, self._checked(body)

    def ranked_rows(self, collection: str, state: Key) -> Iterator[tuple[float, int, bytes]]:
        """Yield rank, row and document of one state by rank, then oldest first."""
        sql = (
            "SELECT rank, row, body FROM keys JOIN documents USING (row) WHERE "
            "keys.collection = ? AND field = 'state' AND key = ? ORDER BY rank, row"
        )
        for rank, row, body in self._file.rows(sql, (collection, state)):
            yield rank, row, self._checked(body)

    def is_taken(self, collection: str, field: str, key: Key, by_other_than: int | None) -> bool:
        """Return whether a key leads to another document than this row's."""
        return any(row != by_other_than for row in self._leading(collection, field, key))

    def put(self, collection: str, old: Stored | None, new: bytes | None) -> None:
        """Add (no `old`), replace or remove (no `new`) a document, within `writing`."""
        before = entries(bson.decode(old[1])) if old else set()
        after = entries(bson.decode(new)) if new is not None else set()
        row = self._put_body(collection, old, new)
        for entry in before - after:
            sql = f"DELETE FROM keys WHERE {_LEADS_HERE} AND rank = ? AND row = ?"  # noqa: S608
            self._file.execute(sql, (collection, *entry, row))
        for entry in after - before:
            self._file.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?)", (collection, *entry, row))

    def collections(self) -> list[str]:
        """Return the names of the collections that hold a document."""
        with self.reading():
            return [
                name for (name,) in self._file.rows("SELECT DISTINCT collection FROM documents")
            ]

    def compact(self) -> None:
        """Give the room of removed documents back to the disk."""
        self._file.vacuum()

    def _put_body(self, collection: str, old: Stored | None, new: bytes | None) -> int:
        """Write the row of a document and return its number."""
        if new is None:
            assert old is not None  # noqa: S101
            self._file.execute("DELETE FROM documents WHERE row = ?", (old[0],))
            return old[0]
        body = zlib.crc32(new).to_bytes(4, "little") + new
        if old is None:
            sql = "INSERT INTO documents (collection, body) VALUES (?, ?)"
            return self._file.execute(sql, (collection, body))
        self._file.execute("UPDATE documents SET body = ? WHERE row = ?", (body, old[0]))
        return old[0]

    def _leading(self, collection: str, field: str, key: Key) -> list[int]:
        """Return the rows that a key leads to."""
        sql = f"SELECT row FROM keys WHERE {_LEADS_HERE}"  # noqa: S608
        return [row for (row,) in self._file.rows(sql, (collection, field, key))]

    def _checked(self, body: bytes) -> bytes:
        """Return the BSON of a row, or raise a StoreError if it is not what was written."""
        if zlib.crc32(body[4:]).to_bytes(4, "little") != body[:4]:
            raise self._file.damaged("a document is not what was written")
        return body[4:]
