"""Nudged elastic band over image folders."""

from collections.abc import Callable

from ...structures.errors import EngineError
from .drivers import Outcome
from .poscars import Poscar
from .potentials import Potential
from .stopping import Stopper
from .tags import Settings
from .writing import RunFiles


def run_band(
    make_potential: Callable[[Poscar], Potential],
    images: tuple[Poscar, ...],
    settings: Settings,
    files: list[RunFiles],
    stopper: Stopper,
) -> Outcome:
    """Relax a band (to come)."""
    raise EngineError("INCAR: IMAGES is not offered yet")
