"""How many processes compute the images of a band."""

import os
from collections.abc import Mapping

from ...structures.errors import InputError

VARIABLE = "HETEROFIRE_ENGINE_PROCESSES"
ALL = "auto"


def chosen_processes(
    asked: str | None, environ: Mapping[str, str], n_cores: int | None = None
) -> int:
    """Return how many processes an engine may be.

    Parameters
    ----------
    asked
        By the command; else the variable counts, else it is 1: several calculations at a time
        use cores better than one calculation does.
    environ
        Of the process.
    n_cores
        What ``auto`` means; by default what Slurm gives a task, or what this process may use.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    InputError
        It is neither a count nor ``auto``.

    Examples
    --------
    >>> [chosen_processes(asked, {VARIABLE: "2"}) for asked in ("3", None)]
    [3, 2]
    >>> chosen_processes("auto", {"SLURM_CPUS_PER_TASK": "8"})
    8
    """
    source = "--processes" if asked else VARIABLE
    value = (asked or environ.get(VARIABLE) or "1").strip()
    if value == ALL:
        given = environ.get("SLURM_CPUS_PER_TASK", "")
        return n_cores or int(given if given.isdecimal() else 0) or _own_cores()
    if not value.isdecimal() or int(value) < 1:
        raise InputError(
            f"{source} = {value!r} is no number of processes: use 1, 2, 3 ... or {ALL} for all "
            "cores of this job"
        )
    return int(value)


def _own_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # not Linux
