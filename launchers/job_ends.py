"""What may not be started any more in a job that is near its end."""

from typing import Any

from ..workflows.walltime import JobTimes, allotment, margin


def not_halted_here() -> dict[str, Any]:
    """Return the query that leaves out what this very job had to stop: it is for a later one."""
    here = allotment()
    return {} if here is None else {"spec.heterofire.halted_in": {"$ne": here}}


def is_time_up(times: JobTimes | None, margin_s: float | None = None) -> bool:
    """Tell whether the job around this process is too near its end to start anything."""
    return times is not None and times.left() < margin(times.length(), least_s=margin_s)
