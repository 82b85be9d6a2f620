"""MongoDB's client, database and collection on top of one file.

Documents come from a `DocumentFile`, only those that a filter may match; what a call means is left
to mongomock, which is given the matching documents and whose result is written back. Unlike a
server's, a call that fails changes nothing.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bson
import mongomock
from bson.errors import InvalidDocument
from mongomock.aggregate import process_pipeline
from mongomock.filtering import filter_applies
from mongomock.helpers import patch_datetime_awareness_in_document
from mongomock.store import ServerStore
from pymongo.errors import DuplicateKeyError

from .documents import INDEXED, Document, DocumentFile, Key, Stored, key_of

Match = tuple[Stored, Document]
# How FireWorks picks the next firework, and how `documents` ranks them.
QUEUE_ORDER = ("spec._priority", -1)
# `fw_id` of a launch names its firework, so it repeats there.
UNIQUE = {"fireworks": ("_id", "fw_id"), "launches": ("_id", "launch_id")}


class EmbeddedClient:
    """Stands in for `pymongo.MongoClient`; every database name means the one in the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fireworks = EmbeddedClient(Path(folder) / "launchpad.db")["fireworks"].fireworks
    ...     result = fireworks.insert_one({"fw_id": 1, "state": "READY"})
    ...     fireworks.find_one({"fw_id": 1}, {"_id": 0})
    {'fw_id': 1, 'state': 'READY'}
    """

    def __init__(self, path: Path) -> None:
        self.file = DocumentFile(path)
        self.admin = EmbeddedDatabase(self, "admin")

    def __getitem__(self, name: str) -> "EmbeddedDatabase":
        return EmbeddedDatabase(self, name)

    def close(self) -> None:
        """Do nothing: the file is let go of when the process ends."""


class EmbeddedDatabase:
    """The collections of one file, by attribute or by name."""

    def __init__(self, client: EmbeddedClient, name: str) -> None:
        self.client, self.name = client, name

    def __getattr__(self, name: str) -> "EmbeddedCollection":
        if name.startswith("_"):
            raise AttributeError(name)
        return EmbeddedCollection(self, name)

    def __getitem__(self, name: str) -> "EmbeddedCollection":
        return EmbeddedCollection(self, name)

    get_collection = __getitem__

    def list_collection_names(self) -> list[str]:
        """Return the names of the collections that hold a document."""
        return self.client.file.collections()

    def drop_collection(self, name: str) -> None:
        """Remove every document of a collection."""
        self[name].delete_many({})

    def command(self, command: str | Mapping[str, object]) -> dict[str, object]:
        """Answer ``ping`` and ``compact``, the two commands that FireWorks sends."""
        name = command if isinstance(command, str) else next(iter(command))
        if name == "compact":
            self.client.file.compact()
        elif name != "ping":
            raise NotImplementedError(f"the embedded LaunchPad does not know the command {name!r}")
        return {"ok": 1.0}


class EmbeddedCollection:
    """The calls of pymongo's `Collection` that FireWorks makes, with the same arguments."""

    def __init__(self, database: EmbeddedDatabase, name: str) -> None:
        self.database, self.name = database, name
        self._file = database.client.file

    def find(self, filter: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return a cursor over the documents that match now."""
        return self._found(filter).find(filter, *args, **kwargs)

    def find_one(self, filter: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the first document that matches, or None."""
        query = filter if isinstance(filter, Mapping) or filter is None else {"_id": filter}
        is_first = len(args) < 2 and "skip" not in kwargs
        with self._file.reading():
            matches = self._matching(query, kwargs.get("sort"), only_first=is_first)
            scratch = _scratch(document for _, document in matches)
        return scratch.find_one(query, *args, **kwargs)

    def count_documents(self, filter: Any, **kwargs: Any) -> int:
        """Return how many documents match."""
        count: int = self._found(filter).count_documents(filter, **kwargs)
        return count

    def distinct(self, key: str, filter: Any = None) -> Any:
        """Return the different values of a field in the documents that match."""
        return self._found(filter).distinct(key, filter)

    def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> Any:
        """Return a cursor over what the stages make of the documents."""
        match = pipeline[0].get("$match") if pipeline else None
        with self._file.reading():
            documents = [document for _, document in self._matching(match)]
            stages = pipeline if match is None else pipeline[1:]
            return process_pipeline(documents, self.database, stages, None)

    def insert_one(self, document: Any) -> Any:
        """Add a document; gives it an ``_id`` if it has none."""
        return self._change("insert_one", None, document)

    def insert_many(self, documents: Iterable[Any]) -> Any:
        """Add documents: all of them or, when one is refused, none."""
        return self._change("insert_many", None, list(documents))

    def update_one(self, filter: Any, update: Any, **kwargs: Any) -> Any:
        """Change the first document that matches."""
        return self._change("update_one", filter, update, **kwargs)

    def update_many(self, filter: Any, update: Any, **kwargs: Any) -> Any:
        """Change every document that matches."""
        return self._change("update_many", filter, update, **kwargs)

    def replace_one(self, filter: Any, replacement: Any, **kwargs: Any) -> Any:
        """Put another document in the place of the first that matches."""
        return self._change("replace_one", filter, replacement, **kwargs)

    def find_one_and_update(self, filter: Any, update: Any, *args: Any, **kwargs: Any) -> Any:
        """Change the first document that matches and return it, as it was unless told otherwise."""
        return self._change("find_one_and_update", filter, update, *args, **kwargs)

    def find_one_and_replace(self, filter: Any, replacement: Any, *args: Any, **kwargs: Any) -> Any:
        """Put another document in the place of the first that matches and return the old one."""
        return self._change("find_one_and_replace", filter, replacement, *args, **kwargs)

    def find_one_and_delete(self, filter: Any, *args: Any, **kwargs: Any) -> Any:
        """Remove the first document that matches and return it."""
        return self._change("find_one_and_delete", filter, *args, **kwargs)

    def delete_one(self, filter: Any) -> Any:
        """Remove the first document that matches."""
        return self._change("delete_one", filter)

    def delete_many(self, filter: Any) -> Any:
        """Remove every document that matches."""
        return self._change("delete_many", filter)

    def create_index(self, keys: str | Sequence[tuple[str, int]], **kwargs: Any) -> str:
        """Return the name of an index and do nothing: what is indexed is fixed in `documents`."""
        pairs = [(keys, 1)] if isinstance(keys, str) else keys
        return "_".join(f"{field}_{direction}" for field, direction in pairs)

    def _found(self, filter: Any) -> Any:
        """Return a mongomock collection of the documents that match."""
        with self._file.reading():
            return _scratch(document for _, document in self._matching(filter))

    def _change(self, method: str, filter: Any, *args: Any, **kwargs: Any) -> Any:
        """Let mongomock change the documents that match, and write back what it changed."""
        arguments = args if method in ("insert_one", "insert_many") else (filter, *args)
        with self._file.writing():
            found: list[Match] = []
            if not method.startswith("insert"):
                only_first = not method.endswith("_many")
                found = list(self._matching(filter, kwargs.get("sort"), only_first=only_first))
            before = {_identity(document): stored for stored, document in found}
            scratch = _scratch(document for _, document in found)
            answer = getattr(scratch, method)(*arguments, **kwargs)
            self._write_back(before, list(scratch.find()))
        return answer

    def _write_back(self, before: dict[bytes, Stored], documents: list[Document]) -> None:
        """Write the documents that are new, changed or gone; all checks come before all writes."""
        after = {_identity(document): document for document in documents}
        changes: list[tuple[Stored | None, bytes | None]] = [
            (stored, None) for identity, stored in before.items() if identity not in after
        ]
        seen: set[tuple[str, Key]] = set()
        for identity, document in after.items():
            old, new = before.get(identity), bson.encode(document)
            if old is None or old[1] != new:
                self._check_unique(document, old, seen)
                changes.append((old, new))
        for old, body in changes:
            self._file.put(self.name, old, body)

    def _check_unique(
        self, document: Document, old: Stored | None, seen: set[tuple[str, Key]]
    ) -> None:
        """Refuse a document whose id another one has, in the file or among those seen."""
        for field in UNIQUE.get(self.name, ("_id",)):
            key = key_of(document.get(field))
            if key is None and field == "_id":
                raise InvalidDocument("_id must be an ObjectId, a text or a number")
            if key is None:
                continue
            taken = self._file.is_taken(self.name, field, key, old[0] if old else None)
            if taken or (field, key) in seen:
                raise DuplicateKeyError(
                    f"E11000 {self.name} has {field} {document[field]!r}", 11000
                )
            seen.add((field, key))

    def _matching(
        self, filter: Any, sort: Any = None, *, only_first: bool = False
    ) -> Iterator[Match]:
        """Yield the documents that match, oldest first; of `only_first` those that can be it."""
        query = patch_datetime_awareness_in_document(filter or {})
        if only_first and sort:
            yield from self._first_by_rank(query, list(sort))
            return
        for stored in self._candidates(query):
            document = bson.decode(stored[1])
            if filter_applies(query, document):
                yield stored, document
                if only_first:
                    return

    def _first_by_rank(self, query: Document, sort: list[tuple[str, int]]) -> list[Match]:
        """Return the matches that come first in the queue, all of equal rank."""
        state = _keys_in(query.get("state"))
        if sort[0] != QUEUE_ORDER or _lookup(query) != ("state", state) or len(state or ()) != 1:
            return list(self._matching(query))
        found: list[Match] = []
        first_rank = math.inf
        for rank, row, body in self._file.ranked_rows(self.name, (state or [""])[0]):
            if rank == -math.inf:  # a priority that is not a number: mongomock sorts
                return list(self._matching(query))
            if found and rank != first_rank:
                break
            document = bson.decode(body)
            if filter_applies(query, document):
                found.append(((row, body), document))
                first_rank = rank
                if len(sort) == 1:
                    break
        return found

    def _candidates(self, query: Document) -> Iterator[Stored]:
        """Yield the documents that may match, by the narrowest key that the query names."""
        lookup = _lookup(query)
        return (
            self._file.rows_with(self.name, *lookup) if lookup else self._file.all_rows(self.name)
        )


def _lookup(query: Document) -> tuple[str, list[Key]] | None:
    """Return the indexed field, and its keys, that every match must have; None if there is none."""
    for field in INDEXED:
        keys = _keys_in(query.get(field))
        if keys is not None:
            return field, keys
    return None


def _keys_in(condition: object) -> list[Key] | None:
    """Return the keys of which a match has one, or None if the condition does not say."""
    values = [condition]
    if isinstance(condition, Mapping):
        values = condition.get("$in", [condition.get("$eq")])
    keys = [key_of(value) for value in values]
    return None if None in keys else [key for key in keys if key is not None]


def _scratch(documents: Iterable[Document]) -> Any:
    """Return a mongomock collection that holds the documents themselves, not copies."""
    store = ServerStore()
    held = store["scratch"]["scratch"]
    for document in documents:
        held[document["_id"]] = document
    return mongomock.MongoClient(_store=store).scratch.scratch


def _identity(document: Document) -> bytes:
    """Return what tells a document from the others of its collection, as bytes."""
    identity: bytes = bson.encode({"_id": document["_id"]})
    return identity
