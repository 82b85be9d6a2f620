"""Density differences of finished runs: subtracted, stored, and written for VESTA."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..results.densities import Density, load_density
from ..results.density_files import poscar_head, write_density
from ..results.differences import difference_record
from ..results.run_files import find_file
from ..results.store import ResultStore
from ..structures.errors import RunError
from .subtractions import Subtraction

DIFFERENCE_FILE = "CHGDIFF.vasp"


def store_difference(subtraction: Subtraction, store: ResultStore, folder: Path) -> dict[str, Any]:
    """Subtract the densities of finished runs, store the profile, write the file for VESTA.

    Returns
    -------
    dict
        A few numbers for people to see.

    Raises
    ------
    RunError
        A density is gone, or does not fit the others.
    """
    started = time.monotonic()
    joint = stored_density(store, subtraction.joint)
    fragments = {name: stored_density(store, key) for name, key in subtraction.fragments.items()}
    run = store.get_run(subtraction.joint)
    record, delta = difference_record(joint, fragments, run, str(folder))
    comment = f"{run.settings.method}: whole - {' - '.join(fragments)}"
    head = poscar_head(joint.structure, comment)
    write_density(folder / DIFFERENCE_FILE, head, delta)
    record = replace(record, elapsed_s=round(time.monotonic() - started, 3))
    store.add_difference(subtraction.key, subtraction.label, record)
    return {
        "status": record.status,
        "reasons": list(record.reasons),
        "file": os.fspath(folder / DIFFERENCE_FILE),
        "elapsed_s": record.elapsed_s,
    }


def stored_density(store: ResultStore, key: str) -> Density:
    """Return the CHGCAR of a stored run, checked against its number of electrons."""
    run = store.get_run(key)
    path = find_file(Path(run.folder), "CHGCAR")
    if path is None:
        raise RunError(
            f"{run.folder}: its CHGCAR is gone, and calculation {key} is stored as finished. "
            "Bring the folder back, or move the result database away and run the study again."
        )
    return load_density(path, n_electrons=run.n_electrons)
