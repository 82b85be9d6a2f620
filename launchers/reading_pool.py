"""Run folders read by several processes; one that dies takes no other folder with it."""

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from ..results.foreign_runs import Reading, fingerprint, read_candidate
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
    waiting = deque(candidates)
    while waiting:
        suspects: list[Candidate] = []
        yield from _read_together(waiting, asked, n_workers, suspects)
        for candidate in suspects:
            yield candidate, _read_alone(candidate, asked)


def _read_together(
    waiting: deque[Candidate], asked: Asked, n_workers: int, suspects: list[Candidate]
) -> Iterator[Outcome]:
    """Read until nothing waits, or a process dies: what was out then are the suspects."""
    others = multiprocessing.active_children()
    pool = _pool(n_workers, asked)
    out = deque[tuple[Candidate, Future[Reading]]]()
    try:
        while waiting or out:
            while waiting and len(out) < _AHEAD * n_workers:
                out.append((waiting[0], pool.submit(_work, waiting[0])))
                waiting.popleft()
            candidate, future = out[0]
            reading = future.result()
            out.popleft()
            yield candidate, reading
    except BrokenProcessPool:
        suspects += [candidate for candidate, _ in out]
    except BaseException:  # Ctrl-C, or a database that refuses: nobody waits for what is being read
        for process in set(multiprocessing.active_children()) - set(others):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_alone(candidate: Candidate, asked: Asked) -> Reading:
    """Read one candidate in a process of its own."""
    with _pool(1, asked) as pool:
        try:
            return pool.submit(_work, candidate).result()
        except BrokenProcessPool:
            return Reading(fingerprint=fingerprint(candidate.files), reason=_DIED, again=True)


def _pool(n_workers: int, asked: Asked) -> ProcessPoolExecutor:
    # Forking is safe here: this process has no threads of its own that hold a lock, and what it
    # has imported, two seconds of it, is there at once.
    method = "fork" if sys.platform == "linux" else "spawn"
    return ProcessPoolExecutor(
        n_workers,
        mp_context=multiprocessing.get_context(method),
        initializer=_begin,
        initargs=(asked,),
    )


_asked: list[Asked] = []  # of a reading process, set once when it starts


def _begin(asked: Asked) -> None:
    """Prepare a process: it dies with its parent, and Ctrl-C ends it without a word."""
    die_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _asked[:] = [asked]


def _work(candidate: Candidate) -> Reading:
    return _read(candidate, _asked[0])


def _read(candidate: Candidate, asked: Asked) -> Reading:
    if candidate.folder in asked.own:
        return read_own(candidate)
    return read_candidate(candidate, study=asked.study, model=asked.model, known=asked.known)
