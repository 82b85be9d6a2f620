"""Processes that compute the images of a band at the same time.

Each image's calculator stays in one process for the whole band, with its density or wavefunction;
the band itself, its files and its signals stay in the process that started them. They are programs
of their own, started afresh: threads of BLAS and OpenMP do not survive a fork.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ...structures.errors import EngineError, HeteroError
from ..orphans import as_parent, die_with_parent
from .image_potentials import Answer, Asked, ImagePotentials, InTurn, MakesPotentials, Sharing
from .poscars import Poscar
from .stopping import Interrupted, Stopper

_POLL_S = 0.2
_PATIENCE_S = 20.0  # for a cycle to end; whoever ends the engine gives it 30
_ASKED_TO_END = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def shared_images(
    engine: MakesPotentials,
    images: Sequence[Poscar],
    folders: Sequence[Path],
    stopper: Stopper,
    n_processes: int,
) -> Iterator[Sharing]:
    """Share the images of a band out over processes while the block runs.

    Parameters
    ----------
    engine, images, folders, stopper
        See `ImagePotentials`; engine, images and folders are sent to each process.
    n_processes
        With 1 this process computes them in turn.
    """
    if n_processes == 1:
        yield InTurn(ImagePotentials(engine, images, folders, stopper))
        return
    workers: list[_Worker] = []
    try:
        for _ in range(n_processes):
            workers.append(_Worker())
        for worker in workers:
            worker.send((engine, tuple(images), tuple(folders)))
        yield ImageWorkers(workers, len(images), stopper)
    finally:
        for worker in workers:
            worker.ask_to_end()
        deadline = time.monotonic() + _PATIENCE_S
        for worker in workers:
            worker.end(deadline)


class ImageWorkers:
    """Asks several processes at the same time; see `Sharing`.

    Parameters
    ----------
    workers
        Who have been sent the band.
    n_images
        Of the whole band, ends included.
    stopper
        Asked while the others work.
    """

    def __init__(self, workers: Sequence["_Worker"], n_images: int, stopper: Stopper) -> None:
        self._workers = workers
        self._n_images = n_images
        self._stopper = stopper

    def ask(
        self, work: Callable[[ImagePotentials, int, Asked], Answer], each: Mapping[int, Asked]
    ) -> dict[int, Answer]:
        """Return the answer of each image.

        Raises
        ------
        Interrupted
            A signal asked this process, or one of the others, to end.
        EngineError
            A process died; or whatever error one of them met.
        """
        waiting: dict[_Worker, list[int]] = {worker: [] for worker in self._workers}
        for i in each:
            waiting[self._worker_of(i)].append(i)
        busy: dict[Connection, tuple[_Worker, int]] = {}
        answers: dict[int, Answer] = {}
        while True:
            for worker in (w for w in self._workers if waiting[w]):
                if worker.connection not in busy:
                    i = waiting[worker].pop(0)
                    worker.send((work, i, each[i]))
                    busy[worker.connection] = worker, i
            if not busy:
                return {i: answers[i] for i in each}
            for connection in wait(list(busy), timeout=_POLL_S):
                worker, i = busy.pop(connection)  # type: ignore[call-overload]
                answers[i] = worker.answer()
            self._stopper.act_on_signals()

    def _worker_of(self, i: int) -> "_Worker":
        """Return who computes image i; the two ends are with different ones."""
        if i == self._n_images - 1:
            return self._workers[-1]
        return self._workers[max(i - 1, 0) % len(self._workers)]


class _Worker:
    """One of the processes, and the line to it."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        # It inherits the folder's lock as well: should it outlive this process, killed without
        # a word, by the cycle that it is in, the next engine waits for it.
        os.set_inheritable(theirs.fileno(), True)
        command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, close_fds=False, env=os.environ | as_parent()
        )
        theirs.close()

    def send(self, message: tuple[Any, ...]) -> None:
        """Send what is to be done."""
        try:
            self.connection.send(message)
        except OSError as error:
            raise self._death() from error

    def answer(self) -> Any:
        """Return what the process has found, or raise the error it met."""
        try:
            is_found, answer = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if not is_found:
            raise answer
        return answer

    def ask_to_end(self) -> None:
        """Say that nothing more will be asked, also to one that is in the middle of a field."""
        self.connection.close()
        self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until the process has ended; after a time of the monotonic clock kill it."""
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _death(self) -> BaseException:
        """Return how a process ended that had work to do."""
        code = self._process.wait()
        number = -code if code < 0 else code - 128
        if number in _ASKED_TO_END:
            return Interrupted(number)
        how = f"exit code {code}"
        if code < 0:
            how = signal.Signals(number).name
        lack = " It was killed, as Linux does for lack of memory." if how == "SIGKILL" else ""
        return EngineError(
            f"one of the processes that compute the images ended with {how}.{lack} Look at what it "
            "printed; with fewer processes the others have more memory. The next start goes on "
            "from CONTCAR of each image."
        )


def _main(descriptor: int) -> int:
    """Compute what is asked over a connection until it closes; return an exit code."""
    die_with_parent()
    connection = Connection(descriptor)
    stopper = Stopper(Path())  # for signals; STOPCAR is read by the process of the band
    with stopper.listening():
        try:
            engine, images, folders = connection.recv()
            potentials = ImagePotentials(engine, images, folders, stopper)
            while True:
                connection.send(_answer(potentials, *connection.recv()))
                stopper.act_on_signals()
        except (EOFError, ConnectionError):
            return 0
        except Interrupted as interrupted:
            return 128 + interrupted.number


def _answer(
    potentials: ImagePotentials,
    work: Callable[[ImagePotentials, int, Any], Any],
    i: int,
    asked: Any,
) -> tuple[bool, Any]:
    """Return True and what was found, or False and the error that the band is to end with."""
    try:
        return True, work(potentials, i, asked)
    except HeteroError as error:
        return False, error
    except Exception:  # our bug: its type may not be one that can be sent
        return False, RuntimeError(f"image {i:02d}: {traceback.format_exc()}")


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1])))
