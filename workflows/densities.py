"""What is taken from the density files of finished runs: Bader charges and ELF."""

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

from ..results.elf import load_elf
from ..results.records import Run
from ..structures.files import atomic_stream

BADER = ("near-grid", "weight")  # both: the choice moves charges by up to 0.06 e
_KEPT = ("CHGCAR", "AECCAR0", "AECCAR2", "ELFCAR")


def with_densities(run: Run, folder: Path, task: str) -> Run:
    """Return the run with what its task takes from density files.

    Parameters
    ----------
    run
        As parsed from the folder.
    folder
        Holds CHGCAR, AECCAR0 and AECCAR2 (task ``charge``) or ELFCAR (task ``elf``).
    task
        Other tasks leave the run as it is.

    Raises
    ------
    RunError
        A file is missing, damaged or of another run.
    """
    if task == "charge":
        from ..results.bader_folder import bader_folder  # numba is slow to import

        return replace(run, bader=bader_folder(folder, algorithms=BADER))
    if task == "elf":
        return replace(run, elf=load_elf(folder))
    return run


def compress_densities(folder: Path) -> None:
    """Replace density files by gzip ones, a third of their size, which everything here reads."""
    for name in _KEPT:
        path = folder / name
        if not path.is_file():
            continue
        with (
            path.open("rb") as source,
            atomic_stream(folder / f"{name}.gz") as target,
            gzip.open(target, "wb", compresslevel=1) as packed,
        ):
            shutil.copyfileobj(source, packed, 1 << 20)
        path.unlink()
