"""How a band was computed, and whether its end points were computed in the same way."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Kpoints

from ..structures.errors import RunError
from .outcar import Outcar
from .records import Run, Settings
from .run_files import find_file, read_bytes
from .run_settings import (
    engine_settings,
    list_spacing,
    merge_parameters,
    mesh_spacing,
    vasp_settings,
)

_SAME = ("engine", "functional", "cutoff", "potcars", "dispersion", "hubbard_u", "smearing")


def band_settings(
    folder: Path,
    incar: Mapping[str, Any],
    outcar: Outcar,
    report: Mapping[str, Any] | None,
    structure: Structure,
    initial: Run | None,
) -> Settings:
    """Return the settings of a band; OUTCAR knows the defaults, INCAR the rest.

    Parameters
    ----------
    folder
        The band's folder, for KPOINTS.
    incar
        The tags that were asked for.
    outcar
        Of any image.
    report
        The engine's report; None for VASP.
    structure
        Any image, for the lattice.
    initial
        The initial end point, whose POTCAR symbols stand in where an engine names none.

    Returns
    -------
    Settings
        Of every image.
    """
    spacing = _kpoint_spacing(folder, incar, structure)
    if report is not None:
        titels = outcar.titels or (initial.settings.potcars if initial else ())
        return engine_settings(report, titels=titels, kpoint_spacing=spacing)
    parameters = merge_parameters(incar, outcar.parameters)
    return vasp_settings(
        parameters, titels=outcar.titels, kpoint_spacing=spacing, source=str(outcar.path)
    )


def _kpoint_spacing(folder: Path, incar: Mapping[str, Any], structure: Structure) -> float:
    """Return the spacing that KPOINTS, or else KSPACING with VASP's default, gives."""
    path = find_file(folder, "KPOINTS")
    if path is None:
        wanted = float(incar.get("KSPACING", 0.5))
        lengths = np.array(structure.lattice.reciprocal_lattice.abc)
        divisions = np.maximum(1, np.ceil(lengths / wanted)).astype(int)
        return mesh_spacing(structure.lattice, divisions.tolist())
    try:
        kpoints = Kpoints.from_str(read_bytes(path).decode("latin-1"))
    except (ValueError, LookupError, TypeError) as error:
        raise RunError(f"{path}: not a KPOINTS file: {error}. Write it again.") from error
    first = kpoints.kpts[0]
    if kpoints.style.name in {"Gamma", "Monkhorst"}:
        return mesh_spacing(structure.lattice, [int(n) for n in first])
    if kpoints.style.name == "Automatic":
        return float(2 * np.pi / first[0])
    return list_spacing(structure.lattice, kpoints.kpts_weights or [1.0])


def check_settings(folder: Path, settings: Settings, runs: Mapping[str, Run | None]) -> None:
    """Refuse end points computed in another way than the band.

    Parameters
    ----------
    folder
        The band's folder.
    settings
        The band's.
    runs
        The end points by name, "initial" and "final".

    Raises
    ------
    RunError
        Names what differs, and both values.
    """
    for name, run in runs.items():
        if run is None:
            continue
        for field in _SAME:
            one, other = getattr(run.settings, field), getattr(settings, field)
            if one != other:
                raise RunError(
                    f"{folder}: {field} is {other!r} in the band, but {one!r} in its {name} end "
                    f"point {run.folder}. Compute the end point again with the band's settings."
                )
        for field in ("sigma", "kpoint_spacing"):
            one, other = getattr(run.settings, field), getattr(settings, field)
            if abs(one - other) > 0.01 * max(one, other):
                raise RunError(
                    f"{folder}: {field} is {other:.4g} in the band, but {one:.4g} in its {name} "
                    f"end point {run.folder}. Compute the end point again with the band's settings."
                )
