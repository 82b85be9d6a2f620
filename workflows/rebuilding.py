"""A stored energy computed once more: which run folder gives it, and what it is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from pymatgen.core import Structure

from ..results.atom_order import displacements
from ..results.neb_parsing import parse_band
from ..results.parsing import parse_run
from ..results.records import Band, Label, Run
from ..results.store import ResultStore
from ..structures.errors import InputError, RunError
from .calculations import Calculation
from .collecting import check_method
from .starts import with_dynamics_of

# Tags that move atoms, and those that write what no energy needs.
_MOVES = (
    *("IBRION", "NSW", "EDIFFG", "POTIM", "NFREE", "ISIF", "IMAGES", "SPRING", "LCLIMB", "IOPT"),
    *("ICHAIN", "MAXMOVE", "TIMESTEP", "LVHAR", "LVTOT", "LELF", "LAECHG", "LCHARG", "LWAVE"),
)
_STATIC = {"IBRION": -1, "NSW": 0, "LCHARG": False, "LWAVE": False}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run folder, and the stored energies that it must give again."""

    calculation: Calculation  # what is written and run; its key is not the stored one's
    key: str  # of the stored calculation
    what: str  # "static, at the relaxed geometry", "image 2 of 5", "as a whole"
    stored: tuple[float, ...]  # E0 in eV; of a band as a whole one for each image
    method: str  # that was stored
    seconds: float  # about what it will take

    @property
    def folder_name(self) -> str:
        """Return the name of its run folder."""
        return self.calculation.folder_name


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial gave."""

    energies: tuple[float, ...]  # E0 in eV, in the order of the trial's
    engine_version: str
    reasons: tuple[str, ...]  # why it is unconverged; empty when it converged
    elapsed_s: float


def trials(
    planned: Calculation, record: Run | Band, *, key: str, whole: bool = False
) -> tuple[Trial, ...]:
    """Return the run folders that give a stored energy again.

    Parameters
    ----------
    planned
        Its inputs: as they were planned, or as they were stored (`stored_calculation`).
    record
        What is stored.
    key
        Of the stored calculation.
    whole
        Relax again, or run the whole band. Otherwise a relaxation is one energy at the geometry
        it came to, a band one for each image between its ends.
    """
    if whole:
        return (_whole(planned, record, key),)
    if isinstance(record, Band):
        return tuple(_image(planned, record, key, number) for number in _moving(record))
    moved = planned.incar.get("NSW", 0) > 0
    what = "static, at the relaxed geometry" if moved else "static"
    steps = max(record.n_ionic_steps, 1)
    calculation = _static(planned, record.structure, f"{planned.label.name}/static")
    return (
        Trial(
            calculation=calculation,
            key=key,
            what=what,
            stored=(record.e0,),
            method=record.settings.method,
            seconds=record.elapsed_s / steps,
        ),
    )


def _whole(planned: Calculation, record: Run | Band, key: str) -> Trial:
    """Return the calculation as it was planned, under the name of a rebuilt one."""
    calculation = replace(planned, label=replace(planned.label, name=f"{planned.label.name}/whole"))
    energies = tuple(i.e0 for i in record.images) if isinstance(record, Band) else (record.e0,)
    return Trial(
        calculation=calculation,
        key=key,
        what="as a whole",
        stored=energies,
        method=record.settings.method,
        seconds=record.elapsed_s,
    )


def _moving(band: Band) -> range:
    return range(1, len(band.images) - 1)


def _image(planned: Calculation, band: Band, key: str, number: int) -> Trial:
    image = band.images[number]
    name = f"{planned.label.name}/image-{number}"
    return Trial(
        calculation=_static(planned, image.structure, name),
        key=key,
        what=f"image {number} of {len(_moving(band))}",
        stored=(image.e0,),
        method=band.settings.method,
        seconds=band.elapsed_s / max(band.n_ionic_steps, 1) / len(_moving(band)),
    )


def _static(planned: Calculation, structure: Structure, name: str) -> Calculation:
    """Return the calculation of one energy at a geometry, all else as planned."""
    incar = {tag: value for tag, value in planned.incar.items() if tag not in _MOVES}
    return replace(
        planned,
        label=replace(planned.label, task="static", name=name),
        structure=with_dynamics_of(structure, planned.structure),
        incar=dict(sorted((incar | _STATIC).items())),
        parents={},
        n_images=0,
        final=None,
        **dict.fromkeys(("image", "atoms", "rank", "transformation")),  # type: ignore[arg-type]
    )


def stored_calculation(run: Run, label: Label, *, key: str) -> Calculation:
    """Return a calculation with the inputs that are stored with a run.

    For runs that no study plans: collected ones, or those of a study that has changed.

    Raises
    ------
    InputError
        The k-points are no mesh, or a shifted one, or the POTCARs do not fit the elements.
    """
    mesh, shift = run.kpoints.get("divisions"), run.kpoints.get("shift") or (0, 0, 0)
    style = {"Gamma": "Gamma", "Monkhorst": "Monkhorst-Pack"}.get(run.kpoints.get("style", ""))
    if mesh is None or any(shift) or style is None:
        raise InputError(
            f"{label.name} ({key[:8]}): its k-points ({run.kpoints.get('style')}) are no mesh "
            "without a shift, which is all that can be written again from what is stored."
        )
    elements = [name for name, _ in groupby(site.specie.symbol for site in run.structure)]
    return Calculation(
        label=label,
        structure=run.initial_structure,
        incar=dict(run.incar),
        kpoints={"style": style, "mesh": list(mesh)},
        potcar_symbols=_potcars(run.settings.potcars, elements, label.name),
        engine=run.settings.engine,
        method="",
        charge=round(run.charge),
    )


def _potcars(titels: Sequence[str], elements: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the POTCAR symbol of each block of atoms.

    Examples
    --------
    >>> _potcars(["PAW_PBE K_sv 06Sep2000", "GFN1-xTB S"], ["S", "K"], "K2S")
    ('S', 'K_sv')
    """
    words = [word for titel in titels for word in titel.split()[1:2]]
    known = {word.partition("_")[0]: word for word in words}
    lacking = sorted(set(elements) - set(known))
    if lacking:
        raise InputError(f"{name}: no POTCAR of {', '.join(lacking)} is named in what is stored")
    return tuple(known[element] for element in elements)


