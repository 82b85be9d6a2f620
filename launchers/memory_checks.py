"""Memory that a plan will need on this machine, looked at before anything is started."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..structures.errors import InputError
from ..workflows.calculations import Calculation
from ..workflows.gpaw_costs import gpaw_memory_gb
from ..workflows.plans import Step, is_of_gpaw
from .engines.processes import chosen_processes

_MEMINFO = Path("/proc/meminfo")
_KIB_PER_GB = 1e9 / 1024


@dataclass(frozen=True, kw_only=True)
class Need:
    """What the calculations that may run at the same time need together."""

    largest: tuple[tuple[str, float], ...]  # name and GB, the largest first, one for each worker
    available_gb: float | None  # on this machine; None where it does not say

    @property
    def total_gb(self) -> float:
        """Return the memory of all of them."""
        return sum(gb for _, gb in self.largest)

    @property
    def n_that_fit(self) -> int:
        """Return how many of the largest fit together."""
        left, n_fitting = self.available_gb or float("inf"), 0
        for _, gb in self.largest:
            left -= gb
            n_fitting += left >= 0
        return n_fitting

    def words(self) -> str:
        """Return what is needed and what is there, in one line."""
        name, gb = self.largest[0]
        there = "" if self.available_gb is None else f"; {self.available_gb:.1f} GB are free here"
        return f"memory: up to {gb:.1f} GB for each worker ({name}){there}"


def memory_need(steps: Iterable[Step], n_workers: int, meminfo: Path = _MEMINFO) -> Need | None:
    """Return what steps need at most, with so many workers; None where no engine tells.

    Parameters
    ----------
    steps
        That are still to be done.
    n_workers
        Calculations at a time.
    meminfo
        What Linux says about its memory.
    """
    n_processes = chosen_processes(None, os.environ)
    sizes = [
        (step.label.name, gpaw_memory_gb(step, n_processes))
        for step in steps
        if isinstance(step, Calculation) and is_of_gpaw(step)
    ]
    if not sizes:
        return None
    largest = sorted(sizes, key=lambda size: -size[1])[:n_workers]
    return Need(largest=tuple(largest), available_gb=available_memory_gb(meminfo))


def check_memory(steps: Iterable[Step], n_workers: int, meminfo: Path = _MEMINFO) -> Need | None:
    """Refuse more workers than fit into the memory of this machine.

    Raises
    ------
    InputError
        Says what they would need, what is there, and how many workers fit.
    """
    need = memory_need(steps, n_workers, meminfo)
    if need is None or need.n_that_fit == len(need.largest):
        return need
    name, gb = need.largest[0]
    found = f"{need.available_gb:.1f} GB of memory are free"
    if not need.n_that_fit:
        raise InputError(
            f"{name} needs about {gb:.1f} GB, but {found} here. Free some, or run it on a larger "
            "machine: nothing was started."
        )
    raise InputError(
        f"{n_workers} workers may need {need.total_gb:.1f} GB at a time ({name}: {gb:.1f} GB), but "
        f"{found} here. Start again with -j {need.n_that_fit}: nothing was started."
    )


def available_memory_gb(meminfo: Path = _MEMINFO) -> float | None:
    """Return the memory that new processes can have without swapping; None where unknown."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:  # no Linux
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) / _KIB_PER_GB if found else None
