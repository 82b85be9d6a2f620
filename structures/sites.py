"""Where an ion can sit in a model: in the gallery between the layers, or on the outer face.

Candidates are the high-symmetry positions of the facing atom planes: on top of their atoms, and
at their hollows (the corners of the planes' Voronoi cells, so a vacancy gives one by itself).
Each is moved along the normal to its best height and ranked by the contact score: the sum of
``2 exp(x) - exp(2 x)`` with ``x = (r_ion + r_atom - d) / 0.37`` over the non-metal atoms within
6 Angstrom. That is the Morse form of the bond-valence site energy (Adams and Rao, Phys. Status
Solidi A 208 (2011) 1746) with ionic radii; one contact at the sum of the radii counts 1. Ties go
by the name of the register. The score knows no electrons: it only says where to start.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from scipy.spatial import Voronoi

from .checks import facing_planes, vacuum_of
from .contacts import CLASH, bonding_distance
from .errors import InputError, StructureError
from .models import Model
from .symmetry import orbits, symmetry_operations

Region = Literal["gallery", "outer"]
Floats = NDArray[np.float64]

GALLERY_GAP = 5.8  # Angstrom between the facing planes when K is between them
# Shannon's radii for coordination number 6 (Acta Cryst. A32 (1976) 751).
ION_RADII = {"Li": 0.76, "Na": 1.02, "K": 1.38, "Rb": 1.52, "Cs": 1.67, "Mg": 0.72, "Ca": 1.00}
# The same for anions; van der Waals radii for C and N, which puts K in KC8 at the measured 3.07.
HOST_RADII = {"S": 1.84, "Se": 1.98, "Te": 2.21, "O": 1.40, "C": 1.70, "N": 1.55}
# A contact with uncharged C or N holds less: K on graphite, 1.5 eV by six C, against about 2 eV by
# three S on MoS2 (J. Chem. Phys. 112 (2000) 4788; Mater. Chem. Phys. 2016, Shi et al., for Li).
HOST_WEIGHTS = {"C": 0.4, "N": 0.4}
SOFTNESS = 0.37  # Angstrom, the universal constant of the bond-valence method
CUTOFF = 6.0  # Angstrom
_SAME_GAP = 1e-6  # Angstrom
SAME_PLACE = 0.5  # Angstrom along the plane below which two candidates are one


@dataclass(frozen=True, kw_only=True)
class Site:
    """A place for an ion; its coordinates are those of the model with the gallery opened."""

    name: str  # region and rank, such as "gallery-1", or "outer-near-Se-1"
    region: str  # gallery or outer
    frac_coords: tuple[float, float, float]
    above: str  # register on the film: "Mo-top", "S-top", "Se-top", "hollow" or "bridge"
    over: str  # register on the substrate: "ring", "C-top", "N-top" or "bond"; "" on the outer face
    multiplicity: int  # sites that are the same by symmetry
    score: float  # effective number of ideal contacts; the higher the better
    height: float  # Angstrom from the film's face, along the normal away from the film
    gallery_gap: float  # Angstrom; gap of the structure the coordinates belong to


@dataclass(frozen=True, kw_only=True)
class _Face:
    """The atom plane of the film that the ion sees, and what lies on the other side."""

    host: Structure
    atoms: list[int]  # atoms of the film's face
    z: float  # height of the face
    outward: int  # +1 for the outer face, -1 for the gallery
    reach: float  # how far from the face, in Angstrom, to look for the ion's height
    substrate: list[int]  # atoms of the plane across the gallery; empty for the outer face
    metals: list[int]  # metal atoms of the film

    @cached_property
    def contacts(self) -> tuple[Floats, Floats, Floats]:
        """Return coordinates, radii and weights of the non-metal atoms and their images."""
        return _non_metals(self.host)


def find_sites(
    model: Model,
    region: Region,
    *,
    ion: str = "K",
    gallery_gap: float | None = None,
    max_sites: int | None = None,
    near: str | None = None,
) -> list[Site]:
    """Return the symmetry-unique sites of a region, best first.

    Parameters
    ----------
    region
        ``gallery`` (between the layers) or ``outer`` (on the film's upper face).
    ion
        Li, Na, K, Rb, Cs, Mg or Ca.
    gallery_gap
        Gap in Angstrom between the facing planes; by default 5.8 for the gallery and the
        model's own for the outer face.
    max_sites
        How many to return at most.
    near
        Only sites at which the ion touches an atom of this element; none where there are no such.

    Returns
    -------
    list
        Sites named by rank, those near an element by their rank among these; multiplicities
        count the equivalent ones that are not listed.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> best = find_sites(build_model("MoS2@C"), "outer", max_sites=1)[0]
    >>> best.name, best.above, round(best.height, 1)
    ('outer-1', 'Mo-top', 2.6)
    >>> with_selenium = build_model("MoSSe(outer)@NC")
    >>> [site.name for site in find_sites(with_selenium, "outer", near="Se", max_sites=2)]
    ['outer-near-Se-1', 'outer-near-Se-2']
    """
    unique: dict[str, Site] = {}
    for site in candidate_sites(model, region, ion=ion, gallery_gap=gallery_gap):
        unique.setdefault(site.name, site)
    found = list(unique.values())
    if near is not None:
        found = _touching(_host(model, region, gallery_gap), found, ion, near)
    return found[:max_sites]


def _touching(host: Structure, sites: Sequence[Site], ion: str, element: str) -> list[Site]:
    """Return the sites whose ion touches an atom of an element, under names that say so."""
    if element not in HOST_RADII:
        raise InputError(f"no site near {element!r}: there are {', '.join(HOST_RADII)}")
    places = [site.frac_coords for site in host if site.specie.symbol == element]
    contact = ION_RADII[ion] + HOST_RADII[element] + SOFTNESS
    near = [
        site
        for site in sites
        if places and host.lattice.get_all_distances([site.frac_coords], places).min() < contact
    ]
    return [
        replace(site, name=f"{site.region}-near-{element}-{rank}")
        for rank, site in enumerate(near, start=1)
    ]


def candidate_sites(
    model: Model, region: Region, *, ion: str = "K", gallery_gap: float | None = None
) -> list[Site]:
    """Return every site of a region, best first; equivalent ones share a name.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> len(candidate_sites(build_model("MoS2@NC"), "outer"))
    21
    """
    face = _face(model, region, gallery_gap)
    gap = _gap(model, face.host)
    film_hollows = _hollows(face.host, face.atoms)
    rings = _hollows(face.host, face.substrate)
    tops = face.host.frac_coords[face.atoms, :2]
    sites = []
    for plane in _distinct(face.host.lattice, np.vstack([film_hollows, tops, rings])):
        height, score = _best_height(face, plane, ion)
        z = (face.z + face.outward * height) / face.host.lattice.c
        sites.append(
            Site(
                name=region,
                region=region,
                frac_coords=(float(plane[0]), float(plane[1]), z),
                above=_film_register(face, film_hollows, plane),
                over=_substrate_register(face, rings, plane),
                multiplicity=1,
                score=score,
                height=height,
                gallery_gap=gap,
            )
        )
    sites = [site for site in sites if _is_clear(face.host, site, ion)]
    sites.sort(
        key=lambda s: (-round(s.score, 3), s.above, s.over, np.round(s.frac_coords, 6).tolist())
    )
    return _named(face.host, sites)


def _is_clear(host: Structure, site: Site, ion: str) -> bool:
    """Return whether an ion on a site keeps away from metals and other ions of the host."""
    metals = [i for i, s in enumerate(host) if s.specie.symbol not in HOST_RADII]
    if not metals:
        return True
    distances = host.lattice.get_all_distances([site.frac_coords], host.frac_coords[metals])[0]
    least = [CLASH * bonding_distance(ion, host[i].specie.symbol) for i in metals]
    return bool((distances > least).all())


def _named(host: Structure, sites: list[Site]) -> list[Site]:
    """Return the sites with the rank of their group of equivalent ones, and its size."""
    rotations, shifts = symmetry_operations(host)
    places = np.array([site.frac_coords for site in sites])

    def images(i: int) -> list[int]:
        distances = host.lattice.get_all_distances(rotations @ places[i] + shifts, places)
        return [int(j) for j in distances.argmin(axis=1)[distances.min(axis=1) < SAME_PLACE]]

    named = list(sites)
    for rank, group in enumerate(orbits(range(len(sites)), images), start=1):
        for i in group:
            name = f"{sites[i].region}-{rank}"
            named[i] = replace(sites[i], name=name, multiplicity=len(group))
    return named


def contact_scorer(
    model: Model, region: Region, *, ion: str, gallery_gap: float | None = None
) -> Callable[[Floats], Floats]:
    """Return what gives the contact score of an ion, at its best height, over each place.

    Returns
    -------
    callable
        From (n, 2) fractional coordinates along the plane to (n,) scores.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> model = build_model("MoS2@C")
    >>> place = np.array(candidate_sites(model, "outer")[0].frac_coords[:2])
    >>> on, off = contact_scorer(model, "outer", ion="K")(place + [[0, 0], [0.05, 0]])
    >>> bool(on > off)
    True
    """
    face = _face(model, region, gallery_gap)
    return lambda planes: np.array([_best_height(face, plane, ion)[1] for plane in planes])


def insert_ion(
    model: Model, site: Site, *, ion: str = "K", gallery_gap: float | None = None
) -> Structure:
    """Return the model with an ion on a site, in the model's own cell.

    Parameters
    ----------
    site
        From `find_sites` or `candidate_sites` of this model.
    gallery_gap
        Gap in Angstrom to which the film is lifted as a whole; by default the site's own.

    Returns
    -------
    Structure
        The model's atoms in the model's order, then the ion.

    Raises
    ------
    StructureError
        Less vacuum would be left than the model wants: 15 Angstrom, or what `with_vacuum` says.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> model = build_model("MoSSe@NC")
    >>> with_k = insert_ion(model, find_sites(model, "gallery")[0])
    >>> with_k.composition.formula, with_k[-1].specie.symbol
    ('K1 Mo7 C23 Se1 S13 N1', 'K')
    """
    region = cast(Region, site.region)
    face = _face(model, region, site.gallery_gap if gallery_gap is None else gallery_gap)
    height, _ = _best_height(face, np.array(site.frac_coords[:2]), ion)
    z = (face.z + face.outward * height) / face.host.lattice.c
    filled = face.host.copy()
    flags = {"selective_dynamics": [True] * 3} if "selective_dynamics" in _keys(filled) else None
    filled.append(ion, [*site.frac_coords[:2], z], properties=flags)
    if vacuum_of(filled) < model.least_vacuum - 1e-6:
        raise StructureError(
            f"{ion} on {site.name} of {model.name} leaves {vacuum_of(filled):.1f} Angstrom of "
            f"vacuum, less than {model.least_vacuum:.1f}; build the model with a larger vacuum"
        )
    return filled


def lift_film(model: Model, gap: float) -> Structure:
    """Return the model with its film moved as a whole so that the gap is `gap` Angstrom.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> model = build_model("MoS2@NC")
    >>> lifted = lift_film(model, 5.8)
    >>> print(round(lifted[0].z - model.structure[0].z, 3))
    2.4
    """
    if not 2.0 <= gap <= 12.0:
        raise InputError(f"a gap of {gap} Angstrom is not one of a gallery; use 2 to 12")
    lifted = model.structure.copy()
    move = gap - _gap(model, model.structure)
    lifted.translate_sites(list(model.top), [0, 0, move], frac_coords=False, to_unit_cell=False)
    return lifted


def _host(model: Model, region: Region, gallery_gap: float | None) -> Structure:
    """Return the model, opened if the ion goes into the gallery or a gap is asked for."""
    if region not in ("gallery", "outer"):
        raise InputError(f"no region {region!r}; there are gallery and outer")
    if region == "gallery" and not model.bottom:
        raise InputError(f"{model.name} is one slab: it has no gallery, only an outer face")
    if region == "outer" and (gallery_gap is None or not model.bottom):
        return model.structure
    gap = GALLERY_GAP if gallery_gap is None else gallery_gap
    if abs(gap - _gap(model, model.structure)) < _SAME_GAP:
        return model.structure
    return lift_film(model, gap)


def _gap(model: Model, structure: Structure) -> float:
    """Return the gap of a structure with the model's atoms; 0 where there is one layer only."""
    if not model.bottom:
        return 0.0
    below, above = facing_planes(structure, model.bottom, model.top)
    return above - below


def _face(model: Model, region: Region, gallery_gap: float | None) -> _Face:
    """Return the face of the film on which the ion is to sit."""
    host = _host(model, region, gallery_gap)
    z = host.cart_coords[:, 2]
    metals = [i for i in model.top if host[i].specie.is_transition_metal]
    if region == "gallery":
        below, above = facing_planes(host, model.bottom, model.top)
        atoms = [i for i in model.top if z[i] < above + SAME_PLACE]
        substrate = [i for i in model.bottom if z[i] > below - SAME_PLACE]
        return _Face(
            host=host,
            atoms=atoms,
            z=above,
            outward=-1,
            reach=above - below,
            substrate=substrate,
            metals=metals,
        )
    upper = float(np.median([z[i] for i in model.top if z[i] > max(z) - SAME_PLACE]))
    atoms = [i for i in model.top if z[i] > upper - SAME_PLACE]
    return _Face(
        host=host, atoms=atoms, z=upper, outward=1, reach=CUTOFF, substrate=[], metals=metals
    )


def _hollows(host: Structure, atoms: list[int]) -> Floats:
    """Return the corners of the Voronoi cells of a plane of atoms, (n, 2) fractional."""
    if not atoms:
        return np.empty((0, 2))
    plane = host.lattice.matrix[:2, :2]
    steps = np.array([[i, j] for i in range(-2, 3) for j in range(-2, 3)])
    points = (host.frac_coords[atoms, :2][:, None] + steps[None]).reshape(-1, 2) @ plane
    corners = Voronoi(points).vertices @ np.linalg.inv(plane)
    inside = np.all((corners > -1e-6) & (corners < 1 - 1e-6), axis=1)
    return _distinct(host.lattice, np.asarray(np.round(corners[inside], 9) % 1.0, dtype=np.float64))


def _distinct(lattice: Lattice, planes: Floats) -> Floats:
    """Drop positions that are the same place as an earlier one, periodic images included."""
    kept: list[Floats] = []
    for plane in planes:
        if not kept or _lateral(lattice, plane, np.array(kept)).min() > SAME_PLACE:
            kept.append(plane)
    return np.array(kept).reshape(-1, 2)


def _lateral(lattice: Lattice, plane: Floats, others: Floats) -> Floats:
    """Return the shortest distances along the plane from one position to others, in Angstrom."""
    if len(others) == 0:
        return np.array([np.inf])
    flat = np.column_stack([others[:, :2], np.zeros(len(others))])
    distances: Floats = lattice.get_all_distances([[*plane[:2], 0.0]], flat)[0]
    return distances


def _film_register(face: _Face, hollows: Floats, plane: Floats) -> str:
    """Return what of the film lies at a position: an atom of the face, a metal, a hollow."""
    lattice, frac = face.host.lattice, face.host.frac_coords
    for atoms in (face.atoms, face.metals):
        if not atoms:
            continue
        distances = _lateral(lattice, plane, frac[atoms])
        if distances.min() < SAME_PLACE:
            return f"{face.host[atoms[int(distances.argmin())]].specie.symbol}-top"
    return "hollow" if _lateral(lattice, plane, hollows).min() < SAME_PLACE else "bridge"


def _substrate_register(face: _Face, rings: Floats, plane: Floats) -> str:
    """Return what of the substrate lies at a position: an atom, a ring centre, a bond."""
    if not face.substrate:
        return ""
    lattice, frac = face.host.lattice, face.host.frac_coords
    distances = _lateral(lattice, plane, frac[face.substrate])
    if distances.min() < SAME_PLACE:
        return f"{face.host[face.substrate[int(distances.argmin())]].specie.symbol}-top"
    return "ring" if _lateral(lattice, plane, rings).min() < SAME_PLACE else "bond"


def _best_height(face: _Face, plane: Floats, ion: str) -> tuple[float, float]:
    """Return the height from the face with the best contact score, and the score."""
    if ion not in ION_RADII:
        raise InputError(f"no radius for ion {ion!r}; there are {', '.join(ION_RADII)}")
    x, y, _ = face.host.lattice.get_cartesian_coords([*plane, 0.0])
    places, radii, weights = face.contacts
    near = (places[:, 0] - x) ** 2 + (places[:, 1] - y) ** 2 < CUTOFF**2
    places, radii, weights = places[near], radii[near], weights[near]
    heights = np.arange(0.0, face.reach + 1e-9, 0.02)
    apart = (places[:, 0] - x) ** 2 + (places[:, 1] - y) ** 2
    rise = (face.z + face.outward * heights)[:, None] - places[:, 2]
    distances = np.sqrt(rise**2 + apart)
    bond = np.exp(np.clip((radii + ION_RADII[ion] - distances) / SOFTNESS, None, 20))
    scores = np.where(distances < CUTOFF, 2 * bond - bond**2, 0.0) @ weights
    best = int(scores.argmax())
    return float(heights[best]), float(scores[best])


def _non_metals(host: Structure) -> tuple[Floats, Floats, Floats]:
    """Return coordinates, radii and weights of the atoms that an ion in the cell may touch."""
    radii = np.array([HOST_RADII.get(site.specie.symbol, np.nan) for site in host])
    weights = np.array([HOST_WEIGHTS.get(site.specie.symbol, 1.0) for site in host])
    known = ~np.isnan(radii)
    matrix = host.lattice.matrix
    widths = [
        float(host.lattice.volume / np.linalg.norm(np.cross(matrix[i], matrix[2]))) for i in (1, 0)
    ]
    near = [range(-reach, reach + 1) for reach in (int(CUTOFF / width) + 2 for width in widths)]
    images = np.array([[i, j, 0] for i in near[0] for j in near[1]])
    places = ((host.frac_coords[known][:, None] + images[None]) @ matrix).reshape(-1, 3)
    n = len(images)
    return places, np.repeat(radii[known], n), np.repeat(weights[known], n)


def _keys(structure: Structure) -> set[str]:
    """Return the names of the site properties."""
    return set(structure.site_properties)
