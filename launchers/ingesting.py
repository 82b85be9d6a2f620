"""Finished VASP folders of any origin into the result store: found, read, stored, remembered."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .. import __version__
from ..results.encoding import Encoded
from ..results.folder_listings import printable
from ..results.foreign_runs import PROFILE, Reading, fingerprint
from ..results.ledger import Looked, place
from ..results.records import Label
from ..results.run_discovery import Candidate, LeftOut, find_runs
from .ingests import Ingest, Left, taken_as
from .own_folders import own_calculation, read_own
from .reading_pool import Asked, read_all

if TYPE_CHECKING:
    from ..results.store import ResultStore

STUDY = "collected"
_AT_ONCE, _EVERY_S = 16, 0.5  # runs, or seconds, after which what was read is stored

OnProgress = Callable[[Ingest, str], None]  # what was done so far, and the run that was read last


def collect_folders(
    store: "ResultStore | None",
    folders: Sequence[str | Path],
    *,
    study: str = STUDY,
    model: str | None = None,
    n_workers: int = 0,
    again: bool = False,
    dry_run: bool = False,
    on_progress: OnProgress = lambda _ingest, _name: None,
) -> Ingest:
    """Take in every finished VASP run below some folders, whoever made it.

    Each run is stored within a second of being read: after a kill the same call goes on where it
    was. A folder that was taken in or left out, and has not changed since, is not read again. Run
    folders of heterofire's own that the store lacks go back under their own study.

    Parameters
    ----------
    store
        Where to, and what was looked at before; None for a dry run without a database.
    folders
        Looked through to the bottom. Nothing is written into them.
    study, model
        Of the labels; the model is the reduced formula by default, the profile "collected".
    n_workers
        Processes that read; 0 reads in this one. Scripts that ask for some need the usual
        ``if __name__ == "__main__":``.
    again
        Read what has not changed, too.
    dry_run
        Only look what there is to read.
    on_progress
        Called with each run or folder that is found, when all are, and after each that is read.

    Returns
    -------
    Ingest
        With a reason for each run or folder that was left out.
    """
    ingest = Ingest(study=study)
    todo = _find(store, ingest, folders, again, on_progress)
    ingest.to_read = [candidate.name for candidate in todo.all()]
    ingest.n_bytes_to_read = sum(_size(candidate)[1] for candidate in todo.all())
    on_progress(ingest, "")
    if store is not None and not dry_run:
        storing = _Storing(store, ingest, todo.own)
        whole = () if again else storing.whole()
        asked = Asked(study=study, model=model, known=frozenset(whole), own=todo.own)
        with storing:
            for candidate, reading in read_all(todo.runs, asked, n_workers):
                storing.settle(candidate, reading)
                on_progress(ingest, candidate.name)
        with storing:  # after the runs, which are their end points
            for candidate in todo.own_bands:
                storing.settle(candidate, read_own(candidate, store))
                on_progress(ingest, candidate.name)
    ingest.taken.sort(key=lambda taken: taken.name)
    ingest.left_out.sort(key=lambda left: left.name)
    return ingest


@dataclass
class _ToDo:
    """What has to be read."""

    runs: list[Candidate] = field(default_factory=list)  # and bands of others
    own_bands: list[Candidate] = field(default_factory=list)
    own: set[Path] = field(default_factory=set)  # folders that heterofire made

    def all(self) -> list[Candidate]:
        return [*self.runs, *self.own_bands]


def _find(
    store: "ResultStore | None",
    ingest: Ingest,
    folders: Sequence[str | Path],
    again: bool,
    on_progress: OnProgress,
) -> _ToDo:
    """Return what has to be read; all else that was found is noted."""
    known = {} if store is None or again else store.looked_at(ingest.study)
    todo = _ToDo()
    for found in find_runs(folders):
        ingest.n_found += 1
        on_progress(ingest, found.name)
        if isinstance(found, LeftOut):
            ingest.left_out.append(_left(found, found.reason, again=True))
            continue
        looked = known.get(place(ingest.study, printable(str(found.folder)), found.tag))
        if looked is None or not _is_as_it_was(found, looked):
            _note(store, ingest, found, todo)
        elif looked.key is not None:
            ingest.unchanged.append(found.name)
        else:
            ingest.left_out.append(_left(found, looked.reason, again=False))
    return todo


def _note(store: "ResultStore | None", ingest: Ingest, found: Candidate, todo: _ToDo) -> None:
    """Note a candidate that has to be read, unless heterofire made it and has its result."""
    own = own_calculation(found.folder) if found.has_firework else None
    if own is not None and store is not None and store.has(own.key):
        ingest.unchanged.append(found.name)
        return
    if own is not None:
        todo.own.add(found.folder)
    is_own_band = own is not None and found.is_band
    (todo.own_bands if is_own_band else todo.runs).append(found)


def _is_as_it_was(candidate: Candidate, looked: Looked) -> bool:
    """Return whether nothing has changed; what another version left out is read again."""
    if looked.key is None and looked.version != __version__:
        return False
    try:
        return fingerprint(candidate.files) == looked.fingerprint
    except OSError:
        return False


def _left(found: Candidate | LeftOut, reason: str, *, again: bool) -> Left:
    folder = printable(str(found.folder))
    return Left(name=found.name, folder=folder, reason=reason, again=again)


def _size(candidate: Candidate) -> tuple[int, int]:
    """Return number and bytes of a candidate's files."""
    sizes = []
    for path in candidate.files:
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # gone meanwhile: reading it says so
            continue
    return len(sizes), sum(sizes)


