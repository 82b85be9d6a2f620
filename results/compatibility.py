"""Which runs may be summed: what must agree between them so that their errors cancel."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
from pymatgen.core import Structure

from ..structures.errors import RunError
from .records import Run

Leg = tuple[str, Run]  # role and run

_SETTINGS = ("engine", "functional", "cutoff", "dispersion", "smearing", "sigma", "method")
_ISOLATED_GAP = 6.0  # Angstrom of vacuum along every axis: no dispersion of the levels is left
_SAME_CELL = 1e-3  # relative difference of lattice vectors
_SAME_MESH = 0.01  # relative difference of k-point spacings in one cell
_COARSER = 1.25  # how much coarser a leg may be than the shared cell, whose error cancels
_SPREAD = 2.5  # how much coarser than the median where no cell is shared
_HOPELESS = 1.0  # 1/Angstrom: Gamma alone for a cell of 6.3 Angstrom
_COARSE = 0.3  # 1/Angstrom: above it a metal is not sampled well, and the reader is told


def check_settings(name: str, legs: Sequence[Leg]) -> None:
    """Refuse legs whose errors do not cancel because they were computed differently.

    Parameters
    ----------
    name
        The energy they are to be summed to, for the message.
    legs
        Role and run of each.

    Raises
    ------
    RunError
        Two legs differ in engine, method, functional, cutoff, dispersion or smearing, or in
        POTCAR or U of an element that both hold.
    """
    for a, b in pairwise(legs):
        for what in _SETTINGS:
            values = (getattr(leg[1].settings, what) for leg in (a, b))
            _refuse_unequal(name, what, (a[0], b[0]), *values)
    for a, b in combinations(legs, 2):
        for what, tables in (("POTCAR", map(_potcars, (a, b))), ("U", map(_hubbard_u, (a, b)))):
            table_a, table_b = tables
            for element in sorted(_elements(a) & _elements(b)):
                values = (table.get(element) for table in (table_a, table_b))
                _refuse_unequal(name, f"{what} of {element}", (a[0], b[0]), *values)


def _refuse_unequal(name: str, what: str, roles: tuple[str, str], a: object, b: object) -> None:
    close = isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, abs_tol=1e-6)
    if a != b and not close:
        raise RunError(
            f"{name}: the legs {roles[0]!r} and {roles[1]!r} differ in {what} ({a} and {b}), so "
            f"their errors do not cancel. Compute both with the same {what}."
        )


def _elements(leg: Leg) -> set[str]:
    return {element.symbol for element in leg[1].structure.composition.elements}


def _hubbard_u(leg: Leg) -> Mapping[str, object]:
    return dict(leg[1].settings.hubbard_u)


def _potcars(leg: Leg) -> Mapping[str, object]:
    """Return the POTCAR of each element; "PAW_PBE K_sv 06Sep2000" and "K_sv" belong to K."""
    table = {}
    for title in leg[1].settings.potcars:
        words = title.split()
        symbol = words[1] if len(words) > 1 else words[0]
        table[symbol.split("_")[0]] = title
    return table


def check_meshes(name: str, legs: Sequence[Leg]) -> list[str]:
    """Refuse k-meshes of unlike density; return a note when one is coarse.

    Meshes are compared by spacing. Legs in one cell must agree, for their errors cancel only
    then. Any other leg may be finer, for that only makes it better, but not coarser than 1.25
    times the shared cell, or, where no two legs share a cell, than 2.5 times the (lower)
    median; nor than 1 per Angstrom, where even an insulator is eV off. A leg with at least
    6 Angstrom of vacuum along all three axes (an atom or a molecule in a box) is exempt: its
    levels have no dispersion.

    Raises
    ------
    RunError
        Two legs are sampled too differently; names both spacings in 1/Angstrom.
    """
    periodic = [(role, run) for role, run in legs if not is_isolated(run.structure)]
    if not periodic:
        return []
    shared = [pair for pair in combinations(periodic, 2) if _same_cell(pair[0][1], pair[1][1])]
    for a, b in shared:
        if abs(_spacing(a) - _spacing(b)) > _SAME_MESH * _spacing(a):
            raise _mesh_error(name, a, b, "the same k-points in the same cell")
    in_shared = [leg for pair in shared for leg in pair]
    if shared:
        basis, limit = max(in_shared, key=_spacing), _COARSER
    else:
        basis, limit = sorted(periodic, key=_spacing)[(len(periodic) - 1) // 2], _SPREAD
    coarsest = max(periodic, key=_spacing)
    if _spacing(coarsest) > limit * _spacing(basis):
        wanted = f"at most {limit} times the spacing of {basis[0]!r}"
        raise _mesh_error(name, coarsest, basis, wanted)
    for leg in periodic:
        if _spacing(leg) > _HOPELESS and not any(leg is other for other in in_shared):
            raise _mesh_error(name, leg, basis, f"at most {_HOPELESS} in a cell of its own")
    if _spacing(coarsest) > _COARSE:
        return [f"k-points up to {_spacing(coarsest):.2f} 1/Angstrom apart"]
    return []


def _spacing(leg: Leg) -> float:
    return leg[1].settings.kpoint_spacing


def _mesh_error(name: str, a: Leg, b: Leg, wanted: str) -> RunError:
    return RunError(
        f"{name}: k-point spacing is {_spacing(a):.3f} 1/Angstrom in {a[0]!r} and "
        f"{_spacing(b):.3f} in {b[0]!r}; wanted {wanted}. Change the mesh of one of them."
    )


def _same_cell(a: Run, b: Run) -> bool:
    cells = a.structure.lattice.matrix, b.structure.lattice.matrix
    return np.allclose(*cells, rtol=_SAME_CELL, atol=_SAME_CELL)


def is_isolated(structure: Structure) -> bool:
    """Return whether 6 Angstrom of vacuum separate the images along all three axes."""
    lattice = structure.lattice
    volume = lattice.volume
    for axis in range(3):
        b, c = (lattice.matrix[(axis + step) % 3] for step in (1, 2))
        height = volume / float(np.linalg.norm(np.cross(b, c)))
        position = np.sort(structure.frac_coords[:, axis] % 1.0)
        gaps = np.diff(position, append=position[0] + 1.0)
        if float(gaps.max()) * height < _ISOLATED_GAP:
            return False
    return True
