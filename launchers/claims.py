"""Which worker processes are alive: each holds a lock that the kernel drops when it dies.

Unlike a process id and a start time, a lock tells the truth in containers, after a reboot and, on a
file system whose locks hold between machines, about the workers of other machines.
"""

import fcntl
import os
import secrets
import struct
from pathlib import Path

from ..structures.errors import StoreError
from ..structures.files import write_error

_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, process
# Kept for the life of the process: closing any handle of the file would drop all its locks.
_HELD: dict[tuple[int, Path], tuple[int, int]] = {}


def claim(path: Path) -> int:
    """Return the number under which this process is alive, as seen in a file of locks.

    Parameters
    ----------
    path
        The file, made if it is not there; it stays empty. Do not remove it while workers run.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     number = claim(Path(folder) / "locks")
    ...     is_alive(number, Path(folder) / "locks"), is_alive(number + 1, Path(folder) / "locks")
    (True, False)
    """
    return _held(path)[1]


def is_alive(number: int, path: Path) -> bool:
    """Return whether the process that claimed the number is still there."""
    handle, own = _held(path)
    if number == own:
        return True  # a process never sees its own locks
    question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
    answer = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, question))
    return bool(answer[0] != fcntl.F_UNLCK)


def _held(path: Path) -> tuple[int, int]:
    """Return this process's handle and number in the file; a forked child gets its own."""
    key = (os.getpid(), path)
    if key not in _HELD:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            number = secrets.randbelow(2**62)  # where the locked byte lies, far beyond the end
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError as error:
            raise StoreError(str(write_error(path, error))) from error
        _HELD[key] = (handle, number)
    return _HELD[key]
