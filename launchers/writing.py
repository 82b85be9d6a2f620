"""A study's run folders written without a queue."""

import json
import sys
from collections.abc import Mapping
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

    A calculation with parents gets the structure as planned, a placeholder; its ``heterofire.json``
    names the parents whose relaxed structures belong there instead.
    """
    names = {calculation.key: calculation.label.name for calculation in plan.calculations}
    for calculation in plan.calculations:
        folder = output / calculation.folder_name
        if not dry_run:
            _write_folder(calculation, folder, names)
        print(folder)
    print_warnings(plan)
    if waiting := sum(bool(calculation.parents) for calculation in plan.calculations):
        sys.stderr.write(
            f"note: {waiting} of {len(plan.calculations)} folders start from results of others: "
            "their POSCARs are placeholders, and heterofire.json says what belongs there. "
            "'heterofire run' and 'heterofire submit' put it in.\n"
        )


def _write_folder(calculation: Calculation, folder: Path, names: Mapping[str, str]) -> None:
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
        "start": _start(calculation, names),
        "changes from the preset": list(calculation.changes),
        "warnings": list(calculation.warnings),
    }
    write_atomic(folder / "heterofire.json", json.dumps(about, indent=2) + "\n")


def _start(calculation: Calculation, names: Mapping[str, str]) -> str:
    """Return what a POSCAR is: the start itself, or what stands there until parents are done."""
    if not calculation.parents:
        return "POSCAR is the start"
    parents = (f"{names.get(key, key)} ({role})" for role, key in calculation.parents.items())
    return f"POSCAR is a placeholder for results of {', '.join(parents)}: do not run it as it is"
