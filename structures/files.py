"""Files that are there whole or not at all."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import HeteroError

_REMEDY = {
    errno.ENOSPC: "The disk is full: free some space and run the same command again.",
    errno.EDQUOT: "The disk quota is used up: free some space and run the same command again.",
    errno.EROFS: "The file system is read-only: choose another folder.",
    errno.EACCES: "The folder is not writable: change its permissions or choose another one.",
    errno.EPERM: "The folder is not writable: change its permissions or choose another one.",
}


def write_error(path: Path, error: OSError) -> HeteroError:
    """Return an error that names the file and the remedy.

    Examples
    --------
    >>> print(write_error(Path("POSCAR"), OSError(errno.ENOSPC, "No space left on device")))
    cannot write POSCAR: No space left on device. The disk is full: free some space and run ...
    """
    remedy = _REMEDY.get(error.errno or 0, "Nothing was changed.")
    return HeteroError(f"cannot write {path}: {error.strerror or error}. {remedy}")


def size_if_there(path: Path) -> int:
    """Return the bytes of a file that others may remove at any moment, 0 where it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def write_atomic(
    path: str | os.PathLike[str], data: str | bytes, *, mode: int | None = None
) -> Path:
    """Write a file so that a reader, or a kill, finds the old content or the new, never a part.

    Parameters
    ----------
    path
        The file to write; missing parent folders are made.
    data
        Text (written as UTF-8) or bytes.
    mode
        Permissions such as 0o600 for a file with a secret, which it has from its first byte on;
        by default what the umask says.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    HeteroError
        The disk is full or the folder cannot be written; the old file is as it was.
    """
    with atomic_stream(path, mode=mode) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)
    return Path(path)


@contextlib.contextmanager
def atomic_stream(path: str | os.PathLike[str], *, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its place only once all of it is written.

    Parameters
    ----------
    path, mode
        As in `write_atomic`; for files too large to hold as one string.

    Raises
    ------
    HeteroError
        As in `write_atomic`.
    """
    with atomic_path(path, mode=mode) as temporary, temporary.open("wb") as stream:
        yield stream


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], *, mode: int | None = None) -> Iterator[Path]:
    """Give the path of an empty file that takes the target's place at the end of the body.

    Parameters
    ----------
    path, mode
        As in `write_atomic`; for files that another library writes.

    Raises
    ------
    HeteroError
        As in `write_atomic`.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o666 & ~_umask() if mode is None else mode)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise write_error(target, error) from error


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
