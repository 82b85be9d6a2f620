"""A study's run folders written without a queue."""

import json
from pathlib import Path

from ..structures.files import write_atomic
from ..structures.paths import interpolate
from ..workflows.calculations import Calculation
from ..workflows.folders import inputs_of
from ..workflows.inputs import write_inputs, write_neb_inputs
from ..workflows.plans import Plan
from .running import print_warnings


def write_study_inputs(plan: Plan, output: Path, *, dry_run: bool) -> None:
    """Write one folder per calculation and say what its start depends on.

    A calculation with parents gets the structure as planned; its ``heterofire.json`` names the
    parents whose relaxed structures belong there instead.
    """
    for calculation in plan.calculations:
        folder = output / calculation.folder_name
        if not dry_run:
            _write_folder(calculation, folder)
        print(folder)
    print_warnings(plan)


def _write_folder(calculation: Calculation, folder: Path) -> None:
    """Write the inputs of one calculation."""
    inputs = inputs_of(calculation)
    if calculation.final is not None:
        path = interpolate(calculation.structure, calculation.final, calculation.n_images)
        write_neb_inputs(inputs, path, folder)
    else:
        write_inputs(inputs, calculation.structure, folder)
    about = {
        "name": calculation.label.name,
        "key": calculation.key,
        "engine": calculation.engine,
        "parents": dict(calculation.parents),
        "changes from the preset": list(calculation.changes),
        "warnings": list(calculation.warnings),
    }
    write_atomic(folder / "heterofire.json", json.dumps(about, indent=2) + "\n")