class _Storing:
    """Stores what was read, several at a time: each transaction waits for the disk."""

    def __init__(self, store: "ResultStore", ingest: Ingest, own: set[Path]) -> None:
        self._store, self._ingest, self._own = store, ingest, own
        self._start = self._last = time.monotonic()
        self._stored = store.collected(ingest.study, PROFILE)
        self._read: list[tuple[str, Label, Encoded]] = []
        self._looked: list[Looked] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()  # after Ctrl-C, too: what was read is not read again

    def whole(self) -> list[str]:
        """Return the keys of runs that another look cannot improve."""
        return [key for key, (_, status) in self._stored.items() if status == "converged"]

    def settle(self, candidate: Candidate, reading: Reading) -> None:
        """Store what was read, or note why there is nothing."""
        ingest = self._ingest
        if reading.reason:
            self._leave_out(candidate, reading)
        elif reading.label is None or reading.encoded is None or self._has(reading):
            self._looked.append(self._note(candidate, reading))
            name = self._stored[reading.key][0]
            if name == candidate.name:
                ingest.unchanged.append(name)
            else:
                ingest.same.append((candidate.name, name))
        else:
            name = self._stored.get(reading.key, ("", ""))[0]
            label = replace(reading.label, name=name or reading.label.name)
            self._read.append((reading.key, label, reading.encoded))
            self._looked.append(self._note(candidate, reading))
            self._stored[reading.key] = (label.name, reading.encoded.row["status"])
            ingest.taken.append(taken_as(reading.key, label, reading.encoded))
        n_files, n_bytes = _size(candidate)
        ingest.n_read, ingest.n_files = ingest.n_read + 1, ingest.n_files + n_files
        ingest.n_bytes, ingest.seconds = ingest.n_bytes + n_bytes, time.monotonic() - self._start
        if len(self._read) >= _AT_ONCE or time.monotonic() - self._last > _EVERY_S:
            self._flush()

    def _flush(self) -> None:
        """Store what waits, in one transaction."""
        read, looked, self._read, self._looked = self._read, self._looked, [], []
        if read or looked:
            self._store.add_collected(read, looked)
        self._last = time.monotonic()

    def _leave_out(self, candidate: Candidate, reading: Reading) -> None:
        # One of heterofire's own may only lack the end points of its band: look every time.
        again = reading.again or candidate.folder in self._own
        self._ingest.left_out.append(_left(candidate, reading.reason, again=again))
        if not again:
            self._looked.append(self._note(candidate, reading))

    def _has(self, reading: Reading) -> bool:
        """Return whether the run is stored, and would be no better for this reading."""
        status = self._stored.get(reading.key, ("", ""))[1]
        new = "" if reading.encoded is None else reading.encoded.row["status"]
        return bool(status) and not (status == "unconverged" and new == "converged")

    def _note(self, candidate: Candidate, reading: Reading) -> Looked:
        return Looked(
            study=self._ingest.study,
            folder=printable(str(candidate.folder)),
            tag=candidate.tag,
            fingerprint=reading.fingerprint,
            key=reading.key or None,
            reason=reading.reason,
            version=__version__,
        )
