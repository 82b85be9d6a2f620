"""A real Slurm on this machine for the tests, by the project's own script."""

import os
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / ".ci" / "slurm"


def start() -> str:
    """Start Slurm where it does not run yet; return why not, empty when it runs."""
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    if shutil.which("slurmctld") is None and shutil.which("apt-get") is None:
        return "Slurm is not installed and there is no apt-get to install it with"
    done = subprocess.run([str(SCRIPT)], capture_output=True, text=True, check=False, timeout=300)
    return "" if done.returncode == 0 else f"{SCRIPT} failed: {done.stdout}{done.stderr}"


def squeue(folder: Path, states: str = "PENDING,RUNNING,COMPLETING") -> list[str]:
    """Return the ids of jobs that were submitted from below a folder."""
    done = subprocess.run(
        ["squeue", "-h", "-t", states, "-o", "%i %Z"], capture_output=True, text=True, check=True
    )
    rows = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return [job for job, where in rows if Path(where).is_relative_to(folder)]
