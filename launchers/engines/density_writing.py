"""Files on grids of one geometry, whatever engine they come from."""

import sys
import time
from pathlib import Path
from typing import Any

from ...results.density_files import write_density
from .potentials import FloatArray


class DensityFiles:
    """CHGCAR and its kin: written one after the other, told of in engine.json.

    Parameters
    ----------
    folder
        Where the files go.
    head
        POSCAR of the geometry; its title comes first in each file's.
    method
        What the second part of each title says.
    """

    def __init__(self, folder: Path, head: str, method: str) -> None:
        self._folder = folder
        self._title, _, self._rest = head.partition("\n")
        self._method = method
        self._started = time.perf_counter()
        self.report: dict[str, Any] = {"files": []}  # what engine.json says of them

    def write(self, name: str, what: str, *blocks: FloatArray) -> None:
        """Write one file; blocks (n1, n2, n3) are densities times cell volume, in electrons."""
        head = f"{self._title}: {self._method}, {what}\n{self._rest}"
        write_density(self._folder / name, head, *blocks)
        self.report["files"].append(name)

    def finish(self) -> dict[str, Any]:
        """Print what was written and return the report."""
        seconds = round(time.perf_counter() - self._started, 3)
        self.report["wall_s"] = seconds
        sys.stdout.write(f" {' '.join(self.report['files'])} written in {seconds:.1f} s\n")
        sys.stdout.flush()
        return self.report
