"""Slabs of any Miller plane, with every distinct termination.

The height of a point x (fractional) over the plane (hkl) is ``h x + k y + l z`` in units of
d(hkl); lattice translations and symmetry operations change it by whole numbers and by known
fractions, so that cuts are compared with integers instead of by matching slabs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Lattice, Structure

from .checks import vacuum_of
from .edits import group_by_element, hold_atoms
from .errors import InputError, StructureError
from .stacking import FLOOR
from .sublattices import reduced
from .symmetry import primitive_lattice, symmetry_operations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Miller = tuple[int, int, int]

MOST_VACUUM = 6.0  # Angstrom; a bulk crystal has no such empty interval
SAME_PLANE = 0.1  # Angstrom along the normal; atoms in closer steps are one plane
_SAME = 1e-4  # of d(hkl), for heights that symmetry makes alike


@dataclass(frozen=True, kw_only=True)
class Termination:
    """One way to cut a crystal along a plane."""

    name: str  # "T1 Mo1N1|Ni1": rank by the width of the cut, upper and lower face of a slab
    height: float  # of the cut's middle, Angstrom above the origin, below d(hkl)
    gap: float  # Angstrom between the planes that the cut parts; the wider, the easier
    upper: str  # formula of the plane that is uppermost in a slab, per surface cell
    lower: str  # formula of the lowest plane, if the slab is cut the same way below
    is_symmetric: bool  # whole layers have the same face above and below


@dataclass(frozen=True, kw_only=True)
class Slab:
    """A slab of a crystal in its smallest surface cell."""

    structure: Structure  # a along x, b in the x-y plane, c along z; lowest atom 2 A up
    miller: Miller  # without a common factor
    termination: Termination
    is_upside_down: bool  # the termination's lower face is on top
    layer: float  # Angstrom; thickness of the thinnest slab with the same cut above and below
    n_layers: float  # not whole when a symmetric slab needs part of a layer
    thickness: float  # Angstrom between the lowest and the highest atom
    is_symmetric: bool  # an operation of the crystal turns it upside down: no dipole along z
    excess: str  # atoms beyond whole formula units, "" when stoichiometric
    frozen: tuple[int, ...] = ()  # atoms held by selective dynamics
    warnings: tuple[str, ...] = ()

    @property
    def area(self) -> float:
        """Return the area of the surface cell in Angstrom^2."""
        a, b, _ = self.structure.lattice.matrix
        return float(np.linalg.norm(np.cross(a, b)))


@dataclass(frozen=True)
class _Oriented:
    """A crystal's primitive cell with two vectors in the plane and one across a layer."""

    cell: Floats  # (2, 2) in the plane: a along x
    lean: Floats  # (2,) in-plane part of the vector that crosses one layer
    spacing: float  # Angstrom, of lattice planes
    symbols: tuple[str, ...]
    plane: Floats  # (n, 2) Cartesian, in the plane
    heights: Floats  # (n,) in layers, in [0, 1)
    shifts: Floats  # heights by which operations that keep the normal move the crystal
    flips: Floats  # t of the operations that send a height x to t - x

    @property
    def layer(self) -> float:
        """Return the least height by which an operation moves the crystal along the normal."""
        return 1 / len(self.shifts)


def terminations(crystal: Structure, miller: Sequence[int]) -> list[Termination]:
    """Return every distinct way to cut a crystal along a plane, the widest cut first.

    Parameters
    ----------
    crystal
        Ordered bulk crystal; Miller indices refer to its cell as given.
    miller
        Three whole numbers, not all zero.

    Returns
    -------
    list of Termination
        Cuts that an operation of the crystal makes alike are there once, also when it turns
        the slab upside down: each has an upper and a lower face.

    Raises
    ------
    InputError
        The indices are no plane, or sites are partially occupied.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> [t.name for t in terminations(build_crystal("LiF"), (1, 1, 1))]
    ['T1 F1|Li1']
    """
    return _terminations(_oriented(crystal, _checked_miller(miller)))


