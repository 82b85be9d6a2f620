"""Processes that end when the one that started them does, so that a killed run leaves none."""

import ctypes
import os
import signal
import socket
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_PARENT = "HETEROFIRE_PARENT"


def as_parent() -> dict[str, str]:
    """Return the environment variable by which children know whose end is theirs.

    Examples
    --------
    >>> host, pid = as_parent()["HETEROFIRE_PARENT"].rsplit(":", 1)
    >>> int(pid) == os.getpid()
    True
    """
    return {_PARENT: f"{socket.gethostname()}:{os.getpid()}"}


def die_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent ends; end now if it has ended already.

    The kernel tells only of ends after this call, and a program may take seconds to come here:
    the variable of `as_parent` tells of those before. Elsewhere nothing happens: workers then end
    when the queue is empty, and custodian ends its own children.
    """
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except (OSError, AttributeError):  # not Linux
        return
    host, _, pid = os.environ.get(_PARENT, "").rpartition(":")
    if host == socket.gethostname() and _has_ended(int(pid)):
        os.kill(os.getpid(), signal.SIGTERM)


def _has_ended(pid: int) -> bool:
    """Tell whether a process of this machine is gone, or dead and not yet waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return Path("/proc/self").exists()
    except ProcessLookupError:
        return True
