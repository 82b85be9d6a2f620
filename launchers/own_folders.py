"""Run folders that heterofire made itself: they go back under their own key and study.

FireWorks leaves FW.json in each of them, and in it stands the calculation. So a lost database is
collected again from its run folders.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..results.encoding import encode
from ..results.folder_listings import printable
from ..results.foreign_runs import Reading, guarded
from ..results.neb_parsing import parse_band
from ..results.parsing import parse_run
from ..results.records import Band, Run
from ..results.run_discovery import Candidate
from ..structures.errors import RunError

if TYPE_CHECKING:
    from ..results.store import ResultStore
    from ..workflows.calculations import Calculation

_TASKS = "heterofire.workflows.tasks"


def own_calculation(folder: Path) -> "Calculation | None":
    """Return what was computed in a run folder of heterofire's; None of any other folder.

    Examples
    --------
    >>> own_calculation(Path("no such folder")) is None
    True
    """
    try:
        text = (folder / "FW.json").read_text(encoding="utf-8")
        if _TASKS not in text:
            return None
        tasks: list[dict[str, Any]] = json.loads(text)["spec"]["_tasks"]
        found = next(task["calculation"] for task in tasks if "calculation" in task)
        from ..workflows.calculations import Calculation  # only where there is one

        return Calculation.from_dict(found)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return None  # not of heterofire, or damaged: then it is a folder like any other


def read_own(candidate: Candidate, store: "ResultStore | None" = None) -> Reading:
    """Return a run of heterofire's ready to be stored, or why it is left out; never raises.

    Parameters
    ----------
    candidate
        Its files.
    store
        Where the end points of a band are; runs need none.
    """
    return guarded(candidate, lambda before: _read(candidate, before, store))


def _read(candidate: Candidate, before: str, store: "ResultStore | None") -> Reading:
    from ..workflows.densities import with_densities
    from ..workflows.folders import is_finished

    calculation = own_calculation(candidate.folder)
    if calculation is None or not is_finished(calculation, candidate.folder):
        raise RunError("not finished: 'heterofire launch' in its project goes on with it.")
    record: Run | Band
    if not calculation.n_images:
        run = parse_run(candidate.folder)
        record = with_densities(run, candidate.folder, calculation.label.task)
    elif store is None or not all(store.has(key) for key in calculation.parents.values()):
        raise RunError("the end points of this band are not in the database: collect them, too.")
    else:
        ends = [store.get_run(calculation.parents[role]) for role in ("initial", "final")]
        record = parse_band(candidate.folder, initial=ends[0], final=ends[1])
    _check_same(calculation, record)
    record = replace(record, folder=printable(record.folder))
    return Reading(
        fingerprint=before, key=calculation.key, label=calculation.label, encoded=encode(record)
    )


def _check_same(calculation: "Calculation", record: Run | Band) -> None:
    """Refuse outputs of another calculation than the one that was planned for the folder."""
    structure = record.structure if isinstance(record, Run) else record.images[0].structure
    found = (record.settings.engine, structure.composition)
    wanted = (calculation.engine, calculation.structure.composition)
    if found != wanted:
        raise RunError(
            f"FW.json plans {wanted[1].formula} with engine {wanted[0]}, the outputs beside it are "
            f"of {found[1].formula} with {found[0]}: remove FW.json to collect them as they are."
        )
