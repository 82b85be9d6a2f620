"""The numbers of a host by itself: density of states, gap, d band, distance of its layers."""

import numpy as np

from ..structures.errors import RunError
from .electronic import band_gap, d_band_centre, dos_at_fermi, run_symbols
from .interlayers import interlayer_distance
from .records import Dos, Run, Settings
from .requests import DosRequest, InterlayerRequest
from .values import Value


def dos_values(run: Run, request: DosRequest) -> list[Value]:
    """Return the DOS at the Fermi level, the gap, and the d-band centres that are asked for.

    Raises
    ------
    RunError
        The run has no DOS.
    """
    if run.dos is None:
        raise RunError(f"{run.folder} has no DOS: run it with LORBIT = 11 and NEDOS set.")
    level = dos_at_fermi(run.dos)
    gap = band_gap(run.bands, run.dos, len(run.structure))
    values = [
        Value(
            quantity="DOS at E_F",
            unit="states/eV/cell",
            value=level,
            detail={"per_atom": level / len(run.structure), "half_width_ev": 0.05},
            notes=_grid_notes(run.dos, run.settings),
        ),
        *_per_area(level, request.area, _grid_notes(run.dos, run.settings)),
        Value(
            quantity="band gap",
            unit="eV",
            value=gap.value,
            detail={"is_metal": gap.is_metal, "reasons": list(gap.reasons)},
            notes=(f"metal: {'; '.join(gap.reasons)}",) if gap.is_metal else (),
        ),
    ]
    for element in request.d_elements:
        values.append(
            Value(
                quantity=f"d-band centre of {element}",
                unit="eV",
                value=d_band_centre(run.dos, run_symbols(run), [element]),
                detail={"window_ev": [-10.0, 5.0], "relative_to": "E_F"},
                notes=(f"{run.dos.projection} projection, -10 to 5 eV around E_F",),
            )
        )
    return values


def interlayer_value(run: Run, request: InterlayerRequest) -> Value:
    """Return the distance between the facing atom planes of two layers, in Angstrom."""
    distance = interlayer_distance(
        np.asarray(run.structure.lattice.matrix),
        np.asarray(run.structure.frac_coords),
        request.bottom,
        request.top,
    )
    return Value(quantity="interlayer distance", unit="Angstrom", value=distance)


def _per_area(level: float, area: float | None, notes: tuple[str, ...]) -> list[Value]:
    """Return the DOS at the Fermi level of a slab per area, if the area is known."""
    if area is None:
        return []
    area_nm2 = area / 100
    return [
        Value(
            quantity="DOS at E_F per area",
            unit="states/eV/nm^2",
            value=level / area_nm2,
            detail={"area_nm2": area_nm2, "half_width_ev": 0.05},
            notes=notes,
        )
    ]


def _grid_notes(dos: Dos, settings: Settings) -> tuple[str, ...]:
    """Say when the DOS was sampled so coarsely that peaks fall between its points."""
    step = float(np.diff(dos.energies).max())
    if settings.smearing == "tetrahedron" or step <= settings.sigma:
        return ()
    return (
        f"DOS points are {step:.3f} eV apart, the smearing is {settings.sigma:g} eV: peaks are "
        "missed, raise NEDOS",
    )
