"""Densities of states of molecules and complexes on one scale, and where their charge goes."""

from ..results.requests import AlignedDosRequest
from .molecular_parts import Electronic
from .planner import Planner
from .systems import System, add_boxed


def add_electronic(planner: Planner, part: Electronic) -> None:
    """Add a DOS run of each system, and what follows from all of them on one scale."""
    runs = {name: _add_dos(planner, planner.systems[name]) for name in part.systems}
    planner.requests.append(
        AlignedDosRequest(
            model=" | ".join(part.systems),
            label="aligned",
            systems=runs,
            d_elements=part.d_elements,
            deep_element=part.deep_element or None,
        )
    )


def _add_dos(planner: Planner, system: System) -> str:
    """Add the DOS of a system in its lowest relaxed geometry; return its key."""
    name = f"{system.name}/dos"
    run = add_boxed(planner, system.name, name, "dos", system.boxed, start=system.start())
    return run.key
