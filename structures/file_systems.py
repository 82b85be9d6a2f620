"""What a folder's file system can be trusted with: shared memory and locks."""

import errno
import fcntl
import os
import struct
import tempfile
from pathlib import Path

from .errors import StoreError
from .files import write_error

# Known to be used by one machine only; every other type is treated as shared.
LOCAL_TYPES = {
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "reiserfs",
    "tmpfs", "xfs", "zfs",
}  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")


def is_local(folder: Path) -> bool:
    """Return whether a folder lies on a disk that other machines cannot see.

    Parameters
    ----------
    folder
        An existing folder. Where the kernel does not list its mounts the answer is False.

    Examples
    --------
    >>> is_local(Path("/proc"))
    False
    """
    return file_system_type(folder) in LOCAL_TYPES


def file_system_type(folder: Path) -> str:
    """Return the file system type of a folder such as ``ext4`` or ``nfs4``, or ``unknown``."""
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return "unknown"
    target = folder.resolve()
    best, kind = -1, "unknown"
    for line in lines:
        # proc(5): "36 35 98:0 / /mount/point options [optional ...] - type source options"
        head, _, tail = line.partition(" - ")
        mount = Path(head.split()[4].replace("\\040", " "))
        if (target == mount or mount in target.parents) and len(mount.parts) >= best:
            best, kind = len(mount.parts), tail.split()[0]
    return kind


def check_locks(folder: Path) -> None:
    """Raise a StoreError unless a locked file in the folder is closed to a second opener.

    The two openers are on this machine: that locks also hold between machines is a promise of the
    file system's administrator (Lustre: mount option ``flock``; NFS: version 4) and not tested.
    """
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=".lock-test.")
    except OSError as error:
        raise StoreError(str(write_error(folder, error))) from error
    second = os.open(name, os.O_RDWR)
    try:
        excluded = _lock(handle) and not _lock(second)
    finally:
        os.close(second)
        os.close(handle)
        Path(name).unlink(missing_ok=True)
    if not excluded:
        raise StoreError(
            f"{folder}: file locks do not work on this file system ({file_system_type(folder)}), "
            "so several workers would run the same calculation. Put the LaunchPad on a local disk, "
            "or use a MongoDB server through my_launchpad.yaml."
        )


def _lock(handle: int) -> bool:
    """Try to lock a file for this handle alone; False if another one holds it or it cannot be."""
    # The whole file, from its start; locks of a handle, since those of a process never conflict
    # with its own. struct flock of 64-bit Linux.
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, request)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            return False
        raise
    return True
