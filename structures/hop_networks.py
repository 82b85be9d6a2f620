"""All hops between neighbouring sites of a face, and which of them symmetry tells apart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import StructureError
from .models import Model, isolate_layer
from .percolation import Link, percolate
from .sites import Region, Site, candidate_sites, contact_scorer
from .symmetry import orbits, symmetry_operations

Floats = NDArray[np.float64]
Scorer = Callable[[Floats], Floats]  # see `contact_scorer`
Edge = tuple[int, int, int, int]  # first site, second site, cell of the second

SHORTEST_HOP = 1.0  # Angstrom; two closer candidates are one minimum
_FIRST_STEP, _LAST_STEP = 0.3, 0.02  # Angstrom along the plane, on the way up to a site
_ANGLES = np.arange(6) * np.pi / 3
_HEXAGON = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_SAME_SCORE = 1e-3  # what rounding of the heights leaves open
_SAME_PLACE = 0.3  # Angstrom between a site and the image of an equivalent one
_ON_CIRCLE = 0.05  # Angstrom
_STEPS = 11  # places along a hop at which its score is looked at


@dataclass(frozen=True, kw_only=True)
class DistinctHop:
    """A hop that stands for all that symmetry carries into it."""

    name: str  # "Mo-top to hollow"
    edges: tuple[Edge, ...]  # all equivalent hops, this one first; each is gone both ways
    bottleneck: float  # lowest contact score on the straight way; the higher, the easier
    distance: float  # Angstrom along the plane


@dataclass(frozen=True, kw_only=True)
class HopNetwork:
    """Sites of a face and the hops that join them, the easiest first by the contact score."""

    sites: tuple[Site, ...]
    kinds: tuple[int, ...]  # sites of one kind are equivalent
    hops: tuple[DistinctHop, ...]

    def lowest(self, directions: int) -> tuple[DistinctHop, ...]:
        """Return the easiest hops that lead on along a line (1) or everywhere in the plane (2).

        Raises
        ------
        StructureError
            All hops together do not lead that far.
        """
        for n in range(1, len(self.hops) + 1):
            found = percolate(len(self.sites), links(self.hops[:n], range(n)))
            if len(found) >= directions:
                return self.hops[:n]
        raise StructureError(
            f"the hops between {len(self.sites)} sites do not lead from cell to cell in "
            f"{directions} direction(s): take all of them, or another face"
        )


def find_hop_network(
    model: Model, region: Region, *, ion: str, gallery_gap: float | None = None
) -> HopNetwork:
    """Return the hops between neighbouring sites of a face, each once up to symmetry.

    A site is a place at which the contact score is highest. Two sites are neighbours when no
    third one lies in the circle that has their distance as diameter (Gabriel graph: Gabriel and
    Sokal, Syst. Zool. 18 (1969) 259). Symmetry is that of the layer that the ion touches: hops
    that differ only by what lies under that layer count as one, and the best-scored stands for
    them.

    Parameters
    ----------
    region
        ``outer`` or ``gallery``.
    ion, gallery_gap
        See `heterofire.structures.sites.find_sites`.

    Raises
    ------
    StructureError
        No place on the face holds an ion, or no two do.

    Examples
    --------
    >>> from heterofire.structures.models import build_model
    >>> network = find_hop_network(build_model("MoS2@C"), "outer", ion="Li")
    >>> [(hop.name, len(hop.edges), round(hop.distance, 2)) for hop in network.hops]
    [('Mo-top to hollow', 21, 1.86)]
    """
    candidates = candidate_sites(model, region, ion=ion, gallery_gap=gallery_gap)
    score = contact_scorer(model, region, ion=ion, gallery_gap=gallery_gap)
    lattice = model.structure.lattice.matrix[:2, :2]
    sites = _minima(candidates, score, lattice)
    places = np.array([site.frac_coords[:2] for site in sites]).reshape(-1, 2)
    edges = _neighbours(places, lattice)
    if not edges:
        raise StructureError(
            f"{model.name}: {len(sites)} of {len(candidates)} places on its {region} face hold "
            f"{ion}, and no two of them are neighbours: there is no hop"
        )
    actions = _actions(model, places, lattice)
    kinds = {
        i: kind
        for kind, group in enumerate(
            orbits(range(len(sites)), lambda i: (int(a.sites[i]) for a in actions))
        )
        for i in group
    }
    scores = _bottlenecks(places, edges, score)
    edges.sort(key=lambda e: (-scores[e], e))  # the best-scored of a group comes first
    groups = orbits(edges, lambda edge: (action.move(edge) for action in actions))
    hops = [
        DistinctHop(
            name=" to ".join(sites[i].above for i in group[0][:2]),
            edges=tuple(group),
            bottleneck=scores[group[0]],
            distance=float(np.linalg.norm(_vector(group[0], places) @ lattice)),
        )
        for group in groups
    ]
    return HopNetwork(
        sites=tuple(sites), kinds=tuple(kinds[i] for i in range(len(sites))), hops=tuple(hops)
    )


def links(hops: Sequence[DistinctHop], heights: Iterable[float]) -> list[Link]:
    """Return every hop of a network as a link, all equivalent ones with the same height."""
    return [
        Link(first=i, second=j, shift=(u, v), height=float(height))
        for hop, height in zip(hops, heights, strict=True)
        for i, j, u, v in hop.edges
    ]


def _minima(candidates: Sequence[Site], score_at: Scorer, lattice: Floats) -> list[Site]:
    """Return the places where the score is highest, the best first, no two of them the same."""

    def climbed(site: Site) -> Site:
        """Return the site moved along the plane to the nearest place with the highest score."""
        place, score, step = np.array(site.frac_coords[:2]), site.score, _FIRST_STEP
        while step > _LAST_STEP:
            around = place + step * _HEXAGON @ np.linalg.inv(lattice)
            scores = score_at(around)
            if scores.max() > score + _SAME_SCORE:
                place, score = around[scores.argmax()], float(scores.max())
            else:
                step /= 2
        return replace(site, frac_coords=(*place.tolist(), site.frac_coords[2]), score=score)

    kept: list[Site] = []
    for site in sorted(map(climbed, candidates), key=lambda site: -round(site.score, 2)):
        if all(_apart(site, other, lattice) > SHORTEST_HOP for other in kept):
            kept.append(site)
    return kept


def _apart(first: Site, second: Site, lattice: Floats) -> float:
    """Return the shortest distance along the plane, in Angstrom."""
    images = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    difference = np.subtract(first.frac_coords[:2], second.frac_coords[:2])
    difference -= np.round(difference)
    return float(np.linalg.norm((difference + images) @ lattice, axis=1).min())


def _neighbours(places: Floats, lattice: Floats) -> list[Edge]:
    """Return the edges of the Gabriel graph of places in the periodic plane, each once."""
    images = np.array([[i, j] for i in range(-2, 3) for j in range(-2, 3)])
    every = ((places[:, None] + images[None]) @ lattice).reshape(-1, 2)
    edges = set()
    for i, start in enumerate(places @ lattice):
        middles, lengths = (every + start) / 2, np.linalg.norm(every - start, axis=1)
        away = np.linalg.norm(every[None] - middles[:, None], axis=2)
        # The two ends lie on the circle themselves; so may others, and then none is nearer.
        inside = (away < lengths[:, None] / 2 + _ON_CIRCLE).sum(axis=1)
        for k in np.flatnonzero((lengths > 1e-6) & (inside == 2)).tolist():
            u, v = images[k % len(images)].tolist()
            edges.add(_one_way((i, k // len(images), u, v)))
    return sorted(edges)


def _one_way(edge: Edge) -> Edge:
    """Return an edge in the one of its two directions that sorts first."""
    i, j, u, v = edge
    return min(edge, (j, i, -u, -v))


class _Action(NamedTuple):
    """What a symmetry operation of the layer does to the sites."""

    rotation: NDArray[np.int64]  # (2, 2) in fractional coordinates
    sites: NDArray[np.int64]  # where each site goes ...
    cells: NDArray[np.int64]  # (n, 2) ... and into which cell

    def move(self, edge: Edge) -> Edge:
        """Return where the operation puts an edge."""
        i, j, *cell = edge
        u, v = (self.rotation @ cell + self.cells[j] - self.cells[i]).tolist()
        return _one_way((int(self.sites[i]), int(self.sites[j]), u, v))


def _actions(model: Model, places: Floats, lattice: Floats) -> list[_Action]:
    """Return what the layer's symmetry operations do to the sites of one of its faces."""
    layer = isolate_layer(model, "top") if model.bottom else model.structure
    found = []
    for rotation, shift in zip(*symmetry_operations(layer), strict=True):
        if rotation[2, 2] != 1 or abs(shift[2] - round(shift[2])) > 1e-3:
            continue  # it turns the layer over
        difference = (places @ rotation[:2, :2].T + shift[:2])[:, None] - places[None]
        cells = np.round(difference).astype(int)
        away = np.linalg.norm((difference - cells) @ lattice, axis=2)
        sites = away.argmin(axis=1)
        if away.min(axis=1).max() < _SAME_PLACE and len(set(sites.tolist())) == len(sites):
            found.append(_Action(rotation[:2, :2], sites, cells[np.arange(len(sites)), sites]))
    return found


def _bottlenecks(places: Floats, edges: Sequence[Edge], score_at: Scorer) -> dict[Edge, float]:
    """Return the lowest contact score on the straight way of every edge."""
    found = {}
    for edge in edges:
        way = places[edge[0]] + np.linspace(0, 1, _STEPS)[:, None] * _vector(edge, places)
        found[edge] = round(float(score_at(way).min()), 3)
    return found


def _vector(edge: Edge, places: Floats) -> Floats:
    """Return the way of an edge in fractional coordinates of the plane."""
    i, j, u, v = edge
    way: Floats = places[j] + (u, v) - places[i]
    return way
