"""What a firework asks the cluster for, in the keys of FireWorks' queue adapter."""

import os
from collections.abc import Mapping
from typing import Any

from .engines.processes import chosen_processes
from .queueing import Sizes
from .resources import ClusterLimits, Resources, resources_for
from .settings import Settings

_LITTLE = Resources(nodes=1, cores=1, walltime_s=3600)  # differences, properties


def job_sizes(settings: Settings, kind: str) -> Sizes | None:
    """Return how much each firework asks for; None where only ``my_qadapter.yaml`` says it.

    Parameters
    ----------
    settings
        Of the project; ``heterofire init`` wrote the cluster's limits into the worker's env.
    kind
        Of the scheduler.
    """
    if "cluster" not in (settings.worker_env.get("heterofire") or {}):
        return None
    limits = ClusterLimits.of_worker(settings.worker_env)
    n_processes = chosen_processes(None, os.environ, limits.cores_per_node)

    def keys(spec: Mapping[str, Any]) -> dict[str, Any]:
        return _resources(spec, limits, n_processes).queue_keys(kind)

    return keys


def _resources(spec: Mapping[str, Any], limits: ClusterLimits, n_processes: int) -> Resources:
    """Return the resources of a firework."""
    from ..workflows.calculations import Calculation  # pulls in pymatgen

    for task in spec.get("_tasks", []):
        if "calculation" in task:
            calculation = Calculation.from_dict(task["calculation"])
            return resources_for(calculation, limits, n_processes=n_processes)
    return _LITTLE
