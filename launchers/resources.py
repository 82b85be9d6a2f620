"""Nodes, cores, walltime of one calculation on a cluster, by its task and size."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..structures.errors import InputError
from ..workflows.calculations import Calculation
from ..workflows.parallelism import Build, irreducible_points, parallel_tags, vasp_build
from ..workflows.plans import relative_cost
from .walltimes import format_walltime

# Without finished runs to learn from: one unit of relative cost (an energy and forces of 45 atoms
# at one k-point) is taken as half a core-hour of VASP, a few seconds of xTB, 41 s of GPAW.
_CORE_HOURS_PER_UNIT = {"vasp": 0.5, "xtb": 0.02, "gpaw": 0.012}
_MARGIN = 4.0  # an SCF that is slow to converge, a relaxation of twice the steps
_LEAST_S, _STEP_S = 1800, 1800  # half hours: what a queue's backfill can use


@dataclass(frozen=True, kw_only=True)
class ClusterLimits:
    """What one job may ask for."""

    kind: str = "local"  # "slurm", "pbs", "sge", "lsf", "local"
    cores_per_node: int = 1
    max_nodes: int = 1
    walltime_s: int = 86400

    @classmethod
    def of_worker(cls, env: Mapping[str, Any]) -> "ClusterLimits":
        """Return what ``heterofire init`` wrote into the env of ``my_fworker.yaml``.

        Raises
        ------
        InputError
            An entry is unknown or no positive number.

        Examples
        --------
        >>> ClusterLimits.of_worker({"heterofire": {"cluster": {"cores_per_node": 32}}})
        ClusterLimits(kind='local', cores_per_node=32, max_nodes=1, walltime_s=86400)
        """
        ours = env.get("heterofire") or {}
        found = (ours.get("cluster") if isinstance(ours, dict) else ours) or {}
        if not isinstance(found, dict):
            raise InputError(
                f"heterofire in the env of my_fworker.yaml is {ours!r}; heterofire init writes it"
            )
        for name, value in found.items():
            if name not in cls.__dataclass_fields__:
                known = ", ".join(cls.__dataclass_fields__)
                raise InputError(
                    f"heterofire.cluster in the env of my_fworker.yaml has no {name!r}; known are "
                    f"{known}"
                )
            if name != "kind" and (type(value) is not int or value < 1):
                raise InputError(
                    f"heterofire.cluster.{name} in the env of my_fworker.yaml is {value!r}; it "
                    "should be a whole number above 0"
                )
        return cls(**found)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one calculation gets."""

    nodes: int
    cores: int  # MPI ranks in all, the same number on each node
    walltime_s: int
    ncore: int = 1  # NCORE
    kpar: int = 1  # KPAR
    binary: Build = "std"

    def queue_keys(self, kind: str) -> dict[str, Any]:
        """Return these resources under the names that FireWorks' templates have for them.

        Examples
        --------
        >>> Resources(nodes=2, cores=64, walltime_s=5400).queue_keys("slurm")
        {'nodes': 2, 'ntasks_per_node': 32, 'walltime': '01:30:00'}
        >>> Resources(nodes=2, cores=64, walltime_s=5400).queue_keys("lsf")
        {'ntasks': 64, 'ntasks_per_node': 32, 'walltime': '01:30'}
        """
        on_a_node = self.cores // self.nodes
        size: dict[str, Any] = {
            "slurm": {"nodes": self.nodes, "ntasks_per_node": on_a_node},
            "pbs": {"nnodes": self.nodes, "ppnode": on_a_node},
            "sge": {"ntasks": self.cores},
            "lsf": {"ntasks": self.cores, "ntasks_per_node": on_a_node},
        }[kind]
        return {**size, "walltime": format_walltime(self.walltime_s, kind)}


def resources_for(
    calculation: Calculation,
    cluster: ClusterLimits,
    *,
    core_hours: float | None = None,
    n_processes: int = 1,
) -> Resources:
    """Return what a calculation should ask a queue for.

    VASP gets one core for each atom and k-point: at one core per atom it is still efficient
    (nsc.liu.se/~pla/blog/2015/01/12/vasp-how-many-cores), k-points are independent of each other,
    and more than one core per band is waste. A band gets that for each image.

    Parameters
    ----------
    calculation
        Its task, atoms, bands and k-points decide.
    cluster
        The limits.
    core_hours
        Expected cost where finished runs tell; by default guessed from the relative cost.
    n_processes
        That may share the images of a band where an engine computes it; all else it does on one
        core.

    Raises
    ------
    InputError
        A band has more images than the largest job has cores.
    """
    if calculation.engine != "vasp":
        cores = max(1, min(n_processes, calculation.n_images, cluster.cores_per_node))
        walltime_s = _walltime(calculation, cores, cluster, core_hours)
        return Resources(nodes=1, cores=cores, walltime_s=walltime_s)
    images = max(calculation.n_images, 1)
    points = irreducible_points(calculation)
    useful = max(1, min(len(calculation.structure), calculation.n_bands) * points)
    nodes, cores = _layout(images, useful, points, cluster, calculation.label.name)
    tags = {"KPAR": 1, "NCORE": 1} | parallel_tags(calculation, cores, cluster.cores_per_node)
    return Resources(
        nodes=nodes,
        cores=cores,
        walltime_s=_walltime(calculation, cores, cluster, core_hours),
        ncore=tags["NCORE"],
        kpar=tags["KPAR"],
        binary=vasp_build(calculation),
    )


def _layout(
    images: int, useful: int, points: int, cluster: ClusterLimits, name: str
) -> tuple[int, int]:
    """Return nodes and cores: as many as are useful, in whole nodes where one is not enough.

    Among the layouts that waste little, k-points that divide the cores of an image win, because
    KPAR scales best.
    """
    on_a_node, limit = cluster.cores_per_node, cluster.cores_per_node * cluster.max_nodes
    even = [
        per_image
        for per_image in range(1, limit // images + 1)
        if (images * per_image) % math.ceil(images * per_image / on_a_node) == 0
    ]
    if not even:
        raise InputError(
            f"{name} has {images} images, which do not fit evenly on a job of at most {limit} "
            f"cores ({cluster.max_nodes} nodes of {on_a_node}); VASP needs one core for each. "
            "Run heterofire init again with more --nodes, or plan fewer images."
        )
    fitting = [n for n in even if n <= useful and _fills_nodes(images * n, on_a_node)]
    largest = max(fitting, default=even[0])
    good = [n for n in fitting if n >= 0.75 * largest] or [largest]
    best = max(good, key=lambda n: (math.gcd(n, points), math.gcd(n, on_a_node), n))
    return math.ceil(images * best / on_a_node), images * best


def _fills_nodes(cores: int, on_a_node: int) -> bool:
    """Return whether one node is enough, or at most a quarter of the nodes' cores is idle."""
    return cores <= on_a_node or cores >= 0.75 * on_a_node * math.ceil(cores / on_a_node)


def _walltime(
    calculation: Calculation, cores: int, cluster: ClusterLimits, core_hours: float | None
) -> int:
    """Return a walltime in seconds that should do, in half hours; a chain goes on beyond it."""
    if core_hours is None:
        core_hours = relative_cost(calculation) * _CORE_HOURS_PER_UNIT[calculation.engine]
    seconds = max(_LEAST_S, 3600 * _MARGIN * core_hours / cores)
    return min(cluster.walltime_s, _STEP_S * math.ceil(seconds / _STEP_S))
