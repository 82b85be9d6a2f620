"""Images between two end points, after checking that the end points belong together."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from ase.data import covalent_radii
from ase.geometry import find_mic
from numpy.typing import NDArray
from pymatgen.core import Structure
from scipy.optimize import linear_sum_assignment, minimize
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .checks import MIN_DISTANCE, check_structure
from .errors import InputError, StructureError

Floats = NDArray[np.float64]
Method = Literal["idpp", "linear"]

IONS = ("Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Zn", "Al")
MAX_SHIFT = 1.5  # Angstrom that a host atom may move within its layer or molecule
CROWDED = 0.8  # of the sum of covalent radii: nearer than this, an atom gives way to an ion
_ROOM = 1.2  # of that sum: so far atoms give way, where their neighbours let them
_SPRING = 0.03  # Angstrom^-4 like the pair potential; bonds of 2.4 Angstrom have 0.06
MAX_LAYER_SHIFT = 5.0  # Angstrom that a whole layer may move, as a gallery that closes does


def interpolate(
    initial: Structure,
    final: Structure,
    n_images: int,
    *,
    method: Method = "idpp",
    hopping: Sequence[int] | None = None,
) -> list[Structure]:
    """Return a path between two end points, both included.

    Parameters
    ----------
    initial, final
        Same cell and atoms in the same order; each atom goes to its nearest periodic image.
    n_images
        Images between the end points, as VASP's IMAGES.
    method
        ``idpp`` (Smidstrup et al., J. Chem. Phys. 140 (2014) 214106) for the hopping atoms and
        those that must give way to them, with the others on straight lines; or ``linear`` for all.
    hopping
        Atoms that hop; by default the alkali, alkaline-earth, Zn and Al atoms, else the one that
        moves most.

    Returns
    -------
    list
        n_images + 2 structures; coordinates run on across the cell's faces, site properties such
        as selective dynamics are those of `initial`.

    Raises
    ------
    StructureError
        The end points do not belong together, or an image has atoms closer than 0.7 Angstrom.

    Examples
    --------
    >>> from heterofire.structures.hops import build_hop
    >>> from heterofire.structures.models import build_model
    >>> hop = build_hop(build_model("MoS2@NC"), "surface")
    >>> len(interpolate(hop.initial, hop.final, 3))
    5
    """
    if n_images < 1:
        raise InputError(f"a path needs at least one image between its ends, not {n_images}")
    if method not in ("idpp", "linear"):
        raise InputError(f"no interpolation method {method!r}; there are idpp and linear")
    movers = hopping_atoms(initial, final) if hopping is None else list(hopping)
    check_endpoints(initial, final, hopping=movers)
    steps = np.linspace(0, 1, n_images + 2)[:, None, None]
    positions = initial.cart_coords + steps * displacements(initial, final)
    if method == "idpp":
        positions = _idpp(initial, positions, movers)
    images = [with_positions(initial, coords) for coords in positions]
    for number, image in enumerate(images):
        _check_image(image, number, method)
    return images


def displacements(initial: Structure, final: Structure) -> Floats:
    """Return the shortest way of each atom, (n_atoms, 3) in Angstrom.

    Examples
    --------
    >>> from pymatgen.core import Lattice
    >>> ends = [Structure(Lattice.cubic(10), ["K"], [[x, 0, 0]]) for x in (0.95, 0.05)]
    >>> print(displacements(*ends).round(6))
    [[1. 0. 0.]]
    """
    step = final.cart_coords - initial.cart_coords
    shortest: Floats = find_mic(step, initial.lattice.matrix, pbc=True)[0]
    return shortest


def hopping_atoms(initial: Structure, final: Structure) -> list[int]:
    """Return the mobile ions of a structure, or else the one atom that moves most.

    Examples
    --------
    >>> from heterofire.structures.crystals import build_crystal
    >>> hopping_atoms(build_crystal("KMoS2_1T"), build_crystal("KMoS2_1T"))
    [3]
    """
    ions = [i for i, site in enumerate(initial) if site.specie.symbol in IONS]
    if ions and len(ions) < len(initial):
        return ions
    return [int(np.linalg.norm(displacements(initial, final), axis=1).argmax())]


def check_endpoints(
    initial: Structure,
    final: Structure,
    *,
    hopping: Sequence[int] | None = None,
    max_shift: float = MAX_SHIFT,
    check_order: bool = True,
) -> None:
    """Refuse two end points that are not two states of the same atoms.

    Parameters
    ----------
    hopping
        Atoms that may move freely, see `interpolate`.
    max_shift
        How far, in Angstrom, any other atom may move within its own layer or molecule; layers
        and molecules as a whole may move up to 5 Angstrom.
    check_order
        Refuse when another order of equal atoms halves the way; switch off for a true exchange.

    Raises
    ------
    StructureError
        Names the atoms, counted from 1, and what to do.

    Examples
    --------
    >>> from heterofire.structures.layers import graphene
    >>> check_endpoints(graphene(), graphene())
    """
    check_same_atoms(initial, final)
    for structure in (initial, final):
        check_structure(structure)
    if check_order:
        _check_order(initial, final)
    movers = hopping_atoms(initial, final) if hopping is None else list(hopping)
    _check_shifts(initial, final, movers, max_shift)


def check_same_atoms(initial: Structure, final: Structure) -> None:
    """Refuse another number of atoms, another order of elements, another cell.

    Raises
    ------
    StructureError
        Names the first difference.
    """
    before, after = ([site.specie.symbol for site in s] for s in (initial, final))
    if len(before) != len(after):
        raise StructureError(f"the end points have {len(before)} and {len(after)} atoms")
    wrong = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    if wrong:
        i = wrong[0]
        raise StructureError(
            f"atom {i + 1} is {before[i]} in the first end point and {after[i]} in the last "
            f"({len(wrong)} atoms differ): write both in the same order"
        )
    change = np.abs(initial.lattice.matrix - final.lattice.matrix).max()
    if change > 1e-4:
        raise StructureError(
            f"the cells of the end points differ by up to {change:.4f} Angstrom; a band needs one "
            "cell: relax both end points with ISIF = 2 in the same cell"
        )


def _check_order(initial: Structure, final: Structure) -> None:
    """Refuse end points whose atoms have been renumbered between them."""
    for element in dict.fromkeys(site.specie.symbol for site in initial):
        atoms = [i for i, site in enumerate(initial) if site.specie.symbol == element]
        distances = initial.lattice.get_all_distances(
            initial.frac_coords[atoms], final.frac_coords[atoms]
        )
        rows, columns = linear_sum_assignment(distances**2)
        way, shortest = (distances.diagonal() ** 2).sum(), (distances[rows, columns] ** 2).sum()
        if shortest < 0.5 * way and way - shortest > 1.0:
            swapped = [
                f"{element}{atoms[i] + 1} -> {element}{atoms[j] + 1}"
                for i, j in zip(rows, columns, strict=True)
                if i != j
            ]
            raise StructureError(
                f"{len(swapped)} atoms of the last end point look renumbered: the nearest are "
                f"{', '.join(swapped[:6])}, which shortens the way from {np.sqrt(way):.2f} to "
                f"{np.sqrt(shortest):.2f} Angstrom. Reorder them, or pass check_order=False if "
                "atoms do change places."
            )


def _check_shifts(
    initial: Structure, final: Structure, hopping: Sequence[int], max_shift: float
) -> None:
    """Refuse host atoms that leave their place, apart from the motion of their whole layer."""
    moves = displacements(initial, final)
    hosts = np.array([i for i in range(len(initial)) if i not in set(hopping)], dtype=int)
    if len(hosts) == 0:
        return
    bonded = _fragments(initial, hosts)
    far = []
    for fragment in range(bonded.max() + 1):
        atoms = hosts[bonded == fragment]
        drift = moves[atoms].mean(axis=0)
        if np.linalg.norm(drift) > MAX_LAYER_SHIFT:
            far += [(float(np.linalg.norm(drift)), int(atoms[0]))]
        inner = np.linalg.norm(moves[atoms] - drift, axis=1)
        far += [(float(d), int(i)) for d, i in zip(inner, atoms, strict=True) if d > max_shift]
    if far:
        named = ", ".join(
            f"{initial[i].specie.symbol}{i + 1} by {d:.2f}"
            for d, i in sorted(far, reverse=True)[:6]
        )
        raise StructureError(
            f"atoms that do not hop move too far: {named} Angstrom (limit {max_shift} "
            "within a layer). Check their order and that both end points relaxed to the same host, "
            "or name them as hopping atoms."
        )


def _fragments(structure: Structure, atoms: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the number of the layer or molecule to which each of the atoms belongs."""
    first, second, _, distances = structure.get_neighbor_list(3.5)
    radii = covalent_radii[list(structure.atomic_numbers)]
    bonded = distances < 1.25 * (radii[first] + radii[second])
    n = len(structure)
    links = coo_matrix(
        (np.ones(bonded.sum()), (first[bonded], second[bonded])), shape=(n, n)
    ).tocsr()
    labels: NDArray[np.int32] = connected_components(links[atoms][:, atoms], directed=False)[1]
    return labels


