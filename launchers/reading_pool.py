"""Run folders read by several processes; one that dies takes no other folder with it."""

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Self, cast

from ..results.foreign_runs import Reading, guarded, read_candidate
from ..results.run_discovery import Candidate
from .orphans import die_with_parent
from .own_folders import read_own

_AHEAD = 4  # readings per process that wait to be stored: they bound the memory
_DIED = (
    "the process that read it died (out of memory, or a damaged file that a library cannot "
    "stand): collect it alone with -j 1, or on another machine"
)

Outcome = tuple[Candidate, Reading]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every process is told once."""

    study: str
    model: str | None
    known: Collection[str]  # keys that need not be read again
    own: Collection[Path]  # folders that heterofire made


def read_all(candidates: Sequence[Candidate], asked: Asked, n_workers: int) -> Iterator[Outcome]:
    """Yield what came of each candidate, in their order: of two that are alike the first counts.

    Parameters
    ----------
    candidates
        What to read.
    asked
        How.
    n_workers
        Processes; 0 reads in this one.
    """
    if n_workers == 0:
        yield from ((candidate, _read(candidate, asked)) for candidate in candidates)
        return
    with _Readers(candidates, asked, n_workers) as readers:
        for candidate in candidates:
            yield candidate, readers.outcome()


class _Readers:
    """Processes that read, each with a pipe of its own.

    Of a pipe that only one process can write to, the end of that process is the end, even in the
    middle of an answer; an executor's common pipe never ends, and who waits for the rest of an
    answer waits for ever. At the end, for whatever reason, nobody waits for what is being read.
    """

    def __init__(self, candidates: Sequence[Candidate], asked: Asked, n_workers: int) -> None:
        self._candidates, self._asked, self._n_workers = candidates, asked, n_workers
        self._waiting = deque(range(len(candidates)))  # what nobody reads yet
        self._suspects = deque[int]()  # whose reader died: to be read again, alone
        self._idle: list[_Reader] = []
        self._busy: dict[Connection, tuple[_Reader, int]] = {}
        self._done: dict[int, Reading] = {}
        self._n_out = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in [*self._idle, *(reader for reader, _ in self._busy.values())]:
            reader.end()

    def outcome(self) -> Reading:
        """Return what came of the next candidate."""
        while self._n_out not in self._done:
            self._hand_out()
            for connection in cast("list[Connection]", wait(list(self._busy))):
                self._take(connection)
        self._n_out += 1
        return self._done.pop(self._n_out - 1)

    def _hand_out(self) -> None:
        """Keep every process busy; a suspect is read while nothing else is, anew."""
        if self._suspects:
            if not self._busy:
                self._give(self._suspects[0], _Reader(self._asked))
            return
        bound = self._n_out + _AHEAD * self._n_workers
        while self._waiting and self._waiting[0] < bound and len(self._busy) < self._n_workers:
            self._give(self._waiting.popleft(), self._living())

    def _living(self) -> "_Reader":
        """Return an idle process that lives, or a new one."""
        while self._idle:
            reader = self._idle.pop()
            if reader.is_alive():
                return reader
            reader.end()
        return _Reader(self._asked)

    def _give(self, index: int, reader: "_Reader") -> None:
        self._busy[reader.connection] = reader, index
        with suppress(BrokenPipeError):  # it has died: no answer comes
            reader.connection.send(self._candidates[index])

    def _take(self, connection: Connection) -> None:
        """Take an answer, or note that its reader died."""
        reader, index = self._busy.pop(connection)
        try:
            self._done[index] = connection.recv()
            self._idle.append(reader)
        except (EOFError, OSError):
            reader.end()
            if index not in self._suspects:
                self._suspects.append(index)
                return
            self._done[index] = guarded(self._candidates[index], _died)
        if index in self._suspects:
            self._suspects.remove(index)


if sys.platform == "linux":
    # Forking is safe here: this process has no threads of its own that hold a lock, and what it
    # has imported, two seconds of it, is there at once.
    _process = multiprocessing.get_context("fork").Process
else:
    _process = multiprocessing.get_context("spawn").Process


class _Reader:
    """One process that reads what it is sent, and this process's end of the pipe to it."""

    def __init__(self, asked: Asked) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        self._process = _process(target=_work, args=(theirs, asked), daemon=True)
        self._process.start()
        theirs.close()

    def is_alive(self) -> bool:
        """Tell whether it still can answer."""
        return self._process.is_alive()

    def end(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self.connection.close()


def _work(connection: Connection, asked: Asked) -> None:
    """Read until told to end; a process dies with its parent, and Ctrl-C ends it without a word."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent()
    while True:
        connection.send(_read(connection.recv(), asked))


def _died(fingerprint: str) -> Reading:
    return Reading(fingerprint=fingerprint, reason=_DIED, again=True)


def _read(candidate: Candidate, asked: Asked) -> Reading:
    if candidate.folder in asked.own:
        return read_own(candidate)
    return read_candidate(candidate, study=asked.study, model=asked.model, known=asked.known)