def method_variables(engine: str, method: str) -> Mapping[str, str]:
    """Return the environment in which an engine computes what was stored.

    Examples
    --------
    >>> method_variables("gpaw", "PBE-D3(zero), LCAO szp(dzp), h 0.22 A")
    {'HETEROFIRE_GPAW_BASIS': 'szp(dzp)'}
    >>> method_variables("xtb", "GFN2-xTB, 1000 K")
    {'HETEROFIRE_XTB_METHOD': 'GFN2-xTB'}
    """
    parts = [part.strip() for part in method.split(",")]
    if engine == "xtb":
        return {"HETEROFIRE_XTB_METHOD": parts[0]}
    basis = [part.removeprefix("LCAO ") for part in parts if part.startswith("LCAO ")]
    return {"HETEROFIRE_GPAW_BASIS": basis[0]} if engine == "gpaw" and basis else {}


def read_trial(trial: Trial, store: ResultStore, folder: Path) -> Outcome:
    """Return what a finished run folder gives, after the checks that every run has to pass.

    Raises
    ------
    RunError
        The folder cannot be trusted, or was computed with another method than what is stored.
    """
    calculation = trial.calculation
    record: Run | Band
    if calculation.n_images:
        ends = [store.get_run(calculation.parents[role]) for role in ("initial", "final")]
        record = parse_band(folder, initial=ends[0], final=ends[1])
        energies = tuple(image.e0 for image in record.images)
    else:
        record = parse_run(folder)
        energies = (record.e0,)
    check_method(calculation, record.settings.method, folder)
    if record.settings.method != trial.method:
        raise RunError(
            f"{folder}: computed with {record.settings.method!r}, but {trial.method!r} is stored: "
            "two methods are never compared."
        )
    return Outcome(
        energies=energies,
        engine_version=record.engine_version,
        reasons=record.reasons,
        elapsed_s=record.elapsed_s,
    )


def largest_difference(trial: Trial, outcome: Outcome) -> float:
    """Return the difference new - stored of the energy that differs most, in eV."""
    pairs = zip(outcome.energies, trial.stored, strict=True)
    return max((new - old for new, old in pairs), key=abs)


def checked_start(start: Structure, record: Run, name: str) -> None:
    """Refuse a start that is not the one that was stored.

    Raises
    ------
    RunError
        A parent of it was computed again since, or the study has changed.
    """
    moved = float(np.max(displacements(start, record.initial_structure)))
    if moved > 0.01:
        raise RunError(
            f"{name} would start up to {moved:.2f} Angstrom away from where the stored one did: "
            "a calculation that it starts from is not the one that is stored."
        )