def _crowded(initial: Structure, positions: Floats, movers: Sequence[int]) -> list[int]:
    """Return the other atoms, if free, that a straight way of the hopping atoms would run into."""
    contact = CROWDED * _contacts(initial, movers)
    lattice = initial.lattice.matrix
    too_near = np.zeros(len(initial), dtype=bool)
    for image in positions[1:-1]:
        too_near |= (_pair_vectors(lattice, image, movers)[1] < contact).any(axis=0)
    free = initial.site_properties.get("selective_dynamics", [[True] * 3] * len(initial))
    return [i for i in np.flatnonzero(too_near).tolist() if i not in movers and any(free[i])]


def _contacts(structure: Structure, atoms: Sequence[int]) -> Floats:
    """Return the sums of covalent radii of atoms and all others, (n_given, n_atoms) in Angstrom."""
    radii = covalent_radii[list(structure.atomic_numbers)]
    sums: Floats = radii[list(atoms)][:, None] + radii[None]
    return sums


def _idpp(initial: Structure, positions: Floats, hopping: Sequence[int]) -> Floats:
    """Return the path with the hopping atoms at the distances that lie between those of the ends.

    Each image stays in the plane normal to the straight way of the hopping atoms, which keeps the
    images apart without springs. Atoms that must give way do so until there is room, no farther,
    and springs between their places in neighbouring images keep them on one side.
    """
    giving_way = _crowded(initial, positions, hopping)
    path, movers = positions.copy(), [*hopping, *giving_way]
    lattice, n_hopping = initial.lattice.matrix, len(hopping)
    way = positions[-1][movers] - positions[0][movers]
    tangent = way / max(float(np.linalg.norm(way)), 1e-12)
    room = _ROOM * _contacts(initial, movers)
    ends = [_pair_vectors(lattice, positions[k], movers)[1] for k in (0, -1)]
    inner = range(1, len(path) - 1)

    def objective(x: Floats) -> tuple[float, Floats]:
        steps = x.reshape(len(inner), len(movers), 3)
        steps = steps - (steps * tangent).sum(axis=(1, 2), keepdims=True) * tangent
        value, slopes = 0.0, np.zeros_like(steps)
        for row, k in enumerate(inner):
            t = k / (len(path) - 1)
            target = (1 - t) * ends[0] + t * ends[1]
            target[:n_hopping, giving_way] = np.minimum(target, room)[:n_hopping, giving_way]
            target[n_hopping:, hopping] = np.minimum(target, room)[n_hopping:, hopping]
            path[k][movers] = positions[k][movers] + steps[row]
            one, slopes[row] = _pair_potential(lattice, path[k], movers, target)
            value += one
        bends = np.diff(np.pad(steps, ((1, 1), (0, 0), (0, 0))), axis=0)[:, n_hopping:]
        value += _SPRING * float((bends**2).sum())
        slopes[:, n_hopping:] += 2 * _SPRING * (bends[:-1] - bends[1:])
        slopes -= (slopes * tangent).sum(axis=(1, 2), keepdims=True) * tangent
        return value, slopes.ravel()

    start = np.zeros(3 * len(inner) * len(movers))
    objective(minimize(objective, start, jac=True, method="L-BFGS-B").x)
    return path