def build_slab(
    crystal: Structure,
    miller: Sequence[int],
    *,
    thickness: float | None = None,
    n_layers: int | None = None,
    termination: int = 0,
    upside_down: bool = False,
    symmetric: bool = False,
    vacuum: float = 20.0,
    n_frozen_layers: float = 0,
) -> Slab:
    """Build a slab in its smallest surface cell.

    Parameters
    ----------
    thickness
        At least so many Angstrom of whole layers; or give ``n_layers``.
    n_layers
        Thinnest slabs with the same cut above and below, which are stoichiometric.
    termination, upside_down
        Which of `terminations`, counted from 0, and whether its lower face is on top.
    symmetric
        End in the same termination below, adding part of a layer where that needs it.
    vacuum
        Angstrom from the uppermost atom to the next image's lowest one.
    n_frozen_layers
        Atoms in so many of the lowest layers are held by selective dynamics.

    Raises
    ------
    InputError
        No such termination, thickness or plane.
    StructureError
        A symmetric slab is asked for and no operation of the crystal turns it upside down.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> slab = build_slab(build_crystal("MoS2_2H"), (0, 0, 1), n_layers=1)
    >>> slab.structure.composition.formula, round(slab.thickness, 2), slab.is_symmetric
    ('Mo1 S2', 3.17, True)
    """
    plane = _checked_miller(miller)
    bulk = _oriented(crystal, plane)
    choices = _terminations(bulk)
    if not 0 <= termination < len(choices):
        names = ", ".join(t.name for t in choices)
        raise InputError(
            f"termination {termination} of {plane}: there are {len(choices)}, from 0 ({names}); on "
            "the command line they count from 1"
        )
    chosen = choices[termination]
    layers = _layer_count(bulk, thickness, n_layers)
    top, depth = chosen.height / bulk.spacing, layers * bulk.layer
    if symmetric:
        depth = _symmetric_depth(bulk, top, depth)
    structure = _cut(bulk, top, depth, vacuum)
    if upside_down:
        structure = _turned(structure)
    is_symmetric = _is_flip(bulk, top, top - depth)
    excess = _excess(structure.composition, crystal.composition)
    structure, frozen = hold_lowest(structure, n_frozen_layers * bulk.layer * bulk.spacing)
    return Slab(
        structure=structure,
        miller=plane,
        termination=chosen,
        is_upside_down=upside_down,
        layer=bulk.layer * bulk.spacing,
        n_layers=depth / bulk.layer,
        thickness=float(np.ptp(structure.cart_coords[:, 2])),
        is_symmetric=is_symmetric,
        excess=excess,
        frozen=frozen,
        warnings=tuple(_slab_warnings(structure, is_symmetric, excess)),
    )


