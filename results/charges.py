"""Charges of atoms and fragments, by every scheme a run has, and where schemes disagree."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..structures.errors import RunError
from .differences import fragment_gains, nearest_gains
from .electronic import run_symbols
from .planar import heights_above, normal_height, vacuum_middle
from .records import DensityDifference, Floats, Run
from .requests import ElfRequest, TransferRequest
from .values import Value

INTEGRATED = "integrated Delta rho"
BY_NEAREST = "Delta rho by nearest atom"  # where no plane divides the fragments
_SMALL = 0.005  # e; below it a transfer has no sign to speak of


def net_charges(run: Run) -> dict[str, Floats]:
    """Return the net charge of each atom in e (positive = electrons lost) by scheme.

    Returns
    -------
    dict
        "Bader near-grid", "Bader weight" where densities were written, and "Mulliken" where
        populations were. What lies inside PAW spheres leaves no net charge: the electrons between
        the spheres belong to no atom.
    """
    found = {f"Bader {b.algorithm}": b.net for b in run.bader if b.net is not None}
    if run.site_charges is not None and run.site_charges.is_partition:
        found[run.site_charges.scheme] = run.site_charges.net
    return found


def charge_values(run: Run, element: str, path: Mapping[str, Any]) -> list[Value]:
    """Return the mean net charge of an element's atoms in each scheme.

    Parameters
    ----------
    run
        With Bader charges, site charges or both.
    element
        Its symbol.
    path
        Hop, image and place along it, added to the detail; empty for a site.

    Raises
    ------
    RunError
        The run has no charges, or no such element.
    """
    schemes = net_charges(run)
    if not schemes:
        raise RunError(f"{run.folder} has no charges: run it as task charge.")
    chosen = [i for i, symbol in enumerate(run_symbols(run)) if symbol == element]
    if not chosen:
        raise RunError(f"{run.folder} has no {element}: name an element of {run.structure.formula}")
    return [
        Value(
            quantity=f"net charge of {element}",
            unit="e",
            value=float(net[chosen].mean()),
            reference=scheme,
            detail={"atoms": net[chosen].tolist(), **path},
            notes=(f"mean over {len(chosen)} atoms",) if len(chosen) > 1 else (),
        )
        for scheme, net in schemes.items()
    ]


def transfer_values(
    run: Run, request: TransferRequest, difference: DensityDifference | None
) -> list[Value]:
    """Return the electrons that fragments gain in each scheme, positive = gained.

    Parameters
    ----------
    run
        Of the whole.
    request
        Fragments, and which of them to report.
    difference
        Density of the whole minus that of its fragments, where there is one.

    Raises
    ------
    RunError
        The run has no charges.
    """
    gains = {
        scheme: {name: -float(net[list(atoms)].sum()) for name, atoms in request.fragments.items()}
        for scheme, net in net_charges(run).items()
    }
    if not gains:
        raise RunError(f"{run.folder} has no charges: run it as task charge.")
    if difference is not None:
        integrated = fragment_gains(difference)
        if integrated is not None:
            gains[INTEGRATED] = integrated
        else:
            gains[BY_NEAREST] = nearest_gains(difference)
    return [
        Value(
            quantity=f"electrons gained by {name}",
            unit="e",
            value=of_scheme[name],
            reference=scheme,
            detail={"fragments": of_scheme},
            notes=_disagreement(name, scheme, gains),
        )
        for name in request.show
        for scheme, of_scheme in gains.items()
    ]


def _disagreement(
    name: str, scheme: str, gains: Mapping[str, Mapping[str, float]]
) -> tuple[str, ...]:
    """Say why Bader and the integrated difference have unlike signs, where they have."""
    bader = gains.get("Bader near-grid")
    integrated = gains.get(INTEGRATED)
    if scheme != INTEGRATED or bader is None or integrated is None:
        return ()
    if bader[name] * integrated[name] >= 0 or abs(integrated[name]) < _SMALL > abs(bader[name]):
        return ()
    return (
        f"Bader gives {bader[name]:+.3f} e, the other sign: its surface follows the bulges of "
        "the density, while Delta rho is cut at a plane and counts the shift of each layer's own "
        "tail through that plane as transfer",
    )


def elf_value(run: Run, request: ElfRequest) -> Value:
    """Return the largest ELF in the plane between two layers where that is smallest.

    Raises
    ------
    RunError
        The run has no electron localization function.
    """
    if run.elf is None:
        raise RunError(f"{run.folder} has no ELFCAR: run it as task elf.")
    start = vacuum_middle(run.structure)
    heights = heights_above(run.structure, start)
    z = start + (run.elf.z - start) % normal_height(run.structure)
    low, high = float(heights[list(request.bottom)].max()), float(heights[list(request.top)].min())
    inside = np.flatnonzero((z > low) & (z < high))
    if not len(inside):
        raise RunError(
            f"{run.folder}: no grid plane lies between the layers, whose facing atoms are at "
            f"{low:.2f} and {high:.2f} Angstrom; use a finer grid."
        )
    plane = inside[run.elf.largest[inside].argmin()]
    return Value(
        quantity="largest ELF between the layers",
        unit="",
        value=float(run.elf.largest[plane]),
        detail={"above_lower_layer_angstrom": float(z[plane] - low)},
        notes=("near 0 without a bond across the plane, 0.5 in an electron gas",),
    )
