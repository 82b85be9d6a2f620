"""Pairs of end points for a hop of one ion: same atoms, same order, same cell."""

from dataclasses import dataclass
from typing import Literal

from pymatgen.core import Structure

from .checks import check_structure
from .errors import InputError, StructureError
from .models import Model
from .sites import GALLERY_GAP, Region, Site, candidate_sites, insert_ion

Kind = Literal["gallery", "surface", "through-layer"]
KINDS = ("gallery", "surface", "through-layer")
MINIMA = ("Mo-top", "hollow")  # registers where an ion has three chalcogens as neighbours
SHORTEST_HOP = 1.0  # Angstrom; two closer candidates are one minimum


@dataclass(frozen=True, kw_only=True)
class Hop:
    """Two structures between which one ion moves."""

    name: str  # model, kind and ion, fit for a folder name
    kind: str  # gallery, surface or through-layer
    ion: str
    initial: Structure
    final: Structure
    initial_site: Site
    final_site: Site
    distance: float  # Angstrom from site to site, by the shortest way through the periodic images
    description: str


def build_hop(
    model: Model,
    kind: Kind,
    *,
    ion: str = "K",
    start: Site | None = None,
    gallery_gap: float = GALLERY_GAP,
) -> Hop:
    """Build the end points of a hop.

    Parameters
    ----------
    kind
        ``gallery`` and ``surface``: from the best site to the nearest one of the same register,
        the better one if several are as near. ``through-layer``: from the best hollow of the
        gallery straight through the ring of three metals and three chalcogens to the outer face;
        the gallery is open at both ends, so that only the ion moves.
    ion
        See `find_sites`.
    start
        A site to start from instead of the best one; it may come from another model with the
        same cell, so that two models can be compared on the same path.
    gallery_gap
        In Angstrom, for ``gallery`` and ``through-layer``.

    Raises
    ------
    InputError
        The kind is unknown.
    StructureError
        There is no second site to hop to.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> hop = build_hop(build_model("MoS2@NC"), "surface")
    >>> hop.initial_site.above, hop.final_site.above, round(hop.distance, 2)
    ('Mo-top', 'Mo-top', 3.23)
    """
    if kind not in KINDS:
        raise InputError(f"no hop kind {kind!r}; there are {', '.join(KINDS)}")
    if kind == "through-layer":
        first, second = _across(model, ion, start, gallery_gap)
    else:
        first, second = _along(model, kind, ion, start, gallery_gap)
    return hop_between(model, first, second, kind=kind, ion=ion)


def hop_between(model: Model, first: Site, second: Site, *, kind: Kind, ion: str = "K") -> Hop:
    """Return the end points of a hop between two sites of a model.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> model = build_model("MoS2@NC")
    >>> sites = candidate_sites(model, "outer", ion="Li")
    >>> hop_between(model, sites[0], sites[1], kind="surface", ion="Li").ion
    'Li'
    """
    initial = insert_ion(model, first, ion=ion)
    final = insert_ion(model, second, ion=ion)
    for structure in (initial, final):
        check_structure(structure)
    distance = float(initial[-1].distance(final[-1]))
    return Hop(
        name=f"{model.name}-{kind}-{ion}",
        kind=kind,
        ion=ion,
        initial=initial,
        final=final,
        initial_site=first,
        final_site=second,
        distance=distance,
        description=f"{ion} in {model.name} from {_place(first)} to {_place(second)}, "
        f"{distance:.2f} Angstrom",
    )


def _along(
    model: Model, kind: str, ion: str, start: Site | None, gallery_gap: float
) -> tuple[Site, Site]:
    """Return the best site of a region and its nearest neighbour of the same register."""
    region = region_of(kind)
    gap = gallery_gap if kind == "gallery" else None
    sites = candidate_sites(model, region, ion=ion, gallery_gap=gap)
    first = start or next((site for site in sites if _is_minimum(site)), sites[0])
    others = [
        (round(distance, 1), -site.score, site)
        for site in sites
        if site.above == first.above and (distance := _lateral(model, first, site)) > SHORTEST_HOP
    ]
    if not others:
        raise StructureError(
            f"{model.name} has no second {first.above} site in the {region} to hop to: the cell is "
            "too small, or start= is not a site of this region"
        )
    return first, min(others, key=lambda entry: entry[:2])[2]


def region_of(kind: str) -> Region:
    """Return where the ion is during a hop along the layers."""
    return "gallery" if kind == "gallery" else "outer"


def _across(model: Model, ion: str, start: Site | None, gallery_gap: float) -> tuple[Site, Site]:
    """Return the best hollow of the gallery and the site of the outer face above it."""
    inside = candidate_sites(model, "gallery", ion=ion, gallery_gap=gallery_gap)
    first = start or next((site for site in inside if site.above == "hollow"), None)
    if first is None:
        raise StructureError(f"{model.name} has no hollow in its film for {ion} to pass through")
    outside = candidate_sites(model, "outer", ion=ion, gallery_gap=gallery_gap)
    return first, min(outside, key=lambda site: _lateral(model, first, site))


def _is_minimum(site: Site) -> bool:
    """Return whether an ion on the site has three chalcogens of the film as neighbours."""
    return site.above in MINIMA


def _lateral(model: Model, first: Site, second: Site) -> float:
    """Return the distance of two sites along the plane, in Angstrom."""
    a, b = (*first.frac_coords[:2], 0.0), (*second.frac_coords[:2], 0.0)
    return float(model.structure.lattice.get_all_distances([a], [b])[0, 0])


def _place(site: Site) -> str:
    """Return a site in words."""
    over = f" over {site.over}" if site.over else ""
    return f"{site.region} {site.above}{over}"
