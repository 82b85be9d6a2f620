"""Memory that a plan will need on this machine, looked at before anything is started."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..structures.errors import InputError
from ..workflows.calculations import Calculation
from ..workflows.gpaw_costs import gpaw_memory_gb
from ..workflows.plans import Step, is_of_gpaw
from .engines.processes import chosen_processes
from .memory_limits import available_memory_gb

_USABLE = 0.85  # of what is free: estimates are right within 10 %, and others want some too


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
        left, n_fitting = _USABLE * (self.available_gb or float("inf")), 0
        for _, gb in self.largest:
            left -= gb
            n_fitting += left >= 0
        return n_fitting

    def words(self) -> str:
        """Return what is needed and what is there, in one line."""
        name, gb = self.largest[0]
        there = "" if self.available_gb is None else f"; {self.available_gb:.1f} GB are free here"
        return f"memory: up to {gb:.1f} GB for each worker ({name}){there}"


def memory_need(
    steps: Iterable[Step], n_workers: int, available_gb: float | None = None
) -> Need | None:
    """Return what steps need at most, with so many workers; None where no engine tells.

    Parameters
    ----------
    steps
        That are still to be done.
    n_workers
        Calculations at a time.
    available_gb
        What this machine has left; found out by default.
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
    if available_gb is None:
        available_gb = available_memory_gb()
    return Need(largest=tuple(largest), available_gb=available_gb)


def check_memory(
    steps: Iterable[Step], n_workers: int, available_gb: float | None = None
) -> Need | None:
    """Refuse more workers than fit into the memory of this machine.

    Raises
    ------
    InputError
        Says what they would need, what is there, and how many workers fit.
    """
    need = memory_need(steps, n_workers, available_gb)
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
