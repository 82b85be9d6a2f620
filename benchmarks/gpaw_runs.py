"""Run folders of `heterofire engine gpaw`, computed once each: what the GPAW benchmarks share."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from heterofire.results.parsing import is_complete, parse_run
from heterofire.results.records import Run
from heterofire.workflows.potcars import symbols_of_blocks

FERMI = {"ISMEAR": -1, "SIGMA": 0.05, "EDIFF": "1E-6"}


class Runs:
    """Run folders below one folder.

    Parameters
    ----------
    folder
        A second call with it computes only what is missing.
    tags
        INCAR of every run, under what each asks for.
    """

    def __init__(self, folder: Path, tags: Mapping[str, object] = FERMI) -> None:
        self.folder, self.tags = folder, tags

    def run(
        self,
        name: str,
        atoms: Atoms,
        mesh: tuple[int, int, int],
        environment: Mapping[str, str] = {},
        style: str = "Gamma",
        **incar: object,
    ) -> Run:
        """Return a finished run, after computing it where it is not there yet."""
        path = self.folder / name
        if not is_complete(path):
            self._write(path, atoms, "{}\n{} {} {}".format(style, *mesh), incar)
            print(f"  {name} ...", file=sys.stderr, flush=True)
            command = [sys.executable, "-P", "-m", "heterofire.launchers.cli", "engine", "gpaw"]
            own = {"OMP_NUM_THREADS": "1", **environment}
            with (path / "engine.out").open("w") as log:
                subprocess.run(command, cwd=path, check=True, stdout=log, env=os.environ | own)
        return parse_run(path)

    def _write(self, path: Path, atoms: Atoms, mesh: str, incar: Mapping[str, object]) -> None:
        path.mkdir(parents=True, exist_ok=True)
        atoms = atoms[np.argsort(atoms.numbers, kind="stable")]
        atoms.pbc = True
        atoms.write(path / "POSCAR", format="vasp", direct=True)
        symbols = symbols_of_blocks(atoms.get_chemical_symbols())
        (path / "POTCAR.spec").write_text("\n".join(symbols) + "\n")
        tags = {**self.tags, **incar}
        lines = (f"{tag} = {value}\n" for tag, value in tags.items() if value is not None)
        (path / "INCAR").write_text("".join(lines))
        (path / "KPOINTS").write_text(f"mesh\n0\n{mesh}\n0 0 0\n")