def _pair_vectors(
    lattice: Floats, positions: Floats, movers: Sequence[int]
) -> tuple[Floats, Floats]:
    """Return vectors (n_movers, n_atoms, 3) and distances from every atom to the movers."""
    vectors = positions[list(movers)][:, None] - positions[None]
    flat, distances = find_mic(vectors.reshape(-1, 3), lattice, pbc=True)
    return flat.reshape(vectors.shape), distances.reshape(vectors.shape[:2])


def _pair_potential(
    lattice: Floats, positions: Floats, movers: Sequence[int], target: Floats
) -> tuple[float, Floats]:
    """Return the image dependent pair potential, sum of (d - target)^2 / d^4, and its gradient."""
    vectors, d = _pair_vectors(lattice, positions, movers)
    d = np.where(d < 1e-8, np.inf, d)  # an atom and itself
    miss = np.where(np.isinf(d), 0.0, d - target)
    slope = 2 * miss / d**4 - 4 * miss**2 / d**5
    pull = slope[:, :, None] * vectors / d[:, :, None]
    gradient = pull.sum(axis=1)
    for row, _ in enumerate(movers):
        gradient -= pull[row][list(movers)]  # a pair of movers pulls at both
    return float((miss**2 / d**4).sum()), gradient


def with_positions(template: Structure, positions: Floats) -> Structure:
    """Return the template with other Cartesian coordinates (n, 3), not wrapped into the cell."""
    return Structure(
        template.lattice,
        template.species,
        positions,
        coords_are_cartesian=True,
        site_properties=dict(template.site_properties),
    )


def _check_image(image: Structure, number: int, method: str) -> None:
    """Refuse an image with atoms on top of each other."""
    try:
        check_structure(image, min_distance=MIN_DISTANCE)
    except StructureError as error:
        other = "idpp" if method == "linear" else "linear"
        raise StructureError(
            f"image {number:02d} of the {method} path: {error}. Try method={other!r}, more images, "
            "or an intermediate structure."
        ) from error
