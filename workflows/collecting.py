"""From a finished run folder into the result store."""

from pathlib import Path
from typing import Any

from ..results.neb_parsing import parse_band
from ..results.parsing import parse_run
from ..results.records import Band, Run
from ..results.store import ResultStore
from ..structures.errors import RunError
from .calculations import Calculation
from .densities import compress_densities, with_densities


def store_folder(calculation: Calculation, store: ResultStore, folder: Path) -> dict[str, Any]:
    """Parse a run folder strictly, store it, and return a few numbers for people to see.

    Raises
    ------
    RunError
        The folder cannot be trusted; the message names the file and what is wrong with it. Or it
        was computed with another method than the one it was planned with.
    """
    if calculation.n_images:
        ends = [store.get_run(calculation.parents[role]) for role in ("initial", "final")]
        band = parse_band(folder, initial=ends[0], final=ends[1])
        check_method(calculation, band.settings.method, folder)
        store.add_band(calculation.key, calculation.label, band)
        energies = [image.e0 for image in band.images]
        return {
            "status": band.status,
            "reasons": list(band.reasons),
            "highest_image_ev": max(energies) - energies[0],
            "n_steps": band.n_ionic_steps,
            "elapsed_s": band.elapsed_s,
            **_how(band),
        }
    run = with_densities(parse_run(folder), folder, calculation.label.task)
    check_method(calculation, run.settings.method, folder)
    store.add_run(calculation.key, calculation.label, run)
    compress_densities(folder)
    return {
        "status": run.status,
        "reasons": list(run.reasons),
        "e0_ev": run.e0,
        "max_force_ev_per_ang": run.max_force,
        "n_steps": run.n_ionic_steps,
        "elapsed_s": run.elapsed_s,
        **_how(run),
    }


def check_method(calculation: Calculation, found: str, folder: Path) -> None:
    """Refuse a run whose method is not the planned one: its key says another.

    Raises
    ------
    RunError
        Names both; an engine says more than what was planned, such as its temperature.
    """
    if f"{found}, ".startswith(f"{calculation.method}, ") or not calculation.method:
        return
    raise RunError(
        f"{folder}: {calculation.label.name} was planned with {calculation.method!r} but computed "
        f"with {found!r}. Give HETEROFIRE_XTB_METHOD or HETEROFIRE_GPAW_BASIS the same value where "
        "studies are submitted and where workers run, remove the folder, and submit again."
    )


def _how(record: Run | Band) -> dict[str, Any]:
    """Return what was corrected, and in how many parts it ran where there are several."""
    parts = {"n_parts": len(record.parts) + 1} if record.parts else {}
    return {"corrections": list(record.corrections), **parts}
