"""Walltimes as people and queues write them, and seconds."""

import re

from ..structures.errors import InputError

_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]?\d)(?::([0-5]?\d))?$")


def parse_walltime(text: str) -> int:
    """Return seconds of ``HH:MM``, ``HH:MM:SS`` or ``D-HH:MM:SS``.

    Raises
    ------
    InputError
        Anything else. A bare number is refused: Slurm takes it as minutes, PBS as seconds.

    Examples
    --------
    >>> parse_walltime("24:00:00"), parse_walltime("2-00:30"), parse_walltime("0:05")
    (86400, 174600, 300)
    """
    found = _CLOCK.match(text.strip())
    if found is None:
        raise InputError(f"walltime {text!r} is not HH:MM:SS or D-HH:MM:SS, such as 24:00:00")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = 86400 * days + 3600 * hours + 60 * minutes + seconds
    if total < 60:
        raise InputError(f"walltime {text!r} is less than a minute")
    return total


def format_walltime(seconds: int, kind: str) -> str:
    """Return a walltime as a queue wants it, rounded up to whole minutes.

    Parameters
    ----------
    seconds
        At least one minute.
    kind
        ``slurm``, ``pbs``, ``sge`` (HH:MM:SS, hours may exceed 24) or ``lsf`` (HH:MM).

    Examples
    --------
    >>> format_walltime(172800, "slurm"), format_walltime(3601, "lsf")
    ('48:00:00', '01:01')
    """
    minutes = -(-seconds // 60)
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}"
    return clock if kind == "lsf" else f"{clock}:00"