def _checked_miller(miller: Sequence[int]) -> Miller:
    """Return Miller indices of a plane, or say why they are none."""
    found = [int(i) for i in miller] if all(float(i).is_integer() for i in miller) else []
    if len(found) != 3 or not any(found):
        raise InputError(f"hkl = {tuple(miller)}: three whole numbers, not all zero, name a plane")
    divisor = math.gcd(*found)  # (002) names a reflection; its planes are those of (001)
    return (found[0] // divisor, found[1] // divisor, found[2] // divisor)


def _oriented(crystal: Structure, miller: Miller) -> _Oriented:
    """Return the primitive cell of a crystal seen along the normal of a plane."""
    name = crystal.composition.reduced_formula
    if not crystal.is_ordered:
        raise InputError(
            f"{name} has partially occupied sites. Order them first, for instance with pymatgen's "
            "OrderDisorderedStructureTransformation."
        )
    if (empty := vacuum_of(crystal)) > MOST_VACUUM:
        raise InputError(
            f"{name} has {empty:.1f} Angstrom of vacuum along its third axis: it is a slab or a "
            "molecule already, not a bulk crystal"
        )
    lattice, symbols, fractions = primitive_lattice(crystal)
    h = np.array(miller, dtype=float)
    normal = np.linalg.inv(crystal.lattice.matrix) @ h
    unit = _common_unit(lattice @ normal)
    vectors = _short(_plane_basis(np.rint(lattice @ normal / unit).astype(np.int64)) @ lattice)
    frame = _frame(vectors)
    flat = vectors @ frame.T
    rotations, translations = symmetry_operations(crystal)
    moved = np.round(translations @ h / unit, 6) % 1.0
    images = h @ rotations
    keeps, turns = (np.abs(images - sign * h).max(axis=1) < 1e-6 for sign in (1, -1))
    heights = fractions @ lattice @ normal / unit
    # Each atom is brought into the first layer along the vector that crosses layers.
    whole = np.floor(heights + _SAME)
    return _Oriented(
        cell=flat[:2, :2],
        lean=flat[2, :2],
        spacing=unit / float(np.linalg.norm(normal)),
        symbols=symbols,
        plane=(fractions @ lattice @ frame.T)[:, :2] - whole[:, None] * flat[2, :2],
        heights=heights - whole,
        shifts=np.unique(moved[keeps]),
        flips=np.unique(moved[turns]),
    )


def _common_unit(indices: Floats) -> float:
    """Return the largest number of which all indices are whole multiples."""
    scaled = np.rint(indices * 12).astype(np.int64)
    if np.abs(scaled - indices * 12).max() > 0.01:
        raise StructureError(f"the plane has indices {indices.round(4).tolist()} in primitive axes")
    return math.gcd(*map(int, scaled)) / 12


def _plane_basis(h: Ints) -> Ints:
    """Return a basis of the lattice: two vectors with h v = 0, then one with h v = 1 (Euclid)."""
    basis, values = np.eye(3, dtype=np.int64), h.copy()
    while np.count_nonzero(values) > 1:
        small = min(np.flatnonzero(values), key=lambda i: abs(values[i]))
        for other in {0, 1, 2} - {int(small)}:
            factor = values[other] // values[small]
            basis[other] -= factor * basis[small]
            values[other] -= factor * values[small]
    last = int(np.flatnonzero(values)[0])
    found: Ints = np.array([*np.delete(basis, last, axis=0), basis[last] * values[last]])
    return found


def _short(vectors: Floats) -> Floats:
    """Return the same lattice with the shortest vectors in the plane, right-handed."""
    if np.linalg.det(vectors) < 0:
        vectors = vectors[[1, 0, 2]]
    flat = vectors @ _frame(vectors).T
    change = reduced(flat[:2, :2], np.eye(2, dtype=np.int64)[None])[0]
    across = np.rint(np.linalg.solve((change @ flat[:2, :2]).T, flat[2, :2]))
    plane = change @ vectors[:2]
    return np.vstack([plane, vectors[2] - across @ plane])


def _frame(vectors: Floats) -> Floats:
    """Return unit vectors as rows: along the first vector, in the plane of two, its normal."""
    x = vectors[0] / np.linalg.norm(vectors[0])
    z = np.cross(vectors[0], vectors[1])
    z /= np.linalg.norm(z)
    return np.array([x, np.cross(z, x), z])


def _terminations(bulk: _Oriented) -> list[Termination]:
    """Return the cuts between planes, each once, the widest first."""
    order = np.argsort(bulk.heights)
    heights = bulk.heights[order]
    gaps = np.diff(np.append(heights, heights[0] + 1)) * bulk.spacing
    ends = np.flatnonzero(gaps > SAME_PLANE)
    if not len(ends):
        raise StructureError(
            f"no cut: all steps between planes are below {SAME_PLANE} Angstrom along the normal"
        )
    starts = np.append(ends[-1] - len(order), ends[:-1]) + 1
    planes = [
        _formula([bulk.symbols[order[k]] for k in range(start, end + 1)])
        for start, end in zip(starts, ends, strict=True)
    ]
    middles = (heights[ends] + gaps[ends] / bulk.spacing / 2) % 1.0
    cuts = list(zip(gaps[ends].round(6), planes, planes[1:] + planes[:1], middles, strict=True))
    found = list[tuple[float, str, str, float]]()
    for cut in sorted(cuts, key=lambda c: (-c[0], c[1:])):
        if not any(_is_same_cut(bulk, cut[3], other[3]) for other in found):
            found.append(cut)
    return [
        Termination(
            name=f"T{rank} {upper}|{lower}",
            height=float(height) * bulk.spacing,
            gap=float(gap),
            upper=upper,
            lower=lower,
            is_symmetric=_is_flip(bulk, height, height),
        )
        for rank, (gap, upper, lower, height) in enumerate(found, start=1)
    ]


def _is_same_cut(bulk: _Oriented, one: float, other: float) -> bool:
    """Return whether an operation of the crystal carries one cut into the other."""
    return _is_whole(one - other - bulk.shifts) or _is_flip(bulk, one, other)


def _is_whole(values: Floats) -> bool:
    """Return whether any of the numbers is whole."""
    return bool((np.abs(values - np.rint(values)) < _SAME).any())


def _is_flip(bulk: _Oriented, top: float, bottom: float) -> bool:
    """Return whether an operation turns a slab between two cuts upside down."""
    return _is_whole(bulk.flips - top - bottom)


def _layer_count(bulk: _Oriented, thickness: float | None, n_layers: int | None) -> int:
    """Return how many layers are asked for."""
    if (thickness is None) == (n_layers is None):
        raise InputError("give either thickness in Angstrom or n_layers")
    layer = bulk.layer * bulk.spacing
    wanted = n_layers if n_layers is not None else math.ceil(float(thickness or 0) / layer)
    if wanted < 1:
        raise InputError(f"a slab of {thickness or n_layers} is none; one layer is the least")
    return wanted


def _symmetric_depth(bulk: _Oriented, top: float, depth: float) -> float:
    """Return the least depth from one given on at which the slab ends as it begins."""
    if not len(bulk.flips):
        raise StructureError(
            "no operation of this crystal turns the plane upside down: every slab is asymmetric. "
            "Leave symmetric out and ask for a dipole correction"
        )
    further = (2 * top - bulk.flips - depth) % 1.0
    return depth + float(np.where(further > 1 - _SAME, 0.0, further).min())


def _cut(bulk: _Oriented, top: float, depth: float, vacuum: float) -> Structure:
    """Return the atoms between two cuts, in a cell with vacuum."""
    if vacuum <= 0:
        raise InputError(f"vacuum must be positive, not {vacuum} Angstrom")
    symbols, places, z = list[str](), list[Floats](), list[float]()
    inverse = np.linalg.inv(bulk.cell)
    for symbol, plane, height in zip(bulk.symbols, bulk.plane, bulk.heights, strict=True):
        first = math.ceil(top - depth - height)
        for n in range(first, first + math.ceil(depth) + 1):
            if height + n < top:
                symbols.append(symbol)
                places.append((plane + n * bulk.lean) @ inverse % 1.0)
                z.append((height + n) * bulk.spacing)
    c = float(np.ptp(z)) + vacuum
    fractions = np.column_stack([places, (np.array(z) - min(z) + FLOOR) / c])
    fractions[fractions > 1 - 1e-9] = 0.0
    matrix = np.zeros((3, 3))
    matrix[:2, :2], matrix[2, 2] = bulk.cell, c
    order = sorted(range(len(z)), key=lambda i: (symbols[i], *fractions[i][::-1].round(6)))
    structure = Structure(Lattice(matrix), [symbols[i] for i in order], fractions[order])
    return group_by_element(structure, list(dict.fromkeys(bulk.symbols)))


def _turned(slab: Structure) -> Structure:
    """Return a slab turned upside down: by 180 degrees about its a axis."""
    matrix = slab.lattice.matrix.copy()
    matrix[1, 0] *= -1
    fractions = slab.frac_coords * [1, -1, -1] % 1.0
    z = fractions[:, 2] * slab.lattice.c
    fractions[:, 2] = (z - z.min() + FLOOR) / slab.lattice.c
    return Structure(Lattice(matrix), slab.species, fractions)


def _excess(slab: Composition, crystal: Composition) -> str:
    """Return the atoms of a slab beyond whole formula units, "" if there are none."""
    unit = crystal.reduced_composition
    n = min(slab[element] / amount for element, amount in unit.items())
    rest = {str(el): round(slab[el] - n * amount, 6) for el, amount in unit.items()}
    return " ".join(f"{el}{amount:g}" for el, amount in rest.items() if amount)


def hold_lowest(structure: Structure, height: float) -> tuple[Structure, tuple[int, ...]]:
    """Return a slab with its lowest atoms held by selective dynamics, and which.

    Parameters
    ----------
    height
        Angstrom above the lowest atom; 0 holds none and changes nothing.
    """
    if height <= 0:
        return structure, ()
    z = structure.cart_coords[:, 2]
    held = z < z.min() + height - SAME_PLANE
    if held.all():
        raise InputError(f"freezing {height:.2f} Angstrom holds every atom of the slab")
    atoms = tuple(int(i) for i in np.flatnonzero(held))
    return hold_atoms(structure, atoms), atoms


def _formula(symbols: Sequence[str]) -> str:
    """Return symbols with their numbers, in order of first appearance, sorted."""
    return "".join(f"{el}{symbols.count(el)}" for el in sorted(set(symbols)))


def _slab_warnings(structure: Structure, is_symmetric: bool, excess: str) -> list[str]:
    """Return what a user of the slab should know."""
    found = []
    if not is_symmetric:
        found.append("the two faces differ: ask for a dipole correction (LDIPOL, IDIPOL = 3)")
    if excess:
        found.append(f"not stoichiometric: {excess} beyond whole formula units")
    if vacuum_of(structure) < 15.0:
        found.append(f"vacuum {vacuum_of(structure):.1f} Angstrom, less than 15")
    return found
