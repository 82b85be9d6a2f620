"""From the parsed outputs of one run to the Run that the rest of heterofire works on."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..structures.errors import RunError
from .convergence import early_breach_note, free_force, unconverged_reasons
from .outcar import Outcar
from .records import Bands, Dos, Floats, Run, Settings, SiteCharges
from .run_reports import engine_notes, read_corrections, read_engine_report, screen_notes
from .run_settings import engine_settings, merge_parameters, vasp_settings
from .vacuum_levels import find_vacuum_level
from .vasprun import Vasprun
from .vibrations import checked_vibrations


def assemble_run(
    folder: Path, vasprun: Vasprun, outcar: Outcar | None, notes: Sequence[str]
) -> Run:
    """Return the Run of vasprun.xml and OUTCAR (if kept), which were checked for each other.

    The folder is searched for engine.json, custodian.json and the screen output; a RunError says
    that the engine's report does not fit, that no Fermi level was written, or that Mulliken
    populations do not sum to the electrons.
    """
    report = read_engine_report(folder, vasprun.program)
    corrections, log_notes = read_corrections(folder)
    flags = vasprun.initial_structure.site_properties.get("selective_dynamics")
    max_force = free_force(vasprun.forces, flags, vasprun.structure.lattice.matrix)
    vibrations = checked_vibrations(vasprun, outcar)
    reasons = _reasons(vasprun, outcar, max_force, has_modes=vibrations is not None)
    breach = early_breach_note(vasprun.parameters, vasprun.electronic_steps)
    early = [breach] if breach else []
    vacuum, vacuum_notes = find_vacuum_level(folder, report)
    return Run(
        folder=str(folder),
        settings=_settings(vasprun, report),
        engine_version=str(report["engine_version"]) if report else vasprun.version,
        status="unconverged" if reasons else "converged",
        reasons=reasons,
        initial_structure=vasprun.initial_structure,
        structure=vasprun.structure,
        e0=vasprun.e0,
        free_energy=vasprun.free_energy,
        e_wo_entropy=vasprun.e_wo_entropy,
        efermi=_efermi(vasprun, outcar),
        forces=vasprun.forces,
        max_force=max_force,
        n_ionic_steps=len(vasprun.electronic_steps),
        n_electrons=vasprun.n_electrons,
        charge=round(float(vasprun.valences.sum()) - vasprun.n_electrons, 6) + 0.0,
        magnetization=_magnetization(vasprun, outcar),
        incar=vasprun.incar,
        kpoints=vasprun.kpoints,
        elapsed_s=_elapsed(outcar, report),
        dos=_dos(vasprun.dos, report),
        bands=vasprun.bands,
        site_charges=_site_charges(vasprun, outcar, report),
        vibrations=vibrations,
        corrections=corrections,
        notes=(
            *(*notes, *early, *engine_notes(report), *log_notes, *screen_notes(folder)),
            *vacuum_notes,
        ),
        n_cores=None if outcar is None else outcar.n_cores,
        moments=_moments(vasprun, outcar),
        vacuum_level=None if vacuum is None else vacuum.level,
        vacuum_spread=None if vacuum is None else vacuum.spread,
    )


def _reasons(
    vasprun: Vasprun, outcar: Outcar | None, max_force: float, *, has_modes: bool
) -> tuple[str, ...]:
    """Return why the run is unconverged; without OUTCAR the forces have to tell."""
    return unconverged_reasons(
        vasprun.parameters,
        electronic_steps=vasprun.electronic_steps,
        is_relaxed=None if outcar is None else outcar.is_relaxed,
        is_stopped=outcar is not None and outcar.is_stopped,
        max_force=max_force,
        has_modes=has_modes,
    )


def _settings(vasprun: Vasprun, report: Mapping[str, Any] | None) -> Settings:
    """Return the settings of VASP or of the engine."""
    if report is not None:
        return engine_settings(report, titels=vasprun.titels, kpoint_spacing=vasprun.kpoint_spacing)
    parameters = merge_parameters(vasprun.incar, vasprun.parameters)
    return vasp_settings(
        parameters,
        titels=vasprun.titels,
        kpoint_spacing=vasprun.kpoint_spacing,
        source=str(vasprun.path),
    )


def _efermi(vasprun: Vasprun, outcar: Outcar | None) -> float:
    """Return the Fermi level of the last ionic step."""
    found = vasprun.efermi
    if found is None and outcar is not None:
        found = outcar.efermi
    if found is None:
        raise RunError(f"{vasprun.path}: no Fermi level, here or in OUTCAR. Run it again.")
    return found


def _magnetization(vasprun: Vasprun, outcar: Outcar | None) -> float | None:
    """Return the magnetization of a collinear run; None without spin."""
    if int(vasprun.parameters.get("ISPIN", 1)) != 2:
        return None
    if outcar is not None and outcar.magnetization is not None:
        return outcar.magnetization
    bands: Bands | None = vasprun.bands
    if bands is None:
        return None
    up, down = np.einsum("skb,k->s", bands.occupations, bands.weights)
    return float(up - down)


def _moments(vasprun: Vasprun, outcar: Outcar | None) -> Floats | None:
    """Return the moment of each atom of a collinear run; LORBIT below 10 leaves none."""
    if outcar is None or int(vasprun.parameters.get("ISPIN", 1)) != 2:
        return None
    return outcar.site_moments


def _elapsed(outcar: Outcar | None, report: Mapping[str, Any] | None) -> float:
    """Return the wall time in s; 0 when no file tells."""
    wall = (report or {}).get("wall_s")
    if wall is not None:
        return float(wall)
    return 0.0 if outcar is None else outcar.elapsed_s


def _dos(dos: Dos | None, report: Mapping[str, Any] | None) -> Dos | None:
    """Return the DOS, labelled by the way the engine projects."""
    if dos is None or report is None:
        return dos
    return dataclasses.replace(dos, projection=_projection(report))


def _projection(report: Mapping[str, Any] | None) -> str:
    """Return how levels are shared among atoms: VASP projects on its PAW spheres."""
    return "PAW spheres" if report is None else str(report.get("projection", "Mulliken"))


def _site_charges(
    vasprun: Vasprun, outcar: Outcar | None, report: Mapping[str, Any] | None
) -> SiteCharges | None:
    """Return OUTCAR's electrons per atom; Mulliken's must sum to NELECT."""
    if outcar is None or outcar.site_electrons is None:
        return None
    electrons = outcar.site_electrons
    excess = float(electrons.sum()) - vasprun.n_electrons
    scheme = _projection(report)
    if scheme == "Mulliken" and abs(excess) > 0.01 + 1e-3 * len(electrons):
        raise RunError(
            f"{outcar.path}: Mulliken populations sum to {electrons.sum():.3f} electrons, NELECT "
            f"is {vasprun.n_electrons:g}. The file is damaged: run the engine again."
        )
    return SiteCharges(
        scheme=scheme,
        electrons=electrons,
        net=vasprun.valences - electrons,
    )
