"""Which worker runs a firework, and whether it lives."""

import os
import socket
from pathlib import Path

from .claims import claim, is_alive

_PREFIX = "heterofire"


def worker_name(locks: Path) -> str:
    """Return a name that says host and process, and under which number it claims to live.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = worker_name(Path(folder) / "locks")
    ...     dead = name.rsplit("@", 1)[0] + "@7"
    ...     is_dead(name, Path(folder) / "locks"), is_dead(dead, Path(folder) / "locks")
    (False, True)
    """
    return f"{_PREFIX}@{socket.gethostname()}@{os.getpid()}@{claim(locks)}"


def is_dead(name: str, locks: Path) -> bool:
    """Tell whether a worker is known to be dead; those of other machines are never judged."""
    return _lives(name, locks) is False


def is_known_alive(name: str, locks: Path) -> bool:
    """Tell whether a worker is known to live, which only those of this machine are."""
    return _lives(name, locks) is True


def _lives(name: str, locks: Path) -> bool | None:
    """Return whether a worker lives; None where that is not known."""
    parts = name.split("@")
    if len(parts) != 4 or parts[0] != _PREFIX or parts[1] != socket.gethostname():
        return None
    return is_alive(int(parts[3]), locks)
