"""Who is alive: each worker holds a file lock that the kernel lets go when it dies, however."""

import ctypes
import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def worker_name() -> str:
    """Return a name that no other running worker has."""
    return f"heterofire-{socket.gethostname()}-{os.getpid()}"


@contextmanager
def hold_lock(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock that says this worker lives; it goes with the process, kill -9 included."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
        path.unlink(missing_ok=True)


def is_alive(folder: Path, name: str) -> bool:
    """Tell whether the worker of that name still holds its lock.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with hold_lock(folder, "worker"):
    ...     is_alive(folder, "worker"), is_alive(folder, "another")
    (True, False)
    >>> is_alive(folder, "worker")
    False
    """
    try:
        with (folder / f"{name}.lock").open("r") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def alive_workers(folder: Path) -> list[str]:
    """Return the names of all workers that live."""
    names = sorted(path.stem for path in folder.glob("heterofire-*.lock"))
    return [name for name in names if is_alive(folder, name)]


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent process goes, so that nothing is orphaned."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):  # not Linux: workers then end when the queue is empty
        return
