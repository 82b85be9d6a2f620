"""How much memory this process may still have: of the machine, its control group, its job."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_KIB, _MIB, _GB = 1024, 1024**2, 1e9
_ROOT = Path("/")


def available_memory_gb(
    root: Path = _ROOT, environment: Mapping[str, str] = os.environ
) -> float | None:
    """Return the memory in GB that new processes can have; None where nothing tells.

    The least of what Linux has without swapping, what the control groups around this process
    leave (a container's limit, a job's), and what a job of Slurm was given.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are.
    environment
        Of this process; SLURM_MEM_PER_NODE, SLURM_MEM_PER_CPU and SLURM_CPUS_ON_NODE are in MB and
        CPUs (manual page of sbatch, output environment variables).
    """
    found = [*_of_machine(root), *_of_groups(root), *_of_job(environment)]
    return min(found) / _GB if found else None


def _of_machine(root: Path) -> Iterator[float]:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield float(line.split()[1]) * _KIB


def _of_groups(root: Path) -> Iterator[float]:
    """Give what each control group around this process leaves (man 7 cgroups; both versions)."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        own = Path(path.lstrip("/"))
        for group in (base / own, *(base / parent for parent in own.parents)):
            limit, used = (_text(group / name).strip() for name in names)
            if limit.isdigit() and used.isdigit():
                yield float(int(limit) - int(used)) + _cached(group)


def _cached(group: Path) -> float:
    """Return the bytes of files that a group gives back when it needs them."""
    for line in _text(group / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return float(value)
    return 0.0


def _of_job(environment: Mapping[str, str]) -> Iterator[float]:
    """Give what Slurm grants the job on this node, whether or not it takes care that it holds."""
    for name, factor in (("SLURM_MEM_PER_NODE", "1"), ("SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE")):
        size, times = environment.get(name, ""), environment.get(factor, factor)
        if size.isdigit() and times.isdigit() and int(size):  # 0: all that the node has
            yield float(int(size) * int(times)) * _MIB


def _text(path: Path) -> str:
    """Return a file of the kernel's; nothing where it is not there."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
